"""Starts one process so that it dies with the syncer; run as a script, imports nothing of gitslo.

`python -I -S launch.py PARENT PROGRAM [ARGUMENT ...]`: asks the kernel for SIGKILL when the parent ends, checks that
the parent has not ended before that, and becomes the program. It is a program of its own because code between fork and
exec is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
CANNOT_START = 127


def main(arguments: list[str]) -> int:
    """Become the program; returns only where that fails."""
    parent, argv = int(arguments[0]), arguments[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        print(f"cannot tie the process to its parent: {os.strerror(ctypes.get_errno())}", file=sys.stderr)  # noqa: T201 - read as the process's last line
        return CANNOT_START
    if os.getppid() != parent:
        return CANNOT_START
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - the operator's argument vector, no shell
    except OSError as error:
        print(f"cannot start {argv[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - read as the process's last line
    return CANNOT_START


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
