"""One running process: started in a group of its own, tied to our life, its last output line kept.

Used by `instance`. Must stay true: the thread that starts a child outlives it (the kernel's death signal follows that
thread), nothing of the syncer's own environment reaches it but PATH, and its output cannot fill the disk.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

__all__ = ["LOG_CAP", "Child"]

LOG_CAP = 1024 * 1024
"""Bytes of output that are kept in a log file; the last line is known beyond it."""
LINE_CAP = 300
LAUNCH = str(Path(__file__).with_name("launch.py"))


class Child:
    """A started process."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path) -> None:
        """Start it.

        Args:
            argv: program and arguments.
            environment: all variables that it gets, beside PATH.
            folder: its working directory.
            log: where its output goes; begun anew.

        Raises:
            OSError: no process could be made.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCH, str(os.getpid()), *argv],
            env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **environment},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        self._code: int | None = None
        self._asked = False
        self._output = _Output(self._process.stdout, log)

    @property
    def pid(self) -> int:
        """The process's id, which is its group's as well."""
        return self._process.pid

    def ended(self) -> int | None:
        """The exit code (negative: the signal), or None while it runs. What its group left behind is killed."""
        if self._code is None and os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            self._reap()
        return self._code

    def last_line(self) -> str:
        """The last line that is not blank, printable and shortened; empty where there was none."""
        return self._output.last_line()

    def terminate(self) -> None:
        """Ask it to end, once."""
        if self._code is None and not self._asked:
            self._asked = True
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it started, and wait until it is gone."""
        if self._code is None:
            self._reap()

    def _reap(self) -> None:
        # The group is signalled before the leader is waited for: until then nobody else can have its number.
        self._signal(signal.SIGKILL)
        self._code = self._process.wait()
        self._output.finish()

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class _Output:
    """Reads a pipe to its end in a thread."""

    def __init__(self, pipe: IO[bytes], log: Path) -> None:
        self._pipe = pipe
        self._log = log
        self._tail = b""
        self._thread = threading.Thread(target=self._read, name="syncer-output", daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """See Child.last_line."""
        for line in reversed(self._tail.decode("utf-8", "replace").splitlines()):
            text = "".join(c for c in line if unicodedata.category(c)[0] != "C").strip()
            if text:
                return text[:LINE_CAP]
        return ""

    def finish(self) -> None:
        """Wait for the rest of the output; a process that left the group and holds the pipe is not waited for."""
        self._thread.join(timeout=1.0)

    def _read(self) -> None:
        kept = 0
        with suppress(OSError), self._pipe, self._log.open("wb", buffering=0) as log:
            while chunk := os.read(self._pipe.fileno(), 65536):
                self._tail = (self._tail + chunk)[-8192:]
                if kept < LOG_CAP:
                    log.write(chunk[: LOG_CAP - kept])
                    kept += len(chunk)
