"""How a plan's runs end where the truth is known: the frame of `core.judge` over many simulated runs at once.

Called by `gitslo.cli.simulate`, `gitslo.core.lint` and `bench/verdict`. Pure: the generator is passed in. What must
stay true: a run ends as `core.judge.Judge` ends it on the same counts; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitslo.core.simulation.draws import bad_counts, gauge
from gitslo.core.simulation.lanes import Lane, Timeline
from gitslo.core.simulation.truth import GaugeTruth, Truth
from gitslo.core.stats.batch_counts import Decisions, decide_counts
from gitslo.core.stats.batch_means import decide_means

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Booleans = NDArray[np.bool_]
    Integers = NDArray[np.int64]

__all__ = ["WHOLE", "Ending", "Outcome", "decisions", "ends", "simulate"]

WHOLE = ""
"""The key of the whole run among those of its objectives."""

_BATCH = 250
"""Runs at a time: their arrays stay in the processor's cache."""


@dataclass(frozen=True)
class Ending:
    """Where each run ends.

    Attributes:
        verdict: 1 a pass, -1 a fail, 0 undecided.
        look: the index of the look that ended it.
    """

    verdict: Integers
    look: Integers


@dataclass(frozen=True)
class Outcome:
    """How the runs ended: of one objective as if it were the only one, or of all together.

    Attributes:
        runs, passed, failed: numbers of runs; the others are undecided.
        seconds: from the load's start to the end, of each run, sorted.
        counted: requests, events or samples counted by then, likewise; of the whole, requests sent.
    """

    runs: int
    passed: int
    failed: int
    seconds: tuple[float, ...]
    counted: tuple[int, ...]

    @property
    def undecided(self) -> int:
        """Runs without a decision."""
        return self.runs - self.passed - self.failed

    def __add__(self, other: Outcome) -> Outcome:
        """Both together."""
        return Outcome(
            self.runs + other.runs,
            self.passed + other.passed,
            self.failed + other.failed,
            tuple(sorted((*self.seconds, *other.seconds))),
            tuple(sorted((*self.counted, *other.counted))),
        )


def simulate(
    line: Timeline, truths: Mapping[str, Truth], draw: np.random.Generator, runs: int
) -> Iterator[Mapping[str, Outcome]]:
    """Run a plan again and again.

    Args:
        line: the plan's looks.
        truths: of every lane, by its sentence.
        draw: where chance comes from.
        runs: how many.

    Yields:
        By sentence, and by `WHOLE` for the verdict of all together: what a batch of runs came to.
    """
    for begin in range(0, runs, _BATCH):
        yield _batch(line, truths, draw, min(_BATCH, runs - begin))


def _batch(line: Timeline, truths: Mapping[str, Truth], draw: np.random.Generator, runs: int) -> Mapping[str, Outcome]:
    import numpy as np  # noqa: PLC0415 - 0.1 s that only a simulation should pay

    found: dict[str, Outcome] = {}
    fails = np.zeros((runs, len(line.at)), dtype=bool)
    passes = np.ones_like(fails)
    for lane in line.lanes:
        own = _drawn(line, lane, truths[lane.text], draw, runs)
        ending = ends(line, own)
        counted = np.concatenate([[0], np.cumsum(lane.total)])[line.known(lane)]
        found[lane.text] = _outcome(line, ending, counted)
        fails |= own.fails
        passes &= own.passes
    found[WHOLE] = _outcome(line, ends(line, Decisions(fails, passes)), np.array(line.sent))
    return found


def _drawn(line: Timeline, lane: Lane, truth: Truth, draw: np.random.Generator, runs: int) -> Decisions:
    if isinstance(truth, GaugeTruth):
        samples = gauge(lane, truth, draw, runs) if lane.total else []
        return decisions(line, lane, means=samples)
    return decisions(line, lane, bad=bad_counts(lane, truth, draw, runs) if lane.total else None, runs=runs)


def decisions(
    line: Timeline,
    lane: Lane,
    *,
    bad: Integers | None = None,
    means: list[NDArray[np.float64]] | None = None,
    runs: int = 0,
) -> Decisions:
    """What each look says of one objective, `min_duration` not yet asked.

    Args:
        line: the looks.
        lane: the objective.
        bad: of each run and row; or
        means: samples of each attempt, a row a run.
        runs: how many, where nothing is counted.
    """
    import numpy as np  # noqa: PLC0415 - see above

    if bad is None and not means:
        nothing = np.zeros((runs, len(line.at)), dtype=bool)
        return Decisions(nothing, nothing)
    if lane.threshold:
        found = _threshold(lane, bad, means)
    elif means:
        assert lane.between is not None  # noqa: S101 - it is a mean
        low, high = lane.between
        found = decide_means(
            means, lane.limit, low=low, high=high, need_fail=line.needs.fail, need_pass=line.needs.succeed
        )
    else:
        assert bad is not None  # noqa: S101 - see above
        found = decide_counts(
            lane.rows,
            bad,
            lane.limit,
            need_fail=line.needs.fail,
            need_pass=line.needs.succeed,
            spared=lane.spared,
        )
    known = line.known(lane)
    tested = known >= (1 if lane.threshold else lane.least)
    if lane.threshold:
        tested &= np.array(line.final)
    column = np.maximum(known - 1, 0)
    return Decisions(found.fails[:, column] & tested, found.passes[:, column] & tested)


def _threshold(lane: Lane, bad: Integers | None, means: list[NDArray[np.float64]] | None) -> Decisions:
    """The estimate beside the limit."""
    import numpy as np  # noqa: PLC0415 - see above

    if means:
        values = np.concatenate(means, axis=1)
        estimate = values.cumsum(axis=1) / np.arange(1, values.shape[1] + 1)
        above = estimate > lane.limit * (1 + 1e-12)
    else:
        assert bad is not None  # noqa: S101 - asked by the caller
        above = bad.cumsum(axis=1) > lane.limit * lane.rows.summed * (1 + 1e-12)
    return Decisions(above, ~above)


def ends(line: Timeline, said: Decisions) -> Ending:
    """The first look that decides, in a run of these decisions; a fail goes before a pass at the same look."""
    import numpy as np  # noqa: PLC0415 - see above

    passes = said.passes & (np.array(line.judged) >= line.min_duration)
    decided = said.fails | passes
    some = decided.any(axis=1)
    look = np.where(some, decided.argmax(axis=1), len(line.at) - 1)
    run = np.arange(len(look))
    verdict = np.where(~some, 0, np.where(said.fails[run, look], -1, 1))
    return Ending(verdict, look)


def _outcome(line: Timeline, ending: Ending, counted: Integers) -> Outcome:
    import numpy as np  # noqa: PLC0415 - see above

    return Outcome(
        len(ending.verdict),
        int((ending.verdict > 0).sum()),
        int((ending.verdict < 0).sum()),
        tuple(np.sort(np.array(line.at)[ending.look]).tolist()),
        tuple(np.sort(counted[ending.look]).tolist()),
    )
