"""Keptn's weighted score, as a compatibility mode: the same files give the same result.

Called by `gitslo.core.judge` when a run is decided, with what was measured over all of it. These are thresholds on what
was measured: no error is controlled. Source: Keptn 1.x (archived), lighthouse-service, `event_handler/
evaluate_sli_handler.go` and `common.go`. What must stay true:

* a criterion that compares with earlier results holds where there is none; which earlier results count is decided by
  what they came to as a whole, and the newest so many of them are taken before it is asked which have this value;
* a value that is not known fails its objective with no points. Whether it then decides is another question, which Keptn
  does not ask: what fails for want of values is undecided here (`Score.verdict`), because missing data decides nothing;
* shares are compared exactly where Keptn compares per cent: 57 points of 100 reach 57 %, which it rounds to below.

One defect is left out: where two objectives are about one indicator, Keptn finds its value for the first one only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from gitslo.core.figures import count, quantity, share
from gitslo.model import (
    Aggregate,
    Comparator,
    Comparison,
    Criterion,
    CriterionForm,
    Include,
    ScoredObjective,
    ScoreRecord,
    ScoreResult,
    Scoring,
    Verdict,
)

__all__ = ["REMEMBERED", "Score", "Scored", "earlier_scores", "remember", "score"]

REMEMBERED = 20
"""So many earlier results are kept; more are never compared with."""

_HALF = 0.5
"""Of its weight is what a warning is worth."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One objective's own result.

    Attributes:
        objective: whose.
        value: what was measured; None where it is not known.
        compared: what its relative criteria were compared with; None where there was nothing.
        result: None where it is only reported.
        points: its part of the score, at most the objective's weight.
        reason: one sentence for people, without a final full stop.
    """

    objective: ScoredObjective
    value: float | None
    compared: float | None
    result: ScoreResult | None
    points: float
    reason: str

    @property
    def name(self) -> str:
        """For people."""
        return self.objective.name or self.objective.indicator


@dataclass(frozen=True, slots=True)
class Score:
    """What all of it came to.

    Attributes:
        result: as Keptn has it.
        share: of the largest possible score, from 0 to 1.
        scored: in the order of the scoring.
        verdict: what follows from it: a warning is undecided, and so is what fails only for want of values.
        reason: one sentence for people, without a final full stop.
    """

    result: ScoreResult
    share: float
    scored: tuple[Scored, ...]
    verdict: Verdict
    reason: str

    def record(self, run: str) -> ScoreRecord:
        """What later scores are compared with."""
        values = ((each.objective.indicator, each.value) for each in self.scored)
        return ScoreRecord(run, self.result, tuple((name, value) for name, value in values if value is not None))


def earlier_scores(scores: Sequence[ScoreRecord], run: str) -> tuple[ScoreRecord, ...]:
    """What a run is compared with: the scores before its own."""
    found: list[ScoreRecord] = []
    for each in scores:
        if each.run == run:
            break
        found.append(each)
    return tuple(found)


def remember(scores: Sequence[ScoreRecord], record: ScoreRecord) -> tuple[ScoreRecord, ...]:
    """The records to keep, newest last; a run that is scored again is remembered once."""
    return (*(each for each in scores if each.run != record.run), record)[-REMEMBERED:]


def score(scoring: Scoring, values: Mapping[str, float | None], history: Sequence[ScoreRecord] = ()) -> Score:
    """Score what was measured.

    Args:
        scoring: the plan's.
        values: by indicator, each in its own unit (seconds, bytes, a share, a number); missing, None, NaN and
            infinities are not known.
        history: earlier scores of the environment, newest last; not the one that is being decided.
    """
    earlier = _qualified(scoring.comparison, history)
    scored = tuple(_scored(each, values, earlier, scoring.comparison.aggregate) for each in scoring.objectives)
    largest = sum(each.objective.weight for each in scored if each.objective.passes)
    # Keptn adds an objective's points where it has criteria: a group without any holds, and is worth nothing.
    points = sum(each.points for each in scored if any(each.objective.passes))
    part = points / largest if largest else float(bool(scored))
    result, reason = _decided(scoring, scored, part, largest)
    verdict = _verdict(result)
    unknown = [each for each in scored if each.value is None and each.result is ScoreResult.FAIL]
    if result is ScoreResult.FAIL and unknown and not _fails_anyhow(scoring, scored, points, largest):
        verdict = Verdict.INCONCLUSIVE
        reason = f"{_named(unknown)} {_is(unknown)} not known, so the score of {share(part)} decides nothing"
    return Score(result, part, scored, verdict, reason)


def _verdict(result: ScoreResult) -> Verdict:
    match result:
        case ScoreResult.PASS:
            return Verdict.PASS
        case ScoreResult.WARNING:
            return Verdict.INCONCLUSIVE
        case ScoreResult.FAIL:
            return Verdict.FAIL
        case _:
            assert_never(result)


def _fails_anyhow(scoring: Scoring, scored: tuple[Scored, ...], points: float, largest: int) -> bool:
    """Whether it would fail if all that is not known had been good."""
    known = [each for each in scored if each.value is not None]
    if any(each.objective.key and each.result is ScoreResult.FAIL for each in known):
        return True
    missing = sum(each.objective.weight for each in scored if each.value is None and each.objective.passes)
    least = scoring.passes if scoring.warns is None else min(scoring.passes, scoring.warns)
    return not scored or (points + missing) / largest < least


def _decided(scoring: Scoring, scored: tuple[Scored, ...], part: float, largest: int) -> tuple[ScoreResult, str]:
    if not scored:
        return ScoreResult.FAIL, "nothing is scored: there is no objective"
    if not largest:
        return ScoreResult.PASS, "the score is 100 %: no objective has a criterion to pass"
    failed = [each for each in scored if each.result is ScoreResult.FAIL]
    warned = [each for each in scored if each.result is ScoreResult.WARNING]
    keys = [each for each in failed if each.objective.key]
    said = f"the score is {share(part)}"
    short = "; ".join(f"{_named(some)} {word}" for some, word in ((failed, "failed"), (warned, "warned")) if some)
    behind = f" ({short})" if short else ""
    if keys:
        what = "a key objective" if len(keys) == 1 else "key objectives"
        return ScoreResult.FAIL, f"{_named(keys)} failed, {what}, so the whole does, and {said}"
    if part >= scoring.passes:
        return ScoreResult.PASS, f"{said} of at least {share(scoring.passes)}{behind}"
    if scoring.warns is not None and part >= scoring.warns:
        limits = f"at least {share(scoring.warns)} warns and {share(scoring.passes)} passes"
        return ScoreResult.WARNING, f"{said}: {limits}{behind}"
    needed = scoring.passes if scoring.warns is None else scoring.warns
    return ScoreResult.FAIL, f"{said} and at least {share(needed)} is needed{behind}"


def _named(some: Sequence[Scored]) -> str:
    names = [f"`{each.name}`" for each in some]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _is(some: Sequence[Scored]) -> str:
    return "is" if len(some) == 1 else "are"


# --------------------------------------------------------------------------- one objective


def _scored(
    objective: ScoredObjective,
    values: Mapping[str, float | None],
    earlier: Sequence[Mapping[str, float]],
    aggregate: Aggregate,
) -> Scored:
    found = values.get(objective.indicator)
    value = found if found is not None and math.isfinite(found) else None
    before = [each[objective.indicator] for each in earlier if objective.indicator in each]
    compared = _aggregated(before, aggregate) if before else None
    shown = quantity(value, objective.indicator)
    if not objective.passes:
        return Scored(objective, value, compared, None, 0.0, f"{shown}, which is only reported")
    if value is None:
        return Scored(objective, None, compared, ScoreResult.FAIL, 0.0, "the value is not known")
    worth = ((objective.passes, ScoreResult.PASS, 1.0), (objective.warns, ScoreResult.WARNING, _HALF))
    for groups, result, part in worth:
        kept = next((group for group in groups if all(_holds(each, value, compared) for each in group)), None)
        if kept is not None:
            reason = f"{shown} keeps {_listed(kept, compared, objective, len(before))}" if kept else shown
            return Scored(objective, value, compared, result, objective.weight * part, reason)
    missed = [each for group in objective.passes for each in group if not _holds(each, value, compared)]
    reason = f"{shown} does not keep {_listed(tuple(missed), compared, objective, len(before))}"
    return Scored(objective, value, compared, ScoreResult.FAIL, 0.0, reason)


def _listed(group: tuple[Criterion, ...], compared: float | None, objective: ScoredObjective, earlier: int) -> str:
    return " and ".join(f"`{each.text}`{_meaning(each, compared, objective, earlier)}" for each in dict.fromkeys(group))


def _meaning(criterion: Criterion, compared: float | None, objective: ScoredObjective, earlier: int) -> str:
    """What a criterion that compares means here."""
    if criterion.form is CriterionForm.FIXED:
        return ""
    if compared is None:
        return " (there is no earlier value)"
    results = "an earlier result" if earlier == 1 else f"{count(earlier)} earlier results"
    limit = quantity(_target(criterion, compared), objective.indicator)
    return f" (here {limit}, {results} being {quantity(compared, objective.indicator)})"


def _holds(criterion: Criterion, value: float, compared: float | None) -> bool:
    if criterion.form is not CriterionForm.FIXED and compared is None:
        return True
    target = _target(criterion, 0.0 if compared is None else compared)
    match criterion.comparator:
        case Comparator.LESS:
            return value < target
        case Comparator.LESS_OR_EQUAL:
            return value <= target
        case Comparator.EQUAL:
            return value == target
        case Comparator.GREATER_OR_EQUAL:
            return value >= target
        case Comparator.GREATER:
            return value > target
        case _:
            assert_never(criterion.comparator)


def _target(criterion: Criterion, compared: float) -> float:
    match criterion.form:
        case CriterionForm.FIXED:
            return criterion.value
        case CriterionForm.CHANGE:
            return compared + criterion.value
        case CriterionForm.RELATIVE:
            return compared * (100.0 + criterion.value) / 100.0
        case _:
            assert_never(criterion.form)


# --------------------------------------------------------------------------- earlier results


def _qualified(comparison: Comparison, history: Sequence[ScoreRecord]) -> list[dict[str, float]]:
    """The values of the newest results that count, oldest first."""
    match comparison.include:
        case Include.ALL:
            wanted = frozenset(ScoreResult)
        case Include.PASS:
            wanted = frozenset({ScoreResult.PASS})
        case Include.PASS_OR_WARN:
            wanted = frozenset({ScoreResult.PASS, ScoreResult.WARNING})
        case _:
            assert_never(comparison.include)
    counted = [dict(record.values) for record in history if record.result in wanted]
    return counted[max(0, len(counted) - comparison.results) :]


_PERCENTILES = {Aggregate.P50: 0.5, Aggregate.P90: 0.9, Aggregate.P95: 0.95}


def _aggregated(values: Sequence[float], aggregate: Aggregate) -> float:
    if aggregate is Aggregate.AVG:
        return sum(values) / len(values)
    return _percentile(sorted(values), _PERCENTILES[aggregate])


def _percentile(ordered: Sequence[float], part: float) -> float:
    """At position part * (n + 1), counted from 1, between its neighbours; at most the largest, at least the smallest.

    Source: NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.6.2.
    """
    position = part * (len(ordered) + 1)
    below = math.floor(position)
    if below < 1:
        return ordered[0]
    if position >= len(ordered):
        return ordered[-1]
    return ordered[below - 1] + (position - below) * (ordered[below] - ordered[below - 1])
