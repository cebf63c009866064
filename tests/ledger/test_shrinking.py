from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.ledger import LEDGER_CAP, decode, encode
from gitslo.model import (
    AttemptEvidence,
    CommitId,
    EnvironmentState,
    Evidence,
    MetricSeries,
    Passed,
    PassedLoad,
    Phase,
    Release,
    Sample,
    Seconds,
    Subject,
)
from tests.ledger.states import large

WHERE = {"key": None, "repository": "r", "parent": None, "pipeline": "shop", "environment": "checkout/dev"}
DISTRIBUTION = tuple((0.001 * index, index) for index in range(1, 400))


def kept(state: EnvironmentState) -> EnvironmentState:
    """As it comes back from an entry."""
    files = encode(state, key=None, repository="r", parent=None)
    assert len(files["ledger.json"]) <= LEDGER_CAP
    return decode(files, **WHERE)


def attempts(state: EnvironmentState) -> tuple[AttemptEvidence, ...]:
    assert state.run is not None
    return state.run.evidence.attempts


def with_series(state: EnvironmentState, gauges: int) -> EnvironmentState:
    samples = tuple(Sample(15.0 * at, 0.123456 + at / 1000) for at in range(600))
    series = tuple(MetricSeries(f"g{index}", Phase.STEADY, Seconds(15.0), samples) for index in range(gauges))
    assert state.run is not None
    evidence = Evidence(tuple(replace(attempt, series=series) for attempt in attempts(state)))
    return replace(state, run=replace(state.run, evidence=evidence))


def passed(loads: int) -> Passed:
    each = tuple(PassedLoad(f"l{index}", None, 9, 1, 1.0, DISTRIBUTION) for index in range(loads))
    return Passed("1", CommitId("a" * 40), Subject("t", "p"), Release((), "d"), "", False, (), each)


def test_what_fits_is_kept_whole() -> None:
    """Nothing is coarser than it was judged."""
    state = with_series(large(2, 2, 300), 2)

    assert kept(state) == state
    assert not any(attempt.coarser for attempt in attempts(kept(state)))


def test_samples_are_halved_and_the_attempt_says_so() -> None:
    """Every second one is left out, and the spacing is twice as long."""
    found = attempts(kept(with_series(large(3, 1, 10), 12)))
    series = found[0].series[0]

    assert [attempt.coarser for attempt in found] == [True] * 3
    spacing = 15.0 * 600 / len(series.samples)
    assert spacing > 15.0
    assert (series.every, series.samples[1].at) == (spacing, spacing)


@pytest.mark.parametrize(("loads", "last", "previous"), [(5, 399, 399), (30, 399, 0)])
def test_the_distributions_of_the_pass_before_go_first(loads: int, last: int, previous: int) -> None:
    """What is compared with most is kept longest, and the counts of every pass stay."""
    state = replace(large(1, 1, 10), last_pass=passed(loads), previous_pass=passed(loads))
    found = kept(state)

    assert found.last_pass is not None
    assert found.previous_pass is not None
    assert len(found.last_pass.loads[0].distribution) == last
    assert len(found.previous_pass.loads[0].distribution) == previous
    assert [each.total for each in found.previous_pass.loads] == [9] * loads
    assert not attempts(found)[0].coarser
