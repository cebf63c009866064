"""A metric source that is a database.

The one file that imports SQLAlchemy. What must stay true:

* Nothing is written: one statement that begins like a question, in a read-only transaction, which is always rolled
  back. What the database's functions can do beyond that, its user's rights say: the operator gives one that may only
  read.
* A question is over at its time-out, whatever the server or the network do: it is asked in a thread of its own, which
  the caller leaves behind then. Few of them may be under way, so that a database that hangs costs a few threads.
* Values reach the driver as bound parameters and never become part of the text.
* The DSN is read when it is used, so that a rotated password is taken up, and is in no message. Connections live for
  one question: there is none to go stale between two looks that are a quarter of a minute apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import UTC, datetime
from threading import BoundedSemaphore, Lock, Thread
from typing import Any
from urllib.parse import quote, quote_plus

import sqlalchemy
from sqlalchemy import exc

from gitslo.adapters.sql_source.databases import (
    backslash,
    connect_arguments,
    open_sqlite,
    opening,
    unbounded_kinds,
)
from gitslo.adapters.sql_source.faults import Fault, fault_of, without
from gitslo.core.escape import plain
from gitslo.core.figures import count, duration
from gitslo.core.sql_rows import Reading, Table, gauge, ratio
from gitslo.core.sql_statement import SqlStatement, parse
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import ByteCount, MetricForm, MetricSection, Seconds
from gitslo.ports import MetricAnswer, MetricQuestion, Span

__all__ = ["SqlSource"]

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
"""What a DSN that names no driver means: those that are extras of this package."""
_EXTRAS = {"psycopg": "postgresql", "pymysql": "mysql"}
_TIMEOUT = Seconds(10.0)
_STATEMENT_TIMEOUT = Seconds(5.0)
_CAP = ByteCount(8 * 1024**2)
_BATCH = 100
"""Rows that are in memory before their size is known."""
_FIXED = 16
"""Bytes that a number or a time counts for."""
_STREAMED = {"stream_results": True, "max_row_buffer": _BATCH}
"""Rows come as they are read, and not all at once, where the driver can."""


class SqlSource:
    """Asks one database. Safe to be asked from several threads at once."""

    def __init__(
        self,
        dsn: Callable[[], str],
        *,
        every: Seconds,
        timeout: Seconds = _TIMEOUT,
        statement_timeout: Seconds = _STATEMENT_TIMEOUT,
        rows: int = 10_000,
        cap: ByteCount = _CAP,
        connections: int = 4,
    ) -> None:
        """Bind where the database is and what a question may cost.

        Args:
            dsn: gives the SQLAlchemy URL, e.g. `postgresql://gitslo:...@db.example.com/orders`; called per question.
            every: the shortest window that makes sense.
            timeout: seconds for a whole question, all its windows together.
            statement_timeout: seconds after which the server ends a statement.
            rows: so many rows a statement may give.
            cap: bytes of a statement's rows.
            connections: open ones at a time.
        """
        self._dsn = dsn
        self._every = every
        self._timeout = timeout
        self._statement_timeout = min(statement_timeout, timeout)
        self._rows = rows
        self._cap = cap
        self._connections = connections
        self._free = BoundedSemaphore(connections)

    @property
    def every(self) -> Seconds:
        """As configured."""
        return self._every

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        """Ask for each window by itself, in one transaction.

        Raises:
            Refused: the metric is no SQL, the statement or what it gives is not what is expected, or the database does
                not let us in.
            Retry: no connection, a time-out, or too much at once.
        """
        began = time.monotonic()
        text = _text_of(question.section)
        url = _url_of(self._dsn())
        statement = parse(text, backslash=backslash(url.get_backend_name()))
        _check_variables(statement, question.variables)
        if not self._free.acquire(timeout=self._timeout):
            raise Retry(f"{self._connections} earlier questions to the database have not ended yet")
        call = _Call(url, statement, question, self, began + self._timeout)
        answer = Future[MetricAnswer]()
        Thread(target=self._run, args=(call, answer), name="sql-source", daemon=True).start()
        try:
            return answer.result(max(0.0, began + self._timeout - time.monotonic()))
        except TimeoutError:
            call.abandon()
            raise Retry(f"no whole answer of the database within {duration(self._timeout)}") from None

    def _run(self, call: _Call, answer: Future[MetricAnswer]) -> None:
        try:
            answer.set_result(call.ask())
        except BaseException as error:  # noqa: BLE001 - it is the caller's, who waits for it
            answer.set_exception(error)
        finally:
            self._free.release()

    @property
    def limits(self) -> tuple[Seconds, Seconds, int, ByteCount]:
        """Seconds for a question and for a statement, rows and bytes of a statement."""
        return self._timeout, self._statement_timeout, self._rows, self._cap


class _Call:
    """One question, in the thread that asks it."""

    def __init__(
        self, url: sqlalchemy.URL, statement: SqlStatement, question: MetricQuestion, source: SqlSource, ends: float
    ) -> None:
        self._url = url
        self._statement = statement
        self._question = question
        self._timeout, self._statement_timeout, self._rows, self._cap = source.limits
        self._ends = ends
        self._statement_ends = ends
        self._raw: Any = None
        self._cursors: list[Any] = []
        self._abandoned = False
        self._lock = Lock()

    def ask(self) -> MetricAnswer:
        """The answer; raises as `SqlSource.measure`."""
        engine = self._engine()
        try:
            return self._asked(engine)
        except exc.DBAPIError as error:
            fault = fault_of(engine.driver, error.orig or error, lost=error.connection_invalidated)
            raise self._told(fault) from None
        except exc.SQLAlchemyError as error:
            raise Refused(f"SQLAlchemy cannot ask this: {type(error).__name__}") from None
        except (Refused, Retry):
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise anything, and their words may hold the DSN
            raise Retry(f"the database's driver failed: {type(error).__name__}") from None

    def abandon(self) -> None:
        """Nobody waits any longer: end it, where the driver allows that from outside."""
        with self._lock:
            self._abandoned = True
            raw = self._raw
        if raw is not None and self._url.get_driver_name() == "psycopg":
            # Its time-outs are the server's, and a server that hangs keeps none; others have one on their socket.
            raw.close()

    def _engine(self) -> sqlalchemy.Engine:
        driver = self._url.get_driver_name()
        try:
            if self._url.get_backend_name() == "sqlite" and driver == "pysqlite":
                database = self._url.database or ""
                return sqlalchemy.create_engine(
                    "sqlite://",
                    creator=lambda: open_sqlite(database, self._statement_timeout, self._cap, self._late),
                    poolclass=sqlalchemy.NullPool,
                )
            arguments = {
                name: value
                for name, value in connect_arguments(driver, self._timeout).items()
                if name not in self._url.query
            }
            engine = sqlalchemy.create_engine(self._url, connect_args=arguments, poolclass=sqlalchemy.NullPool)
        except ImportError:
            extra = _EXTRAS.get(driver)
            hint = f"pip install 'gitslo[{extra}]'" if extra else "install it beside gitslo"
            raise Refused(Problem(f"the database driver `{plain(driver)}` is not installed", hint=hint)) from None
        except (exc.SQLAlchemyError, TypeError, ValueError) as error:
            raise Refused(f"SQLAlchemy does not take the DSN: {type(error).__name__}") from None
        if engine.dialect.is_async:
            raise Refused(Problem(f"the driver `{plain(driver)}` is asynchronous", hint="name another one in the DSN"))
        return engine

    def _asked(self, engine: sqlalchemy.Engine) -> MetricAnswer:
        sqlalchemy.event.listen(engine, "before_cursor_execute", self._remember)
        sqlalchemy.event.listen(engine, "after_cursor_execute", self._check_kinds)
        try:
            with engine.connect() as connection:  # rolls back and, there being no pool, closes
                return self._answered(connection)
        finally:
            # Where the connection is lost, SQLAlchemy leaves them open, and some drivers complain of that when they go.
            for cursor in self._cursors:
                with suppress(Exception):
                    cursor.close()

    def _answered(self, connection: sqlalchemy.Connection) -> MetricAnswer:
        dialect = connection.dialect
        with self._lock:
            if self._abandoned:
                raise Retry("nobody waits for the answer")
            self._raw = connection.connection.dbapi_connection
        mariadb = bool(getattr(dialect, "is_mariadb", False))
        for command in opening(dialect.name, mariadb=mariadb, timeout=self._statement_timeout, rows=self._rows):
            connection.exec_driver_sql(command)
        readings = [self._reading(connection, window) for window in self._question.windows]
        notes = tuple(dict.fromkeys(reading.note for reading in readings if reading.note))
        return MetricAnswer(tuple(reading.value for reading in readings), notes)

    def _reading(self, connection: sqlalchemy.Connection, window: Span) -> Reading:
        now = time.monotonic()
        if now >= self._ends:
            raise Retry(f"no whole answer of the database within {duration(self._timeout)}")
        self._statement_ends = min(self._ends, now + self._statement_timeout)
        values = _values(self._statement, window, self._question.variables, connection.dialect.name)
        with connection.execute(_clause(self._statement), values, execution_options=_STREAMED) as result:
            if not result.returns_rows:
                raise Refused("the statement gives no rows")
            table = Table(tuple(map(str.lower, result.keys())), list(self._rows_of(result)))
        return ratio(table) if self._question.section.form is MetricForm.RATIO else gauge(table, window)

    def _rows_of(self, result: sqlalchemy.CursorResult[Any]) -> Iterator[tuple[object, ...]]:
        size = 0
        for number, row in enumerate(result, 1):
            if number > self._rows:
                hint = "group by a longer time, or aggregate"
                raise Refused(Problem(f"the statement gives more than {count(self._rows)} rows", hint=hint))
            size += sum(len(value) if isinstance(value, str | bytes) else _FIXED for value in row)
            if size > self._cap:
                raise Retry(f"the statement's rows are larger than {count(self._cap)} bytes")
            yield tuple(row)

    def _remember(self, connection: sqlalchemy.Connection, cursor: Any, *rest: object) -> None:
        """An event of SQLAlchemy's, before each statement."""
        del connection, rest
        self._cursors.append(cursor)

    def _check_kinds(
        self,
        connection: sqlalchemy.Connection,
        cursor: Any,
        statement: str,
        parameters: object,
        context: sqlalchemy.ExecutionContext | None,
        executemany: bool,
    ) -> None:
        """Refuse columns of any size before the first row of them is in memory; SQLAlchemy reads that one by itself.

        An event of SQLAlchemy's, after each statement.
        """
        del statement, parameters, executemany
        streamed = context is not None and context.execution_options.get("stream_results", False)
        unbounded = unbounded_kinds(connection.dialect.driver)
        for name, kind, *_ in cursor.description or () if streamed else ():
            if kind in unbounded:
                hint = "e.g. cast(... as numeric)"
                message = f"the column `{plain(str(name))}` is {unbounded[kind]}; expected a number or a time"
                raise Refused(Problem(message, hint=hint))

    def _late(self) -> bool:
        return time.monotonic() > self._statement_ends

    def _told(self, fault: Fault) -> Refused | Retry:
        if fault.timeout:
            return Retry(f"the database ended the statement after {duration(self._statement_timeout)}")
        url = self._url
        hidden = [value for name, value in _query(url) if "pass" in name or "secret" in name or "key" in name]
        password = str(url.password or "")
        secrets = [url.render_as_string(hide_password=False), password, quote(password), quote_plus(password), *hidden]
        words = [
            url.username or "",
            url.host or "",
            str(url.port or ""),
            url.database or "",
            *(value for _, value in _query(url)),
        ]
        said = " ".join(text for text, _ in self._statement.pieces)
        text = without(fault.text, secrets, words, said)
        with self._lock:
            connected = self._raw is not None
        if fault.retry:
            return Retry(f"the database failed: {text}" if connected else f"no connection to the database: {text}")
        what = "the database refuses the statement" if connected else "the database does not let us in"
        return Refused(Problem(f"{what}: {text}", hint=fault.hint))


