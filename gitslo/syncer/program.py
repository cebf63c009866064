"""The syncer as a program: every repository that has a process syncer, until it is told to stop.

Called by `gitslo syncer`. One thread per repository polls; each repository has its own state folder, so that one daemon
per repository finds its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gitslo.errors import Conflict, Refused, Retry
from gitslo.model import Allowed, Seconds
from gitslo.ports import Event, Observer, Repository, tell_all
from gitslo.syncer.containers import Program
from gitslo.syncer.folder import StateFolder
from gitslo.syncer.follow import Follower
from gitslo.syncer.instance import Timing
from gitslo.syncer.processes import Processes

__all__ = ["Followed", "serve"]

GIT_PATIENCE = 1.5
"""Seconds that a poll under way may take to end when the syncer stops."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One repository to follow.

    Attributes:
        name: the operator's name for it.
        repository: opens it; called in the thread that polls.
        state: the state folder.
        programs: what runs for which image.
        allowed: which environments may be run.
        poll: seconds between two looks at the branch.
    """

    name: str
    repository: Callable[[], Repository]
    state: Path
    programs: Sequence[Program]
    allowed: Allowed
    poll: Seconds


def serve(
    followed: Sequence[Followed],
    stop: threading.Event,
    started: float,
    observers: Sequence[Observer],
    timing: Timing | None = None,
) -> None:
    """Run until `stop` is set; every process is gone when this returns.

    Args:
        followed: at least one.
        stop: set it to end, at the latest within five seconds.
        started: seconds since the epoch.
        observers: told of every change of state.
        timing: None for the defaults.

    Raises:
        Refused: another syncer holds one of the state folders.
        Fatal: a state folder cannot be used.
    """
    with ExitStack() as leaving:
        pollers: list[threading.Thread] = []
        running: list[Processes] = []
        for each in followed:
            processes = Processes(StateFolder(each.state), started, timing or Timing(), observers)
            leaving.callback(processes.close)
            running.append(processes)
            pollers.append(
                threading.Thread(
                    target=_poll, args=(each, processes, stop, observers), name=f"syncer-poll-{each.name}", daemon=True
                )
            )
        for poller in pollers:
            poller.start()
        stop.wait()
        for processes in running:
            processes.stop()
        for poller in pollers:
            poller.join(GIT_PATIENCE)


def _poll(each: Followed, processes: Processes, stop: threading.Event, observers: Sequence[Observer]) -> None:
    follower: Follower | None = None
    said = ""
    while not stop.is_set():
        delay = float(each.poll)
        name, problem = "sync.repository", ""
        try:
            follower = follower or Follower(each.repository(), each.programs, each.allowed, processes)
            problem = follower.poll()
            name = "error.refused" if problem else name
        except Retry as error:
            name, problem, delay = "error.retry", str(error), max(error.delay, delay)
        except (Refused, Conflict) as error:
            name, problem = "error.refused", str(error)
        except Exception as error:  # noqa: BLE001 - one bad repository never stops another; said in its report
            name, problem = "error.unexpected", f"the syncer failed here: {type(error).__name__}: {error}"
        if problem:
            processes.trouble(problem)
        if problem != said:
            message = f"{each.name}: {problem or 'the repository is read again'}"
            tell_all(observers, Event(name, "", message, {"repository": each.name}))
            said = problem
        stop.wait(delay)
