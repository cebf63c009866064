"""A database keeps the promises of every metric source, and no lie of one becomes a value."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from gitslo.model import MetricForm, Seconds
from gitslo.ports import MetricAnswer, MetricQuestion
from gitslo.testing.metrics_contract import METRICS_CONTRACT, Lie, no_lie_becomes_a_value
from tests.sql.asking import BASE, fill, gauge, source
from tests.sql.servers import Database

SHIFTED = {
    "postgresql": "update queue set at = at + interval '{} minutes'",
    "mariadb": "update queue set at = date_add(at, interval {} minute)",
    "sqlite": "update queue set at = datetime(at, '{} minutes')",
}
HASH = {
    "postgresql": ("alter role reader password 'another'", "alter role reader password '{}'"),
    "mariadb": ("set password for reader = password('another')", "set password for reader = password('{}')"),
}
NO_NUMBER = dict.fromkeys(SHIFTED, "update queue set depth = null") | {
    "postgresql": "update queue set depth = 'NaN'",
}
RENAMED = ("alter table queue rename to line", "alter table line rename to queue")
TIMEOUT = 30.0
WINDOWS = tuple((BASE + start, BASE + start + 15) for start in (0, 15, 30))


class SqlWorld:
    """The gauge of a database, and the lies that a database can tell."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dsn = database.dsn
        self._cap = 8192
        self._undo: list[Callable[[], object]] = []
        self.timeout = TIMEOUT
        self.secret = database.password
        self.question = gauge("select at as time, depth as value from queue where at < :end", *WINDOWS)
        self.truth = MetricAnswer((15.0, 37.5, 60.0))

    def source(self):
        return source(lambda: self._dsn, timeout=Seconds(self.timeout), cap=self._cap)

    def foreign(self) -> MetricQuestion:
        return replace(self.question, section=replace(self.question.section, form=MetricForm.HISTOGRAM), limits=(1.0,))

    def tell(self, lie: Lie) -> bool:
        database = self._database
        match lie:
            case Lie.EMPTY:
                database.run("delete from queue")
            case Lie.NO_NUMBER:
                database.run(NO_NUMBER[database.name])
            case Lie.STALE | Lie.AHEAD | Lie.BEHIND:
                minutes = {Lie.STALE: -600, Lie.AHEAD: 10, Lie.BEHIND: -10}[lie]
                database.run(SHIFTED[database.name].format(minutes))
            case Lie.REFUSED:
                database.run(RENAMED[0])
                self._undo.append(lambda: database.run(RENAMED[1]))
            case Lie.TOO_LARGE:
                self._cap = 50
            case Lie.GONE if database.pid:
                self._dsn = self._dsn.replace(f":{database.place}", ":1")
            case Lie.NOT_LET_IN if database.pid:
                there, back = HASH[database.name]
                database.run(there)
                self._undo.append(lambda: database.run(back.format(database.password)))
            case Lie.SLOW if database.pid:
                self.timeout = 1.0
                os.kill(database.pid, signal.SIGSTOP)
                self._undo.append(lambda: os.kill(database.pid, signal.SIGCONT))
            case _:
                return False
        return True

    def elsewhere(self) -> int:
        return 0

    def close(self) -> None:
        for undo in reversed(self._undo):
            undo()


@pytest.fixture
def world(database) -> Iterator[SqlWorld]:
    fill(database)
    found = SqlWorld(database)
    yield found
    found.close()


@pytest.mark.parametrize("check", METRICS_CONTRACT, ids=lambda check: check.__name__)
def test_a_database_keeps_the_promises(world, check) -> None:
    """As every source."""
    check(world)


@pytest.mark.parametrize("lie", Lie)
def test_no_lie_of_a_database_becomes_a_value(world, lie) -> None:
    """Empty, no numbers, stale, skewed, too large, hanging: not known, refused or tried again, and never a value."""
    if world.tell(lie):
        no_lie_becomes_a_value(world, lie)
