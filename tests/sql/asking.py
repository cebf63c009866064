"""What the tests of this folder ask, and the rows that answer."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.adapters.sql_source import SqlSource
from gitslo.model import MetricForm, MetricSection, Seconds
from gitslo.ports import MetricAnswer, MetricQuestion, Span
from tests.sql.servers import Database

BASE = 1767225600.0
"""2026-01-01 00:00:00 UTC."""
WINDOWS: tuple[Span, ...] = ((BASE, BASE + 15), (BASE + 15, BASE + 30))
VARIABLES = {"environment": "shop/staging", "service": "shop", "stage": "staging", "revision": "a" * 40}
RATIO = """
    select sum(case when ok then 0 else 1 end) as bad, count(*) as total from requests
    where at >= :start and at < :end and service = :service
"""


def source(dsn: str | Callable[[], str], **limits) -> SqlSource:
    return SqlSource(dsn if callable(dsn) else lambda: dsn, every=Seconds(15.0), **limits)


def ratio(sql: str, *windows: Span, variables=None) -> MetricQuestion:
    section = MetricSection("errors", "orders-db", MetricForm.RATIO, {"rows": sql}, sql=True)
    return MetricQuestion(section, windows or WINDOWS, variables=VARIABLES if variables is None else variables)


def gauge(sql: str, *windows: Span) -> MetricQuestion:
    section = MetricSection("depth", "orders-db", MetricForm.GAUGE, {"value": sql}, sql=True)
    return MetricQuestion(section, windows or WINDOWS, variables=VARIABLES)


def ask(database: Database, question: MetricQuestion, **limits) -> MetricAnswer:
    return source(database.dsn, **limits).measure(question)


def fill(database: Database) -> None:
    """A minute of requests, one a second, each tenth bad; and every five seconds a depth of 1.5 times the second."""
    stamps = [f"2026-01-01 00:00:{second:02d}" for second in range(60)]
    zone = "+00" if database.name == "postgresql" else ""
    database.run(
        (
            "insert into requests values (%s, %s, %s, %s)",
            [(stamp + zone, stamp, at % 10 != 0, "shop") for at, stamp in enumerate(stamps)],
        ),
        (
            "insert into queue values (%s, %s, %s)",
            [(stamp + zone, BASE + at, at * 1.5) for at, stamp in enumerate(stamps) if at % 5 == 0],
        ),
    )
