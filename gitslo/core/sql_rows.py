"""What the rows of a database mean: counts, one number, or the last one of a series.

Called by the SQL source. What must stay true: NULL, NaN, infinities and no row are "not known", never zero; a result of
another shape is refused, and the refusal names columns and kinds, never a value: it is read in places that the rows'
owners do not know of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

from gitslo.core.escape import plain, short
from gitslo.errors import Problem, Refused
from gitslo.ports import Span, WindowCounts

__all__ = ["Reading", "Table", "gauge", "ratio"]

_RATIO = ("bad", "total")
_SERIES = ("time", "value")
_LARGEST = 2**63
"""Counts above are none."""
_DIGITS = 400
"""Of a decimal: more than any float has."""
_NAME = 60
_FEW = 8
_MILLISECONDS = 1e11
"""Seconds of the year 5138: what is larger was meant in a smaller unit."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a statement gave.

    Attributes:
        columns: their names, in lower case.
        rows: values as the driver gives them.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Reading:
    """What it means for one window: the value, or None and why it is not known."""

    value: WindowCounts | float | None
    note: str = ""


def ratio(table: Table) -> Reading:
    """One row with whole numbers `bad` and `total`.

    Raises:
        Refused: it is something else.
    """
    if sorted(table.columns) != sorted(_RATIO):
        raise _refused("one row with the columns `bad` and `total`", table.columns)
    if not table.rows:
        return Reading(None, "the statement gave no row")
    if len(table.rows) > 1:
        raise Refused(Problem("expected one row with `bad` and `total`, found more", hint="add them up: sum(...)"))
    by_name = dict(zip(table.columns, table.rows[0], strict=True))
    counts: list[int] = []
    for name in _RATIO:
        found = _number(name, by_name[name])
        if found is None:
            return Reading(None, f"`{name}` is {_nothing(by_name[name])}")
        if found.denominator != 1:
            raise Refused(Problem(f"`{name}` is no whole number", hint="count rows: count(*), sum(case ...)"))
        if found < 0:
            raise Refused(Problem(f"`{name}` is negative; expected a count"))
        if found >= _LARGEST:
            raise Refused(Problem(f"`{name}` is too large for a count"))
        counts.append(int(found))
    bad, total = counts
    if bad > total:
        raise Refused(Problem("`bad` is more than `total`", hint="`total` counts all events, bad ones too"))
    return Reading(WindowCounts(total, (bad,), (bad,)))


def gauge(table: Table, window: Span) -> Reading:
    """One row with one number, or rows of `time` and `value`, of which the last one within the window counts.

    A row at the window's start or its very end is within it: which of the two it takes, the statement says. Times are
    timestamps (without a time zone: UTC), texts in ISO 8601, or seconds since the Unix epoch.

    Raises:
        Refused: it is something else.
    """
    if sorted(table.columns) == sorted(_SERIES):
        return _last(table, window)
    if len(table.columns) != 1:
        raise _refused("one row with one number, or rows with the columns `time` and `value`", table.columns)
    if not table.rows:
        return Reading(None, "the statement gave no row")
    if len(table.rows) > 1:
        hint = "a series has the columns `time` and `value`; one number for the window is e.g. avg(...)"
        raise Refused(Problem("expected one row with one number, found more", hint=hint))
    return _value(table.columns[0], table.rows[0][0])


def _last(table: Table, window: Span) -> Reading:
    if not table.rows:
        return Reading(None, "the statement gave no row")
    time, value = (table.columns.index(name) for name in _SERIES)
    start, end = window
    newest: tuple[float, object] | None = None
    for row in table.rows:
        at = _moment(row[time])
        if at is None or not start <= at <= end:
            continue
        if newest is not None and at == newest[0] and row[value] != newest[1]:
            hint = "group by `time`, so that one number stands for all series"
            raise Refused(Problem("two rows have the same `time` and another `value`", hint=hint))
        if newest is None or at > newest[0]:
            newest = (at, row[value])
    if newest is None:
        return Reading(None, "no row has a `time` within the window")
    return _value("value", newest[1])


def _value(column: str, found: object) -> Reading:
    number = _number(column, found)
    try:
        value = None if number is None else float(number)
    except OverflowError:
        return Reading(None, f"`{column}` is too large for a number")
    return Reading(None, f"`{column}` is {_nothing(found)}") if value is None else Reading(value)


def _number(column: str, found: object) -> Fraction | None:
    """The number, exactly; None where there is none.

    Raises:
        Refused: it is no number.
    """
    match found:
        case None:
            return None
        case bool():
            raise Refused(
                Problem(f"`{column}` is true or false; expected a number", hint="e.g. count(*), sum(case ...)")
            )
        case int():
            return Fraction(found)
        case float():
            return Fraction(found) if math.isfinite(found) else None
        case Decimal():
            # A power of ten of any size fits into a few bytes of a decimal, and into no memory as a whole number.
            if found.is_finite() and found.adjusted() < -_DIGITS:
                return Fraction(0)
            if found.is_finite() and found.adjusted() > _DIGITS:
                raise Refused(Problem(f"`{column}` is too large for a number"))
            return Fraction(found) if found.is_finite() else None
        case _:
            raise Refused(Problem(f"`{column}` is {_kind(found)}; expected a number"))


def _moment(found: object) -> float | None:
    match found:
        case None:
            return None
        case datetime():
            # Arithmetic instead of timestamp(): years that the system's calendar does not know stay numbers.
            aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found
            return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
        case str():
            try:
                return _moment(datetime.fromisoformat(found))
            except ValueError:
                hint = "ISO 8601, e.g. 2026-01-31 12:00:00, is read as UTC"
                raise Refused(Problem("`time` is a text that is no time", hint=hint)) from None
        case _:
            pass
    if isinstance(found, date):
        raise Refused(Problem("`time` is a date; expected a time", hint="every row of a day would have the same one"))
    seconds = _number("time", found)
    if seconds is not None and abs(seconds) >= _MILLISECONDS:
        raise Refused(Problem("`time` is too large for seconds since 1970", hint="divide milliseconds by 1000.0"))
    return None if seconds is None else float(seconds)


_KINDS: Mapping[type, str] = {str: "a text", bytes: "bytes", datetime: "a time", date: "a date", dict: "a document"}


def _kind(found: object) -> str:
    return _KINDS.get(type(found), "of another kind")


def _nothing(found: object) -> str:
    match found:
        case Decimal():
            return "NaN" if found.is_nan() else "infinite"
        case float():
            return "NaN" if math.isnan(found) else "infinite"
        case _:
            return "NULL"


def _refused(expected: str, columns: tuple[str, ...]) -> Refused:
    found = ", ".join(f"`{short(plain(name), _NAME)}`" for name in columns[:_FEW]) or "none"
    return Refused(Problem(f"expected {expected}, found the columns {found}", hint="name them with AS"))
