"""Makes one environment run what its tree says, in a thread of its own; knows nothing of Git.

`follow` says what is wanted, `control` reads the snapshot. A rollout starts the new process beside the old one, waits
until it is ready, moves the address, lets the old one answer a little longer, and then ends it. A rollout that fails
leaves the old process running; it is reported as failed until another tree is wanted or it becomes ready after all.

Invariants:
* processes are started, looked at and ended by this thread only, and it ends none without having ended them all;
* the snapshot is replaced whole: a reader never sees the tree of one rollout with the state of another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gitslo.ports import Address
from gitslo.syncer.desired import Desired, Workload
from gitslo.syncer.instance import Instance, Place, Timing

__all__ = ["RolloutState", "Runner", "Snapshot", "Wanted"]


LONGEST_DETAIL = 1000
"""Characters."""


class RolloutState(StrEnum):
    """How far an environment is."""

    SYNCED = "synced"
    PROGRESSING = "progressing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What should run.

    Attributes:
        revision: the commit it was read at.
        tree: the environment's tree digest; empty where it could not be told.
        desired: None where the manifests were refused.
        refused: why, one line; empty otherwise.
    """

    revision: str
    tree: str
    desired: Desired | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is so, at one moment.

    Attributes:
        revision, tree: of what is wanted.
        images: what is wanted to run.
        detail: one line for people.
        fingerprint: of what is wanted; it runs when the state is synced.
        addresses: `service.namespace.svc:port` and `service.namespace.svc.cluster.local:port` -> where it listens.
    """

    revision: str
    tree: str
    images: tuple[str, ...]
    state: RolloutState
    detail: str
    fingerprint: str
    addresses: Mapping[str, Address] = field(default_factory=dict)


@dataclass(slots=True)
class _Rollout:
    """One workload: what answers, and what shall answer next."""

    current: Instance | None = None
    next: Instance | None = None


@dataclass(frozen=True, slots=True)
class _Retiring:
    workload: str
    instance: Instance
    terminate_at: float
    kill_at: float


class Runner:
    """One environment's processes."""

    def __init__(
        self,
        name: str,
        place: Place,
        timing: Timing,
        changed: Callable[[str, Snapshot], None],
    ) -> None:
        """Start the thread; nothing runs before the first `want`.

        Args:
            name: the environment's.
            place: where its processes live.
            timing: how patient it is.
            changed: told from this thread whenever the state, the tree or the detail has changed.
        """
        self._name = name
        self._place = place
        self._timing = timing
        self._changed = changed
        self._wake = threading.Condition()
        self._wanted: Wanted | None = None
        self._news = False
        self._applied: Wanted | None = None
        self._served: Desired | None = None
        self._stopping = False
        self._rollouts: dict[str, _Rollout] = {}
        self._retiring: list[_Retiring] = []
        self._snapshot = Snapshot("", "", (), RolloutState.PROGRESSING, "nothing was read yet", "")
        self._thread = threading.Thread(target=self._run, name=f"syncer-{name}", daemon=True)
        self._thread.start()

    def want(self, wanted: Wanted) -> None:
        """Make this run from now on."""
        with self._wake:
            self._wanted = wanted
            self._news = True
            self._wake.notify()

    def snapshot(self) -> Snapshot:
        """What is so now."""
        return self._snapshot

    def stop(self) -> None:
        """Begin to end every process."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    def join(self) -> None:
        """Wait until every process is gone; `stop` must have been called."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._step(time.monotonic())
            except Exception as error:  # noqa: BLE001 - one bad environment never stops another; said in its report
                self._publish(RolloutState.FAILED, f"the syncer failed here: {type(error).__name__}: {error}")
            with self._wake:
                if not self._stopping and not self._news:
                    self._wake.wait(self._timing.tick)
        self._end_all()

    def _step(self, now: float) -> None:
        if self._news:
            self._news = False
            self._applied = self._wanted
            if self._applied is not None and self._applied.desired is not None:
                self._apply(self._applied.desired, now)
        for name, rollout in self._rollouts.items():
            self._advance(name, rollout, now)
        self._retire_due(now)
        if self._applied is not None:
            self._publish(*self._state(self._applied, now))

    def _apply(self, desired: Desired, now: float) -> None:
        self._served = desired
        wanted = {workload.name: workload for workload in desired.workloads if workload.run}
        for name in [name for name in self._rollouts if name not in wanted]:
            rollout = self._rollouts.pop(name)
            self._retire(name, rollout.current, now)
            self._retire(name, rollout.next, now)
        for name, workload in wanted.items():
            self._roll(name, self._rollouts.setdefault(name, _Rollout()), workload, now)

    def _roll(self, name: str, rollout: _Rollout, workload: Workload, now: float) -> None:
        if rollout.current is not None and rollout.current.workload.containers == workload.containers:
            self._retire(name, rollout.next, now)
            rollout.next = None
            rollout.current.workload = workload
        elif rollout.next is not None and rollout.next.workload.containers == workload.containers:
            rollout.next.workload = workload
        else:
            self._retire(name, rollout.next, now)
            rollout.next = Instance(workload, self._place, self._timing, now)
            if workload.recreate:
                self._retire(name, rollout.current, now)
                rollout.current = None

    def _advance(self, name: str, rollout: _Rollout, now: float) -> None:
        if rollout.current is not None:
            rollout.current.step(now)
        if rollout.next is None:
            return
        if rollout.next.workload.recreate and any(each.workload == name for each in self._retiring):
            return
        rollout.next.step(now)
        if rollout.next.ready:
            self._retire(name, rollout.current, now, self._timing.drain)
            rollout.current, rollout.next = rollout.next, None

    def _retire(self, name: str, instance: Instance | None, now: float, drain: float = 0.0) -> None:
        if instance is not None:
            grace = instance.workload.grace
            self._retiring.append(_Retiring(name, instance, now + drain, now + drain + grace))

    def _retire_due(self, now: float) -> None:
        for each in self._retiring:
            if now >= each.kill_at:
                each.instance.kill()
            elif now >= each.terminate_at:
                each.instance.terminate()
        self._retiring = [each for each in self._retiring if now < each.terminate_at or not each.instance.gone]

    def _state(self, applied: Wanted, now: float) -> tuple[RolloutState, str]:
        if applied.desired is None:
            return RolloutState.FAILED, applied.refused
        instances = [each for rollout in self._rollouts.values() if (each := rollout.next or rollout.current)]
        failures = [failure for instance in instances if (failure := instance.failure(now))]
        if failures:
            return RolloutState.FAILED, "; ".join(failures)
        troubles = [instance.trouble() for instance in instances if not instance.ready]
        if troubles:
            return RolloutState.PROGRESSING, "; ".join(troubles)
        return RolloutState.SYNCED, "; ".join(applied.desired.notes)

    def _publish(self, state: RolloutState, detail: str) -> None:
        applied = self._applied
        if applied is None:
            return
        desired = applied.desired
        # It holds text of manifests and of processes, and is shown on one line.
        detail = "".join(character if character.isprintable() else " " for character in detail[:LONGEST_DETAIL])
        snapshot = Snapshot(
            applied.revision,
            applied.tree,
            desired.images if desired is not None else (),
            state,
            detail,
            desired.fingerprint if desired is not None else "",
            self._addresses(),
        )
        before, self._snapshot = self._snapshot, snapshot
        if (before.state, before.tree, before.detail) != (state, applied.tree, detail):
            self._changed(self._name, snapshot)

    def _addresses(self) -> Mapping[str, Address]:
        addresses: dict[str, Address] = {}
        for served in self._served.served if self._served is not None else ():
            rollout = self._rollouts.get(served.workload)
            if rollout is None or rollout.current is None:
                continue
            address = rollout.current.address(served.container, served.port)
            if address is not None:
                host, _, port = served.name.rpartition(":")
                addresses[served.name] = addresses[f"{host}.cluster.local:{port}"] = address
        return addresses

    def _end_all(self) -> None:
        for rollout in self._rollouts.values():
            self._retire("", rollout.current, 0.0)
            self._retire("", rollout.next, 0.0)
        instances = [each.instance for each in self._retiring]
        for instance in instances:
            instance.terminate()
        deadline = time.monotonic() + self._timing.stop
        with self._wake:
            while time.monotonic() < deadline and not all(instance.gone for instance in instances):
                self._wake.wait(0.02)
        for instance in instances:
            instance.kill()
