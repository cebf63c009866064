"""Nothing is written, whoever asks: the owner of the tables asks here."""

from __future__ import annotations

import sqlite3

import pytest

from gitslo.adapters.sql_source.databases import open_sqlite
from gitslo.errors import Refused
from gitslo.model import ByteCount, Seconds
from tests.sql.asking import gauge, source

WRITES = {
    "postgresql": (
        "insert into private values ('x')",
        "select 1; insert into private values ('x')",
        "select 1; commit; insert into private values ('x')",
        "with x as (insert into private values ('x') returning 1) select count(*) from x",
        "select writes()",
        "select 1 from (select set_config('transaction_read_only', 'off', true)) x, writes()",
        "select count(*) from (select 1 from private for update) x",
        "select 1 as one into taken",
        "select nextval('numbers')",
        "do $$ begin insert into private values ('x'); end $$",
    ),
    "mariadb": (
        "insert into private values ('x')",
        "select 1; insert into private values ('x')",
        "select writes()",
        "select count(*) from private for update",
        "select 1 into outfile '/tmp/gitslo-no-such-file'",
        "select 1 /*! into outfile '/tmp/gitslo-no-such-file' */",
        "select 1 into @x",
        "with x as (select 1) insert into private select * from x",
    ),
    "sqlite": (
        "insert into private values ('x')",
        "select 1; insert into private values ('x')",
        "with x as (select 'x') insert into private select * from x",
        "with x as (select 'x') delete from private",
        "attach database '/tmp/gitslo-no-such-file' as other",
        "pragma query_only = off",
    ),
}
FUNCTIONS = {
    "postgresql": (
        """create or replace function writes() returns int language plpgsql as
        $$ begin insert into private values ('x'); return 1; end $$""",
        "create sequence if not exists numbers",
    ),
    "mariadb": (
        """create or replace function writes() returns int modifies sql data
        begin insert into private values ('x'); return 1; end""",
    ),
    "sqlite": (),
}


def test_a_writing_statement_writes_nothing(database) -> None:
    """It is refused, and the rows are those of before."""
    database.run("insert into private values ('before')", *FUNCTIONS[database.name])
    asked = source(database.owner_dsn)
    went_through = []
    for sql in WRITES[database.name]:
        try:
            asked.measure(gauge(sql))
        except Refused:
            continue
        went_through.append(sql)

    assert [] == went_through
    assert [("before",)] == database.run("select card from private")


def test_a_sequence_is_not_moved(postgresql) -> None:
    """Not even what a rollback does not take back."""
    postgresql.run("drop sequence if exists numbers", "create sequence numbers")
    with pytest.raises(Refused, match="read-only transaction"):
        source(postgresql.owner_dsn).measure(gauge("select nextval('numbers')"))

    assert [(1,)] == postgresql.run("select nextval('numbers')")


def test_a_function_that_writes_is_refused_for_that_reason(server) -> None:
    """The transaction reads only; the words are the database's."""
    server.run(*FUNCTIONS[server.name])

    with pytest.raises(Refused, match=r"(?i)read.only transaction"):
        source(server.owner_dsn).measure(gauge("select writes()"))


def test_the_file_itself_is_opened_for_reading(sqlite) -> None:
    """Without the transaction's own guard too, and no other file can be reached."""
    connection = open_sqlite(sqlite.place, Seconds(1.0), ByteCount(1000), lambda: False)
    try:
        for sql in ("insert into private values ('x')", "create table t (x)", "attach '/tmp/other.db' as other"):
            with pytest.raises(sqlite3.Error):
                connection.execute(sql)
    finally:
        connection.close()
