"""Where a secret could come to light: everything that a daemon writes, shows or hands on, as bytes by the sink's name.

Called by the story on a real forge, which uses secrets that occur nowhere else. A sink is a place that somebody reads
who must not know them: a log's reader, a repository's reader, whoever lists processes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Cmdlines", "below", "found_in"]


class Cmdlines:
    """What the command lines of all processes were, looked at every few milliseconds.

    Attributes:
        looked: how many command lines were seen.
    """

    def __init__(self, secrets: tuple[bytes, ...]) -> None:
        self._secrets = secrets
        self.found: set[bytes] = set()
        self.looked = 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this is entered."""
        ended = threading.Event()
        watching = threading.Thread(target=self._watch, args=(ended,))
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(0.02):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    with suppress(OSError):  # it has ended
                        cmdline = (entry / "cmdline").read_bytes()
                        self.looked += 1
                        if any(secret in cmdline for secret in self._secrets):
                            self.found.add(cmdline)


def below(folder: Path) -> bytes:
    """All files of a folder and their names, one after the other."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return b"\0".join(str(path).encode() + b"\0" + path.read_bytes() for path in files)


def found_in(sinks: Mapping[str, bytes], secrets: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """(sink, secret) wherever one is found; fails where a sink is empty, as nothing can be found there."""
    empty = [name for name, content in sinks.items() if not content]
    if empty:
        raise AssertionError(f"nothing was gathered from {', '.join(empty)}")
    return [(sink, name) for sink, content in sinks.items() for name, secret in secrets.items() if secret in content]
