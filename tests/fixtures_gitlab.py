"""A fixture for tests on the fake GitLab; `tests/conftest.py` makes it known everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitlab_server import GitlabServer

__all__ = ["gitlab", "gitlab_server"]


@pytest.fixture(scope="session")
def gitlab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitlabServer]:
    """One for all tests, in a folder of its host."""
    folder: Path = tmp_path_factory.mktemp("gitlab")
    with GitlabServer(folder, root="/git/lab") as server:
        yield server


@pytest.fixture
def gitlab(gitlab_server: GitlabServer) -> Iterator[GitlabServer]:
    """The fake, for one test; fails it where a request or an answer is not as GitLab describes its API."""
    gitlab_server.undescribed.clear()
    yield gitlab_server
    assert [] == gitlab_server.undescribed
