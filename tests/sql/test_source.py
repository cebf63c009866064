from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from gitslo.errors import Refused, Retry
from gitslo.model import MetricForm, MetricSection, Seconds
from gitslo.ports import MetricQuestion, WindowCounts
from tests.sql.asking import BASE, RATIO, VARIABLES, WINDOWS, ask, fill, gauge, ratio, source


def counts(total: int, bad: int) -> WindowCounts:
    return WindowCounts(total, (bad,), (bad,))


def test_a_ratio_is_counted_per_window(database) -> None:
    """Each window by itself, its start in it and its end not."""
    fill(database)

    answer = ask(database, ratio(RATIO, *WINDOWS, (BASE + 30, BASE + 31)))

    assert (counts(15, 2), counts(15, 1), counts(1, 1)) == answer.values
    assert ((), "") == (answer.notes, answer.partial)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select avg(depth) from queue where epoch >= :start_epoch and epoch < :end_epoch", (7.5, 30.0)),
        ("select at as time, depth as value from queue where at < :end", (15.0, 37.5)),
        ("select at as time, depth as value from queue", (22.5, 45.0)),
        ("select depth as VALUE, epoch as TIME from queue where epoch > :start_epoch;", (22.5, 45.0)),
        ("select count(*) from queue where :environment = 'shop/staging' and :stage = 'staging'", (12.0, 12.0)),
        ("select count(*) from queue where ' :x' <> '100 % 7' and :revision like 'aaa%'", (12.0, 12.0)),
    ],
)
def test_a_gauge_is_one_number_or_the_last_of_a_series(database, sql, expected) -> None:
    """For each window; parameters are values wherever they stand, and colons and percent signs are themselves."""
    fill(database)

    assert expected == ask(database, gauge(sql)).values


def test_times_without_a_zone_are_utc(database) -> None:
    """Whatever zone the server is set to."""
    fill(database)
    zones = {
        "postgresql": ("alter role reader set timezone to 'Asia/Tokyo'", "alter role reader reset timezone"),
        "mariadb": ("set global time_zone = '+09:00'", "set global time_zone = 'SYSTEM'"),
        "sqlite": ("select 1", "select 1"),
    }
    there, back = zones[database.name]
    database.run(there)
    try:
        local = ask(database, ratio(RATIO.replace("at ", "local ")))
        series = ask(database, gauge("select local as time, 1 as value from requests where local < :end"))
    finally:
        database.run(back)

    assert (counts(15, 2), counts(15, 1)) == local.values
    assert (1.0, 1.0) == series.values


def test_a_fraction_of_a_second_is_kept(database) -> None:
    """A window may begin within a second."""
    fill(database)
    window = (BASE + 0.5, BASE + 2.0)

    assert (counts(1, 0),) == ask(database, ratio(RATIO, window)).values
    assert (0.0,) == ask(database, gauge("select count(*) from queue where epoch < :start_epoch - 0.5", window)).values


@pytest.mark.parametrize(
    ("question", "notes"),
    [
        (ratio(RATIO, variables={"service": "nobody"}), ("`bad` is NULL",)),
        (ratio("select 1 as bad, 1 as total from queue where depth < -1"), ("the statement gave no row",)),
        (gauge("select avg(depth) from queue where depth < -1"), None),
        (gauge("select at as time, depth as value from queue where depth < -1"), ("the statement gave no row",)),
        (
            gauge("select at as time, depth as value from queue", (BASE + 900, BASE + 915)),
            ("no row has a `time` within the window",),
        ),
    ],
)
def test_missing_data_is_not_known(database, question, notes) -> None:
    """No row, NULL, and what is stale: never zero, and said once."""
    fill(database)

    answer = ask(database, question)

    assert (None,) * len(question.windows) == answer.values
    assert len(answer.notes) == 1
    assert notes in {None, answer.notes}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (ratio("select count(*) as bad from requests"), "found the columns `bad`"),
        (ratio("select 1 as bad, 2 as total from requests"), "expected one row with `bad` and `total`, found more"),
        (ratio("select -1 as bad, 2 as total"), "`bad` is negative"),
        (ratio("select 3 as bad, 2 as total"), "`bad` is more than `total`"),
        (ratio("select 0.5 as bad, 2 as total"), "`bad` is no whole number"),
        (ratio("select min(service) as bad, 2 as total from requests"), "`bad` is "),
        (gauge("select depth from queue"), "expected one row with one number, found more"),
        (gauge("select 1 where 1 = :statge"), "there is no parameter `:statge`"),
        (gauge("select 1 from requests where at = ':start'"), "in quotes is a text"),
        (gauge("select 1 from nowhere_at_all"), "nowhere_at_all"),
        (gauge("select sum(depht) from queue"), "depht"),
        (gauge("select count(* from queue"), "syntax error|error in your SQL syntax"),
        (ratio(RATIO, variables={}), "`:service` has no value here"),
    ],
)
def test_another_shape_or_a_wrong_statement_is_refused(database, question, expected) -> None:
    """With what was expected and found, or the database's own words."""
    fill(database)
    with pytest.raises(Refused) as refused:
        ask(database, question)

    assert any(part in str(refused.value) for part in expected.split("|"))


