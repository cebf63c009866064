"""What burn-rate objectives need at an attempt's end: the long windows of each ratio, asked once.

Called by `sequence` when everything else is known. What must stay true: a source that cannot be asked, or says itself
that something may be missing, leaves its budget unknown; it neither ends the attempt nor holds it up for longer than
its own time-out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from gitslo.core.burn import burn_counts, burn_spans
from gitslo.errors import Retry
from gitslo.model import BurnCounts, Metric, MetricSection, Plan
from gitslo.ports import MetricQuestion, MetricSource, WindowCounts

__all__ = ["ask_burns"]

_MOST_THREADS = 8


def ask_burns(
    plan: Plan, sources: Mapping[str, MetricSource], variables: Mapping[str, str], wall: float
) -> tuple[BurnCounts, ...]:
    """One per ratio with a burn-rate objective whose source answered.

    Args:
        plan: whose objectives ask.
        sources: by the operator's names; every metric's is among them.
        variables: what queries may name.
        wall: now, in seconds since the epoch; the windows end a scrape before it, when everything in them is known.

    Raises:
        Refused: a source can never answer.
    """
    wanted = {objective.source for objective in plan.objectives if objective.metric is Metric.BURN}
    sections = [section for section in plan.metrics if section.name in wanted]
    if not sections:
        return ()
    with ThreadPoolExecutor(min(_MOST_THREADS, len(sections)), thread_name_prefix="burn") as pool:
        asked = [pool.submit(_asked, each, sources[each.source], variables, wall) for each in sections]
        found: Sequence[BurnCounts | None] = [each.result() for each in asked]
    return tuple(each for each in found if each is not None)


def _asked(
    section: MetricSection, source: MetricSource, variables: Mapping[str, str], wall: float
) -> BurnCounts | None:
    end = wall - source.every
    windows = tuple((end + start, end + stop) for start, stop in burn_spans())
    try:
        answer = source.measure(MetricQuestion(section, windows, variables=variables))
    except Retry:
        return None
    if answer.partial:
        return None
    return burn_counts(section.name, [each if isinstance(each, WindowCounts) else None for each in answer.values])
