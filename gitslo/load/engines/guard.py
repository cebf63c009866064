"""Stands between us and a foreign program: `python guard.py PARENT SECONDS PROGRAM ARGUMENT...`. Started by `program`.

A foreign program knows nothing of parents and deadlines, so its guard does. What must stay true:

* The program is dead when the guard is, and the guard when its parent is: the kernel sends both a SIGKILL then.
* After SECONDS the whole process group is killed, even where the parent stands still.

Runs without the package and without site-packages, so that it is there within a few tens of milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1
_ORPHANED, _NO_PROGRAM = 3, 127


def _die_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(_ORPHANED)


def _become(argv: list[str], guard: int) -> NoReturn:
    _die_with(guard)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execv(argv[0], argv)  # noqa: S606 - that is what a guard is for
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    os._exit(_NO_PROGRAM)


def main() -> None:
    """Run the program to its end, or to ours."""
    parent, seconds, argv = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    _die_with(parent)
    # An interrupt goes to the whole group and is meant for the program.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    guard = os.getpid()
    child = os.fork()
    if not child:
        _become(argv, guard)
    ended = os.pidfd_open(child)
    if not select.select([ended], [], [], max(0.0, seconds))[0]:
        os.killpg(0, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os._exit(abs(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    main()
