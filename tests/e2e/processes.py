"""The processes of this machine as /proc shows them, for tests that prove that none is left.

Called by the end-to-end tests and those of the demo. A process may end while it is looked at; it is then left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["command_lines", "in_session"]


def _read(name: str) -> Iterator[tuple[int, bytes]]:
    for entry in (each.name for each in Path("/proc").iterdir()):
        if entry.isdigit():
            try:
                yield int(entry), Path("/proc", entry, name).read_bytes()
            except OSError:  # it has ended meanwhile
                continue


def command_lines() -> dict[int, bytes]:
    """Process id -> command line, its words separated by zero bytes."""
    return dict(_read("cmdline"))


def in_session(session: int) -> list[str]:
    """Processes of one session that are still alive: id and name."""
    found = []
    for _, stat in _read("stat"):
        name, _, rest = stat.decode(errors="replace").rpartition(") ")
        state, _, _, its = rest.split()[:4]
        if int(its) == session and state != "Z":
            found.append(name)
    return found
