"""Charts on the pages that people read on a forge."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
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
    """The numbers of each `line` or `bar` of a chart; a bar that is not drawn is a zero."""
    found = re.findall(rf"^  {kind} \[(.*)\]$", chart, re.MULTILINE)
    return [[max(0.0, float(number)) for number in each.split(", ")] for each in found]


def names(chart: str) -> list[str]:
    """What stands along the x-axis."""
    return re.findall(r'"([\d.]+)"', chart.split("x-axis")[1].splitlines()[0])


def drawn(*attempts: AttemptEvidence, finding: Finding = FINDING) -> list[str]:
    return charts(pictures(attempts, (finding,)))


def test_the_rate_is_that_of_the_seconds() -> None:
    """The first chart: requests a second of every second, by when they were due."""
    rate, *_ = drawn(attempt())

    assert 'x-axis "seconds from the start" [' in rate
    assert ([str(at) for at in range(3, 20)], [[200.0] * 17]) == (names(rate), series(rate, "line"))


def test_the_share_of_bad_ones_stands_beside_what_is_allowed() -> None:
    """The second chart: the limit and the measured share of each second, in per cent."""
    _, bad, _ = drawn(attempt())

    assert series(bad, "line") == [[5.0] * 17, [0.5 if at % 8 == 0 else 0.0 for at in range(3, 20)]]


def test_chaos_is_shaded_where_it_was() -> None:
    """Bars as high as the chart stand at the seconds of chaos, over load and errors, and the sentences say so."""
    page = pictures((attempt(tallies=tally(shaken=True)),), (FINDING,))
    bars = [bars for chart in charts(page)[:2] for bars in series(chart, "bar")]

    assert 2 == page.count("shaded: chaos")
    assert [[False] * 12 + [True] * 5] * 2 == [[height > 0 for height in each] for each in bars]


def test_nothing_is_not_drawn_as_something() -> None:
    """Mermaid draws a bar from below the line of zero on; one for no request lies below the plot and is not seen."""
    *_, times = drawn(attempt())
    bars = re.findall(r"^  bar \[(.*)\]$", times, re.MULTILINE)[0].split(", ")

    assert ("-", "0.115") == (bars[1][0], bars[-1])


@pytest.mark.parametrize(
    ("seconds", "every", "axis", "first", "last"),
    [
        (range(3, 20), 1, "seconds", "3", "19"),
        (range(600), 1, "seconds", "0", "570"),
        (range(30, 3630), 1, "minutes", "0", "57"),
        (range(0, 900, 15), 15, "minutes", "0", "14"),
        (range(700), 1, "minutes", "0.0", "11.0"),
        (range(0, 35 * 70, 35), 35, "minutes", "0", "38"),
        (range(0, 2 * 86_400, 60), 60, "hours", "0", "46"),
        (range(100_000, 100_010), 1, "seconds", "100000", "100009"),
    ],
)
def test_time_is_told_as_people_tell_it(seconds: range, every: int, axis: str, first: str, last: str) -> None:
    """Seconds, minutes or hours in steps that are usual and hold whole counts; no two of them have one name."""
    counted = tuple(Second(at, 60, 0) for at in seconds)
    tallies = (Tally(FINDING.objective, Phase.STEADY, counted, Seconds(every)),)
    length = Seconds(float(len(counted) * every))
    rate, *_ = drawn(attempt(tallies=tallies, judged_seconds=((Phase.STEADY, length),)))
    found = names(rate)

    assert f'x-axis "{axis} from the start"' in rate
    assert (first, last, len(found)) == (found[0], found[-1], len(set(found)))
    assert series(rate, "line")[0] == pytest.approx([60 / every] * len(found), rel=0.01)


def test_a_second_that_was_judged_in_part_is_left_out() -> None:
    """A load of 2.01 seconds has two requests in its third second; nothing has collapsed, and all of them count."""
    seconds = (Second(0, 120, 0), Second(1, 120, 0), Second(2, 2, 2))
    evidence = attempt(
        tallies=(Tally(FINDING.objective, Phase.STEADY, seconds),), judged_seconds=((Phase.STEADY, Seconds(2.01)),)
    )

    assert [[120.0, 120.0]] == series(drawn(evidence)[0], "line")
    assert "0.826 % in all" in pictures((evidence,), (FINDING,))


def test_a_single_stretch_is_seen() -> None:
    """A line of one point is invisible: it is a bar."""
    rate, bad, _ = drawn(attempt(tallies=(Tally(FINDING.objective, Phase.STEADY, (Second(4, 120, 3),)),)))

    assert ([[120.0]], [[5.0], [2.5]]) == (series(rate, "bar"), series(bad, "bar"))


def test_the_distribution_has_every_request_once() -> None:
    """The third chart: shares of all requests that answered, in ranges that ascend."""
    *_, times = drawn(attempt())
    [shares] = series(times, "bar")
    marks = [float(mark) for mark in names(times)]

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
    """Whatever was measured: GitLab's bound is kept, nothing but plain numbers, and no two points of one name."""
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

    assert sum(map(len, found[:-1])) <= MOST_CHARACTERS
    assert all(len(chart) <= MOST_CHARACTERS and len(names(chart)) == len(set(names(chart))) for chart in found)
    assert all(re.fullmatch(r'"\d+(\.\d+)?"|-?\d+(\.\d+)?', number) for number in numbers)
