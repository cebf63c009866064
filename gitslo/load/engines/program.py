"""One foreign program under supervision: started, heard, interrupted, and gone at the end. Called by `foreign`.

Invariants
- It runs in a process group of its own, under a guard (see there), and nothing of the group is alive when `kill`
  returns.
- It sees the environment that it is given, and nothing of ours that could be a credential.
- What it writes is bounded: lines wait in a queue of fixed length, and what it says to people is kept from its end.
- Files for it have no name that anybody else could open, and are in no argument but by their descriptor's number.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitslo.errors import Problem, Refused, Retry
from gitslo.load.engines import guard

__all__ = ["Command", "Files", "Program", "find", "version_of"]

_CHUNK = 1 << 16
_BATCHES = 64
"""Chunks of output that wait to be heard; a program that writes faster waits."""
_LONGEST_LINE = 1 << 20
_TAIL = 4000
_PATIENCE = 10.0
"""Seconds that a program may take to say its version."""
_HOME = "/nonexistent"
"""No configuration of a person's own changes what a program does."""
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_DIR", "SSL_CERT_FILE")


def find(name: str, path: Path | None) -> Path:
    """Where a program is.

    Args:
        name: looked for on PATH.
        path: the operator's own word.

    Raises:
        Refused: it is not there.
    """
    found = shutil.which(name if path is None else path)
    if found is None:
        where = "on the PATH" if path is None else f"at {path}"
        raise Refused(
            Problem(f"there is no {name} {where}", hint=f"install {name}, or leave `engine` out: gitslo has its own")
        )
    return Path(found).absolute()


def version_of(program: Path) -> str:
    """The first line that `PROGRAM version` prints.

    Raises:
        Refused: it prints none.
    """
    try:
        said = subprocess.run(
            [program, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            env=_environment({}),
            cwd="/",
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Refused(Problem(f"{program} does not say its version: {error}")) from error
    return next(iter(said[:_TAIL].decode(errors="replace").splitlines()), "").strip()


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {**kept, "HOME": _HOME, "XDG_CONFIG_HOME": _HOME, **more}


class Files:
    """Files that a program reads by descriptor. Closed by whoever made them."""

    def __init__(self) -> None:
        self.descriptors: list[int] = []

    def add(self, content: bytes) -> str:
        """The path by which the program reads this content."""
        descriptor = os.memfd_create("load", os.MFD_CLOEXEC)
        self.descriptors.append(descriptor)
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
        return f"/dev/fd/{descriptor}"

    def close(self) -> None:
        """They are not read any more."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()


@dataclass(frozen=True, slots=True)
class Command:
    """What is started.

    Attributes:
        arguments: after the program.
        stdin: what it reads.
        environment: beside PATH and the like.
    """

    arguments: Sequence[str]
    stdin: bytes = b""
    environment: Mapping[str, str] = field(default_factory=dict)


class Program:
    """One run of one program. Its methods belong to one thread.

    Attributes:
        ended: its output has come to its end.
        read: bytes of output so far.
        cpu: seconds of processor time, once it has been reaped.
        code: its exit code then; minus the signal's number where one ended the guard.
    """

    def __init__(self, program: Path, command: Command, files: Files, seconds: float) -> None:
        """Start it.

        Args:
            program: absolute.
            command: for it.
            files: what its arguments name by descriptor.
            seconds: after which it is killed, whatever happens to us.

        Raises:
            Retry: it cannot be started.
        """
        self.ended = False
        self.read = 0
        self.cpu = 0.0
        self.code: int | None = None
        self._noise = bytearray()
        self._heard: queue.Queue[list[bytes] | None] = queue.Queue(_BATCHES)
        self._over = threading.Event()
        argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), f"{seconds:.3f}"]
        script = Files()
        try:
            with Path(script.add(command.stdin)).open("rb") as stdin:
                self._process = subprocess.Popen(
                    [*argv, str(program), *command.arguments],
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=files.descriptors,
                    start_new_session=True,
                    env=_environment(command.environment),
                    cwd="/",
                )
        except OSError as error:
            raise Retry(f"{program.name} could not be started: {error.strerror or error}") from error
        finally:
            script.close()
        self._threads = [
            threading.Thread(target=each, name=f"{program.name}-{each.__name__}", daemon=True)
            for each in (self._listen, self._complain)
        ]
        for thread in self._threads:
            thread.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        source, rest = self._process.stdout.fileno(), b""
        while chunk := os.read(source, _CHUNK):
            self.read += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            rest = b"" if len(rest) > _LONGEST_LINE else rest
            self._hand_over(lines)
        self._hand_over([rest])
        self._hand_over(None)

    def _hand_over(self, lines: list[bytes] | None) -> None:
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                self._heard.put(lines, timeout=0.1)
                return

    def _complain(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - it is a pipe
        while chunk := os.read(self._process.stderr.fileno(), _CHUNK):
            self._noise += chunk
            del self._noise[:-_TAIL]

    def lines(self, within: float) -> list[bytes]:
        """The next lines that it has written; none where there are none in time, or where `ended` is now set."""
        try:
            found = self._heard.get(timeout=max(0.0, within))
        except queue.Empty:
            return []
        if found is None:
            self.ended = True
        return found or []

    @property
    def complaint(self) -> str:
        """The last line that it wrote for people; empty for none."""
        lines = bytes(self._noise).decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def transferred(self) -> int:
        """Bytes that it has read and written so far, but for its output to us: about those of its connections."""
        moved = 0
        for child in self._children():
            with contextlib.suppress(OSError, ValueError, IndexError):
                said = Path(f"/proc/{child}/io").read_text(encoding="ascii").splitlines()
                moved += sum(int(line.split()[1]) for line in said if line.startswith(("rchar", "wchar")))
        return max(0, moved - self.read)

    def _children(self) -> list[str]:
        pid = self._process.pid
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return []

    def interrupt(self) -> None:
        """Ask it to come to its end."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGINT)

    def reap(self, within: float) -> None:
        """Wait for its end and take its exit code; kill it where that takes too long."""
        if self.code is not None:
            return
        watched = os.pidfd_open(self._process.pid)
        try:
            if not select.select([watched], [], [], within)[0]:
                os.killpg(self._process.pid, signal.SIGKILL)
        finally:
            os.close(watched)
        _, status, usage = os.wait4(self._process.pid, 0)
        self.code = self._process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime

    def kill(self) -> None:
        """Nothing of it is left when this returns."""
        if self.code is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.reap(_PATIENCE)
        self._over.set()
        until = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
