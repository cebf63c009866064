"""What every test may use."""

from __future__ import annotations

from tests.fixtures_git import bare_repository, git_server

__all__ = ["bare_repository", "git_server"]
