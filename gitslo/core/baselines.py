"""What relative objectives are compared with: another target's numbers at the same time, or an earlier run's.

Called by `gitslo.run`, `gitslo.loop` and `core.state`; `core.judge.baselines` compares. Pure. What must stay true:

* Of a relative objective an engine counts the failures only, second by second; response times are compared as
  distributions of the requests that did not fail. What the limit is a multiple of is not known before.
* A pass keeps what a later run needs, and nothing of attempts whose numbers must not decide a pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from gitslo.core.stats import ClusteredCounts
from gitslo.model import (
    Baseline,
    BaselineForm,
    BaselineSample,
    EnvironmentState,
    Evidence,
    JudgedUnit,
    LoadSummary,
    Metric,
    Objective,
    Passed,
    PassedLoad,
    Plan,
    Tally,
)

__all__ = [
    "counted",
    "earlier_pass",
    "earlier_samples",
    "loads_of_pass",
    "sample_of_target",
    "targets_of",
    "with_needed_distributions",
]

Distribution = tuple[tuple[float, int], ...]
_DRAWN: Final = 48
"""Ranges that are kept for a picture: three for each of its bars."""


def counted(objective: Objective) -> Objective:
    """What an engine counts for an objective: of a relative one the failures, under its own sentence."""
    if objective.baseline is None:
        return objective
    failures = replace(objective, metric=Metric.ERRORS, limit=1.0, quantile=None, baseline=None)
    return replace(failures, unit=JudgedUnit.REQUESTS, allow=None)


def targets_of(plan: Plan, load: str) -> tuple[str, ...]:
    """The other targets that get a section's load at the same time."""
    baselines = [o.baseline for o in plan.objectives if o.load == load and o.baseline is not None]
    return tuple(dict.fromkeys(each.ref for each in baselines if each.form is BaselineForm.TARGET))


def sample_of_target(
    objective: Objective, target: str, tallies: Sequence[Tally], summaries: Sequence[LoadSummary]
) -> BaselineSample:
    """What another target's numbers are for one objective.

    Args:
        objective: relative to that target.
        target: its name.
        tallies: of the judged seconds there, by the objective's own sentence.
        summaries: of the load there.
    """
    own = [tally for tally in tallies if tally.objective == objective.text]
    found = [each for each in summaries if each.endpoint == objective.endpoint]
    return BaselineSample(
        objective=objective.text,
        origin=f"`{target}`, under the same load",
        historical=False,
        total=sum(tally.total for tally in own),
        bad=sum(tally.bad for tally in own),
        effect=_effect([own]),
        distribution=_added(each.distribution for each in found),
    )


def earlier_samples(plan: Plan, passes: Mapping[Baseline, Passed]) -> tuple[BaselineSample, ...]:
    """What is known of the earlier runs that a plan's objectives are relative to.

    Args:
        plan: of the present run.
        passes: the passes found; a baseline without one has nothing to be compared with.
    """
    found = []
    for objective in plan.objectives:
        passed = passes.get(objective.baseline) if objective.baseline is not None else None
        for load in passed.loads if passed is not None else ():
            if passed is not None and (load.load, load.endpoint) == (objective.load, objective.endpoint):
                origin = f"run {passed.run} ({passed.revision[:7]})"
                numbers = (load.total, load.bad, load.effect, load.distribution)
                found.append(BaselineSample(objective.text, origin, True, *numbers))
    return tuple(found)


def earlier_pass(baseline: Baseline, state: EnvironmentState) -> Passed | None:
    """The pass that one ledger entry knows for a baseline; a pass that was withdrawn is none."""
    known = [each for each in (state.last_pass, state.previous_pass) if each is not None and not each.withdrawn]
    if baseline.form is BaselineForm.PINNED:
        known = [each for each in known if each.revision.startswith(baseline.ref)]
    return known[0] if known else None


# --------------------------------------------------------------------------- what is kept


def with_needed_distributions(plan: Plan, loads: Iterable[LoadSummary]) -> tuple[LoadSummary, ...]:
    """Summaries that keep their distribution where an objective limits such response times, now or in a later run.

    Other whole sections keep few wide ranges, from which people's picture is drawn; other endpoints none.
    """
    needed = _needed(plan)
    return tuple(
        each if (each.load, each.endpoint) in needed else replace(each, distribution=_for_people(each))
        for each in loads
    )


def _needed(plan: Plan) -> set[tuple[str, str | None]]:
    return {(o.load, o.endpoint) for o in plan.objectives if o.metric is Metric.LATENCY}


def _for_people(load: LoadSummary) -> Distribution:
    ranges = load.distribution if load.endpoint is None else ()
    while len(ranges) > _DRAWN:  # two neighbours become one, which ends where the upper one does
        pairs = (ranges[index : index + 2] for index in range(0, len(ranges), 2))
        ranges = tuple((pair[-1][0], sum(number for _, number in pair)) for pair in pairs)
    return ranges


def loads_of_pass(plan: Plan, evidence: Evidence) -> tuple[PassedLoad, ...]:
    """What later runs can be compared with: the sections of a passing run, and the endpoints that have objectives."""
    attempts = [attempt for attempt in evidence.attempts if not attempt.no_pass]
    endpoints = [(section.name, None) for section in plan.load]
    named = [(o.load, o.endpoint) for o in plan.objectives if o.load]
    needed, found = _needed(plan), []
    for load, endpoint in dict.fromkeys((*endpoints, *named)):
        texts = {o.text for o in plan.objectives if (o.load, o.endpoint) == (load, endpoint)}
        loads = [
            each for attempt in attempts for each in attempt.loads if (each.load, each.endpoint) == (load, endpoint)
        ]
        if not loads:
            continue
        rows = [
            [tally for tally in attempt.tallies if tally.objective == text] for text in texts for attempt in attempts
        ]
        found.append(
            PassedLoad(
                load=load,
                endpoint=endpoint,
                total=sum(each.requests for each in loads),
                bad=sum(number for each in loads for _, number in each.errors),
                effect=max((_effect([each]) for each in rows), default=1.0),
                # what is drawn for people is too coarse to be compared with
                distribution=_added(each.distribution for each in loads) if (load, endpoint) in needed else (),
            )
        )
    return tuple(found)


def _added(distributions: Iterable[Distribution]) -> Distribution:
    whole: dict[float, int] = {}
    for distribution in distributions:
        for edge, number in distribution:
            whole[edge] = whole.get(edge, 0) + number
    return tuple(sorted(whole.items()))


def _effect(attempts: Iterable[Iterable[Tally]]) -> float:
    """How many of the clustered requests are worth one independent one."""
    counts = ClusteredCounts(1.0)
    for tallies in attempts:
        for tally in tallies:
            for row in tally.seconds:
                counts.add(row.at, row.total, row.bad)
        counts.next_attempt()
    look = counts.look()
    return max(1.0, look.effect, look.effect_for_fail)
