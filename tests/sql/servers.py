"""The real databases that tests ask: each in a temporary folder, on a free port of the loopback."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import psycopg
import pymysql

from tests.required import required

__all__ = ["Database", "mariadb", "postgresql", "sqlite"]

PATIENCE = 60.0
NOBODY = "65534"
READER = "reader"
CONNECTIONS = 12

TABLES = {
    "postgresql": (
        "create table requests (at timestamptz, local timestamp, ok boolean, service text)",
        "create table queue (at timestamptz, epoch double precision, depth numeric)",
        "create table private (card text)",
    ),
    "mariadb": (
        "create table requests (at timestamp(6) null, local datetime(6), ok boolean, service varchar(50))",
        "create table queue (at timestamp(6) null, epoch double, depth decimal(20, 3))",
        "create table private (card varchar(50))",
    ),
    "sqlite": (
        "create table requests (at text, local text, ok integer, service text)",
        "create table queue (at text, epoch real, depth real)",
        "create table private (card text)",
    ),
}


@dataclass(frozen=True)
class Database:
    """One database with empty tables; its reader may only read, and not all of them.

    Attributes:
        name: `postgresql`, `mariadb` or `sqlite`.
        dsn: the reader's.
        owner_dsn: of who may do everything in it; for SQLite the same.
        password: the reader's; empty for SQLite.
        place: a port, or a file.
        pid: the server's, 0 for SQLite.
    """

    name: str
    dsn: str
    owner_dsn: str
    password: str
    place: str
    pid: int
    _owner: str

    def run(self, *statements: str | tuple[str, Sequence[Sequence[object]]]) -> list[tuple[object, ...]]:
        """Run them as the owner; the last one's rows. A pair is a statement and its parameters, row by row."""
        rows: list[tuple[object, ...]] = []
        with closing(self._connect()) as connection:
            cursor = connection.cursor()
            for one in statements:
                text, parameters = one if isinstance(one, tuple) else (one, ())
                if parameters:
                    cursor.executemany(text if self.name != "sqlite" else text.replace("%s", "?"), parameters)
                else:
                    cursor.execute(text)
                    rows = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
        return rows

    def _connect(self):
        port = int(self.place) if self.place.isdigit() else 0
        if self.name == "postgresql":
            return psycopg.connect(host="127.0.0.1", port=port, user="owner", password=self._owner, dbname="shop")
        if self.name == "mariadb":
            return pymysql.connect(host="127.0.0.1", port=port, user="owner", password=self._owner, database="shop")
        return sqlite3.connect(self.place)


def dsn(kind: str, user: str, password: str, port: int) -> str:
    return f"{kind}://{user}:{quote_plus(password)}@127.0.0.1:{port}/shop"


def password() -> str:
    """Made up, with what a URL has to escape."""
    return f"canary@/:%{secrets.token_hex(8)}"


@contextmanager
def sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "shop.db")
        database = Database("sqlite", f"sqlite:///{file}", f"sqlite:///{file}", "", file, 0, "")
        database.run(*TABLES["sqlite"])
        yield database


