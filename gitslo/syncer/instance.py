"""One running copy of a workload: its containers as processes, restarted when they crash.

Owned by `runner`, stepped by its thread only. A container's port stays the same over restarts where it can, so that an
address that was given out stays good.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitslo.syncer.child import Child
from gitslo.syncer.containers import Container
from gitslo.syncer.desired import Workload
from gitslo.syncer.look import look

__all__ = ["Instance", "Place", "Timing"]

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the syncer is, in seconds.

    Attributes:
        back_off: before the first restart; doubled with each crash.
        longest_back_off: upper bound of that.
        stable: ready for so long: earlier crashes do not count any more.
        crashes: so many in a row, and the rollout is reported as failed.
        drain: how long the old process still answers after its address was replaced.
        stop: between SIGTERM and SIGKILL when the syncer itself stops.
        tick: between two looks.
    """

    back_off: float = 0.2
    longest_back_off: float = 10.0
    stable: float = 10.0
    crashes: int = 3
    drain: float = 2.0
    stop: float = 2.5
    tick: float = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """Where processes of one environment live on disk: `work` is their folder, `logs` holds their output."""

    work: Path
    logs: Path


class Instance:
    """A workload's processes, from their start to their end."""

    def __init__(self, workload: Workload, place: Place, timing: Timing, now: float) -> None:
        """Nothing is started before the first `step`."""
        self.workload = workload
        self._timing = timing
        self._slots = tuple(_Slot(workload, container, place, timing) for container in workload.containers)
        self._unready_since = now

    @property
    def ready(self) -> bool:
        """Whether every container runs and has been seen ready since its last start."""
        return all(slot.ready for slot in self._slots)

    @property
    def gone(self) -> bool:
        """Whether no process is left."""
        return all(slot.gone for slot in self._slots)

    def step(self, now: float) -> None:
        """Start what is due, look at what is not ready, notice what has ended."""
        was_ready = self.ready
        for slot in self._slots:
            slot.step(now)
        if was_ready and not self.ready:
            self._unready_since = now

    def failure(self, now: float) -> str:
        """Why it cannot be expected to become ready; empty where it can."""
        for slot in self._slots:
            if slot.crashes >= self._timing.crashes:
                return f"{slot.container.name} crashed {slot.crashes} times in a row: {slot.trouble}"
        if not self.ready and now - self._unready_since > self.workload.deadline:
            return f"not ready within {self.workload.deadline:g} s: {self.trouble()}"
        return ""

    def trouble(self) -> str:
        """What the first container that is not ready waits for."""
        for slot in self._slots:
            if not slot.ready:
                said = slot.last_line()
                return f"{slot.container.name}: {slot.trouble or 'starting'}" + (f"; it said: {said}" if said else "")
        return ""

    def address(self, container: str, port: int) -> tuple[str, int] | None:
        """Where a container's port really listens."""
        for slot in self._slots:
            if slot.container.name == container:
                return (HOST, slot.ports[port]) if port in slot.ports else None
        return None

    def terminate(self) -> None:
        """Ask every process to end, and restart none."""
        for slot in self._slots:
            slot.terminate()

    def kill(self) -> None:
        """End every process."""
        for slot in self._slots:
            slot.kill()


class _Slot:
    """One container: at most one process at a time."""

    def __init__(self, workload: Workload, container: Container, place: Place, timing: Timing) -> None:
        self.container = container
        self.ports: Mapping[int, int] = {}
        self.ready = False
        self.crashes = 0
        self.trouble = ""
        self._place = place
        self._log = f"{workload.name.replace('/', '.')}.{container.name}.log"
        self._timing = timing
        self._child: Child | None = None
        self._start_at: float | None = 0.0
        self._ready_at = 0.0

    @property
    def gone(self) -> bool:
        return self._child is None or self._child.ended() is not None

    def step(self, now: float) -> None:
        if self._child is None:
            if self._start_at is not None and now >= self._start_at:
                self._start(now)
            return
        code = self._child.ended()
        if code is not None:
            self._crashed(_how(code, self._child.last_line()), now)
        elif not self.ready:
            self._look(now)
        elif now - self._ready_at >= self._timing.stable:
            self.crashes = 0

    def last_line(self) -> str:
        return self._child.last_line() if self._child is not None else ""

    def terminate(self) -> None:
        self._start_at = None
        if self._child is not None:
            self._child.terminate()

    def kill(self) -> None:
        self._start_at = None
        if self._child is not None:
            self._child.kill()

    def _start(self, now: float) -> None:
        try:
            self.ports = _ports([port.number for port in self.container.ports], self.ports)
            first = str(self.ports[self.container.ports[0].number]) if self.container.ports else ""
            argv = [argument.replace("{port}", first) for argument in self.container.argv]
            self._child = Child(argv, self._environment(first), self._place.work, self._place.logs / self._log)
        except (OSError, ValueError) as error:
            self._crashed(f"cannot be started: {error}", now)

    def _environment(self, first_port: str) -> Mapping[str, str]:
        environment = {**dict(self.container.environment), "HOST": HOST}
        for port in self.container.ports:
            if port.name:
                environment[f"PORT_{port.name.upper().replace('-', '_')}"] = str(self.ports[port.number])
        if first_port:
            environment["PORT"] = first_port
        return environment

    def _look(self, now: float) -> None:
        check = self.container.look
        reason = look(check, self.ports[check.port]) if check is not None else ""
        # Another process may have taken the port between our choice and the child's: only a living child is ready.
        if not reason and self._child is not None and self._child.ended() is None:
            self.ready = True
            self._ready_at = now
        self.trouble = reason

    def _crashed(self, how: str, now: float) -> None:
        self._child = None
        self.ready = False
        self.trouble = how
        wait = min(self._timing.back_off * 2 ** min(self.crashes, 16), self._timing.longest_back_off)
        self.crashes += 1
        self._start_at = now + wait if self._start_at is not None else None


def _how(code: int, last_line: str) -> str:
    how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"{how}, its last line: {last_line}" if last_line else how


def _ports(wanted: list[int], earlier: Mapping[int, int]) -> Mapping[int, int]:
    """A free loopback port for each containerPort, the one it had before where that is free."""
    held: list[socket.socket] = []
    ports: dict[int, int] = {}
    try:
        for number in wanted:
            holder = _bound(earlier.get(number, 0)) or _bound(0)
            if holder is None:
                raise OSError("no free loopback port")
            held.append(holder)
            ports[number] = holder.getsockname()[1]
    finally:
        for holder in held:
            holder.close()
    return ports


def _bound(port: int) -> socket.socket | None:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((HOST, port))
    except OSError:
        holder.close()
        return None
    return holder
