"""The load engine: `ports.LoadEngine` with worker processes of its own. Built by the wiring; called by the run.

The engine checks the job against the operator's bounds, starts the workers, gives them one common start, adds up what
they report, and sees to it that none of them outlives the call.

Invariants
- A worker is in a process group of its own, holds our pipe, and is dead when `run` returns or raises.
- A host that is not allowed is never resolved (`bounds`), and splitting a job over workers never stretches a ceiling.
- Reports replace and ends are complete, so a merged result is the plain sum of the shards.
- When a shard is lost nothing can be decided any more, so the others are stopped at once.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import IO

from gitslo.errors import Retry
from gitslo.load.bounds import check
from gitslo.load.messages import Assignment, End, Limit, Line, Ready, Report, Start, decode, encode
from gitslo.load.results import LoadDetail, Merger
from gitslo.load.schedule import Schedule
from gitslo.model import ByteCount, Ceilings, Metric
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot

__all__ = ["LoadDetail", "ProcessLoadEngine"]

_READY_WITHIN = 15.0
_START_AHEAD = 0.02
"""Seconds between telling the workers and the start, so that all of them have heard."""
_GRACE = 2.0
"""Seconds after a deadline of a worker after which the engine stops believing in it."""
_LEAST_IN_FLIGHT = 1000
_TAIL = 2000
_ENVIRONMENT = (
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


class ProcessLoadEngine:
    """Sends load from `python -m gitslo.load.worker` processes."""

    def __init__(self, ceilings: Ceilings, allowed: Callable[[str], bool], *, closed: bool = False) -> None:
        """Bind the operator's bounds.

        Args:
            ceilings: no job may exceed them.
            allowed: whether a host, as the plan writes it, may be called.
            closed: ignore rates: every connection sends as soon as it has been answered, for the stages' duration.
                Says what a target can take, never how it fares under a load that does not wait for it.
        """
        self._ceilings = ceilings
        self._allowed = allowed
        self._closed = closed

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Carry out the job; see `ports.LoadEngine`.

        Raises:
            Refused: the job breaks a bound, or asks for what this version does not have.
            Retry: the target's name does not resolve, or no worker came through.
        """
        return self.measure(job, on_snapshot).result

    def measure(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadDetail:
        """Like `run`, with the histograms that only people ask for."""
        check(job, self._ceilings, self._allowed, closed=self._closed)
        addresses = _resolved(job)
        merger = Merger(job, closed=self._closed)
        crew = _Crew(self._assignments(job, addresses))
        try:
            crew.start()
            stopped = False
            while crew.busy:
                crew.hear(merger)
                if crew.lost and not stopped:
                    crew.stop()
                    stopped = True
                snapshot = merger.snapshot(crew.reporting)
                if snapshot is not None and not on_snapshot(snapshot) and not stopped:
                    crew.stop()
                    stopped = True
        finally:
            crew.kill()
        if not merger.ends:
            raise Retry(f"no load worker came through: {'; '.join(crew.lost)}")
        return merger.detail(crew.lost)

    def _assignments(self, job: LoadJob, addresses: tuple[tuple[str, int], ...]) -> tuple[Assignment, ...]:
        section, ceilings = job.section, self._ceilings
        names = [endpoint.name for endpoint in section.endpoints]
        peak = Schedule(section.stages).peak
        connections = section.connections or ceilings.connections
        in_flight = section.max_in_flight or max(_LEAST_IN_FLIGHT, math.ceil(2.0 * peak * section.timeout))
        workers = max(1, min(job.workers, connections, in_flight))
        limits = tuple(
            Limit(
                endpoint=None if objective.endpoint is None else names.index(objective.endpoint),
                above=objective.limit if objective.metric is Metric.LATENCY else None,
            )
            for objective in job.objectives
        )

        def share(whole: int, shard: int) -> int:
            return whole // workers + (shard < whole % workers)

        return tuple(
            Assignment(
                shard=shard,
                shards=workers,
                parent=os.getpid(),
                run_id=job.run_id,
                target=job.target,
                addresses=addresses,
                endpoints=section.endpoints,
                stages=section.stages,
                expect=tuple(sorted(section.expect)),
                timeout=section.timeout,
                judged=tuple((start, end) for _, start, end in job.judged),
                limits=limits,
                closed=self._closed,
                warm=share(connections, shard) if self._closed else 1 + math.ceil(peak / 50 / workers),
                connections=share(connections, shard),
                max_in_flight=share(in_flight, shard),
                max_bytes=ByteCount(ceilings.bytes // workers),
                deadline=job.deadline,
            )
            for shard in range(workers)
        )


def _resolved(job: LoadJob) -> tuple[tuple[str, int], ...]:
    host, port = job.address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Retry(f"the address of {host!r} is not known: {error.strerror or error}") from error
    return tuple(dict.fromkeys((str(entry[4][0]), port) for entry in found))


class _Worker:
    """One worker process as the engine sees it."""

    def __init__(self, assignment: Assignment, heard: queue.SimpleQueue[tuple[int, Line | None]]) -> None:
        self.shard = assignment.shard
        self.running = True
        self.noise = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gitslo.load.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        )
        self._heard = heard
        self._reader = threading.Thread(target=self._listen, name=f"load-worker-{self.shard}", daemon=True)
        self._reader.start()
        self.tell(assignment)

    def tell(self, line: Line) -> None:
        """Say something; that nobody listens shows as the end of its output."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        with contextlib.suppress(OSError):
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
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()


class _Crew:
    """All workers of one job.

    Attributes:
        lost: a sentence for each worker that ended without a result.
    """

    def __init__(self, assignments: Sequence[Assignment]) -> None:
        self.lost: list[str] = []
        self._assignments = assignments
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
                self._workers.append(_Worker(assignment, self._heard))
        except OSError as error:
            raise Retry(f"a load worker could not be started: {error.strerror or error}") from error
        waiting = {worker.shard for worker in self._workers}
        while waiting:
            shard, line = self._next()
            if not isinstance(line, Ready):
                noise = self._workers[shard].noise.strip().splitlines() if shard >= 0 else []
                raise Retry(f"a load worker did not start: {noise[-1] if noise else 'no answer in time'}")
            waiting.discard(shard)
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
