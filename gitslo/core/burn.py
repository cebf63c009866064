"""Burn-rate objectives: what has to be asked of a ratio's source, and what follows from its answer.

Called by `gitslo.run`, which asks (`burn_spans`) and keeps what was said (`burn_counts`), and by `gitslo.core.judge`
(`judge_burn`). Pure. The windows are those of the SRE workbook (`stats.burn_rate`). What must stay true:

* The windows overlap, all of them ending now, and what a source is asked does not: it is asked for the stretches
  between their beginnings, each once, and they are added up here. A stretch that is not known leaves every window
  unknown that it is part of.
* These are thresholds: no error is controlled. All the same nothing passes for want of data: an alert is off only where
  one of its two windows is known to burn slowly enough, events counted that may have been bad; it fires only where both
  are known to burn, such events not counted.
* Most of what is counted happened before this run: a burn rate says that the budget is being spent, and not by whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from gitslo.core.figures import amount, share
from gitslo.core.stats import BurnAlert, burn_alerts, workbook_windows
from gitslo.core.units import format_duration
from gitslo.model import BurnCounts, BurnStretch, Objective, Quantity, Seconds, Verdict
from gitslo.ports import Span, WindowCounts

__all__ = ["BurnJudgement", "burn_counts", "burn_spans", "judge_burn"]

_MONTH = Seconds(30 * 86400.0)


@dataclass(frozen=True, slots=True)
class BurnJudgement:
    """What is known of an error budget.

    Attributes:
        verdict: fail where an alert fires, pass where none does, inconclusive where that is not known.
        alerts: those of the workbook, the most urgent first; rates as multiples of the one that just keeps the budget.
        measured: the share of bad events in the long window of the alert that fires, or is nearest to it; None where
            nothing is known.
        limit: the share above which that alert fires.
        bad, total: of that window.
        reason: one sentence for people, without a final full stop.
    """

    verdict: Verdict
    alerts: tuple[BurnAlert, ...]
    measured: float | None
    limit: float
    bad: int
    total: int
    reason: str


def burn_spans() -> tuple[Span, ...]:
    """The stretches to ask for, in seconds relative to now: ascending, disjoint, the last one ending at 0.

    They are the same for every objective: a period changes an alert's factor, and not its windows.
    """
    lengths = {float(each) for windows in workbook_windows() for each in (windows.long, windows.short)}
    return tuple(pairwise([*(-each for each in sorted(lengths, reverse=True)), 0.0]))


def burn_counts(metric: str, values: Sequence[WindowCounts | None]) -> BurnCounts:
    """What a source answered for `burn_spans`, as it is kept.

    Raises:
        ValueError: there is not one value for each.
    """
    spans = zip(burn_spans(), values, strict=True)
    known = ((span, value) for span, value in spans if value is not None)
    return BurnCounts(
        metric,
        tuple(BurnStretch(start, end, value.total, value.bad[0], value.certain[0]) for (start, end), value in known),
    )


def judge_burn(objective: Objective, counts: BurnCounts | None) -> BurnJudgement:
    """Judge a budget.

    Args:
        objective: a Metric.BURN: `limit` is the budget, a share, to be spent in `period` seconds.
        counts: of the attempt's end; None: nothing was said.
    """
    budget, period = objective.limit, objective.period or _MONTH
    windows = workbook_windows(round(period))
    found = {each: _added(counts, each) for pair in windows for each in (pair.long, pair.short)}
    # Events that may or may not have been bad count against a pass, and not for a fail.
    certain = {each: None if one is None else (one.certain, one.total) for each, one in found.items()}
    possible = {each: None if one is None else (one.bad, one.total) for each, one in found.items()}
    alerts = tuple(
        one if one.fires else replace(other, fires=False if other.fires is False else None)
        for one, other in zip(
            burn_alerts(certain, budget, windows), burn_alerts(possible, budget, windows), strict=True
        )
    )
    firing = [each for each in alerts if each.fires]
    undecided = [each for each in alerts if each.fires is None]
    shown = max(firing or alerts, key=_nearness)
    counted = found[shown.windows.long]
    if firing:
        verdict, reason = Verdict.FAIL, _burning(firing[0], budget, period)
    elif undecided:
        verdict, reason = Verdict.INCONCLUSIVE, _not_known(undecided, found, budget, period)
    else:
        verdict, reason = Verdict.PASS, _kept(shown, budget, period)
    return BurnJudgement(
        verdict=verdict,
        alerts=alerts,
        measured=None if shown.long is None else shown.long * budget,
        limit=min(1.0, shown.windows.factor * budget),
        bad=0 if counted is None else counted.bad,
        total=0 if counted is None else counted.total,
        reason=reason,
    )


def _added(counts: BurnCounts | None, length: int) -> BurnStretch | None:
    """What was counted in the last `length` seconds; None where some of it is not known."""
    by_span = {} if counts is None else {(each.start, each.end): each for each in counts.windows}
    parts = [by_span.get(span) for span in burn_spans() if span[0] >= -length]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return BurnStretch(
        start=-float(length),
        end=0.0,
        total=sum(part.total for part in known),
        bad=sum(part.bad for part in known),
        certain=sum(part.certain for part in known),
    )


def _nearness(alert: BurnAlert) -> float:
    """How near an alert is to firing: 1 where both windows are at its factor; what is not known is far."""
    return -1.0 if alert.long is None or alert.short is None else min(alert.long, alert.short) / alert.windows.factor


# --------------------------------------------------------------------------- for people


def _burning(alert: BurnAlert, budget: float, period: Seconds) -> str:
    times = amount(alert.windows.factor, Quantity.NUMBER)
    limit = f"{times} times what {_budget(budget, period)} allows ({_part(alert.windows.factor * budget)})"
    return f"{_sides(alert, budget)}: both above {limit}"


def _kept(nearest: BurnAlert, budget: float, period: Seconds) -> str:
    limit = _part(nearest.windows.factor * budget)
    return f"{_budget(budget, period)} burns slowly enough: {_sides(nearest, budget)}, and above {limit} is too much"


def _sides(alert: BurnAlert, budget: float) -> str:
    """`2 % were bad in the last 1h and 1.9 % in the last 5m`."""
    sides = ((alert.long, alert.windows.long), (alert.short, alert.windows.short))
    known = [(each * budget, length) for each, length in sides if each is not None]
    parts = [
        f"{share(part)}{' were bad' if not at else ''} in {_last(length)}" for at, (part, length) in enumerate(known)
    ]
    return " and ".join(parts)


def _not_known(
    undecided: Sequence[BurnAlert], found: Mapping[int, BurnStretch | None], budget: float, period: Seconds
) -> str:
    lengths = sorted({each for alert in undecided for each in (alert.windows.short, alert.windows.long)})
    what = f"whether {_budget(budget, period)} burns is not known"
    unknown = [each for each in lengths if found[each] is None]
    if unknown:
        return f"{what}: the events of {_last(*unknown)} are not"
    empty = [each for each, one in found.items() if one is not None and one.total == 0 and each in lengths]
    if empty:
        return f"{what}: there was no event in {_last(max(empty))}"
    return f"{what}: some events may have been bad or not"


def _budget(budget: float, period: Seconds) -> str:
    return f"a budget of {share(budget)} in {format_duration(period)}"


def _part(part: float) -> str:
    return share(min(1.0, part))


def _last(*lengths: int) -> str:
    shown = [format_duration(Seconds(float(each))) for each in lengths]
    return f"the last {shown[0]}" if len(shown) == 1 else f"the last {', '.join(shown[:-1])} and {shown[-1]}"
