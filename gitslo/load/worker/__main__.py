"""`python -m gitslo.load.worker`: one worker process. Started by `engines.crew`, useful to nobody else.

Reads an `Assignment` and a `Start` from standard input and writes `Ready`, `Report`s and an `End` to standard output.
SIGTERM stops and drains.

Invariants (fencing: a target is never loaded by somebody whom nobody supervises)
- The end of standard input, that is the death of the engine, ends the process at once; so does the parent-death signal
  of the kernel, for a process that could not notice.
- An interval timer of the kernel ends it at its deadline, even where the loop is stuck; and where that is past already
  when it hears of it, it never starts.
- An unexpected exception ends it: a worker that has gone wrong is a lost shard, never a quiet one.

Imports are few on purpose: the first request leaves soon after the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
import time
import traceback
from typing import NoReturn

import uvloop

from gitslo.load.messages import Assignment, Authorize, Line, Ready, Start, decode, encode
from gitslo.load.worker.shard import Shard

_STDIN, _STDOUT = 0, 1
_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29
_SLACK = 1000
"""Nanoseconds by which short sleeps may be longer; the kernel's own choice is 50 us."""
_WARM_PATIENCE = 1.0
_ORPHANED, _BROKEN = 3, 4


def _quit(code: int) -> NoReturn:
    os._exit(code)


def _tell(line: Line) -> None:
    text = encode(line)
    try:
        while text:
            text = text[os.write(_STDOUT, text) :]
    except OSError:
        _quit(_ORPHANED)


class _Input:
    """The lines of standard input."""

    def __init__(self) -> None:
        self._buffer = b""

    def line(self) -> bytes | None:
        """The next whole line that has arrived, or None."""
        line, end, rest = self._buffer.partition(b"\n")
        if not end:
            return None
        self._buffer = rest
        return line

    def read(self) -> None:
        """Take what has arrived; the end of the input ends the process."""
        data = os.read(_STDIN, 1 << 16)
        if not data:
            _quit(_ORPHANED)
        self._buffer += data


def _fence(assignment: Assignment) -> None:
    # The signal comes when the thread that started us ends; that thread waits in the engine until we are gone.
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_TIMERSLACK, _SLACK)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != assignment.parent:
        _quit(_ORPHANED)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    left = min(assignment.deadline, assignment.expires - time.monotonic())
    if left <= 0:
        _quit(_ORPHANED)
    signal.setitimer(signal.ITIMER_REAL, left)
    # The terminal's Ctrl-C is the engine's to handle: it closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _allow_descriptors(connections: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + 64
    if soft < wanted:
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _carry_out(assignment: Assignment, received: float, source: _Input) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_broken)
    shard = Shard(assignment, received, _tell)
    connected = await shard.pool.warm(assignment.warm, min(_WARM_PATIENCE, assignment.section.timeout))
    _tell(Ready(connected, shard.pool.trouble))
    started: asyncio.Future[Start] = loop.create_future()

    def hear() -> None:
        source.read()
        take()

    def take() -> None:
        while (text := source.line()) is not None:
            match decode(text):
                case Start() as line if not started.done():
                    started.set_result(line)
                case Authorize() as line:
                    shard.authorize(line)
                case line:
                    raise TypeError(f"a {type(line).__name__} is not expected here")

    loop.add_reader(_STDIN, hear)
    take()
    start = await started
    gc.collect()
    gc.freeze()
    shard.start(start.at)
    loop.add_signal_handler(signal.SIGTERM, shard.stop)
    await shard.finished.wait()
    _tell(shard.end())


def _broken(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        traceback.print_exception(error)
    else:
        print(context.get("message"), file=sys.stderr)  # noqa: T201 - the engine reads the last lines
    sys.stderr.flush()
    _quit(_BROKEN)


def main() -> None:
    """Carry out one assignment, then end."""
    source = _Input()
    text = source.line()
    while text is None:
        source.read()
        text = source.line()
    received = time.monotonic()
    assignment = decode(text)
    if not isinstance(assignment, Assignment):
        raise TypeError(f"expected an assignment, got {type(assignment).__name__}")
    _fence(assignment)
    _allow_descriptors(assignment.connections)
    uvloop.run(_carry_out(assignment, received, source))


if __name__ == "__main__":
    main()
