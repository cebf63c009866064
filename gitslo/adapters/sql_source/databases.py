"""What is different from one database to the next: how a connection is bounded, and how a transaction reads only.

Called by `source`. What must stay true: every statement here is constant text and numbers of our own. A database that
has no read-only transaction is still rolled back, and is given statements that begin like a question only; what else
its user may do is the operator's to limit.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from gitslo.model import ByteCount, Seconds

__all__ = ["backslash", "connect_arguments", "open_sqlite", "opening", "unbounded_kinds"]

_MYSQL = ("mysql", "mariadb")
_SLACK = 1.0
"""Seconds by which our own time-outs come after the server's, which says more."""
_LEAST_CONNECT = 2
_LEAST_LENGTH = 1024**2
"""Bytes of one value: statements have to fit, too."""
_STEPS = 1000
"""Of SQLite's machine between two looks at the clock: well below a millisecond."""


def backslash(dialect: str) -> bool:
    """Whether a backslash in a literal takes the next character's meaning away."""
    return dialect in _MYSQL


def connect_arguments(driver: str, timeout: Seconds) -> dict[str, object]:
    """What bounds a connection on our side, as this driver calls it; empty for a driver that is not known here."""
    whole = max(_LEAST_CONNECT, math.ceil(timeout))
    match driver:
        case "psycopg" | "psycopg2":
            # A peer that is gone without a word is noticed by the kernel; one that only hangs, by `SqlSource`.
            arguments: dict[str, object] = {
                "connect_timeout": whole,
                "tcp_user_timeout": math.ceil(timeout * 1000),
                "keepalives_idle": whole,
                "keepalives_interval": whole,
                "keepalives_count": 1,
                "application_name": "gitslo",
            }
            # A statement that is prepared after five times would not find itself again behind PgBouncer.
            return arguments | ({"prepare_threshold": None} if driver == "psycopg" else {})
        case "pymysql":
            bound = timeout + _SLACK
            return {"connect_timeout": bound, "read_timeout": bound, "write_timeout": bound, "local_infile": False}
        case "mysqldb":
            bound = whole + 1
            return {"connect_timeout": bound, "read_timeout": bound, "write_timeout": bound, "multi_statements": False}
        case _:
            return {}


def opening(dialect: str, *, mariadb: bool, timeout: Seconds, rows: int) -> tuple[str, ...]:
    """What begins a read-only transaction whose statements end after `timeout`, with times in UTC.

    One row more than `rows` may come, so that it is seen that there are more; only MySQL is told, whose client has to
    read what it was sent before it can close.
    """
    milliseconds = max(1, math.ceil(timeout * 1000))
    if dialect == "postgresql":
        return (
            "SET TRANSACTION READ ONLY",
            f"SET LOCAL statement_timeout = {milliseconds}",
            f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}",
            "SET LOCAL TIME ZONE 'UTC'",
        )
    if dialect in _MYSQL:
        limit = (
            f"SET SESSION max_statement_time = {milliseconds / 1000:.3f}"
            if mariadb
            else f"SET SESSION max_execution_time = {milliseconds}"
        )
        return (
            limit,
            f"SET SESSION sql_select_limit = {rows + 1}",
            "SET SESSION time_zone = '+00:00'",
            "START TRANSACTION READ ONLY",
        )
    if dialect == "sqlite":
        return ("PRAGMA query_only = ON", "BEGIN")
    if dialect == "oracle":
        return ("SET TRANSACTION READ ONLY",)
    return ()


def unbounded_kinds(driver: str) -> Mapping[int, str]:
    """Kinds of columns whose values can be of any size, by the driver's number: none of them is a number or a time."""
    match driver:
        case "psycopg" | "psycopg2":
            return {17: "bytea", 25: "text", 114: "json", 1042: "char", 1043: "varchar", 3802: "jsonb", 142: "xml"}
        case "pymysql" | "mysqldb":
            blobs = dict.fromkeys((249, 250, 251, 252), "text or blob")
            return blobs | {15: "varchar", 245: "json", 253: "varchar", 254: "char"}
        case _:
            return {}


def open_sqlite(database: str, timeout: Seconds, cap: ByteCount, late: Callable[[], bool]) -> sqlite3.Connection:
    """A file, for reading, whose values have about `cap` bytes at most, and whose statements end when it is `late`.

    Raises:
        sqlite3.Error: there is no such file, or it is no database.
    """
    # Path.as_uri wants an absolute path, and a relative one is the operator's to choose.
    uri = f"file:{quote(str(Path(database)))}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=timeout, check_same_thread=False)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max(cap, _LEAST_LENGTH))
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_progress_handler(late, _STEPS)
    return connection
