"""The worker processes of one load: started together, heard together, and all gone at the end. Called by `own`.

Invariants
- A worker holds our pipe, and is dead when `kill` returns.
- A worker that ends without its last word is lost, and said so with what it last wrote.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Sequence
from typing import IO

from gitslo.errors import Retry
from gitslo.load.engines.process import Standby, WorkerProcess, end_process, start_process
from gitslo.load.messages import Assignment, End, Line, Ready, Report, Start, decode, encode
from gitslo.load.results.merger import Merger

__all__ = ["Crew"]

_READY_WITHIN = 15.0
_START_AHEAD = 0.02
"""Seconds between telling the workers and the start, so that all of them have heard."""
_GRACE = 2.0
"""Seconds after a deadline of a worker after which the engine stops believing in it."""
_TAIL = 2000


class _Worker:
    """One worker process as the engine sees it."""

    def __init__(
        self, assignment: Assignment, process: WorkerProcess, heard: queue.SimpleQueue[tuple[int, Line | None]]
    ) -> None:
        self.shard = assignment.shard
        self.running = True
        self.noise = ""
        self.process = process
        self._heard = heard
        self._said = threading.Lock()
        self._reader = threading.Thread(target=self._listen, name=f"load-worker-{self.shard}", daemon=True)
        self._reader.start()
        self.tell(assignment)

    def tell(self, line: Line) -> None:
        """Say something; that nobody listens shows as the end of its output."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        with self._said, contextlib.suppress(OSError, ValueError):
            self.process.stdin.write(encode(line))
            self.process.stdin.flush()

    def _listen(self) -> None:
        stream: IO[bytes] | None = self.process.stdout
        assert stream is not None  # noqa: S101 - it is a pipe
        for text in stream:
            try:
                self._heard.put((self.shard, decode(text)))
            except ValueError:
                self.noise = (self.noise + text.decode(errors="replace"))[-_TAIL:]
        self._heard.put((self.shard, None))

    def kill(self) -> None:
        """End it, whatever it does, and wait until it is gone."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        end_process(self.process)
        self._reader.join()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()


class Crew:
    """All workers of one job. Its methods but `tell` belong to one thread.

    Args:
        assignments: one for each worker.
        standby: gives a process that has been started already, while it has one.

    Attributes:
        lost: a sentence for each worker that ended without a result.
        started: seconds since the epoch at the common start.
    """

    def __init__(self, assignments: Sequence[Assignment], standby: Standby) -> None:
        self.lost: list[str] = []
        self.started = 0.0
        self._assignments, self._standby = assignments, standby
        self._heard: queue.SimpleQueue[tuple[int, Line | None]] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._until = time.monotonic() + _READY_WITHIN

    @property
    def busy(self) -> bool:
        """Whether a worker has not come to its end."""
        return any(worker.running for worker in self._workers)

    @property
    def reporting(self) -> frozenset[int]:
        """The shards that still report."""
        return frozenset(worker.shard for worker in self._workers if worker.running)

    def start(self) -> None:
        """Start every worker, wait until all are ready, and give them their common start.

        Raises:
            Retry: one of them could not be started or died.
        """
        try:
            for assignment in self._assignments:
                process = self._standby.taken() or start_process()
                self._workers.append(_Worker(assignment, process, self._heard))
        except OSError as error:
            raise Retry(f"a load worker could not be started: {error.strerror or error}") from error
        waiting = {worker.shard for worker in self._workers}
        while waiting:
            shard, line = self._next()
            if not isinstance(line, Ready):
                noise = self._workers[shard].noise.strip().splitlines() if shard >= 0 else []
                raise Retry(f"a load worker did not start: {noise[-1] if noise else 'no answer in time'}")
            waiting.discard(shard)
        self.started = time.time() + _START_AHEAD
        at = Start(time.monotonic() + _START_AHEAD)
        for worker in self._workers:
            worker.tell(at)
        self._until = time.monotonic() + max(a.deadline for a in self._assignments) + _GRACE

    def _next(self) -> tuple[int, Line | None]:
        try:
            return self._heard.get(timeout=max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            return -1, None

    def hear(self, merger: Merger) -> None:
        """Wait for the next word of any worker and pass it on."""
        shard, line = self._next()
        if shard < 0:
            for worker in self._workers:
                self._lose(worker, "it was silent beyond its deadline")
        elif isinstance(line, Report):
            merger.report(shard, line)
        elif isinstance(line, End):
            merger.end(shard, line)
            self._workers[shard].running = False
        elif line is None:
            worker = self._workers[shard]
            last = worker.noise.strip().splitlines()
            self._lose(worker, last[-1] if last else f"it ended with code {worker.process.wait()}")

    def tell(self, line: Line) -> None:
        """Say something to every worker that runs; may be called from another thread."""
        for worker in self._workers:
            if worker.running:
                worker.tell(line)

    def _lose(self, worker: _Worker, why: str) -> None:
        if worker.running:
            worker.running = False
            self.lost.append(f"load worker {worker.shard + 1} of {len(self._workers)} was lost: {why}")

    def stop(self) -> None:
        """Let every worker release nothing more and drain."""
        for worker in self._workers:
            if worker.running:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Nothing of ours is left when this returns."""
        for worker in self._workers:
            worker.kill()
