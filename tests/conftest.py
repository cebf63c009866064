"""What every test may use."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.fixtures_git import bare_repository, git_server
from tests.fixtures_gitea import gitea
from tests.fixtures_github import github, github_server
from tests.fixtures_gitlab import gitlab, gitlab_server

__all__ = ["bare_repository", "git_server", "gitea", "github", "github_server", "gitlab", "gitlab_server"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Watched line by line our own code is four times as slow: `heavy` tests are not.

    pytest-cov's own mark for this does nothing in the processes of pytest-xdist: each of them has two watchers, and
    where one pauses the other goes on.
    """
    watcher = sys.gettrace() if item.get_closest_marker("heavy") else None
    if watcher is None:
        return (yield)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(watcher)