def _text_of(section: MetricSection) -> str:
    if not section.sql or section.form is MetricForm.HISTOGRAM or len(section.queries) != 1:
        hint = "write `ratio_sql` or `gauge_sql`"
        raise Refused(Problem(f"the source `{section.source}` is a database, and the metric is no SQL", hint=hint))
    return next(iter(section.queries.values()))


def _url_of(dsn: str) -> sqlalchemy.URL:
    try:
        url = sqlalchemy.make_url(dsn.strip())
        # Only now are the parts of it looked at.
        url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
        url.get_driver_name()
    except exc.NoSuchModuleError:
        hint = "install the package that brings it"
        raise Refused(Problem("SQLAlchemy has no dialect of the name with which the DSN begins", hint=hint)) from None
    except (exc.ArgumentError, ValueError, TypeError):
        hint = "e.g. postgresql://USER:PASSWORD@HOST/DATABASE, with %40 for an @ in the password"
        raise Refused(Problem("the DSN is no SQLAlchemy URL", hint=hint)) from None
    if url.get_backend_name() == "sqlite" and (url.database or ":memory:") == ":memory:":
        raise Refused(Problem("the DSN names no file: a database in memory is empty", hint="sqlite:////absolute/path"))
    return url


def _query(url: sqlalchemy.URL) -> list[tuple[str, str]]:
    return [
        (name.lower(), each)
        for name, value in url.query.items()
        for each in ((value,) if isinstance(value, str) else value)
    ]


