"""Starting programs, and what they cost: CPU of the whole process tree, peak memory, wall time.

Everything that is started here is ended here, by its own id; a tool that does not end in time is killed with the group
that was made for it, and nothing else is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ran", "Unusable", "ended", "held", "run", "tree"]


class Unusable(Exception):
    """A tool is missing, refuses the job, or broke: its cell of the table stays empty and says why."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has ended.

    Attributes:
        cpu: seconds of CPU of it and of all its descendants (those that were waited for, as all that end orderly are).
        peak: bytes that the largest of these processes held at most (looked at while they run: what the system says at
            their end has in it what we held when we started them).
    """

    out: str
    err: str
    code: int
    wall: float
    cpu: float
    peak: int


def run(
    argv: Sequence[str],
    within: float,
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    started: Callable[[int], None] | None = None,
) -> Ran:
    """Run it to its end. `started` is called with its pid, beside it in time; Unusable where it takes too long."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=cwd,
            env=os.environ | dict(environment or {}),
            start_new_session=True,
        )
        late = threading.Timer(within, lambda: os.killpg(process.pid, signal.SIGKILL))
        late.start()
        over = threading.Event()
        peaks = [0]
        beside = [threading.Thread(target=_watch, args=(process.pid, over, peaks))]
        if started:
            beside.append(threading.Thread(target=started, args=(process.pid,)))
        for thread in beside:
            thread.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
        finally:
            late.cancel()
            over.set()
            for thread in beside:
                thread.join()
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    if wall >= within:
        raise Unusable(f"{Path(argv[0]).name} did not end within {within:.0f} s")
    cpu = used.ru_utime + used.ru_stime
    return Ran(said[0], said[1], process.returncode, wall, cpu, max(peaks))


@contextlib.contextmanager
def ended(process: subprocess.Popen[str], by: int = signal.SIGTERM) -> Iterator[subprocess.Popen[str]]:
    """A server that runs as long as the block does."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(by)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree(pid: int) -> list[int]:
    """The process and its descendants that are there now, itself first."""
    found = [pid]
    for one in found:
        for file in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found.extend(int(child) for child in file.read_text().split())
    return found


def held(pid: int, what: str = "VmRSS") -> int:
    """Bytes that a process holds, or (`VmHWM`) has held at most; 0 where it is gone."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith(what)).split()[1]) * 1024
    return 0


def _watch(pid: int, over: threading.Event, peaks: list[int]) -> None:
    # not at once: before it has become the program, it is a copy of us
    while not over.wait(0.25):
        peaks.extend(held(one, "VmHWM") for one in tree(pid))
