"""The load engine: `ports.LoadEngine` with worker processes of its own. Built by the wiring; called by the run.

The engine checks the job against the operator's bounds, starts the workers, gives them one common start, adds up what
they report, and sees to it that none of them outlives the call.

Invariants
- No worker is alive when `run` returns or raises.
- A host that is not allowed is never resolved (`bounds`), and splitting a job over workers never stretches a ceiling.
- Reports replace and ends are complete, so a merged result is the plain sum of the shards.
- When a shard is lost nothing can be decided any more, so the others are stopped at once.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from collections.abc import Callable, Iterator

from gitslo.errors import Problem, Refused, Retry
from gitslo.load.connections.addresses import resolved
from gitslo.load.connections.tls import context
from gitslo.load.engines.abort import Watch
from gitslo.load.engines.access import NoAccess
from gitslo.load.engines.bounds import check
from gitslo.load.engines.crew import Crew
from gitslo.load.engines.process import Standby
from gitslo.load.engines.workers import chosen, cores
from gitslo.load.grpc.prepared import prepare
from gitslo.load.messages import Assignment, Authorize, PreparedMethod, limits_of
from gitslo.load.results.detail import LoadDetail
from gitslo.load.results.merger import Merger
from gitslo.load.schedule import Schedule
from gitslo.load.worker.dial import prepared
from gitslo.model import ByteCount, Call, Ceilings, Seconds, Target
from gitslo.ports import Authorization, LoadJob, LoadResult, LoadSnapshot, MethodSchemas, TargetAccess, TlsMaterial

__all__ = ["ProcessLoadEngine"]

_LEAST_IN_FLIGHT, _MOST_IN_FLIGHT = 1000, 200_000
"""What bounds the engine's own choice; the upper one is about 30 MB of waiting arrivals."""
_AGAIN = 5.0
"""Seconds after which a fresh authorization is asked for once more where there was none."""


class ProcessLoadEngine:
    """Sends load from `python -m gitslo.load.worker` processes."""

    def __init__(
        self,
        ceilings: Ceilings,
        allowed: Callable[[str], bool],
        access: TargetAccess | None = None,
        schemas: MethodSchemas | None = None,
        standby: Standby | None = None,
    ) -> None:
        """Bind the operator's bounds.

        Args:
            ceilings: no job may exceed them.
            allowed: whether a host, as the plan writes it, may be called.
            access: certificates, identities and variables; None: there are none.
            schemas: finds the types of gRPC methods; None: only calls that need none can be made.
            standby: a worker that has been started already, for the first job; None: there is none.
        """
        self._ceilings = ceilings
        self._allowed = allowed
        self._access = access or NoAccess()
        self._schemas = schemas
        self._standby = standby or Standby()

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Carry out the job; see `ports.LoadEngine`.

        Raises:
            Refused: the job breaks a bound, or asks for what this version does not have.
            Retry: the target's name does not resolve, or no worker came through.
        """
        return self.measure(job, on_snapshot).result

    def measure(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadDetail:
        """Like `run`, with the histograms that only people ask for."""
        check(job, self._ceilings, self._allowed)
        tls = self._access.tls(job.target)
        if job.target.tls:
            context(job.target, tls, "h2")  # so that what cannot be used is refused before any process is there
        authorization = self._access.authorize(job.target)
        methods = self._methods(job, tls)
        merger = Merger(job)
        assignments = self._assignments(job, tls, authorization, methods)
        prepared(assignments[0])  # as above
        crew = Crew(assignments, self._standby)
        watch = Watch(job.section.abort)
        try:
            crew.start()
            with self._refreshed(job.target, authorization, crew):
                going = True
                while crew.busy:
                    crew.hear(merger)
                    snapshot = merger.snapshot(crew.reporting)
                    goes_on = not crew.lost and (
                        snapshot is None or (on_snapshot(snapshot) and watch.goes_on(snapshot))
                    )
                    if going and not goes_on:
                        crew.stop()
                        going = False
        finally:
            crew.kill()
        if not merger.ends:
            raise Retry(f"no load worker came through: {'; '.join(crew.lost)}")
        return merger.detail(crew.lost, watch.why, started=crew.started, workers=len(assignments))

    def _methods(self, job: LoadJob, tls: TlsMaterial) -> tuple[PreparedMethod, ...]:
        if not job.section.calls:
            return ()

        def find(call: Call) -> bytes:
            if self._schemas is None:
                raise Refused(Problem(f"the types of {call.method} are not known here"))
            return self._schemas.descriptors(job.target, job.target.resolve or job.address, call, tls)

        return prepare(job.section, self._access.environment(), find)

    @contextlib.contextmanager
    def _refreshed(self, target: Target, first: Authorization | None, crew: Crew) -> Iterator[None]:
        """Meanwhile, workers get a fresh Authorization before theirs runs out; requests never wait for one."""
        if first is None or first.fresh_for is None:
            yield
            return
        over = threading.Event()

        def refresh(fresh_for: float | None) -> None:
            while fresh_for is not None and not over.wait(fresh_for):
                try:
                    found = self._access.authorize(target)
                except (Retry, Refused):
                    fresh_for = _AGAIN  # the present one stays in use: that it is too old shows in the answers
                    continue
                if found is None:
                    return
                crew.tell(Authorize(found.value))
                fresh_for = found.fresh_for

        thread = threading.Thread(target=refresh, args=(first.fresh_for,), name="authorization", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _assignments(
        self, job: LoadJob, tls: TlsMaterial, authorization: Authorization | None, methods: tuple[PreparedMethod, ...]
    ) -> tuple[Assignment, ...]:
        section, ceilings = job.section, self._ceilings
        host, port = job.target.resolve or job.address
        addresses = () if job.unix else resolved(host, port)
        peak = Schedule(section.stages).peak
        streams = section.streams if job.target.multiplexed else 1
        connections = section.connections or ceilings.connections
        in_flight = section.max_in_flight or min(
            _MOST_IN_FLIGHT, max(_LEAST_IN_FLIGHT, math.ceil(2.0 * peak * section.timeout))
        )
        workers = job.workers or chosen(peak, cores(), closed=job.closed)
        workers = max(1, min(workers, connections, in_flight))

        def share(whole: int, shard: int) -> int:
            return whole // workers + (shard < whole % workers)

        now = time.monotonic()
        return tuple(
            Assignment(
                shard=shard,
                shards=workers,
                parent=os.getpid(),
                run_id=job.run_id,
                section=section,
                target=job.target,
                tls=tls,
                authorization="" if authorization is None else authorization.value,
                environment=tuple(self._access.environment().items()),
                methods=methods,
                addresses=addresses,
                name=(host, port) if addresses and addresses[0][0] != host else None,
                unix=job.unix,
                judged=tuple((Seconds(start), Seconds(end)) for _, start, end in job.judged),
                limits=limits_of(job),
                closed=job.closed,
                count=share(job.count, shard) if job.closed and job.count is not None else job.count,
                seed=job.seed,
                warm=share(connections, shard) if job.closed else 1 + math.ceil(peak / 50 / streams / workers),
                connections=share(connections, shard),
                max_in_flight=share(in_flight, shard),
                max_bytes=ByteCount(ceilings.bytes // workers),
                deadline=job.deadline,
                expires=now + job.deadline if job.expires is None else min(job.expires, now + job.deadline),
            )
            for shard in range(workers)
        )
