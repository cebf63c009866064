from __future__ import annotations

import pytest

from gitslo.adapters.sql_source.databases import connect_arguments, opening, unbounded_kinds
from gitslo.adapters.sql_source.faults import fault_of, without
from gitslo.model import Seconds


class OperationalError(Exception):
    """As every driver has it (PEP 249)."""


class ProgrammingError(Exception):
    """Likewise."""


class StateError(Exception):
    """An error of PostgreSQL's."""

    def __init__(self, state: str, primary: str) -> None:
        super().__init__(primary)
        self.sqlstate = state
        self.diag = type("Diagnostics", (), {"message_primary": primary})()


@pytest.mark.parametrize(
    ("code", "said", "retry", "shown"),
    [
        (1040, "Too many connections", True, False),
        (1205, "Lock wait timeout exceeded", True, False),
        (3024, "Query execution was interrupted, maximum statement execution time exceeded", True, False),
        (2013, "Lost connection to MySQL server during query", True, True),
        (1064, "You have an error in your SQL syntax", False, True),
        (1146, "Table 'shop.x' doesn't exist", False, True),
        (1045, "Access denied for user 'a'@'b'", False, True),
        (1105, "XPATH syntax error: '~4111'", False, False),
        (1690, "BIGINT value is out of range in '(4111 * 1)'", False, False),
    ],
)
def test_errors_of_mysql_go_by_their_numbers(code, said, retry, shown) -> None:
    """MySQL's and MariaDB's; what may quote data is not shown."""
    for driver in ("pymysql", "mysqldb"):
        fault = fault_of(driver, OperationalError(code, said), lost=False)

        assert (retry, f"{said} ({code})" if shown else f"error {code}") == (fault.retry, fault.text)
    assert fault.timeout is (code == 3024)


@pytest.mark.parametrize(
    ("state", "retry", "shown"),
    [
        ("42601", False, True),
        ("42501", False, True),
        ("25006", False, True),
        ("22P02", False, False),
        ("P0001", False, False),
        ("53300", True, False),
        ("40P01", True, False),
        ("55P03", True, False),
        ("57P01", True, False),
        ("57014", True, False),
        ("08006", True, False),
        ("58030", True, False),
    ],
)
def test_errors_of_postgresql_go_by_their_class(state, retry, shown) -> None:
    """Syntax and rights are shown, values never; what passes is tried again."""
    fault = fault_of("psycopg", StateError(state, "said 4111"), lost=False)

    assert (retry, shown) == (fault.retry, "4111" in fault.text)
    assert fault.timeout is (state == "57014")


@pytest.mark.parametrize(
    ("error", "lost", "retry"),
    [
        (OperationalError("canary"), False, True),
        (ProgrammingError("canary"), False, False),
        (ProgrammingError("canary"), True, True),
    ],
)
def test_errors_of_other_drivers_go_by_their_kind(error, lost, retry) -> None:
    """Their words are not known, so they are not shown."""
    fault = fault_of("oracledb", error, lost=lost)

    assert (retry, f"error {type(error).__name__} of the driver oracledb") == (fault.retry, fault.text)


def test_what_the_statement_says_is_no_secret() -> None:
    """Its table may be named as the database is; a secret is hidden wherever it stands."""
    text = "relation shop.orders of shop does not exist; tokencanaryend at db.example.com"

    assert "relation ***.orders of *** does not exist; token***end at ***" == without(
        text, ["canary", ""], ["shop", "db.example.com", ""], "select 1"
    )
    assert "relation shop.orders of shop does not exist; token***end at ***" == without(
        text, ["canary"], ["shop", "db.example.com"], "select 1 from shop.orders"
    )


def test_transactions_read_only_where_the_database_can() -> None:
    """With times in UTC and a time-out of the server's; a dialect that is not known is left to its user's rights."""
    opened = {
        name: " ".join(opening(name.split("/")[0], mariadb=name == "mysql/mariadb", timeout=Seconds(0.25), rows=10))
        for name in ("postgresql", "mysql", "mysql/mariadb", "sqlite", "oracle", "mssql")
    }

    assert {"postgresql", "mysql", "mysql/mariadb", "oracle"} == {
        n for n, said in opened.items() if "READ ONLY" in said
    }
    assert "statement_timeout = 250" in opened["postgresql"]
    assert "max_execution_time = 250" in opened["mysql"]
    assert "max_statement_time = 0.250" in opened["mysql/mariadb"]
    assert "query_only" in opened["sqlite"]
    assert opened["mssql"] == ""


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pymysql", "mysqldb"])
def test_connections_are_bounded_on_our_side(driver) -> None:
    """Each driver that is known has a time-out, and columns that it must not read."""
    assert connect_arguments(driver, Seconds(2.5))["connect_timeout"] >= 2.5
    assert unbounded_kinds(driver)


def test_a_driver_that_is_not_known_gets_nothing() -> None:
    """It would not know the argument; the question's own end bounds it."""
    assert ({}, {}) == (connect_arguments("oracledb", Seconds(1.0)), unbounded_kinds("oracledb"))
