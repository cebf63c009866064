"""All environments of one repository: a runner each, in one state folder, behind one control endpoint.

Built by `program`, told by `follow` what is wanted. Environments that are wanted no more are stopped.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence

from gitslo.ports import Event, Observer, tell_all
from gitslo.syncer.control import Control, Said
from gitslo.syncer.folder import StateFolder
from gitslo.syncer.instance import Timing
from gitslo.syncer.runner import Runner, Snapshot, Wanted

__all__ = ["Processes"]


class Processes:
    """The running environments of one repository."""

    def __init__(self, folder: StateFolder, started: float, timing: Timing, observers: Sequence[Observer]) -> None:
        """Listen, and say so in the state folder.

        Args:
            folder: locked; left at `close`.
            started: seconds since the epoch.
            timing: of every environment.
            observers: told whenever an environment's state changes.
        """
        self._folder = folder
        self._timing = timing
        self._observers = observers
        self._lock = threading.Lock()
        self._runners: dict[str, Runner] = {}
        self._problem = ""
        self._stopping = False
        token = secrets.token_urlsafe(32)
        self._control = Control(self.said, token)
        folder.announce(self._control.port, token, started)

    def want(self, wanted: Mapping[str, Wanted], problem: str) -> None:
        """Make these environments run, and no others.

        Args:
            wanted: by environment name.
            problem: what is wrong with the repository as a whole; empty where nothing is.
        """
        with self._lock:
            if self._stopping:
                return
            self._problem = problem
            gone = [self._runners.pop(name) for name in sorted(self._runners.keys() - wanted.keys())]
            for name, each in wanted.items():
                if name not in self._runners:
                    self._runners[name] = Runner(name, self._folder.place(name), self._timing, self._changed)
                self._runners[name].want(each)
        _end(gone)

    def trouble(self, problem: str) -> None:
        """The repository cannot be read now; what runs goes on."""
        with self._lock:
            self._problem = problem

    def said(self) -> Said:
        """What the control endpoint answers."""
        with self._lock:
            return self._problem, {name: runner.snapshot() for name, runner in self._runners.items()}

    def stop(self) -> None:
        """Begin to end every process; nothing new is started from now on."""
        with self._lock:
            self._stopping = True
            for runner in self._runners.values():
                runner.stop()

    def close(self) -> None:
        """End every process, and leave the folder."""
        self.stop()
        with self._lock:
            runners = list(self._runners.values())
            self._runners.clear()
        self._control.close()
        _end(runners)
        self._folder.leave()

    def _changed(self, environment: str, snapshot: Snapshot) -> None:
        state = str(snapshot.state)
        message = f"{environment} {state} at {snapshot.revision[:12]}" + (
            f": {snapshot.detail}" if snapshot.detail else ""
        )
        images = " ".join(snapshot.images)
        tell_all(self._observers, Event("sync.changed", environment, message, {"state": state, "images": images}))


def _end(runners: Sequence[Runner]) -> None:
    for runner in runners:
        runner.stop()
    for runner in runners:
        runner.join()
