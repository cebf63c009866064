"""`ports.LoadEngine` by a foreign program: what all of them have in common. A `Dialect` knows the one program.

The engine holds the job against the operator's bounds and against what the program can do, pins the address, starts it
under supervision, keeps an `Account` of what it tells, and says of the result what it is worth.

Invariants
- Nothing of the program is alive when `run` returns or raises; no ceiling is wider than for our own engine.
- The program connects to one address that was found here and held against the same rules; names are not looked up
  again, and no redirect is followed.
- What it cannot do is refused by name before anything is started; nothing of a plan is quietly left out.
- What it dropped, or did not tell of, decides nothing: neither a pass nor a fail.
- A line that cannot be read blocks both, too.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from gitslo.errors import Problem, Refused, Retry
from gitslo.load.connections.addresses import resolved
from gitslo.load.connections.tls import context
from gitslo.load.engines.abort import Watch
from gitslo.load.engines.access import NoAccess
from gitslo.load.engines.account import Account, Lane
from gitslo.load.engines.bounds import check
from gitslo.load.engines.program import Command, Files, Program, find, version_of
from gitslo.load.engines.workers import cores
from gitslo.load.requests.content import Content, authority
from gitslo.load.requests.source import sources
from gitslo.load.results.detail import LoadDetail
from gitslo.load.results.merger import Merger
from gitslo.load.schedule import Schedule
from gitslo.model import Arrivals, Ceilings, Fidelity, LoadHistogram
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot, TargetAccess, TlsMaterial

__all__ = ["Dialect", "Errand", "ForeignEngine", "Voyage"]

_LOOK = 0.2
"""Seconds that output is waited for at most before the clock is looked at."""
_SETTLED = 0.5
"""Seconds after which what a program knows has reached us; looks are as of so long ago."""
_GRACE = 1.0
"""Seconds that an interrupted program has until it is killed."""
_MARGIN = 0.5
"""Seconds before the deadline at which it is interrupted, so that a result can still be told."""
_BUSY = 0.8
"""The share of this machine's processors above which a program's own times are not to be trusted."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a program is to do, ready to be put into its words.

    Attributes:
        job: as it was asked for.
        contents: per endpoint; none for gRPC.
        host: what Host or `:authority` says.
        address: numeric, and where it connects to.
        tls: PEM.
        connections: the most at once.
    """

    job: LoadJob
    contents: tuple[Content, ...]
    host: str
    address: tuple[str, int]
    tls: TlsMaterial
    connections: int

    @property
    def netloc(self) -> str:
        """The address as a URL has it."""
        host, port = self.address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Voyage(Protocol):
    """One run of a program, as its dialect sees it."""

    lanes: Sequence[Lane]
    """What it will do."""
    command: Command
    """What is started."""

    def hear(self, line: bytes, account: Account) -> float | None:
        """Take one line of its output; seconds since the epoch of the load's start, in a line that tells it."""

    def over(self, account: Account, elapsed: float) -> bool:
        """Whether it has done what it was started for, and should be told so."""

    def finish(self, account: Account, *, whole: bool) -> str:
        """It is gone: settle what it never sent.

        Args:
            account: whatever is not settled afterwards was dropped.
            whole: its output came to an end of its own; False: it was killed after `over`.

        Returns:
            Why what it told cannot be all, or nothing.
        """


class Dialect(Protocol):
    """What is known of one program."""

    name: str
    """As it is found on PATH, and as people know it."""
    resolution: float
    """Seconds by which a response time that it tells may be too long."""

    def cannot(self, job: LoadJob) -> Iterator[str]:
        """Everything of the job that it has no way to do, after `it cannot`."""

    def voyage(self, errand: Errand, files: Files) -> Voyage:
        """Put an errand into its words."""

    def release(self, said: str) -> str:
        """The version alone, from the line that it prints of it."""


