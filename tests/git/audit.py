"""Which processes the adapter starts: an audit hook, which stays for good and records only inside a block."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_recordings: list[list[tuple[str, ...]]] = []
_installed = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and _recordings:
        argv = tuple(str(part) for part in arguments[1])
        if argv[-1] == "http-backend":  # the test server's own
            return
        with _lock:
            for recording in _recordings:
                recording.append(argv)


@contextmanager
def processes() -> Iterator[list[tuple[str, ...]]]:
    """The argument vectors of every process that is started inside the block, by any thread."""
    global _installed  # noqa: PLW0603 - a hook is installed once and stays for good
    recording: list[tuple[str, ...]] = []
    with _lock:
        if not _installed:
            sys.addaudithook(_hook)
            _installed = True
        _recordings.append(recording)
    try:
        yield recording
    finally:
        with _lock:
            _recordings.remove(recording)
