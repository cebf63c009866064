"""`gitslo simulate`: what a plan's verdicts will be, before anything is deployed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import click

from gitslo.errors import Problem, Refused
from gitslo.model import Plan, Seconds, Share

if TYPE_CHECKING:
    from gitslo.core.simulation.lanes import Assumed, Lane, Timeline
    from gitslo.core.simulation.outcomes import Outcome
    from gitslo.core.simulation.truth import Truth

__all__ = ["simulate"]

T = TypeVar("T")

FACTORS = (0.0, 0.2, 0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 5.0)
"""Of the limit: the true rates where none is said."""

_TOGETHER = "all together"


class _Point(NamedTuple):
    """One assumption about the service.

    Attributes:
        factor: of the limits, None where the truths were said.
        truths: by the objectives' sentences.
    """

    factor: float | None
    truths: Mapping[str, Truth]


@dataclass(frozen=True)
class _Told:
    """What the point's runs came to; `outcomes` by sentence, and of the whole."""

    point: _Point
    outcomes: Mapping[str, Outcome]


@click.command(epilog='Example: gitslo simulate slo.yaml --true "errors=0.4%" --bursts 1s')
@click.argument("file", metavar="PLAN", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--true",
    "truths",
    multiple=True,
    metavar="NAME=VALUE",
    help="What is assumed: errors=0.4%, browse.latency.p95=3% (the share above the limit), or of a gauge's mean"
    " cpu=70% sd 5% phi 0.8; repeat it. Objectives without one have no bad request.  [default: from 0 to 5 times every"
    " limit]",
)
@click.option("--bursts", metavar="DURATION", help="Bad requests come in bursts so long, as often as the rate says.")
@click.option(
    "--within", default="100%", show_default=True, metavar="PERCENT", help="The share of requests bad in a burst."
)
@click.option("--runs", type=click.IntRange(100, 1_000_000), default=2000, show_default=True, help="For each rate.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the simulation.")
@click.option(
    "--extensions", type=click.IntRange(0, 20), default=0, show_default=True, help="Of a run that decides nothing."
)
@click.option("--every", metavar="DURATION", help="The scrape interval of the metrics' sources.")
@click.option("--events", multiple=True, metavar="METRIC=RATE", help="How many events a metric counts, e.g. bad=200/s.")
@click.option("--svg", "picture", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture as SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(
    file: Path,
    truths: tuple[str, ...],
    bursts: str | None,
    within: str,
    runs: int,
    seed: int,
    extensions: int,
    every: str | None,
    events: tuple[str, ...],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Say how often the plan in PLAN will pass, fail and decide nothing, and how long it takes.

    Simulates runs of a service whose true rates are known, and judges them as they would be judged. Exit code 0.
    """
    from gitslo.cli.test import read_plan
    from gitslo.core.guarantee import GUARANTEE
    from gitslo.core.lint import lint_plan
    from gitslo.core.simulation.lanes import timeline
    from gitslo.core.units import parse_duration, parse_share

    burst = _option("--bursts", parse_duration, bursts)
    bad = _option("--within", parse_share, within) or Share(1.0)
    if burst is not None and burst <= 0.0:
        raise Refused(Problem("--bursts: a burst takes some time"))
    if within != "100%" and burst is None:
        raise Refused(Problem("--within says how many requests of a burst are bad: it needs --bursts"))
    if picture is not None and not picture.parent.is_dir():
        raise Refused(Problem("its folder does not exist", file=str(picture)))
    plan = read_plan(file)
    assumed = _assumed(plan, file, every, events)
    line = timeline(plan, extensions=extensions, assumed=assumed)
    if not line.lanes:
        reasons = "; ".join(f"{text}: {why}" for text, why in line.left_out)
        raise Refused(Problem("no deciding objective of this plan can be simulated", str(file), hint=reasons))
    points = _points(line, truths, burst, bad)
    told = list(_simulated(line, points, runs, seed))
    if picture is not None:
        _write(picture, _svg(line, told))
    if as_json:
        click.echo(json.dumps(_document(plan, line, told, runs, seed, extensions), indent=2))
        return
    for remark in lint_plan(plan, str(file), extensions):
        click.echo(f"{remark.severity.value}: {remark.problem}", err=True)
    _print(line, told)
    _notes(plan, line, told, runs, burst)
    click.echo(f"\n{GUARANTEE}")


# --------------------------------------------------------------------------- what is assumed


def _assumed(plan: Plan, file: Path, every: str | None, events: tuple[str, ...]) -> Assumed:
    """What is not known of the plan's metrics before they are measured."""
    from gitslo.core.simulation.lanes import Assumed
    from gitslo.core.units import parse_duration, parse_rate

    interval = _option("--every", parse_duration, every)
    if interval is not None and interval <= 0.0:
        raise Refused(Problem("--every: a source is not scraped all the time", hint="e.g. `15s`"))
    if interval is not None and not plan.metrics:
        raise Refused(Problem("--every is about the sources of metrics, and the plan has none", file=str(file)))
    rates = {
        name: _option("--events", parse_rate, value) for name, _, value in (text.partition("=") for text in events)
    }
    unknown = [name for name in rates if name not in {section.name for section in plan.metrics}]
    if unknown:
        known = ", ".join(section.name for section in plan.metrics) or "none"
        raise Refused(Problem(f"--events: the plan has no metric `{unknown[0]}`", hint=f"its metrics: {known}"))
    return Assumed(interval, {name: float(rate) for name, rate in rates.items() if rate is not None})


def _option(name: str, parse: Callable[[str], T], text: str | None) -> T | None:
    if text is None:
        return None
    try:
        return parse(text)
    except Refused as refused:
        raise Refused(*(Problem(f"{name}: {each.message}", hint=each.hint) for each in refused.problems)) from None


def _points(line: Timeline, texts: Sequence[str], burst: Seconds | None, within: Share) -> list[_Point]:
    from gitslo.core.simulation.truth import ShareTruth, read_truths

    if texts:
        said = read_truths(texts, line.lanes, burst=burst, within=within)
        rest = {lane.text: _times(lane, 0.0, burst, within) for lane in line.lanes}
        return [_Point(None, {**rest, **said})]
    points = []
    for factor in FACTORS:
        truths = {lane.text: _times(lane, factor, burst, within) for lane in line.lanes}
        most = (truth.share for truth in truths.values() if isinstance(truth, ShareTruth))
        if all(share <= (within if burst is not None else 1.0) for share in most):
            points.append(_Point(factor, truths))
    return points


def _times(lane: Lane, factor: float, burst: Seconds | None, within: Share) -> Truth:
    from gitslo.core.simulation.truth import GaugeTruth, ShareTruth

    if lane.between is not None:
        low, high = lane.between
        mean = min(high, low + factor * (lane.limit - low))
        return GaugeTruth(mean, lane.deviation(mean))
    limit = lane.limit if lane.within is None else lane.within
    return ShareTruth(Share(factor * limit), None if lane.samples else burst, within)


def _simulated(line: Timeline, points: Sequence[_Point], runs: int, seed: int) -> Iterator[_Told]:
    from gitslo.cli.style import is_terminal
    from gitslo.core.simulation.draws import generator
    from gitslo.core.simulation.outcomes import simulate as simulated

    in_place = is_terminal(sys.stderr)
    for number, point in enumerate(points, start=1):
        sums: dict[str, Outcome] = {}
        where = f"rate {number} of {len(points)}"
        for batch in simulated(line, point.truths, generator(seed + number), runs):
            for text, outcome in batch.items():
                sums[text] = sums[text] + outcome if text in sums else outcome
            if in_place:
                done = next(iter(sums.values())).runs
                sys.stderr.write(f"\r\x1b[K{where}: {done:,} of {runs:,} runs")
                sys.stderr.flush()
        if not in_place:
            sys.stderr.write(f"{where}: {runs:,} runs\n")
        yield _Told(point, sums)
    if in_place:
        sys.stderr.write("\r\x1b[K")


# --------------------------------------------------------------------------- what is said


def _keys(line: Timeline) -> list[tuple[str, str]]:
    """Key of the outcomes, and title."""
    from gitslo.core.simulation.outcomes import WHOLE

    return [*((lane.text, lane.text) for lane in line.lanes), (WHOLE, _TOGETHER)]


def _true(lane: Lane | None, point: _Point) -> str:
    from gitslo.core.figures import share
    from gitslo.core.simulation.truth import GaugeTruth

    if lane is None:
        return f"{point.factor:g} x every limit" if point.factor is not None else "as above"
    truth = point.truths[lane.text]
    if isinstance(truth, GaugeTruth):
        text = f"mean {truth.mean:.4g}, sd {truth.deviation:.3g}" + (f", phi {truth.phi:g}" if truth.phi else "")
    else:
        text = share(truth.share)
    return text if point.factor is None else f"{text} = {point.factor:g} x"


def _print(line: Timeline, told: Sequence[_Told]) -> None:
    from gitslo.cli.style import paint, table
    from gitslo.core.figures import count, duration
    from gitslo.core.simulation.chart import bar

    lanes = {lane.text: lane for lane in line.lanes}
    for key, title in _keys(line):
        lane = lanes.get(key)
        what = "requests" if lane is None or not (lane.samples or lane.between) else "samples"
        click.echo(paint(title, "heading"))
        rows = []
        for each in told:
            outcome = each.outcomes[key]
            seconds, counted = _spread(outcome.seconds), _spread(outcome.counted)
            rows.append(
                (
                    _true(lane, each.point),
                    *(_percent(part, outcome.runs) for part in (outcome.passed, outcome.failed, outcome.undecided)),
                    f"{duration(round(seconds[0]))} ({duration(round(seconds[1]))})",
                    f"{count(round(counted[0]))} ({count(round(counted[1]))})",
                    bar(outcome),
                )
            )
        columns = ("true", "pass", "fail", "undecided", "time (p90)", f"{what} (p90)", "# pass . x fail")
        table(columns, rows)
        click.echo()


def _percent(part: int, of: int) -> str:
    return f"{part / of:.1%}".replace("%", " %")


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """Median and 90th percentile of sorted values."""
    return values[(len(values) - 1) // 2], values[min(len(values) - 1, -(-9 * len(values) // 10) - 1)]


def _notes(plan: Plan, line: Timeline, told: Sequence[_Told], runs: int, burst: Seconds | None) -> None:
    for text in _said(plan, line, told, runs, burst):
        click.echo(f"* {text}")


def _said(plan: Plan, line: Timeline, told: Sequence[_Told], runs: int, burst: Seconds | None) -> Iterable[str]:
    import math

    from gitslo.core.figures import duration, share
    from gitslo.core.simulation.truth import ShareTruth, no_burst_within

    yield (
        f"{runs:,} runs for each rate: a probability is off by at most about {1.96 * 0.5 / math.sqrt(runs):.1%}."
        " Times and numbers are medians, and 90th percentiles. Each objective is shown as if it were alone; their bad"
        " requests are independent of each other."
    )
    least = plan.judge.min_duration
    if burst is not None:
        seen: dict[str, None] = {}
        for each in told:
            for truth in each.point.truths.values():
                if isinstance(truth, ShareTruth) and truth.recurrence is not None and truth.burst is not None:
                    chance, needed = no_burst_within(truth, least)
                    seen[
                        f"Bursts of {duration(truth.burst)} at {share(truth.share)} come every"
                        f" {duration(round(truth.recurrence, 1))}: {duration(least)} have none of them in"
                        f" {share(round(chance, 4))} of runs; a min_duration of {duration(math.ceil(needed))} has one"
                        " in 95 % of runs."
                    ] = None
        yield from seen
    else:
        yield (
            "Bad requests come alone here; --bursts 1s lets them come together. What comes less often than every"
            f" {duration(round(least / math.log(20), 1))} is absent from more than 5 % of stretches of min_duration,"
            f" {duration(least)}, and a pass knows nothing of it."
        )
    for text, why in line.left_out:
        yield f"Not simulated: {text} ({why})."
    for lane in line.lanes:
        if lane.threshold:
            yield f"`{lane.text}` is a threshold: decided at the end, without error control."


# --------------------------------------------------------------------------- JSON and picture


def _document(
    plan: Plan, line: Timeline, told: Sequence[_Told], runs: int, seed: int, extensions: int
) -> dict[str, object]:
    from gitslo.core.guarantee import GUARANTEE

    return {
        "plan": plan.digest,
        "runs": runs,
        "seed": seed,
        "extensions": extensions,
        "false_fail": plan.judge.false_fail,
        "false_pass": plan.judge.false_pass,
        "min_duration": plan.judge.min_duration,
        "not_simulated": [{"objective": text, "reason": why} for text, why in line.left_out],
        "rates": [
            {
                "factor": each.point.factor,
                "outcomes": [_outcome(key, title, each, line) for key, title in _keys(line)],
            }
            for each in told
        ],
        "guarantee": GUARANTEE,
    }


def _outcome(key: str, title: str, told: _Told, line: Timeline) -> dict[str, object]:
    from dataclasses import asdict

    outcome = told.outcomes[key]
    lane = next((lane for lane in line.lanes if lane.text == key), None)
    seconds, counted = _spread(outcome.seconds), _spread(outcome.counted)
    return {
        "objective": title if lane is not None else None,
        "true": asdict(told.point.truths[key]) if lane is not None else None,
        "pass": outcome.passed / outcome.runs,
        "fail": outcome.failed / outcome.runs,
        "inconclusive": outcome.undecided / outcome.runs,
        "seconds": {"mean": sum(outcome.seconds) / outcome.runs, "median": seconds[0], "p90": seconds[1]},
        "counted": {"mean": sum(outcome.counted) / outcome.runs, "median": counted[0], "p90": counted[1]},
    }


def _svg(line: Timeline, told: Sequence[_Told]) -> str:
    from gitslo.core.simulation.chart import FAIL, PASS, UNDECIDED, Curve, Panel, svg

    panels = []
    marks = tuple(f"{each.point.factor:g}" if each.point.factor is not None else "as said" for each in told)
    for key, title in _keys(line):
        outcomes = [each.outcomes[key] for each in told]
        curves = (
            Curve("undecided", UNDECIDED, tuple(each.undecided / each.runs for each in outcomes)),
            Curve("pass", PASS, tuple(each.passed / each.runs for each in outcomes)),
            Curve("fail", FAIL, tuple(each.failed / each.runs for each in outcomes)),
        )
        limit = marks.index("1") if "1" in marks else None
        panels.append(Panel(title, marks, curves, limit, 0.05))
    return svg(panels, title="How often the plan passes, fails and decides nothing", x_axis="true rate / limit")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Refused(Problem(f"cannot be written: {error.strerror}", file=str(path))) from error
