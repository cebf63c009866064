"""What a gate's questions are about and answered with; the bounds they keep; what one poll left behind.

Called by `gitslo.loop.api` and the modules beside it. Nothing here changes once it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitslo.core.gate import Answer
from gitslo.errors import GitsloError
from gitslo.loop.sight import Facts
from gitslo.loop.staying import Standing
from gitslo.model import CommitId, Environment, Instant, Pipeline, Release, Run, Subject

__all__ = ["Bounds", "Denied", "EnvironmentView", "Snapshot", "VerdictView"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one question, and all of them together, may take.

    Attributes:
        newest: how many of the branch's newest commits may be named by the beginning of their id.
        shortest: hexadecimal digits that such a beginning has at least.
        entries: how many ledger entries are searched for what the newest one does not say.
        reads_per_minute: questions that may read from the clone; others are answered from what was read before.
        patience: seconds that a question waits for those before it.
    """

    newest: int = 10_000
    shortest: int = 7
    entries: int = 200
    reads_per_minute: int = 300
    patience: float = 4.0


class Denied(GitsloError):
    """A question that has no answer.

    Attributes:
        status: of HTTP.
        code: a stable word for programs.
        message, hint: for people.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The answer about one commit in one environment.

    Attributes:
        subject: what the commit says of the environment.
        running: whether the branch's head says the same of it.
        run: the run that the answer names, without its evidence; None where there is none, or its entry is not found.
        looked: when the repository was looked at last.
    """

    environment: Environment
    commit: CommitId
    subject: Subject
    release: Release
    running: bool
    answer: Answer
    run: Run | None
    looked: Instant


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """Where one environment stands.

    Attributes:
        answer: about what the branch's head says of it; None where that cannot be understood.
        release: what runs, or is to run; None likewise.
        run: as of VerdictView.
        waiting: what it waits for, or what is wrong with it; empty where nothing is known.
    """

    environment: Environment
    answer: Answer | None
    release: Release | None
    run: Run | None
    waiting: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one poll left behind. Nothing of it changes."""

    looked: Instant
    revision: CommitId
    refs: Mapping[str, CommitId]
    pipeline: Pipeline
    environments: tuple[Environment, ...]
    by_name: Mapping[str, Environment]
    facts: Mapping[str, Facts]
    standings: tuple[Standing, ...]

    @property
    def whole(self) -> bool:
        """Whether what the head says is known of every environment."""
        return len(self.facts) == len(self.environments)
