"""Engines with targets for the load contract, and foreign programs where they are on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from gitslo.load.engines.foreign import ForeignEngine
from gitslo.load.engines.fortio import FortioEngine
from gitslo.load.engines.k6 import K6Engine
from gitslo.model import Call, Objective, Percentiles, Seconds, TargetScheme
from gitslo.ports import LoadEngine, LoadJob, LoadResult, LoadSnapshot
from gitslo.testing.fake_load import FakeLoad, Script
from gitslo.testing.load_contract import DELAY, RATE, STRICT, TIMEOUT, Behaviour
from tests.closed_port import closed_port
from tests.load.jobs import CEILINGS, get, hold, job
from tests.load.service import service
from tests.processes import children
from tests.required import required

__all__ = ["FOREIGN", "FakeWorld", "RealWorld", "allowed", "call_job", "changed", "foreign"]

FOREIGN = {"k6": K6Engine, "fortio": FortioEngine}
_PATHS = {Behaviour.HALF: "/every/2/500"}


def allowed(host: str) -> bool:
    """What these tests may call."""
    return host in {"127.0.0.1", "localhost", "shop.test"}


def foreign(name: str) -> ForeignEngine:
    """An engine with the program of this machine."""
    return FOREIGN[name](CEILINGS, allowed, path=required(name))


def changed(**fields):
    """A job with another section."""
    asked = job(1, stages=[hold(20, 1)])
    return replace(asked, section=replace(asked.section, **fields))


def call_job(port: int, call: Call) -> LoadJob:
    """A gRPC job of one call."""
    asked = job(port, stages=[hold(50, 2)], scheme=TargetScheme.GRPC, connections=4)
    return replace(asked, section=replace(asked.section, endpoints=(), calls=(call,)))


class RealWorld:
    """An engine that sends, and a real server in this process."""

    bounded = True

    def __init__(self, make: Callable[[], LoadEngine]) -> None:
        self._engine = make()
        self._before = children()
        self._targets = ExitStack()

    def engine(self) -> LoadEngine:
        return self._engine

    def job(self, behaviour: Behaviour, objectives: Sequence[Objective], seconds: float, deadline: float) -> LoadJob:
        if behaviour is Behaviour.NOT_AT_ALL:
            port = self._targets.enter_context(closed_port())
        else:
            fixed = DELAY if behaviour is Behaviour.SLOWLY else 0.0
            port = self._targets.enter_context(service(fixed=fixed)).port
        return job(
            port,
            get(_PATHS.get(behaviour, "/"), "it"),
            stages=[hold(RATE, seconds)],
            objectives=objectives,
            timeout=TIMEOUT,
            connections=40,
            deadline=deadline,
        )

    def left(self) -> Sequence[object]:
        return sorted(children() - self._before)

    def close(self) -> None:
        self._targets.close()


class FakeWorld:
    """The fake, and scripts instead of targets."""

    bounded = False

    def __init__(self) -> None:
        self._script = Script()

    def engine(self) -> LoadEngine:
        return self

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        return FakeLoad(load=self._script).run(job, on_snapshot)

    def job(self, behaviour: Behaviour, objectives: Sequence[Objective], seconds: float, deadline: float) -> LoadJob:
        share = {Behaviour.WELL: 0.0, Behaviour.HALF: 0.5}.get(behaviour, 1.0)
        slow = behaviour is Behaviour.SLOWLY
        self._script = Script(
            bad=lambda _: share,
            latency=Percentiles(p50=Seconds(DELAY if slow else 0.001)),
            only=frozenset({STRICT.text}) if slow else frozenset(),
            kind="" if slow else "status 500",
        )
        return job(1, get("/", "it"), stages=[hold(RATE, seconds)], objectives=objectives, timeout=TIMEOUT)

    def left(self) -> Sequence[object]:
        return ()

    def close(self) -> None:
        """Nothing was opened."""
