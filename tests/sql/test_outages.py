"""What is done about servers that refuse, hang, end, or have no room."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from urllib.parse import quote_plus

import psycopg
import pymysql
import pytest

from gitslo.errors import Refused, Retry
from gitslo.model import Seconds
from tests.sql.asking import gauge, source
from tests.sql.servers import CONNECTIONS, PATIENCE

SLOW = {"postgresql": "select 1 from pg_sleep(50)", "mariadb": "select sleep(50)"}
ALIKE = {"statement_timeout": Seconds(60.0), "timeout": Seconds(60.0)}


def until(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    ticks = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, what
        ticks.wait(0.02)


def threads() -> int:
    return sum(thread.name == "sql-source" for thread in threading.enumerate())


def test_a_wrong_credential_is_refused_and_not_shown(server) -> None:
    """Neither the password, nor anything else of the DSN."""
    for wrong in (
        server.dsn.replace("reader", "somebody"),
        server.dsn.replace("canary", "wrong-canary"),
        server.dsn.replace("/shop", "/elsewhere"),
    ):
        with pytest.raises(Refused) as refused:
            source(wrong).measure(gauge("select 1"))
        said = str(refused.value)

        assert "the database does not let us in: " in said
        assert [] == [part for part in ("canary", "reader", "somebody", "127.0.0.1", "elsewhere") if part in said]


def test_permissions_are_refused_in_the_databases_words(server) -> None:
    """They say the table that the statement names, and not who asked."""
    with pytest.raises(Refused) as refused:
        source(server.dsn).measure(gauge("select count(*) from private"))

    assert "denied" in str(refused.value)
    assert "private" in str(refused.value)
    assert "reader" not in str(refused.value)


def test_no_data_is_in_the_words(postgresql, mariadb) -> None:
    """An error that quotes a value is said by its code only."""
    for database, sql in (
        (postgresql, "select min(card)::int from private"),
        (mariadb, "select extractvalue(1, concat(0x7e, min(card))) + 0 from private"),
    ):
        database.run("delete from private", "insert into private values ('4111-card')")
        with pytest.raises(Refused) as refused:
            source(database.owner_dsn).measure(gauge(sql))

        assert "4111" not in str(refused.value)


def test_nobody_there_is_tried_again(server) -> None:
    """The same for a name that does not resolve; neither is shown."""
    for gone in (server.dsn.replace(f":{server.place}", ":1"), server.dsn.replace("127.0.0.1", "gone.invalid")):
        with pytest.raises(Retry) as retry:
            source(gone).measure(gauge("select 1"))

        assert "no connection to the database: " in str(retry.value)
        assert [] == [part for part in ("canary", "gone.invalid", "127.0.0.1", "reader") if part in str(retry.value)]


def test_a_server_that_hangs_costs_a_threads_time_only(server) -> None:
    """The caller goes on at the time-out; what was left behind ends by itself."""
    before = threads()
    os.kill(server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(Retry, match="no whole answer of the database within 500 ms"):
            source(server.dsn, timeout=Seconds(0.5)).measure(gauge("select 1"))
        took = time.monotonic() - began
    finally:
        os.kill(server.pid, signal.SIGCONT)

    assert took < PATIENCE / 4
    until(lambda: threads() <= before, "the thread ends")


def test_few_questions_hang_at_once(postgresql) -> None:
    """As many as connections are allowed; the next one is told so."""
    asked = source(postgresql.dsn, connections=1, timeout=Seconds(1.0))
    before = threads()
    os.kill(postgresql.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(2) as both:
            said = [both.submit(asked.measure, gauge("select 1")).exception for _ in range(2)]
            reasons = {str(reason()) for reason in said}
    finally:
        os.kill(postgresql.pid, signal.SIGCONT)

    assert {
        "no whole answer of the database within 1 s",
        "1 earlier questions to the database have not ended yet",
    } == reasons
    until(lambda: threads() <= before, "the threads end")


def test_a_connection_that_is_lost_is_tried_again(server) -> None:
    """The server ended it, e.g. because it restarts."""
    find = {
        "postgresql": "select pid from pg_stat_activity where application_name = 'gitslo' and state = 'active'",
        "mariadb": "select id from information_schema.processlist where info like 'select sleep%%'",
    }[server.name]
    kill = {"postgresql": "select pg_terminate_backend({})", "mariadb": "kill {}"}[server.name]
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(source(server.dsn, **ALIKE).measure, gauge(SLOW[server.name]))
        until(lambda: server.run(find), "it is asked")
        server.run(kill.format(server.run(find)[0][0]))
        error = answer.exception()

    assert isinstance(error, Retry)
    assert "the database failed: " in str(error)


def test_a_full_server_is_tried_again(server) -> None:
    """Too many connections pass."""
    place = {"host": "127.0.0.1", "port": int(server.place), "user": "reader", "password": server.password}
    connect = psycopg.connect if server.name == "postgresql" else pymysql.connect
    errors = (psycopg.OperationalError, pymysql.MySQLError)
    with ExitStack() as open_ones:
        with suppress(*errors):
            for _ in range(CONNECTIONS + 1):
                named = {"dbname": "shop"} if server.name == "postgresql" else {"database": "shop"}
                open_ones.callback(connect(**place, **named).close)
        with pytest.raises(Retry, match=r"(?i)connection"):
            source(server.dsn).measure(gauge("select 1"))

    def answers() -> bool:
        try:
            return source(server.dsn).measure(gauge("select 1")).values == (1.0, 1.0)
        except Retry:
            return False

    until(answers, "there is room again")


def test_no_connection_is_left_open(server) -> None:
    """One question, one connection, which is closed."""
    find = {
        "postgresql": "select count(*) from pg_stat_activity where usename = 'reader'",
        "mariadb": "select count(*) from information_schema.processlist where user = 'reader'",
    }[server.name]
    asked = source(server.dsn, connections=2, timeout=Seconds(60.0))
    with ThreadPoolExecutor(6) as several:
        list(several.map(lambda _: asked.measure(gauge("select 1")), range(6)))
        with pytest.raises(Refused):
            asked.measure(gauge("select x from nowhere"))

    until(lambda: server.run(find) == [(0,)], "all are closed")


def test_neither_password_nor_dsn_is_shown(server) -> None:
    """Not by the source itself, and not by what its errors carry along."""
    asked = source(server.dsn)
    with pytest.raises(Refused) as refused:
        asked.measure(gauge("select 1 from nowhere"))
    shown = repr(asked) + repr(refused.value) + repr(refused.value.__cause__)

    assert [] == [part for part in (server.password, quote_plus(server.password), server.dsn) if part in shown]
