"""The process of a load worker, and one that is started before there is anything for it to do.

Called by `crew`, which tells it what to do; `Standby` by the command line, whose own start takes as long as a worker's,
so that both start at the same time. Imports nothing of gitslo, as it has to be there first.

Invariants
- A worker is in a process group of its own.
- Whoever is on standby and was not taken is dead when the `with` is left; it ends by itself where we do, as it reads
  the end of its input.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Final, Self

__all__ = ["Standby", "WorkerProcess", "end_process", "start_process"]

WorkerProcess = subprocess.Popen[bytes]
"""A worker's process; its standard input and output are pipes, and its errors go to the output too."""

_ENVIRONMENT: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "PATH",
    "PYTHONPATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "VIRTUAL_ENV",
)
"""What a worker inherits: nothing that could be a credential."""


def start_process() -> WorkerProcess:
    """Start one.

    Raises:
        OSError: the system does not let us.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "gitslo.load.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
    )


def end_process(process: WorkerProcess) -> None:
    """End it, whatever it does, and wait until it is gone. Its pipes stay open."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Standby:
    """At most one worker's process, from the `with` on. One that cannot be started is simply not there."""

    def __init__(self) -> None:
        self._process: WorkerProcess | None = None

    def __enter__(self) -> Self:
        with contextlib.suppress(OSError):
            self._process = start_process()
        return self

    def __exit__(self, *exception: object) -> None:
        process = self.taken()
        if process is not None:
            with process:
                end_process(process)

    def taken(self) -> WorkerProcess | None:
        """The process, which is the caller's from now on; None where there is none left."""
        process, self._process = self._process, None
        return process
