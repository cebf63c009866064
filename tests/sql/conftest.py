"""One of each database for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sql import servers
from tests.sql.servers import Database


@pytest.fixture(scope="session")
def sqlite() -> Iterator[Database]:
    with servers.sqlite() as database:
        yield database


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Database]:
    with servers.postgresql() as database:
        yield database


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Database]:
    with servers.mariadb() as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def database(request) -> Database:
    """Each of them, with empty tables."""
    found = request.getfixturevalue(request.param)
    found.run("delete from requests", "delete from queue", "delete from private")
    return found


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request) -> Database:
    """Each of those that are servers."""
    return request.getfixturevalue(request.param)
