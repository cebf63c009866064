"""What every MetricSource must do, as checks that run on the real ones and on the fake alike.

A test suite builds a `MetricsWorld` around a source and runs every check of `METRICS_CONTRACT` on a fresh one, and
`no_lie_becomes_a_value` for every `Lie` that such a source can be told. A check raises AssertionError where the source
breaks the contract.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import StrEnum
from typing import Protocol

from gitslo.errors import Refused, Retry
from gitslo.ports import MetricAnswer, MetricQuestion, MetricSource
from gitslo.testing.expectations import expect

__all__ = ["METRICS_CONTRACT", "OBLIGATIONS", "Lie", "MetricsWorld", "Outcome", "no_lie_becomes_a_value"]


class Lie(StrEnum):
    """What a server may say instead of the truth."""

    EMPTY = "empty"
    """There is nothing."""
    NO_NUMBER = "no number"
    """NaN, null, text."""
    STALE = "stale"
    """The newest value is from long before the windows."""
    PARTIAL = "partial"
    """The values, and beside them that some may be missing."""
    REFUSED = "refused"
    """The query is wrong: 400 or 422."""
    NOT_LET_IN = "not let in"
    """401 or 403."""
    REDIRECT = "redirect"
    """It is elsewhere, on another host."""
    PAGE = "page"
    """200 and a login page in HTML."""
    CUT_OFF = "cut off"
    """JSON that ends in the middle."""
    OTHER_SHAPE = "other shape"
    """JSON of something else."""
    TOO_LARGE = "too large"
    """More than the source's cap: a cardinality bomb."""
    SLOW = "slow"
    """A byte now and then, for ever."""
    TOO_MANY = "too many requests"
    """429."""
    BROKEN = "broken"
    """5xx."""
    GONE = "gone"
    """Nobody listens."""
    AHEAD = "clock ahead"
    """Its clock is ten minutes ahead."""
    BEHIND = "clock behind"
    """Its clock is ten minutes behind."""


class Outcome(StrEnum):
    """What a source does instead of giving a value."""

    UNKNOWN = "unknown"
    """Every window is None, and a note says why."""
    PARTIAL = "partial"
    """The answer says that it is partial."""
    REFUSED = "refused"
    RETRY = "retry"


OBLIGATIONS: dict[Lie, frozenset[Outcome]] = {
    Lie.EMPTY: frozenset({Outcome.UNKNOWN}),
    Lie.NO_NUMBER: frozenset({Outcome.UNKNOWN}),
    Lie.STALE: frozenset({Outcome.UNKNOWN}),
    Lie.PARTIAL: frozenset({Outcome.PARTIAL}),
    Lie.REFUSED: frozenset({Outcome.REFUSED}),
    Lie.NOT_LET_IN: frozenset({Outcome.REFUSED}),
    Lie.REDIRECT: frozenset({Outcome.REFUSED}),
    Lie.PAGE: frozenset({Outcome.RETRY}),
    Lie.CUT_OFF: frozenset({Outcome.RETRY}),
    Lie.OTHER_SHAPE: frozenset({Outcome.RETRY, Outcome.UNKNOWN}),
    Lie.TOO_LARGE: frozenset({Outcome.RETRY}),
    Lie.SLOW: frozenset({Outcome.RETRY}),
    Lie.TOO_MANY: frozenset({Outcome.RETRY}),
    Lie.BROKEN: frozenset({Outcome.RETRY}),
    Lie.GONE: frozenset({Outcome.RETRY}),
    Lie.AHEAD: frozenset({Outcome.UNKNOWN}),
    Lie.BEHIND: frozenset({Outcome.UNKNOWN}),
}
"""What each lie has to come to; where there are several, a source may choose."""

_GRACE = 2.0
"""Seconds beyond the time-out that a slow machine may take to notice it."""