@pytest.mark.parametrize(
    "section",
    [
        MetricSection("m", "db", MetricForm.RATIO, {"bad": "a", "total": "b"}),
        MetricSection("m", "db", MetricForm.GAUGE, {"value": "select 1"}),
        MetricSection("m", "db", MetricForm.HISTOGRAM, {"buckets": "select 1"}, sql=True),
        MetricSection("m", "db", MetricForm.GAUGE, {}, sql=True),
    ],
)
def test_what_is_no_sql_is_refused(sqlite, section) -> None:
    """A database answers `ratio_sql` and `gauge_sql`, and nothing else."""
    with pytest.raises(Refused, match="the source `db` is a database, and the metric is no SQL"):
        source(sqlite.dsn).measure(MetricQuestion(section, WINDOWS))


def test_too_many_rows_are_refused(database) -> None:
    """As many as allowed are read, and one more is a mistake in the statement."""
    fill(database)
    series = gauge("select at as time, depth as value from queue")

    assert (22.5, 45.0) == ask(database, series, rows=12).values
    with pytest.raises(Refused, match="the statement gives more than 11 rows"):
        ask(database, series, rows=11)


def test_too_many_bytes_are_not_read(database) -> None:
    """The cap is over all rows of a statement."""
    fill(database)

    with pytest.raises(Retry, match="the statement's rows are larger than 100 bytes"):
        ask(database, gauge("select epoch as time, depth as value from queue"), cap=100)


def test_texts_of_any_size_are_not_read(database) -> None:
    """A text where a number belongs is refused before it is in memory, or by the database itself."""
    large = "replace(hex(zeroblob(9000000)), '00', 'x')" if database.name == "sqlite" else "repeat(:service, 9000000)"

    with pytest.raises(Refused, match=r"expected a number|too big"):
        ask(database, gauge(f"select {large}"))


def test_a_question_has_an_end(database) -> None:
    """The server's time-out ends a statement; where it does not, SQLite's own steps do."""
    endless = {
        "sqlite": "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
        "postgresql": "select 1 from pg_sleep(50)",
        "mariadb": "select sleep(50)",
    }[database.name]

    with pytest.raises(Retry, match="the database ended the statement after 200 ms"):
        ask(database, gauge(endless), statement_timeout=Seconds(0.2), timeout=Seconds(30.0))


def test_several_threads_ask_at_once(database) -> None:
    """One source, many questions: each gets its own answer."""
    fill(database)
    asked = source(database.dsn, connections=3, timeout=Seconds(60.0))
    windows = [(BASE + second, BASE + second + 10) for second in range(12)]

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda window: asked.measure(ratio(RATIO, window)).values, windows))

    assert [(counts(10, 1),)] * 12 == answers


def test_a_rotated_dsn_is_taken_up(sqlite) -> None:
    """It is read for each question."""
    dsns = iter(["sqlite:////no/such/file.db", sqlite.dsn])
    asked = source(lambda: next(dsns))

    with pytest.raises(Refused, match="the database does not let us in: unable to open database file"):
        asked.measure(gauge("select 1"))
    assert (1.0, 1.0) == asked.measure(gauge("select 1")).values


@pytest.mark.parametrize(
    ("dsn", "expected"),
    [
        ("canary", "the DSN is no SQLAlchemy URL"),
        ("", "the DSN is no SQLAlchemy URL"),
        ("postgresql://u:canary@h:port/d", "the DSN is no SQLAlchemy URL"),
        ("nosuch://u:canary@h/d", "SQLAlchemy has no dialect of the name with which the DSN begins"),
        ("mssql+pyodbc://u:canary@h/d", "the database driver `pyodbc` is not installed"),
        ("mysql+aiomysql://u:canary@h/d", "the database driver `aiomysql` is not installed"),
        ("sqlite+aiosqlite:////canary", "the database driver `aiosqlite` is not installed"),
        ("postgresql+psycopg_async://u:canary@h/d", "the driver `psycopg_async` is asynchronous"),
        ("sqlite://", "a database in memory is empty"),
        ("sqlite:///:memory:", "a database in memory is empty"),
    ],
)
def test_a_dsn_that_cannot_be_used_is_refused(dsn, expected) -> None:
    """Without showing it."""
    with pytest.raises(Refused) as refused:
        source(dsn).measure(gauge("select 1"))

    assert expected in str(refused.value)
    assert "canary" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused(tmp_path) -> None:
    """Another attempt would find the same file."""
    (tmp_path / "x.db").write_text("no database" * 100)

    with pytest.raises(Refused, match="file is not a database"):
        source(f"sqlite:///{tmp_path}/x.db").measure(gauge("select 1 from t"))


def test_a_locked_file_is_tried_again(tmp_path) -> None:
    """Somebody writes at the moment."""
    path = tmp_path / "x.db"
    writer = sqlite3.connect(path, isolation_level=None)
    try:
        writer.execute("create table t (x)")
        writer.execute("begin exclusive")
        with pytest.raises(Retry, match="database is locked"):
            source(f"sqlite:///{path}", statement_timeout=Seconds(0.1)).measure(gauge("select count(*) from t"))
    finally:
        writer.close()


def test_variables_are_never_part_of_the_text(database) -> None:
    """A name that is SQL stays a name."""
    fill(database)
    names = VARIABLES | {"service": "shop' or '1'='1"}

    assert (None, None) == ask(database, ratio(RATIO, variables=names)).values
