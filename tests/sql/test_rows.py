from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from gitslo.core.sql_rows import Table, gauge, ratio
from gitslo.errors import Refused
from gitslo.ports import WindowCounts

WINDOW = (1000.0, 1015.0)


def row(bad: object, total: object) -> Table:
    return Table(("bad", "total"), [(bad, total)])


@pytest.mark.parametrize(
    ("table", "bad", "total"),
    [
        (row(3, 1000), 3, 1000),
        (Table(("total", "bad"), [(1000, 3)]), 3, 1000),
        (row(Decimal(3), Decimal("1E+3")), 3, 1000),
        (row(3.0, 1000.0), 3, 1000),
        (row(0, 0), 0, 0),
        (row(7, 7), 7, 7),
        (row(0, 2**63 - 1), 0, 2**63 - 1),
    ],
)
def test_a_row_of_counts(table, bad, total) -> None:
    """Whole numbers of whatever kind, in either order; all that are bad certainly are."""
    assert WindowCounts(total, (bad,), (bad,)) == ratio(table).value


@pytest.mark.parametrize(
    ("table", "note"),
    [
        (Table(("bad", "total"), []), "the statement gave no row"),
        (row(None, 5), "`bad` is NULL"),
        (row(0, None), "`total` is NULL"),
        (row(math.nan, 5), "`bad` is NaN"),
        (row(Decimal("NaN"), 5), "`bad` is NaN"),
        (row(Decimal("sNaN"), 5), "`bad` is NaN"),
        (row(0, math.inf), "`total` is infinite"),
        (row(0, Decimal("-Infinity")), "`total` is infinite"),
    ],
)
def test_counts_that_are_not_known(table, note) -> None:
    """No row, NULL, NaN and infinity are not known, and never zero."""
    assert (None, note) == (ratio(table).value, ratio(table).note)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (Table(("bad",), [(1,)]), "expected one row with the columns `bad` and `total`, found the columns `bad`"),
        (Table(("bad", "total", "card"), [(1, 2, "4111")]), "found the columns `bad`, `total`, `card`"),
        (Table(("bad", "bad"), [(1, 2)]), "found the columns `bad`, `bad`"),
        (Table(("errors", "total"), [(1, 2)]), "found the columns `errors`, `total` (name them with AS)"),
        (Table((), []), "found the columns none"),
        (Table(("bad", "total"), [(1, 2), (1, 2)]), "expected one row with `bad` and `total`, found more"),
        (row("4111", 5), "`bad` is a text; expected a number"),
        (row(b"4111", 5), "`bad` is bytes; expected a number"),
        (row(datetime(2026, 1, 1, tzinfo=UTC), 5), "`bad` is a time; expected a number"),
        (row(timedelta(1), 5), "`bad` is of another kind; expected a number"),
        (row(True, 5), "`bad` is true or false; expected a number"),
        (row(1.5, 5), "`bad` is no whole number"),
        (row(Decimal("0.1"), 5), "`bad` is no whole number"),
        (row(-1, 5), "`bad` is negative"),
        (row(1, -5), "`total` is negative"),
        (row(6, 5), "`bad` is more than `total`"),
        (row(1, 2**63), "`total` is too large for a count"),
        (row(1, Decimal("1E+999999")), "`total` is too large for a number"),
    ],
)
def test_what_is_no_row_of_counts_is_refused(table, expected) -> None:
    """With what was expected and which columns were found; no value is quoted."""
    with pytest.raises(Refused) as refused:
        ratio(table)

    assert expected in str(refused.value)
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize(
    ("found", "value", "note"),
    [
        (3, 3.0, ""),
        (Decimal("1.25"), 1.25, ""),
        (-0.5, -0.5, ""),
        (None, None, "`depth` is NULL"),
        (math.nan, None, "`depth` is NaN"),
        (-math.inf, None, "`depth` is infinite"),
        (10**400, None, "`depth` is too large for a number"),
        (Decimal("1E-999999"), 0.0, ""),
    ],
)
def test_one_number(found, value, note) -> None:
    """One row with one column, whatever its name."""
    reading = gauge(Table(("depth",), [(found,)]), WINDOW)

    assert (value, note) == (reading.value, reading.note)


def series(*rows: tuple[object, object]) -> Table:
    return Table(("time", "value"), rows)


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


@pytest.mark.parametrize(
    ("table", "value", "note"),
    [
        (series((1001, 1), (1014, 2), (1007, 3)), 2.0, ""),
        (series((1000, 1)), 1.0, ""),
        (series((1000, 1), (1015, 2)), 2.0, ""),
        (series((999.9, 1), (1015.1, 2)), None, "no row has a `time` within the window"),
        (series(), None, "the statement gave no row"),
        (series((1001, 1), (1014, None)), None, "`value` is NULL"),
        (series((1001, 1), (None, 2)), 1.0, ""),
        (series((1014, 2), (1014, 2)), 2.0, ""),
        (Table(("value", "time"), [(5, 1001)]), 5.0, ""),
        (series((at(1003), 1), (at(1004).astimezone(timezone(timedelta(hours=9))), 2)), 2.0, ""),
        (series((at(1003).replace(tzinfo=None), 1)), 1.0, ""),
        (series(("1970-01-01 00:16:43", 1), ("1970-01-01T00:16:44Z", 2), ("1970-01-01T02:16:45+02:00", 3)), 3.0, ""),
        (series((Decimal("1003.5"), 1)), 1.0, ""),
        (
            series((datetime.fromisoformat("0001-01-01"), 1), (datetime.fromisoformat("9999-12-31"), 2), (1001, 3)),
            3.0,
            "",
        ),
    ],
)
def test_the_last_of_a_series(table, value, note) -> None:
    """The newest row from the window's start to its end; times without a zone are UTC, numbers seconds since 1970."""
    reading = gauge(table, WINDOW)

    assert (value, note) == (reading.value, reading.note)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (Table(("a", "b"), [(1, 2)]), "one row with one number, or rows with the columns `time` and `value`, found"),
        (Table(("a",), [(1,), (2,)]), "expected one row with one number, found more"),
        (Table(("a",), [("x",)]), "`a` is a text; expected a number"),
        (series((1001, "x")), "`value` is a text; expected a number"),
        (series((1001, 1), (1001, 2)), "two rows have the same `time` and another `value`"),
        (series(("soon", 1)), "`time` is a text that is no time"),
        (series((date(2026, 1, 1), 1)), "`time` is a date; expected a time"),
        (series((True, 1)), "`time` is true or false"),
        (series((1767225600000, 1)), "`time` is too large for seconds since 1970 (divide milliseconds by 1000.0)"),
    ],
)
def test_what_is_no_gauge_is_refused(table, expected) -> None:
    """Other columns, several numbers or several series, times in another unit."""
    with pytest.raises(Refused) as refused:
        gauge(table, WINDOW)

    assert expected in str(refused.value)