class MetricsWorld(Protocol):
    """One source, what it asks, and the truth."""

    @property
    def timeout(self) -> float:
        """Seconds that the source gives one question."""

    @property
    def question(self) -> MetricQuestion:
        """One that has an honest answer, over at least three windows; of its section's queries all matter."""

    @property
    def truth(self) -> MetricAnswer:
        """That answer."""

    @property
    def secret(self) -> str:
        """What the source shows of itself; empty: nothing."""

    def source(self) -> MetricSource:
        """A new client."""

    def foreign(self) -> MetricQuestion:
        """A question of a form that such a source does not have."""

    def tell(self, lie: Lie) -> bool:
        """From now on it lies; False: there is no such lie here."""

    def elsewhere(self) -> int:
        """How often a host that a redirect names was asked."""


def the_truth_is_told(world: MetricsWorld) -> None:
    """One value per window, in the question's order, and nothing beside them."""
    expect(world.source().measure(world.question), world.truth)


def asking_changes_nothing(world: MetricsWorld) -> None:
    """Two looks at the same windows say the same, from one client and from another."""
    source = world.source()
    first, second = source.measure(world.question), source.measure(world.question)
    expect([first, second, world.source().measure(world.question)], [world.truth] * 3)


def some_windows_are_asked_for_alone(world: MetricsWorld) -> None:
    """The value of a window does not depend on which others are asked for: the last ones, or all but one."""
    question, truth = world.question, world.truth
    last = replace(question, windows=question.windows[-1:])
    gap = replace(question, windows=(question.windows[0], *question.windows[2:]))
    expect(world.source().measure(last).values, truth.values[-1:])
    expect(world.source().measure(gap).values, (truth.values[0], *truth.values[2:]))


def several_ask_at_once(world: MetricsWorld) -> None:
    """One client, several threads: each gets its own answer."""
    source = world.source()
    questions = [replace(world.question, windows=world.question.windows[:count]) for count in (1, 2, 3)] * 2
    with ThreadPoolExecutor(len(questions)) as pool:
        found = list(pool.map(source.measure, questions))
    expect([each.values for each in found], [world.truth.values[: len(each.windows)] for each in questions])


def a_form_that_it_has_not_is_refused(world: MetricsWorld) -> None:
    """Refused, because no later answer will be another one."""
    expect(_outcome(world.source(), world.foreign())[0], Outcome.REFUSED)


def the_interval_is_a_time(world: MetricsWorld) -> None:
    """Positive, and the same each time."""
    source = world.source()
    expect((source.every > 0.0, source.every), (True, source.every))


def no_lie_becomes_a_value(world: MetricsWorld, lie: Lie) -> None:
    """It is not known, partial, refused or retried, within the time-out; and no message holds the secret.

    Nobody else hears of the question, either.
    """
    source = world.source()
    began = time.monotonic()
    outcome, said = _outcome(source, world.question)
    took = time.monotonic() - began
    if outcome not in OBLIGATIONS[lie]:
        wanted = " or ".join(sorted(OBLIGATIONS[lie]))
        raise AssertionError(f"{lie}: expected {wanted}, found {outcome}: {said}")
    expect(bool(said), True)
    expect(bool(world.secret) and world.secret in said, False)
    expect(world.elsewhere(), 0)
    if took > world.timeout + _GRACE:
        raise AssertionError(f"{lie}: expected an end within {world.timeout} s, and it took {took:.1f} s")


def _outcome(source: MetricSource, question: MetricQuestion) -> tuple[Outcome | None, str]:
    """What came of it, and all that was said; None: values."""
    try:
        answer = source.measure(question)
    except Refused as refused:
        return Outcome.REFUSED, str(refused)
    except Retry as retry:
        return Outcome.RETRY, str(retry)
    said = " ".join((*answer.notes, answer.partial))
    if answer.partial:
        return Outcome.PARTIAL, said
    expect(len(answer.values), len(question.windows))
    return (Outcome.UNKNOWN, said) if set(answer.values) == {None} else (None, f"{answer.values}")


METRICS_CONTRACT: tuple[Callable[[MetricsWorld], None], ...] = (
    the_truth_is_told,
    asking_changes_nothing,
    some_windows_are_asked_for_alone,
    several_ask_at_once,
    a_form_that_it_has_not_is_refused,
    the_interval_is_a_time,
)
