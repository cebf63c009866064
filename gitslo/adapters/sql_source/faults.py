"""What a database's error tells us to do: try again, or let a person mend something.

Called by `source`, with the driver's own exception. What must stay true: the words of an error are shown only where
they are about the statement or the rights, because others quote the data; nothing of the DSN that the statement does
not say itself is in them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gitslo.core.escape import plain, short

__all__ = ["Fault", "fault_of", "without"]

_WORDS = 300

_PG_RETRY = ("08", "40", "53", "55", "57", "58")
"""Classes: connection, rollback, resources, state, an operator's intervention (time-outs too), system."""
_PG_SHOWN = ("0A", "25", "28", "3D", "3F", "42", "54")
"""Classes that speak of the statement and of rights, never of values."""
_PG_TIMEOUT = "57014"
_PG_FATAL = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry"
    r"|(?:role|database) \"[^\"]*\" does not exist|permission denied|certificate|does not support SSL|sslmode",
    re.IGNORECASE,
)
"""libpq tells no code of a connection that failed; in another language it is tried again."""

_MY_RETRY = frozenset(
    {1040, 1053, 1077, 1078, 1079, 1080, 1129, 1135, 1152, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1213, 1226, 1317}
    | {1021, 1037, 1038, 1041, 1927, 1969, 3024, 3168, 4031}
)
_MY_CLIENT = range(2000, 3000)
"""Errors of the client's own: no connection, a lost one."""
_MY_TIMEOUT = frozenset({1969, 3024})
_MY_SHOWN = frozenset(
    {1044, 1045, 1046, 1049, 1051, 1052, 1054, 1055, 1056, 1060, 1064, 1103, 1109, 1111, 1115, 1140, 1142, 1143, 1146}
    | {1222, 1227, 1235, 1241, 1242, 1247, 1248, 1290, 1305, 1356, 1370, 1582, 1584, 1630, 1698, 1792, 1820}
)

_LITE_RETRY = frozenset({5, 6, 7, 9, 10, 13, 15})
"""Busy, locked, no memory, interrupted, input or output, full, protocol. Not that the schema changed: a name that is in
no schema may say so, and one that did is asked again by SQLite itself."""
_LITE_TIMEOUT = 9


@dataclass(frozen=True, slots=True)
class Fault:
    """What it means.

    Attributes:
        retry: it may go well another time.
        text: for people; empty where the words are not ours to show.
        hint: as in `Problem`.
        timeout: the statement ran into its time-out.
    """

    retry: bool
    text: str
    hint: str = ""
    timeout: bool = False


def fault_of(driver: str, error: BaseException, *, lost: bool) -> Fault:
    """Read a driver's exception.

    Args:
        driver: SQLAlchemy's name of it.
        error: what it raised.
        lost: whether the connection is known to be gone.
    """
    match driver:
        case "psycopg" | "psycopg2":
            return _postgresql(error)
        case "pymysql" | "mysqldb":
            return _mysql(error)
        case "pysqlite":
            return _sqlite(error)
        case _:
            name = type(error).__name__
            retry = lost or name in {"OperationalError", "InterfaceError", "InternalError"}
            return Fault(retry, f"error {name} of the driver {driver}")


def without(text: str, secrets: Iterable[str], words: Collection[str], said: str) -> str:
    """`text` on one line, without secrets, and without those words that `said` does not hold."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    for word in words:
        whole = rf"(?<![\w.-]){re.escape(word)}(?![\w-])"
        if word and re.search(whole, said) is None:
            text = re.sub(whole, "***", text)
    return short(plain(text), _WORDS)


def _postgresql(error: BaseException) -> Fault:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    said = str(error)
    if not isinstance(state, str):
        # Either a connection that was lost or refused, or the driver's own complaint.
        if _PG_FATAL.search(said):
            return Fault(retry=False, text=said)
        return Fault(
            retry=type(error).__name__ in {"OperationalError", "ConnectionTimeout", "InternalError"}, text=said
        )
    shown = state[:2] in _PG_SHOWN
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    text = f"{primary} ({state})" if shown and primary else f"error {state} ({_spoken(type(error).__name__)})"
    hint = "guard a division: bad / nullif(total, 0)" if state == "22012" else ""
    return Fault(state[:2] in _PG_RETRY, text, hint, timeout=state == _PG_TIMEOUT)


def _mysql(error: BaseException) -> Fault:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[1]) if len(error.args) > 1 else ""
    retry = code in _MY_RETRY or code in _MY_CLIENT or not code
    shown = code in _MY_SHOWN or code in _MY_CLIENT
    text = f"{said} ({code})" if shown and said else f"error {code}" if code else _spoken(type(error).__name__)
    return Fault(retry, text, timeout=code in _MY_TIMEOUT)


def _sqlite(error: BaseException) -> Fault:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else 0
    return Fault(primary in _LITE_RETRY, str(error), timeout=primary == _LITE_TIMEOUT)


def _spoken(name: str) -> str:
    """`DivisionByZero` as `division by zero`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
