"""A bounded queue and one thread: how observers write without ever holding up the loop.

What must stay true: `put` returns at once whatever the sink does; what does not fit is dropped and counted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TextIO, TypeVar

__all__ = ["BackgroundWriter", "write_text"]

Item = TypeVar("Item")


def write_text(stream: TextIO, text: str) -> None:
    """Write and flush; what the stream's encoding lacks is escaped."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


class BackgroundWriter(Generic[Item]):
    """Hands items to `write` in order, from its own thread.

    Attributes:
        dropped: items that did not fit or that `write` failed on, so far.
    """

    def __init__(self, write: Callable[[Item], None], capacity: int = 10_000) -> None:
        """Start the thread.

        Args:
            write: may block; an OSError or ValueError (a closed stream) of it counts the item as dropped.
            capacity: items that wait at most.
        """
        self.dropped = 0
        self._write = write
        self._lock = threading.Lock()
        self._queue: queue.Queue[Item | None] = queue.Queue(capacity)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="observer", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Hand over one item, or drop it: the queue is full or closed."""
        if self._closing.is_set():
            self._drop()
            return
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self._drop()

    def close(self, timeout: float) -> bool:
        """Take no more items and wait at most `timeout` seconds until the queue is written; whether it was."""
        self._closing.set()
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return False
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _drop(self) -> None:
        with self._lock:
            self.dropped += 1

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            try:
                self._write(item)
            except (OSError, ValueError):
                self._drop()
