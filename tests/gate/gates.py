"""A monorepo under a real loop with the real Git adapter, and the gate that shows what the loop knows."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitslo.adapters.git_repository import GitRepository
from gitslo.loop.gate import Bounds, Gate
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.sight import Sight
from gitslo.model import (
    CommitId,
    EnvironmentState,
    Finding,
    Passed,
    Phase,
    RunState,
    Seconds,
    Verdict,
)
from gitslo.testing.manual_clock import ManualClock
from tests.loop.mono import Counted, Everything, Mono, sight_of

EVERY = Seconds(30.0)
FINDING = Finding(
    "browse.errors < 10%", Phase.STEADY, Verdict.PASS, True, 0.0, 0.1, 1000, 0, 0, -5.0, 9.0, 3.0, 3.0, Seconds(9), 1
)


class Client(Counted):
    """A Git client that can be stopped in the middle of a call."""

    def __init__(self, repository: GitRepository) -> None:
        super().__init__(repository)
        self._stops: dict[str, tuple[threading.Event, threading.Event]] = {}

    def stop_at(self, name: str) -> tuple[threading.Event, threading.Event]:
        """(it has come there, let it go on) of the next call of a method."""
        self._stops[name] = threading.Event(), threading.Event()
        return self._stops[name]

    def __getattr__(self, name: str) -> Any:
        stop = self._stops.pop(name, None)
        if stop is not None:
            stop[0].set()
            assert stop[1].wait(30)
        return super().__getattr__(name)


class Watched:
    """One repository, polled by hand.

    Attributes:
        mono: the repository and the person who commits to it.
        gate: what is asked.
        reads: what the gate's own Git client was asked.
    """

    def __init__(self, folder: Path, services: int = 3, bounds: Bounds | None = None) -> None:
        self.clock = ManualClock()
        self._writer: Sight | None = None
        self.mono = Mono(folder, services)
        self.mono.passed()
        repository = self.mono.clone()
        self.syncer = Everything()
        self.controller = self.mono.controller(repository, self.syncer, self.clock)
        self.reads = Client(
            GitRepository(
                url=self.mono.bare.as_uri(),
                branch="main",
                cache=folder / f"clone-{self.mono._clones}",
                ledger_prefix="refs/gitslo/",
                author=("gate", "gate@example.com"),
                timeout=5.0,
            )
        )
        self.ledgers = Ledgers(self.reads, name="mono", key=None)
        self.gate = Gate("mono", self.reads, self.ledgers, every=EVERY, clock=self.clock, bounds=bounds or Bounds())

    def poll(self) -> None:
        """One poll, shown to the gate."""
        poll = self.controller.poll()
        self.gate.publish(self.controller.sight, poll)

    def release(self, service: str, tag: str) -> CommitId:
        """A person's commit of another tag."""
        path = f"deploy/{service}/dev/app.yaml"
        text = MANIFEST.replace("SERVICE", service).replace(":v1", f":{tag}")
        return self.mono.commit({path: text})

    def judge(self, environment: str, verdict: Verdict) -> None:
        """An entry that says how what the branch has now was judged, as the loop would have written it."""
        sight = self._writer = self._writer or sight_of(self.mono.clone())
        sight.look()
        tip = sight.ledger(environment)
        state = _judged(sight, environment, tip.state, verdict)
        sight.repository.swap([sight.ledgers.build(tip.id, state, "seeded", 1.0)])


MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  template:
    spec: {containers: [{name: app, image: "example/SERVICE:v1"}]}
"""


def _judged(sight: Sight, environment: str, state: EnvironmentState, verdict: Verdict) -> EnvironmentState:
    known = next(each for each in sight.environments if each.name == environment)
    facts = sight.facts(known)
    assert state.run is not None
    number = str(state.runs + 1)
    subject = replace(state.run.subject, tree=facts.tree.digest, plan=facts.plan.digest)
    run = replace(
        state.run,
        id=number,
        subject=subject,
        revision=sight.revision,
        release=facts.release,
        state=RunState.JUDGED,
        verdict=verdict,
        findings=(replace(FINDING, verdict=verdict),),
        judged_wall=float(number),
    )
    state = replace(state, entry=state.entry + 1, run=run, runs=state.runs + 1)
    if verdict is not Verdict.PASS:
        return state
    passed = Passed(number, sight.revision, subject, facts.release, "print", withdrawn=False, limits=())
    return replace(state, last_pass=passed, previous_pass=state.last_pass)
