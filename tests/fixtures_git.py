"""Fixtures for tests that need a real Git remote; `tests/conftest.py` makes them known everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitslo.testing.git_server import BareRepository, GitServer

__all__ = ["bare_repository", "git_server"]


@pytest.fixture
def bare_repository(tmp_path: Path) -> BareRepository:
    """An empty bare repository; its branch `main` is born with the first commit."""
    return BareRepository.create(tmp_path / "remotes" / "shop.git")


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[GitServer]:
    """Serves `tmp_path/remotes` over HTTP, and with it `bare_repository` as `shop.git`."""
    with GitServer(tmp_path / "remotes") as server:
        yield server
