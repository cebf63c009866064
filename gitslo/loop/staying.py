"""Environments that stay as they are: what is remembered of them between polls, and when they are looked at again.

Called by the controller. Must stay true: forgetting all of it costs time and changes no decision.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zlib import crc32

from gitslo.core.steps import (
    CancelAttempt,
    Comment,
    CommentOnCommit,
    MergePullRequest,
    Observation,
    Propose,
    PushChange,
    RunCommand,
    SetStatus,
    StartAttempt,
    Stay,
    Step,
    TellIssue,
)
from gitslo.errors import GitsloError, Refused
from gitslo.model import CommitId, Environment, RunState
from gitslo.ports import SyncReport, SyncState

__all__ = [
    "SHORT_LOOKS",
    "SYNC_LOOK_EVERY",
    "Memory",
    "Standing",
    "at_rest",
    "brings",
    "first_of",
    "kept_from",
    "next_look",
    "rests_on_sync",
    "synced",
]

SYNC_LOOK_EVERY: Final = 30.0
"""Seconds between two looks at what an idle environment runs."""
SHORT_LOOKS: Final = 20
"""Looks that only ask the syncer, before everything is observed again: a wall clock that was set is then noticed."""
STATUS_RESERVE: Final = 0.4
"""Share of the push budget that statuses and comments leave to ledgers and changes."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one environment stands after a poll: what it stays for, or what is wrong.

    Attributes:
        fingerprint: of what the syncer said runs of the head's tree; None where it was not asked, or it does not run.
    """

    environment: str
    stay: Stay | None
    problem: GitsloError | None = None
    fingerprint: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing will move without a person, a commit or a syncer."""
        if self.problem is not None:
            return isinstance(self.problem, Refused)
        return self.stay is not None and not self.stay.busy and not self.stay.syncing


@dataclass(slots=True)
class Memory:
    """What this process remembers of one environment between polls; all of it may be lost.

    Attributes:
        ledger, seen_at: its ledger's tip, and the monotonic seconds at which that was seen first.
        mark: what the last decision to stay rested on; see `Controller._mark`. Empty: on what moves by itself.
        refs: which ones the mark holds; computed for `refs_of`.
        at_rest: the mark holds the facts instead of the revision; see `at_rest`.
        due_at: monotonic seconds at which time alone changes the decision.
        look_at: monotonic seconds of the next look at what runs.
        report: what the syncer said last; None where it was not asked.
        looks_left: how many looks may only compare that; see `rests_on_sync`.
        keep: where it waits for the push budget, the share that its step leaves to others.
        generation: of the sight at which `mark` was compared last.
        calm_until: monotonic seconds until which nothing is compared while the generation is the same.
        failures, conflicts: in a row.
    """

    ledger: CommitId | None = None
    seen_at: float = 0.0
    standing: Standing | None = None
    mark: tuple[object, ...] = ()
    refs_of: Environment | None = None
    refs: tuple[str, ...] = ()
    at_rest: bool = False
    due_at: float = math.inf
    look_at: float = math.inf
    report: SyncReport | None = None
    looks_left: int = 0
    keep: float | None = None
    generation: int = -1
    calm_until: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    conflicts: int = 0
    said: str = ""
    held: bool = False


def at_rest(o: Observation) -> bool:
    """Whether a commit that leaves the environment's objects alone cannot matter to it.

    With a change to propose or to go back, the history and the base matter; without a ledger, the trailers in it.
    """
    return o.ledger.id is not None and o.promotion is None and o.revert is None and not o.head.written_by


def rests_on_sync(o: Observation) -> bool:
    """Whether, while its mark stands and no time has come, only another word of the syncer could change the decision.

    While a run is claimed or a branch of ours is there, an attempt, another instance or the forge could as well.
    """
    run = o.ledger.state.run
    claimed = run is not None and run.state is RunState.CLAIMED
    return o.ledger.id is not None and not claimed and o.local is None and o.proposal.tip is None


def synced(report: SyncReport | None) -> str | None:
    """The fingerprint of what runs, where that is the head's tree."""
    return report.fingerprint if report is not None and report.state is SyncState.SYNCED else None


def brings(step: Step) -> bool:
    """Whether a step puts something on the watched branch: what it rests on is looked at again right before it."""
    return isinstance(step, MergePullRequest) or (isinstance(step, PushChange | Propose) and step.direct)


def first_of(environments: Sequence[Environment], memory: Mapping[str, Memory], served: Container[str]) -> str:
    """Who is first in the next poll: who waits and had no turn in this one, so that nobody waits for ever; or ``."""
    standings = ((each.name, memory[each.name].standing) for each in environments)
    queued = [name for name, it in standings if it is not None and it.stay is not None and it.stay.queued]
    return next((name for name in queued if name not in served), queued[0] if queued else "")


def kept_from(step: Step) -> float | None:
    """The share of the push budget that a step leaves to others; None where it does not push."""
    if isinstance(step, StartAttempt | CancelAttempt | RunCommand):
        return None
    return STATUS_RESERVE if isinstance(step, SetStatus | Comment | CommentOnCommit | TellIssue) else 0.0


def next_look(environment: str, now: float) -> float:
    """When the environment is looked at again: each has its own moment in every stretch of SYNC_LOOK_EVERY seconds."""
    moment = crc32(environment.encode()) / 2**32 * SYNC_LOOK_EVERY
    return now + SYNC_LOOK_EVERY - (now - moment) % SYNC_LOOK_EVERY