class ForeignEngine:
    """Sends load with a program of this machine."""

    def __init__(
        self,
        dialect: Dialect,
        ceilings: Ceilings,
        allowed: Callable[[str], bool],
        access: TargetAccess | None = None,
        path: Path | None = None,
    ) -> None:
        """Bind the operator's bounds.

        Args:
            dialect: of the program.
            ceilings: no job may exceed them.
            allowed: whether a host, as the plan writes it, may be called.
            access: certificates, identities and variables; None: there are none.
            path: where the program is; None: it is looked for on PATH.
        """
        self._dialect = dialect
        self._ceilings = ceilings
        self._allowed = allowed
        self._access = access or NoAccess()
        self._path = path
        self._found: tuple[Path, str] | None = None
        self._looking = threading.Lock()

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        """Carry out the job; see `ports.LoadEngine`.

        Raises:
            Refused: the job breaks a bound, or asks for what the program cannot do, or there is no such program.
            Retry: the target's name does not resolve, or the program told of no request.
        """
        return self.measure(job, on_snapshot).result

    def measure(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadDetail:
        """Like `run`, with the histograms that only people ask for."""
        check(job, self._ceilings, self._allowed)
        self._refuse(job)
        errand = self._errand(job)
        program, version = self._program()
        name = f"{self._dialect.name} {version}"
        began = time.monotonic()
        files = Files()
        try:
            voyage = self._dialect.voyage(errand, files)
            account = Account(job, voyage.lanes, self._dialect.resolution)
            expires = began + job.deadline if job.expires is None else min(job.expires, began + job.deadline)
            started = Program(program, voyage.command, files, expires - began)
        finally:
            files.close()
        watched = _Watched(job, self._ceilings, name, voyage, account, started, expires)
        try:
            watched.see(on_snapshot)
        finally:
            started.kill()
        if not account.told:
            raise Retry(f"{name} told of no request: {started.complaint or f'it ended with code {started.code}'}")
        return watched.detail()

    def _program(self) -> tuple[Path, str]:
        with self._looking:
            if self._found is None:
                program = find(self._dialect.name, self._path)
                self._found = program, self._dialect.release(version_of(program))
            return self._found

    def _refuse(self, job: LoadJob) -> None:
        reasons = [*_cannot(job), *self._dialect.cannot(job)]
        if reasons:
            own = "gitslo's own engine does all of it: leave `engine` out"
            what = f"load {job.section.name!r}: {self._dialect.name} cannot"
            raise Refused(*(Problem(f"{what} {reason}", hint=own) for reason in reasons))

    def _errand(self, job: LoadJob) -> Errand:
        section, target = job.section, job.target
        tls = self._access.tls(target)
        if target.tls:
            context(target, tls, "http/1.1")  # so that what cannot be used is refused before a process is there
        authorization = self._access.authorize(target)
        if authorization is not None and authorization.fresh_for is not None and authorization.fresh_for < job.deadline:
            raise Refused(Problem(f"{self._dialect.name} cannot renew the Authorization that its requests carry"))
        value = "" if authorization is None else authorization.value
        made = sources(section, target, job.run_id, 0, 1, self._access.environment(), value)
        if any(source.varies for source in made):
            what = "make requests that differ from each other (`${...}`, `trace`)"
            raise Refused(Problem(f"load {section.name!r}: {self._dialect.name} cannot {what}"))
        peak = Schedule(section.stages).peak
        wanted = section.connections or min(self._ceilings.connections, max(2, math.ceil(peak * section.timeout)))
        return Errand(
            job=job,
            contents=tuple(source.content for source in made),
            host=authority(target),
            address=resolved(*(target.resolve or job.address))[0],
            tls=tls,
            connections=min(wanted, section.max_in_flight or wanted),
        )


def _cannot(job: LoadJob) -> Iterator[str]:
    """What no foreign program is asked for."""
    section, settings = job.section, job.target.settings
    asked = {
        "run a closed loop whose requests have a place in the schedule (`closed`)": job.closed,
        "end after a number of requests (`count`)": job.count is not None,
        "connect to a unix socket (`unix`)": bool(job.unix),
        "send at random moments that a seed fixes (`arrivals: poisson`)": section.arrivals is not Arrivals.UNIFORM,
        "give connections an age (`connection_age`)": section.connection_age is not None,
        "bound the making of a connection alone (`connect_timeout`)": section.connect_timeout is not None,
        "follow redirects on the target's own host only (`redirects`)": bool(section.redirects),
        "keep cookies per connection (`cookies`)": section.cookies,
        "ask for a TLS name other than the target's (`server_name`)": bool(settings.server_name),
    }
    yield from (what for what, wanted in asked.items() if wanted)
    for endpoint in section.endpoints:
        if "#" in endpoint.path:
            yield f"send a `#` within a path ({endpoint.name})"


class _Watched:
    """One run from its start to its end."""

    def __init__(
        self,
        job: LoadJob,
        ceilings: Ceilings,
        name: str,
        voyage: Voyage,
        account: Account,
        program: Program,
        expires: float,
    ) -> None:
        self._job = job
        self._ceilings = ceilings
        self._name = name
        self._voyage = voyage
        self._account = account
        self._program = program
        self._until = expires - _MARGIN
        self._merger = Merger(job)
        self._watch = Watch(job.section.abort)
        self._start: float | None = None
        self._lasted = 0.0
        self._stopped: float | None = None
        self._over: float | None = None
        self._cut = ""
        self._lost: list[str] = []
        self._garbled = False

    def see(self, on_snapshot: Callable[[LoadSnapshot], bool]) -> None:
        """Hear it out, look about once a second, and stop it where it is to stop."""
        program = self._program
        look = time.monotonic() + 1.0
        while not program.ended:
            for line in program.lines(_LOOK):
                start = self._heard(line)
                if start is not None and self._start is None:
                    self._start = time.monotonic() - (time.time() - start)
            now = time.monotonic()
            ending = self._over if self._stopped is None else self._stopped
            if ending is not None:
                if now > ending + _GRACE:
                    program.kill()
                    break
            elif self._start is not None and self._voyage.over(self._account, self._elapsed(now)):
                self._over = now
                program.interrupt()
            elif now >= look:
                look += math.floor(now - look) + 1.0
                self._look(now, on_snapshot)
            self._bound(now)
        self._lasted = self._elapsed(time.monotonic())
        program.reap(_GRACE)
        self._settle()

    def _heard(self, line: bytes) -> float | None:
        # A program that was killed within a line, or that is of another version, is not a fault of ours.
        try:
            return self._voyage.hear(line, self._account)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
            self._garbled = True
            return None

    def _elapsed(self, now: float) -> float:
        return 0.0 if self._start is None else max(0.0, now - self._start)

    def _look(self, now: float, on_snapshot: Callable[[LoadSnapshot], bool]) -> None:
        self._merger.report(0, self._account.report(max(0.0, self._elapsed(now) - _SETTLED)))
        snapshot = self._merger.snapshot((0,))
        if snapshot is not None and not (on_snapshot(snapshot) and self._watch.goes_on(snapshot)):
            self._stop(now, "")

    def _bound(self, now: float) -> None:
        if self._stopped is not None or self._over is not None:
            return
        if now >= self._until:
            self._stop(now, "the deadline was near")
        elif self._program.transferred() > self._ceilings.bytes:
            self._stop(now, f"the ceiling of {self._ceilings.bytes} bytes was reached")

    def _stop(self, now: float, cut: str) -> None:
        self._stopped, self._cut = now, cut
        self._account.close(self._elapsed(now))
        self._program.interrupt()

    def _settle(self) -> None:
        account, program = self._account, self._program
        if self._garbled:
            self._lost.append(f"{self._name} told of a request in words that are not known")
        if self._stopped is not None:
            account.excuse_rest("cut off as the load was stopped")
            return
        failed = self._voyage.finish(account, whole=program.ended)
        if program.code and self._over is None:
            failed = program.complaint or f"it ended with code {program.code}"
        if failed:
            self._lost.append(f"{self._name} was lost: {failed}")
        account.drop_rest(f"not sent: {self._name.split()[0]} did not tell of it")

    # ------------------------------------------------------------ the result

    def detail(self) -> LoadDetail:
        """What it all came to."""
        account, cpu = self._account, self._program.cpu
        self._merger.end(0, account.end(self._lasted, cpu, self._cut))
        since = 0.0 if self._start is None else time.time() - (time.monotonic() - self._start)
        detail = self._merger.detail(self._lost, self._watch.why, started=since)
        fidelity = Fidelity(engine=self._name, histogram=LoadHistogram.SAMPLES, drops=account.dropped)
        dropped = (
            [f"{self._name} never sent {account.dropped} requests that were due: what it measured leaves them out"]
            if account.dropped
            else []
        )
        busy = cpu / max(1.0, self._lasted) / cores()
        used = [
            f"{self._name} used {busy:.0%} of the processors; above {_BUSY:.0%} its own times are not to be trusted"
        ]
        result = detail.result
        return replace(
            detail,
            result=replace(
                result,
                summaries=tuple(replace(summary, fidelity=fidelity) for summary in result.summaries),
                no_fail=(*result.no_fail, *dropped, *(used if busy > _BUSY else ())),
                no_pass=(*result.no_pass, *dropped),
            ),
            versions=(*detail.versions, (self._name.split()[0], self._name.partition(" ")[2])),
        )
