"""A fixture for tests that need a real forge; `tests/conftest.py` makes it known everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.gitea_server import GiteaServer
from tests.required import required

__all__ = ["gitea"]


@pytest.fixture(scope="session")
def gitea() -> Iterator[GiteaServer]:
    """One Gitea for all tests; each test takes a new repository of it."""
    with GiteaServer(required("gitea")) as server:
        yield server
