"""What a load was like, as pictures that every forge draws itself: charts in Mermaid's language.

Called by `core.render` for pages that people read on a forge. Pure. What must stay true: a chart holds numbers and our
own words only, so nothing that others wrote is ever read as a chart; and GitLab draws every chart of a page without
being asked. It asks once a chart, or those before it together, exceed 2,000 characters
(its `app/assets/javascripts/behaviors/markdown/render_sandboxed_mermaid.js`).

They are `xychart-beta`, which Mermaid has since 10.6 and reads in 12 still. What is odd in them is for its sake: it
draws a bar from below the line of zero on, so that nothing looks like something; a bar below the plot is not drawn.
And it places points by adding up steps, in which the last one can be lost; so each has a name on the axis instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gitslo.core.escape import code
from gitslo.core.figures import share
from gitslo.model import AttemptEvidence, Finding, LoadSummary, Method, Phase, Seconds, Tally

__all__ = ["MOST_CHARACTERS", "pictures"]

MOST_CHARACTERS: Final = 1950
"""Of one chart, and of all charts of a page but the last."""

_POINTS: Final = 24
"""Of a line: with more the names on the axis run into each other."""
_WIDTHS: Final = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600)
"""Seconds in which people count."""
_UNITS: Final = ((3600, "hours"), (60, "minutes"), (1, "seconds"))
_BARS: Final = 16
_LOAD, _BAD, _LIMIT, _CHAOS = "#2f81f7", "#e5534b", "#8b949e", "#d2992255"
"""Seen on white and on the grey that forges have behind a chart at night."""
_ABSENT: Final = 0.1
"""How far below zero no bar is left to be seen, of the height of the plot."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What was counted in one stretch of time of equal lengths."""

    total: int
    bad: int
    chaos: bool


def pictures(attempts: Sequence[AttemptEvidence], findings: Sequence[Finding]) -> str:
    """The newest judged attempt as Markdown: load over time, the share of bad requests, and response times.

    Args:
        attempts: oldest first.
        findings: for the limit of what is drawn.

    Returns:
        Charts with a sentence above each; empty where nothing was counted.
    """
    attempt = next((each for each in reversed(attempts) if each.tallies or each.loads), None)
    if attempt is None:
        return ""
    drawn = []
    tallies = _drawn(attempt, findings)
    if tallies:
        limit = next((each.allowed for each in findings if each.objective == tallies[0].objective), None)
        drawn += _over_time(tallies, dict(attempt.judged_seconds), limit)
    loads = [load for load in attempt.loads if any(number for _, number in load.distribution)]
    if loads:
        drawn.append(_distribution(max(loads, key=lambda load: load.requests)))
    while any(len(chart) > MOST_CHARACTERS for _, chart in drawn) or _before_last(drawn) > MOST_CHARACTERS:
        drawn.pop()
    return "\n\n".join(f"{said}\n\n```mermaid\n{chart}\n```" for said, chart in drawn)


def _before_last(drawn: Sequence[tuple[str, str]]) -> int:
    return sum(len(chart) for _, chart in drawn[:-1])


def _drawn(attempt: AttemptEvidence, findings: Sequence[Finding]) -> tuple[Tally, ...]:
    """The tallies, one per phase, of the objective that counted the most requests; of equal ones the first."""
    counting = dict.fromkeys(each.objective for each in findings if each.method is Method.SEQUENTIAL)
    found = {name: tuple(each for each in attempt.tallies if each.objective == name) for name in counting}
    most = max(found.values(), key=lambda tallies: sum(each.total for each in tallies), default=())
    return tuple(each for each in most if each.seconds)


def _whole_seconds(tally: Tally, judged: Mapping[Phase, Seconds]) -> Tally:
    """Without a last second that was judged in part only: its few requests would look like a collapse."""
    length = judged.get(tally.phase)
    if length is None or len(tally.seconds) == 1 or len(tally.seconds) * tally.every <= length:
        return tally
    return replace(tally, seconds=tally.seconds[:-1])


# --------------------------------------------------------------------------- over time


def _over_time(counted: Sequence[Tally], judged: Mapping[Phase, Seconds], limit: float | None) -> list[tuple[str, str]]:
    tallies = [_whole_seconds(tally, judged) for tally in counted]
    began = min(second.at for tally in tallies for second in tally.seconds)
    end = max(second.at + max(1, round(tally.every)) for tally in tallies for second in tally.seconds)
    width = _width(end - began, max(1, *(round(tally.every) for tally in tallies)))
    stretches = _stretches(tallies, began, width)
    while len(stretches) > 1 and began + len(stretches) * width > end:  # a stretch that was cut short looks like a dip
        stretches = stretches[:-1]
    objective = code(tallies[0].objective)
    axis = _time_axis([began + index * width for index in range(len(stretches))], width)
    rates = [each.total / width for each in stretches]
    shaken = [each.chaos for each in stretches] if any(each.chaos for each in stretches) else []
    shaded = "; shaded: chaos" if shaken else ""
    line = "line" if len(stretches) > 1 else "bar"  # a line of one point is not to be seen
    top = max(rates) * 1.1
    said = f"Requests a second as {objective} counts them, by when they were due{shaded}."
    load = _chart(axis, "requests/s", top, [("bar", _CHAOS, _shade(shaken, top)), (line, _LOAD, rates)])
    charts = [(said, load)]
    shares = [100 * each.bad / each.total if each.total else 0.0 for each in stretches]
    allowed = [100 * limit] * len(stretches) if limit is not None else []
    top = max([*shares, *allowed, 0.01]) * 1.1
    said = f"Bad ones among them: {share(_whole(counted))} in all"
    said += f"; the grey line is what is allowed, {share(limit)}" if limit is not None else ""
    series = [("bar", _CHAOS, _shade(shaken, top)), (line, _LIMIT, allowed), (line, _BAD, shares)]
    return [*charts, (f"{said}{shaded}.", _chart(axis, "bad, %", top, series))]