@contextmanager
def postgresql() -> Iterator[Database]:
    """It refuses to be root, so where the tests are, it runs as somebody else."""
    program = required("pg_ctl")
    reader, owner = password(), password()
    folder = Path(tempfile.mkdtemp(prefix="gitslo-postgresql-"))
    other = _as_nobody(folder) if os.geteuid() == 0 else ()
    data = folder / "data"
    secret = folder / "owner"
    secret.write_text(owner, encoding="utf-8")
    secret.chmod(0o644)
    try:
        options = f"--no-sync --encoding=UTF8 --locale=C --username=owner --auth=scram-sha-256 --pwfile={secret}"
        _do([*other, str(program), "initdb", "-D", str(data), "-o", options])
        port = _free_port()
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        settings += f" -c max_connections={CONNECTIONS} -c shared_buffers=16MB"
        started = [*other, str(program), "start", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", settings]
        _do(started)
        try:
            pid = int((data / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
            with psycopg.connect(
                host="127.0.0.1", port=port, user="owner", password=owner, dbname="postgres", autocommit=True
            ) as connection:
                connection.execute("create database shop")
            database = Database(
                "postgresql",
                dsn("postgresql", READER, reader, port),
                dsn("postgresql", "owner", owner, port),
                reader, str(port), pid, owner,
            )  # fmt: skip
            database.run(
                *TABLES["postgresql"],
                f"create role {READER} login password '{reader}'",
                f"grant select on requests, queue to {READER}",
            )
            yield database
        finally:
            _do([*other, str(program), "stop", "-D", str(data), "-w", "-m", "immediate"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def mariadb() -> Iterator[Database]:
    program = required("mariadbd")
    reader, owner = password(), password()
    with tempfile.TemporaryDirectory(prefix="gitslo-mariadb-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        shared = _mariadb_files(program)
        argv = [
            str(program), "--no-defaults", f"--datadir={data}", f"--lc-messages-dir={shared}",
            f"--character-sets-dir={shared / 'charsets'}", "--innodb-flush-method=fsync",
            "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--skip-sync-frm",
        ]  # fmt: skip
        argv += ["--user=root"] if os.geteuid() == 0 else []
        files = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
        script = "create database mysql;\nuse mysql;\n" + "\n".join((shared / file).read_text() for file in files)
        _do([*argv, "--bootstrap"], script)
        port = _free_port()
        argv += [
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/socket",
            "--skip-log-bin",
            "--skip-name-resolve",
        ]
        argv += [f"--max-connections={CONNECTIONS}", f"--init-file={_grants(Path(folder), reader, owner)}"]
        with (Path(folder) / "log").open("wb") as log:
            server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=log)
        try:
            database = Database(
                "mariadb",
                dsn("mysql", READER, reader, port),
                dsn("mariadb", "owner", owner, port),
                reader, str(port), server.pid, owner,
            )  # fmt: skip
            _until_it_answers(database, server, Path(folder) / "log")
            database.run(
                *TABLES["mariadb"], *(f"grant select on shop.{table} to {READER}" for table in ("requests", "queue"))
            )
            yield database
        finally:
            server.kill()
            server.wait()


def _grants(folder: Path, reader: str, owner: str) -> Path:
    file = folder / "grants.sql"
    lines = (
        "create database shop",
        f"create user owner identified by '{owner}'",
        f"create user {READER} identified by '{reader}'",
        "grant all on *.* to owner with grant option",
    )
    file.write_text("".join(f"{line};\n" for line in lines), encoding="utf-8")
    return file


def _mariadb_files(program: Path) -> Path:
    """The server's own messages and tables: beside the program where it was unpacked."""
    beside = program.parent / "root" / "usr" / "share" / "mysql"
    return beside if beside.is_dir() else Path("/usr/share/mysql")


def _until_it_answers(database: Database, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            database.run("select 1")
        except pymysql.MySQLError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(log.read_text(errors="replace")) from None
            with suppress(subprocess.TimeoutExpired):  # not asked again at once
                server.wait(0.05)
        else:
            return


def _as_nobody(folder: Path) -> tuple[str, ...]:
    """How to run something as nobody who can still reach what was unpacked in root's own folder."""
    folder.chmod(0o755)
    os.chown(folder, int(NOBODY), int(NOBODY))
    capability = "--inh-caps=+dac_override", "--ambient-caps=+dac_override"
    return "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *capability


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _do(argv: Sequence[str], script: str | None = None) -> None:
    run = subprocess.run(
        argv, input=script, capture_output=script is not None, text=True, timeout=PATIENCE, check=False, cwd="/",
        **({} if script is not None else {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}),
    )  # fmt: skip
    if run.returncode:
        raise AssertionError(f"{argv[:8]}: {run.stderr}")
