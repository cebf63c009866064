"""Charts on the pages that people read on a forge."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.pictures import MOST_CHARACTERS, pictures
from gitslo.model import (
    AttemptEvidence,
    Finding,
    LoadSummary,
    Percentiles,
    Phase,
    RatePerSecond,
    Second,
    Seconds,
    Tally,
    Verdict,
)
from tests.render.cases import HOSTILE, attempt, latency, load, tally

FINDING = replace(latency(Verdict.PASS, 0.0123, 9, -60.0, 14.2), allowed=0.05)


def charts(page: str) -> list[str]:
    return re.findall(r"```mermaid\n(.*?)\n```", page, re.DOTALL)


def series(chart: str, kind: str) -> list[list[float]]:
    """The numbers of each `line` or `bar` of a chart."""
    found = re.findall(rf"^  {kind} \[(.*)\]$", chart, re.MULTILINE)
    return [[float(number) for number in each.split(", ")] for each in found]


def drawn(*attempts: AttemptEvidence, finding: Finding = FINDING) -> list[str]:
    return charts(pictures(attempts, (finding,)))


def test_the_rate_is_that_of_the_seconds() -> None:
    """The first chart: requests a second of every second, by when they were due."""
    rate, *_ = drawn(attempt())

    assert ('x-axis "seconds" 3 --> 20' in rate, series(rate, "line")) == (True, [[200.0] * 17])


def test_the_share_of_bad_ones_stands_beside_what_is_allowed() -> None:
    """The second chart: the limit and the measured share of each second, in per cent."""
    _, bad, _ = drawn(attempt())

    assert series(bad, "line") == [[5.0] * 17, [0.5 if at % 8 == 0 else 0.0 for at in range(3, 20)]]


def test_chaos_is_shaded_where_it_was() -> None:
    """Bars as high as the chart stand at the seconds of chaos, and the sentence says what they are."""
    page = pictures((attempt(tallies=tally(shaken=True)),), (FINDING,))
    [bars] = series(charts(page)[0], "bar")

    assert ("shaded: chaos" in page, [height > 0 for height in bars]) == (True, [False] * 12 + [True] * 5)


def test_the_distribution_has_every_request_once() -> None:
    """The third chart: shares of all requests that answered, in ranges that ascend."""
    *_, times = drawn(attempt())
    [shares] = series(times, "bar")
    marks = [float(mark) for mark in re.findall(r'"([\d.]+)"', times.split("[", 1)[1].split("]")[0])]

    assert (abs(sum(shares) - 100) < 0.5, marks == sorted(marks), (marks[0], marks[-1])) == (True, True, (4.0, 72.0))


def test_the_newest_attempt_that_measured_is_drawn() -> None:
    """An attempt that found nothing ready hides no earlier numbers."""
    cut_off = AttemptEvidence(2, 1_790_000_100.0, not_ready="no connection")

    assert drawn(attempt(), cut_off) == drawn(attempt())


def test_nothing_measured_draws_nothing() -> None:
    """No chart without a number in it."""
    silent = AttemptEvidence(1, 0.0, tallies=(Tally(FINDING.objective, Phase.STEADY, ()),))
    failed = replace(silent, loads=(replace(load(), distribution=((0.5, 0),)),))

    assert [pictures(each, (FINDING,)) for each in ((), (silent,), (failed,))] == ["", "", ""]


def test_names_stay_out_of_the_charts() -> None:
    """What others named stands in the sentence, escaped, and never where a forge reads a chart."""
    hostile = replace(load(), load=f"x {HOSTILE}")
    page = pictures((attempt(loads=(hostile,)),), (FINDING,))

    assert not any("evil" in chart or "browse" in chart for chart in charts(page))


@settings(max_examples=60, derandomize=True, database=None, deadline=None)
@given(
    counts=st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 1)), min_size=1, max_size=4000),
    began=st.integers(0, 10**5),
    every=st.sampled_from([1, 15, 60]),
    times=st.lists(st.tuples(st.floats(1e-6, 3e3), st.integers(0, 10**9)), max_size=300),
)
def test_all_charts_of_a_page_are_drawn_unasked(
    counts: list[tuple[int, float]], began: int, every: int, times: list[tuple[float, int]]
) -> None:
    """Whatever was measured, all charts together have fewer characters than GitLab's bound, and only plain numbers."""
    seconds = tuple(
        Second(began + every * index, total, int(total * part)) for index, (total, part) in enumerate(counts)
    )
    measured = LoadSummary(
        "web", None, 1, (), RatePerSecond(1), RatePerSecond(1), Percentiles(), Seconds(0), distribution=tuple(times)
    )
    evidence = AttemptEvidence(
        1, 0.0, tallies=(Tally(FINDING.objective, Phase.STEADY, seconds, Seconds(every)),), loads=(measured,)
    )
    found = drawn(evidence)
    numbers = [number for chart in found for each in re.findall(r"\[(.*)\]", chart) for number in each.split(", ")]

    assert sum(map(len, found)) <= MOST_CHARACTERS
    assert all(re.fullmatch(r'"?\d+(\.\d+)?"?', number) for number in numbers)
