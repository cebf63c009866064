"""Runs the cases: each a folder with the files that a user has, the command that they type, and what they are told.

`command` holds comments that say what is wrong, and one line of arguments. `expected.txt` is what comes of it. Files
and arguments may hold these places, and what is told holds them again:

    {folder}        the folder that the command runs in: a copy of the case's files
    {port}          an HTTP server: the case's `repository/` is its Git repository `/CASE.git`, `/portal/...` answers
                    with a page that is no Git, `/busy/...` with status 503, `/silent/...` never
    {guarded_port}  the same repositories, for whoever has the password
    {closed_port}   nothing listens there
    {case}          the case's name
    {time}, {digest}, {what git says}, {what the resolver says}   told only: what differs between runs and machines

What must stay true: nothing but loopback is called, and the servers are gone when the `with` block ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitslo.testing.bare_repository import BareRepository
from gitslo.testing.git_server import Access, Fault, GitServer
from tests.closed_port import closed_port

__all__ = ["CASES", "PASSWORD", "WRONG_PASSWORD", "Told", "cases", "expected", "serving"]

CASES = Path(__file__).parent / "cases"
PASSWORD = "correct-horse"
"""Of the guarded server; never in what is told."""
WRONG_PASSWORD = "hunter2"
"""What the environment variable `WRONG_TOKEN` holds."""

_OWN = frozenset({"command", "expected.txt", "repository"})
"""What belongs to a case and not to its user's folder."""
_LONGEST = 60.0
_FOREIGN = (
    (re.compile(r"(?m)^[0-9]{2}:[0-9]{2}:[0-9]{2}(?=  )"), "{time}"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "{digest}"),
    (re.compile(r"(?m)(?<=is not known: ).+$"), "{what the resolver says}"),
    (re.compile(r"(?m)(?:remote|fatal): .+?(?= \([a-z]|$)"), "{what git says}"),
)
"""What is not ours to word: the time of day, digests, and others' sentences, which differ between their versions."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a user is told.

    Attributes:
        text: exit code, standard output and standard error, as `expected.txt` holds them.
        exit_code: of the command.
        left: files of the folder that the command made or changed, and refs of the case's repository that it wrote.
    """

    text: str
    exit_code: int
    left: tuple[str, ...]


def cases() -> tuple[str, ...]:
    """Their names, sorted."""
    return tuple(sorted(folder.name for folder in CASES.iterdir() if folder.is_dir()))


def expected(case: str) -> str:
    """What its user is to be told."""
    return (CASES / case / "expected.txt").read_text(encoding="utf-8")


@contextlib.contextmanager
def serving(scratch: Path) -> Iterator[Callable[[str], Told]]:
    """The servers, and a function that runs one case; it may be called from several threads.

    Args:
        scratch: an empty folder.
    """
    remotes = scratch / "remotes"
    with (
        GitServer(remotes, fault=_fault) as server,
        GitServer(remotes, credentials=("gitslo", PASSWORD)) as guarded,
        closed_port() as closed,
    ):
        places = {
            "{port}": _port(server),
            "{guarded_port}": _port(guarded),
            "{closed_port}": str(closed),
        }
        yield lambda case: _run(case, scratch, places)


def _port(server: GitServer) -> str:
    return server.origin.rpartition(":")[2]


def _fault(access: Access) -> Fault | None:
    first = access.path.split("/")[1]
    return {"portal": Fault.GARBAGE, "busy": Fault.UNAVAILABLE, "silent": Fault.HANG}.get(first)


def _run(case: str, scratch: Path, servers: Mapping[str, str]) -> Told:
    folder, home = scratch / case / "work", scratch / case / "home"
    home.mkdir(parents=True)
    places = {"{folder}": str(folder), "{case}": case, **servers}
    shutil.copytree(CASES / case, folder, ignore=lambda _, names: _OWN & set(names))
    for file in filter(Path.is_file, folder.rglob("*")):
        file.write_text(_filled(file.read_text(encoding="utf-8"), places), encoding="utf-8", newline="")
    remote = _remote(case, scratch / "remotes" / f"{case}.git", places)
    before = _files(folder), remote.refs() if remote is not None else {}
    program, *arguments = shlex.split((CASES / case / "command").read_text(encoding="utf-8"), comments=True)
    assert program == "gitslo"
    done = subprocess.run(
        [sys.executable, "-m", "gitslo", *(_filled(argument, places) for argument in arguments)],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "GITSLO_CACHE": str(home / "cache"),
            "WRONG_TOKEN": WRONG_PASSWORD,
        },
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=_LONGEST,
        text=True,
        check=False,
    )
    after = _files(folder), remote.refs() if remote is not None else {}
    left = [name for was, now in zip(before, after, strict=True) for name in now if was.get(name) != now[name]]
    text = f"exit code {done.returncode}\n--- stdout\n{done.stdout}--- stderr\n{done.stderr}"
    return Told(_emptied(text, places), done.returncode, tuple(left))


def _remote(case: str, path: Path, places: Mapping[str, str]) -> BareRepository | None:
    source = CASES / case / "repository"
    if not source.is_dir():
        return None
    remote = BareRepository.create(path)
    files = {name: _filled(content.decode(), places).encode() for name, content in _files(source).items()}
    remote.commit(files)
    return remote


def _files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def _filled(text: str, places: Mapping[str, str]) -> str:
    for place, value in places.items():
        text = text.replace(place, value)
    return text


def _emptied(text: str, places: Mapping[str, str]) -> str:
    """The places in what was told: ports only where a port stands."""
    for place, value in places.items():
        if place == "{folder}":
            text = text.replace(value, place)
        elif place != "{case}":
            text = re.sub(rf"(?<=[: ]){value}\b", place, text)
    for words, place in _FOREIGN:
        text = words.sub(place, text)
    return text
