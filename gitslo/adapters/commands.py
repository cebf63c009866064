"""Runs a command that the operator named, for `outcomes.<verdict>.run`.

Called by the loop through the wiring. What must stay true: the argv is the operator's, never a repository's; the child
sees PATH and what it is given, nothing of ours; nothing of its process group outlives the call.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitslo.errors import Problem, Refused
from gitslo.model import ByteCount, Seconds

__all__ = ["OUTPUT_CAP", "CommandResult", "run_command"]

OUTPUT_CAP = ByteCount(64 * 1024)
"""Bytes of output that are kept; the rest is read and dropped, so that the command never blocks on it."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CHUNK = 64 * 1024
_DRAIN = 1.0
"""Seconds to read what is left in the pipe after the group is gone; whoever left the group may still hold it open."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended.

    Attributes:
        exit_code: minus the signal's number where a signal ended it, None where it ran into its time-out.
        output: standard output and standard error as they came, at most OUTPUT_CAP bytes, undecodable bytes replaced.
        truncated: there was more output.
    """

    exit_code: int | None
    output: str
    truncated: bool

    @property
    def timed_out(self) -> bool:
        """Whether it was killed at its time-out."""
        return self.exit_code is None


def run_command(argv: Sequence[str], environment: Mapping[str, str], stdin: bytes, timeout: Seconds) -> CommandResult:
    """Run `argv` in a process group of its own and wait for it; the whole group is killed when it is over.

    Args:
        argv: program (looked up on PATH) and arguments; no shell is involved.
        environment: all that the child sees beside PATH.
        stdin: written to its standard input, which is then closed; the child need not read it.
        timeout: seconds after which the group is killed.

    Raises:
        Refused: it cannot be started.
    """
    if not argv:
        raise Refused(Problem("the command is empty: it cannot be started"))
    seen = {"PATH": os.environ.get("PATH", _PATH), **environment}
    try:
        child = subprocess.Popen(
            list(argv),
            env=seen,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problem = Problem(f"the command {argv[0]} cannot be started: {reason}")
        raise Refused(problem) from None
    conversation = _Conversation(child, stdin)
    try:
        ended = conversation.until(time.monotonic() + timeout)
    finally:
        # The leader is not reaped yet, so its group's number cannot belong to anybody else.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        exit_code = child.wait()
        conversation.drain(time.monotonic() + _DRAIN)
        conversation.close()
    return CommandResult(
        exit_code=exit_code if ended else None,
        output=conversation.kept.decode("utf-8", errors="replace"),
        truncated=conversation.truncated,
    )


class _Conversation:
    """Feeds the child, keeps its output, and sees its end, in one thread."""

    def __init__(self, child: subprocess.Popen[bytes], stdin: bytes) -> None:
        assert child.stdin is not None  # noqa: S101 - both were asked for
        assert child.stdout is not None  # noqa: S101
        self.kept = bytearray()
        self.truncated = False
        self._unsent = memoryview(stdin)
        self._in, self._out = child.stdin, child.stdout
        self._end = os.pidfd_open(child.pid)
        self._selector = selectors.DefaultSelector()
        for stream in (self._in, self._out):
            os.set_blocking(stream.fileno(), False)
        self._selector.register(self._end, selectors.EVENT_READ)
        self._selector.register(self._out, selectors.EVENT_READ)
        self._selector.register(self._in, selectors.EVENT_WRITE)

    def until(self, deadline: float) -> bool:
        """Talk until the leader has ended (True) or the monotonic `deadline` has come (False)."""
        while True:
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            files = [key.fileobj for key, _ in ready]
            if self._in in files:
                self._feed()
            if self._out in files:
                self._take()
            if self._end in files:
                return True
            if time.monotonic() >= deadline:
                return False

    def drain(self, deadline: float) -> None:
        """Read what the pipe still holds."""
        self._selector.unregister(self._end)
        self._hang_up()
        while self._selector.get_map() and time.monotonic() < deadline:
            if self._selector.select(max(0.0, deadline - time.monotonic())):
                self._take()

    def close(self) -> None:
        """Give everything back."""
        self._hang_up()
        self._selector.close()
        self._out.close()
        os.close(self._end)

    def _feed(self) -> None:
        try:
            sent = os.write(self._in.fileno(), self._unsent[:_CHUNK])
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._hang_up()
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._hang_up()

    def _take(self) -> None:
        try:
            piece = os.read(self._out.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not piece:
            self._selector.unregister(self._out)
        room = OUTPUT_CAP - len(self.kept)
        self.kept += piece[:room]
        self.truncated = self.truncated or len(piece) > room

    def _hang_up(self) -> None:
        if not self._in.closed:
            self._selector.unregister(self._in)
            self._in.close()
