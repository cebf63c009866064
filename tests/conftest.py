"""What every test may use."""

from __future__ import annotations

from tests.fixtures_git import bare_repository, git_server
from tests.fixtures_gitea import gitea
from tests.fixtures_github import github, github_server
from tests.fixtures_gitlab import gitlab, gitlab_server

__all__ = ["bare_repository", "git_server", "gitea", "github", "github_server", "gitlab", "gitlab_server"]