def _check_variables(statement: SqlStatement, variables: Mapping[str, str]) -> None:
    for name in sorted(statement.parameters):
        if name not in _TIMES and name not in variables:
            raise Refused(Problem(f"`:{name}` has no value here"))


_TIMES = ("start", "end", "start_epoch", "end_epoch")


def _clause(statement: SqlStatement) -> sqlalchemy.TextClause:
    # A colon that is no parameter of ours is escaped, so that SQLAlchemy sees none either.
    return sqlalchemy.text(
        "".join(text.replace(":", "\\:") + (f":{name}" if name else "") for text, name in statement.pieces)
    )


def _values(statement: SqlStatement, window: Span, variables: Mapping[str, str], dialect: str) -> dict[str, object]:
    start, end = window
    values: dict[str, object] = {
        "start": _timestamp(start, dialect),
        "end": _timestamp(end, dialect),
        "start_epoch": int(start) if start == int(start) else start,
        "end_epoch": int(end) if end == int(end) else end,
        **variables,
    }
    return {name: values[name] for name in statement.parameters}


def _timestamp(moment: float, dialect: str) -> object:
    at = datetime.fromtimestamp(moment, UTC)
    # SQLite has no times, and compares texts: this is the form of its own functions, and sorts with longer ones.
    return str(at.replace(tzinfo=None)) if dialect == "sqlite" else at
