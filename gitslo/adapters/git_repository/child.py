"""A running Git process: fed, read, kept within its budget, and ended together with everything it started.

Made by `process.GitProcesses`, used through it by `reading`. **Invariants**: a time-out or an overrun ends the whole
process group, asked first so that Git removes its locks, then killed; after `end` the process has been waited for and
every descriptor is closed.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from gitslo.adapters.git_repository.faults import TimedOut, TooLarge, masked

__all__ = ["Child", "Finished"]

_CHUNK = 1 << 16
_ERROR_KEPT = 1 << 16
_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended.

    Attributes:
        code: exit code; negative: the signal that ended it.
        out: standard output.
        said: standard error, its end cut off where it is long, credentials masked.
    """

    code: int
    out: bytes
    said: str


class Child:
    """A running Git process that is fed and read in turns.

    Args:
        popen: started in a session of its own, with pipes.
        deadline: on the monotonic clock.
        cap: bytes of standard output it may print.
        secrets: masked in what it says.
    """

    def __init__(self, popen: subprocess.Popen[bytes], deadline: float, cap: int, secrets: Sequence[str]) -> None:
        if popen.stdin is None or popen.stdout is None or popen.stderr is None:
            raise ValueError("the process was started without pipes")
        self._popen = popen
        self._stdin: IO[bytes] = popen.stdin
        self._outputs: tuple[IO[bytes], IO[bytes]] = (popen.stdout, popen.stderr)
        self._deadline = deadline
        self._cap = cap
        self._secrets = secrets
        self._printed = 0
        self._error = bytearray()
        self._selector = selectors.DefaultSelector()
        self._pending = memoryview(b"")
        for stream in self._outputs:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
        os.set_blocking(self._stdin.fileno(), False)

    def exchange(self, data: bytes, feed: Callable[[bytes], bool]) -> None:
        """Write `data` and give standard output to `feed` until that says True or the output ends.

        Raises:
            TimedOut, TooLarge: the process has been killed.
            ValueError: whatever `feed` raises.
        """
        self._pending = memoryview(data)
        self._pump(feed)

    def finish(self, data: bytes = b"") -> Finished:
        """Write `data`, close standard input, read to the end and wait.

        Raises:
            TimedOut, TooLarge: the process has been killed.
        """
        out = bytearray()

        def keep(chunk: bytes) -> bool:
            out.extend(chunk)
            return False

        self._pending = memoryview(data)
        self._pump(keep, closing=True)
        try:
            code = self._popen.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimedOut from None
        return Finished(code, bytes(out), masked(self._error.decode(errors="replace"), self._secrets))

    def _pump(self, feed: Callable[[bytes], bool], *, closing: bool = False) -> None:
        if self._pending:
            self._selector.register(self._stdin, selectors.EVENT_WRITE)
        elif closing:
            self._stdin.close()
        done = False
        while not done and any(key.fileobj in self._outputs for key in self._selector.get_map().values()):
            left = self._deadline - time.monotonic()
            ready = self._selector.select(left) if left > 0 else []
            if not ready:
                raise TimedOut
            for key, _ in ready:
                if key.fileobj is self._stdin:
                    self._write(closing=closing)
                else:
                    done = self._read(key, feed) or done

    def _write(self, *, closing: bool) -> None:
        try:
            sent = os.write(self._stdin.fileno(), self._pending[:_CHUNK])
        except BrokenPipeError:
            sent = len(self._pending)  # it ended early; what it said tells why
        self._pending = self._pending[sent:]
        if not self._pending:
            self._selector.unregister(self._stdin)
            if closing:
                self._stdin.close()

    def _read(self, key: selectors.SelectorKey, feed: Callable[[bytes], bool]) -> bool:
        chunk = os.read(key.fd, _CHUNK)
        if not chunk:
            self._selector.unregister(key.fileobj)
            return False
        if key.fileobj is self._outputs[1]:
            self._error += chunk[: max(0, _ERROR_KEPT - len(self._error))]
            return False
        self._printed += len(chunk)
        if self._printed > self._cap:
            raise TooLarge
        return feed(chunk)

    def end(self) -> None:
        """End the process group if it still runs, wait, and close everything; does nothing twice."""
        if self._popen.returncode is None:
            # The leader is not waited for before the last signal: until then its number can be nobody else's.
            self._signal(signal.SIGTERM)
            self._drain(time.monotonic() + _GRACE)
            self._signal(signal.SIGKILL)
        self._selector.close()
        for stream in (self._stdin, *self._outputs):
            with contextlib.suppress(OSError):
                stream.close()
        self._popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def _drain(self, until: float) -> None:
        """Wait until nobody holds the output any more, or until the grace is over."""
        streams = list(self._outputs)
        while streams and (left := until - time.monotonic()) > 0:
            for stream in select.select(streams, [], [], left)[0]:
                with contextlib.suppress(BlockingIOError):
                    if not os.read(stream.fileno(), _CHUNK):
                        streams.remove(stream)
