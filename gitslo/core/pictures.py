"""What a load was like, as pictures that GitHub, GitLab and Gitea draw themselves: charts in Mermaid's language.

Called by `core.render` for pages that people read on a forge. Pure. What must stay true: a chart holds numbers and our
own words only, so nothing that others wrote is ever read as a chart; and all charts of a page together stay below what
GitLab draws without being asked (2,000 characters a page, its `app/assets/javascripts/behaviors/markdown`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gitslo.core.escape import code
from gitslo.core.figures import share
from gitslo.model import AttemptEvidence, Finding, LoadSummary, Method, Phase, Tally

__all__ = ["MOST_CHARACTERS", "pictures"]

MOST_CHARACTERS: Final = 1950
"""Of all charts of a page."""

_POINTS: Final = 30
"""Of a line: with more the numbers of three charts do not fit."""
_BARS: Final = 16
_LOAD, _BAD, _LIMIT, _CHAOS, _BARS_COLOUR = "#0969da", "#cf222e", "#57606a", "#f5d9a8", "#54aeff"


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
        drawn += _over_time(tallies, limit)
    loads = [load for load in attempt.loads if any(number for _, number in load.distribution)]
    if loads:
        drawn.append(_distribution(max(loads, key=lambda load: load.requests)))
    while sum(len(chart) for _, chart in drawn) > MOST_CHARACTERS:
        drawn.pop()
    return "\n\n".join(f"{said}\n\n```mermaid\n{chart}\n```" for said, chart in drawn)


def _drawn(attempt: AttemptEvidence, findings: Sequence[Finding]) -> tuple[Tally, ...]:
    """The tallies, one per phase, of the objective that counted the most requests; of equal ones the first."""
    counting = dict.fromkeys(each.objective for each in findings if each.method is Method.SEQUENTIAL)
    found = {name: tuple(each for each in attempt.tallies if each.objective == name) for name in counting}
    most = max(found.values(), key=lambda tallies: sum(each.total for each in tallies), default=())
    return most if any(each.seconds for each in most) else ()


# --------------------------------------------------------------------------- over time


def _over_time(tallies: Sequence[Tally], limit: float | None) -> list[tuple[str, str]]:
    began = min(second.at for tally in tallies for second in tally.seconds)
    end = max(second.at + max(1, round(tally.every)) for tally in tallies for second in tally.seconds)
    longest = max(round(tally.every) for tally in tallies)
    width = max(1, longest, math.ceil((end - began) / _POINTS))
    stretches = _stretches(tallies, began, width)
    while len(stretches) > 1 and began + len(stretches) * width > end:  # a stretch that was cut short looks like a dip
        stretches = stretches[:-1]
    objective = code(tallies[0].objective)
    axis = f'x-axis "seconds" {began} --> {began + len(stretches) * width}'
    rates = [each.total / width for each in stretches]
    top = max(rates) * 1.1
    shaken = [top if each.chaos else 0 for each in stretches] if any(each.chaos for each in stretches) else []
    said = f"Requests a second as {objective} counts them, by when they were due"
    load = _chart(axis, "requests/s", top, [("bar", _CHAOS, shaken), ("line", _LOAD, rates)])
    charts = [(said + ("; shaded: chaos." if shaken else "."), load)]
    shares = [100 * each.bad / each.total if each.total else 0.0 for each in stretches]
    allowed = [100 * limit] * len(stretches) if limit is not None else []
    top = max([*shares, *allowed, 0.01]) * 1.1
    said = f"Bad ones among them: {share(_whole(stretches))} in all"
    said += f"; the grey line is what is allowed, {share(limit)}." if limit is not None else "."
    bad = _chart(axis, "bad, %", top, [("line", _LIMIT, allowed), ("line", _BAD, shares)])
    return [*charts, (said, bad)]


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


def _whole(stretches: Sequence[_Stretch]) -> float | None:
    total = sum(each.total for each in stretches)
    return sum(each.bad for each in stretches) / total if total else None


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
    return said, _chart(
        f'x-axis "up to, ms" [{marks}]', "requests, %", max(shares) * 1.1, [("bar", _BARS_COLOUR, shares)]
    )


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
    colours = f'{{"xyChart": {{"plotColorPalette": "{palette}"}}}}'
    lines = [
        f'%%{{init: {{"xyChart": {{"height": 260}}, "themeVariables": {colours}}}}}%%',
        "xychart-beta",
        f"  {axis}",
        f'  y-axis "{name}" 0 --> {_number(top)}',
    ]
    lines += [f"  {kind} [{', '.join(map(_number, values))}]" for kind, _, values in used]
    return "\n".join(lines)


def _number(value: float) -> str:
    """Three figures, never an exponent: Mermaid reads none."""
    if value <= 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)))
    text = f"{value:.{min(digits, 6)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