def _width(seconds: int, every: int) -> int:
    """How long a stretch is: whole numbers of what was counted together, few enough to be drawn."""
    needed = max(every, math.ceil(seconds / _POINTS))
    usual = next((width for width in _WIDTHS if width >= needed and width % every == 0), None)
    return usual or every * math.ceil(needed / every)


def _time_axis(starts: Sequence[int], width: int) -> str:
    """Where each stretch begins, in a unit of which there are few."""
    few = (each for each in _UNITS if starts[-1] + width > 10 * each[0] and width * 5 >= each[0])
    unit, name = next(few, _UNITS[-1])
    # names that are equal would fall together; from a fifth of the unit on, tenths tell them apart
    names = (str(start // unit) if width >= unit else f"{start / unit:.1f}" for start in starts)
    listed = ", ".join(f'"{each}"' for each in names)
    return f'x-axis "{name} from the start" [{listed}]'


def _shade(shaken: Sequence[bool], top: float) -> list[float]:
    return [top if each else 0.0 for each in shaken]


def _stretches(tallies: Sequence[Tally], began: int, width: int) -> list[_Stretch]:
    totals: dict[int, list[int]] = {}
    for tally in tallies:
        for second in tally.seconds:
            counts = totals.setdefault((second.at - began) // width, [0, 0, 0])
            counts[0] += second.total
            counts[1] += second.bad
            counts[2] |= tally.phase is Phase.CHAOS
    counted = [totals.get(index, [0, 0, 0]) for index in range(max(totals) + 1)]
    return [_Stretch(total, bad, bool(chaos)) for total, bad, chaos in counted]


def _whole(tallies: Sequence[Tally]) -> float | None:
    total = sum(each.total for each in tallies)
    return sum(each.bad for each in tallies) / total if total else None


# --------------------------------------------------------------------------- response times


def _distribution(load: LoadSummary) -> tuple[str, str]:
    """How many requests answered within which time, in ranges of equal ratios."""
    edges = [edge for edge, number in load.distribution if number]
    low, high = min(edges), max(edges)
    ratio = max(1.02, (high / low) ** (1 / _BARS))
    counts = [0] * (_BARS + 1)
    for edge, number in load.distribution:
        counts[min(_BARS, max(0, math.ceil(math.log(edge / low) / math.log(ratio) - 1e-9)))] += number
    last = max(index for index, number in enumerate(counts) if number)
    counts, total = counts[: last + 1], sum(counts)
    marks = ", ".join(f'"{_number(1000 * low * ratio**index)}"' for index in range(len(counts)))
    shares = [100 * number / total for number in counts]
    name = load.load if load.endpoint is None else f"{load.load}.{load.endpoint}"
    said = f"Response times of {code(name)}: the share of requests by time; each bar ends at the time below it."
    return said, _chart(f'x-axis "up to, ms" [{marks}]', "requests, %", max(shares) * 1.1, [("bar", _LOAD, shares)])


# --------------------------------------------------------------------------- Mermaid


def _chart(axis: str, name: str, top: float, series: Sequence[tuple[str, str, Sequence[float]]]) -> str:
    """One chart; series that are empty are left out.

    Args:
        axis: the line that declares the x-axis.
        name: of the y-axis.
        top: where the y-axis ends.
        series: (`line` or `bar`, colour, values), the first one lies lowest.
    """
    used = [each for each in series if each[2]]
    palette = ",".join(colour for _, colour, _ in used)
    size = '{"height": 260, "xAxis": {"labelFontSize": 11}}'
    lines = [
        f'%%{{init: {{"xyChart": {size}, "themeVariables": {{"xyChart": {{"plotColorPalette": "{palette}"}}}}}}}}%%',
        "xychart-beta",
        f"  {axis}",
        f'  y-axis "{name}" 0 --> {_number(top)}',
    ]
    absent = f"-{_number(_ABSENT * top)}"
    for kind, _, values in used:
        zero = absent if kind == "bar" else "0"
        drawn = (zero if value <= 0 else _number(value) for value in values)
        lines.append(f"  {kind} [{', '.join(drawn)}]")
    return "\n".join(lines)


def _number(value: float) -> str:
    """Three figures, never an exponent: Mermaid reads none."""
    if value <= 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{min(digits, 6)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
