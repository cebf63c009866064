"""Fixtures for tests on the fake GitHub; `tests/conftest.py` makes them known everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.github.server import GENERAL, KNOWN, GithubServer
from tests.openapi import Description
from tests.required import required

__all__ = ["github", "github_server"]


@pytest.fixture(scope="session")
def github_server() -> Iterator[GithubServer]:
    """One for all tests; each takes a new repository of it."""
    with GithubServer(Description.of(required("github-api"), general=GENERAL, known=KNOWN)) as server:
        yield server


@pytest.fixture
def github(github_server: GithubServer) -> Iterator[GithubServer]:
    """The fake, for one test; fails it where a request or an answer is not as GitHub describes its API."""
    github_server.undescribed.clear()
    yield github_server
    assert [] == github_server.undescribed
