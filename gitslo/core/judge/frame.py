"""The decision frame: what is known of a subject -> findings -> verdict.

Called by `gitslo.run` at every look and at an attempt's end. Pure. `docs/explanation` has the reasoning; in short, for
every deciding (objective, phase) two tests run on the same evidence:

* **fail** as soon as one finding's log E_fail reaches log(m / alpha), m the number of deciding (objective, phase)
  pairs of the plan that are tested so: a fail is a union. It latches, and dominates every pass.
* **pass** only if at one and the same look the present log E_pass of every deciding finding reaches log(1 / beta), and
  the phase has been judged for `min_duration`. Never a running maximum: a pass is an intersection.
* neither at the attempt's end: inconclusive, with the reason.

What must stay true:

* Missing data never passes: an objective without a counted request has no e-value.
* The seconds of an attempt whose numbers must not decide a pass (`no_pass`) do not count for `min_duration`; what its
  requests count for is said in `counts`. So evidence with a faulty attempt in it can be extended, and never becomes
  more favourable by the fault.
* `judged_seconds` of all attempts of the evidence are added up for `min_duration`: an extension continues the
  evidence, so it continues its duration.
* What has no error control (thresholds, burn rates, scores) decides at the end only, and divides no alpha. A limit
  relative to a baseline has it, and decides at the end only, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gitslo.core.judge.baselines import baseline_finding
from gitslo.core.judge.burns import burn_finding
from gitslo.core.judge.counted import counted_finding, stream_of
from gitslo.core.judge.counts import Stream
from gitslo.core.judge.means import mean_finding
from gitslo.core.judge.needs import PHASES, needs_of
from gitslo.core.judge.scores import score_findings
from gitslo.core.judge.thresholds import threshold_finding
from gitslo.core.stats import log_e_fail, log_e_pass
from gitslo.model import (
    AttemptEvidence,
    Evidence,
    Finding,
    Method,
    Metric,
    Objective,
    Phase,
    Plan,
    ScoreRecord,
    Test,
    Verdict,
)

__all__ = ["READINESS", "Judge", "Judgement", "judge", "verdict_of"]

READINESS = "readiness"
"""What the finding of a subject that never became ready is about."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look means.

    Attributes:
        verdict: None: go on loading.
        findings: one per (objective, phase) in the plan's order, those that decide nothing included; then the score's.
    """

    verdict: Verdict | None
    findings: tuple[Finding, ...]


def judge(
    plan: Plan,
    earlier: Evidence,
    current: AttemptEvidence,
    *,
    final: bool,
    latched: tuple[Finding, ...] = (),
    scores: tuple[ScoreRecord, ...] = (),
) -> Judgement:
    """Judge everything that is known of a subject, once; see `Judge`."""
    return Judge(plan, earlier, scores).look(current, final=final, latched=latched)


def verdict_of(bad: int, total: int, limit: float, *, need_fail: float, need_pass: float) -> Verdict:
    """What the counts of one objective mean alone, each request independent; needs are logarithms of e-values."""
    if total == 0:
        return Verdict.INCONCLUSIVE
    if log_e_fail(bad, total, limit) >= need_fail:
        return Verdict.FAIL
    return Verdict.PASS if log_e_pass(bad, total, limit) >= need_pass else Verdict.INCONCLUSIVE


class Judge:
    """Judges one attempt of a plan as it goes on, beside the judged attempts before it.

    What a look says depends on its arguments alone; counts are only kept so that the next look costs what is new.
    """

    def __init__(self, plan: Plan, earlier: Evidence, scores: tuple[ScoreRecord, ...] = ()) -> None:
        """Begin an attempt.

        Args:
            plan: limits and how sure a verdict must be.
            earlier: the judged attempts of the run, oldest first.
            scores: of earlier runs, oldest first, which criteria of a scoring may be relative to.
        """
        self._plan = plan
        self._scores = scores
        self._earlier = earlier.attempts
        self._needs = needs_of(plan)
        self._sections = {section.name: section for section in plan.metrics}
        self._streams: dict[tuple[str, Phase], Stream] = {}

    def look(self, current: AttemptEvidence, *, final: bool, latched: tuple[Finding, ...] = ()) -> Judgement:
        """Judge.

        Args:
            current: the attempt as far as it has come.
            final: it has ended: the verdict is never None.
            latched: the findings of the look that ended it, if one did. Its fail or pass stays, whatever the requests
                said that were still under way then; only a health gate that closed meanwhile, or for a pass a fail,
                undoes it.
        """
        if current.not_ready is not None:
            return Judgement(Verdict.FAIL, (_readiness(current),))
        findings = tuple(
            self._finding(objective, phase, current, final=final)
            for objective in self._plan.objectives
            for phase in PHASES
        )
        if self._plan.scoring is not None:
            attempts = (*self._earlier, current)
            for phase in PHASES:
                findings += score_findings(self._plan, self._plan.scoring, phase, attempts, self._scores, final=final)
        if latched:
            findings = _with_latched(findings, latched, current)
        verdict = _verdict([finding for finding in findings if finding.decides])
        if final and verdict is Verdict.FAIL:
            findings = tuple(_beside_a_fail(finding) for finding in findings)
        return Judgement(verdict or (Verdict.INCONCLUSIVE if final else None), findings)

    def _finding(self, objective: Objective, phase: Phase, current: AttemptEvidence, *, final: bool) -> Finding:
        attempts = (*self._earlier, current)
        section = self._sections.get(objective.source)
        policy = self._plan.judge
        stream = self._stream(objective, phase, current)
        if objective.baseline is not None:
            return baseline_finding(objective, phase, attempts, stream, policy, self._needs, final=final)
        if objective.test is Test.THRESHOLD:
            return threshold_finding(objective, phase, attempts, stream, section, policy, final=final)
        if objective.metric is Metric.BURN:
            return burn_finding(objective, phase, attempts, policy, final=final)
        if objective.metric is Metric.MEAN and section is not None:
            return mean_finding(objective, phase, attempts, section, policy, self._needs, final=final)
        return counted_finding(objective, phase, attempts, stream, section, policy, self._needs, final=final)

    def _stream(self, objective: Objective, phase: Phase, current: AttemptEvidence) -> Stream:
        """The counts of all attempts up to this look."""
        key = (objective.text, phase)
        stream = self._streams.get(key)
        if stream is None or not stream.take(current):
            stream = self._streams[key] = stream_of(objective, phase, (*self._earlier, current))
        return stream


def _verdict(deciding: Sequence[Finding]) -> Verdict | None:
    if any(finding.verdict is Verdict.FAIL for finding in deciding):
        return Verdict.FAIL
    if deciding and all(finding.verdict is Verdict.PASS for finding in deciding):
        return Verdict.PASS
    return None


def _beside_a_fail(finding: Finding) -> Finding:
    undecided = finding.decides and finding.verdict is Verdict.INCONCLUSIVE
    return replace(finding, reason="not decided when the load ended at a fail") if undecided else finding


def _readiness(current: AttemptEvidence) -> Finding:
    return Finding(
        objective=READINESS,
        phase=Phase.STEADY,
        verdict=Verdict.FAIL,
        decides=True,
        measured=None,
        limit=None,
        total=0,
        bad=0,
        late=0,
        log_e_fail=None,
        log_e_pass=None,
        need_fail=None,
        need_pass=None,
        decided_at=None,
        attempt=current.attempt,
        reason=current.not_ready or "",
        method=Method.READINESS,
    )


# --------------------------------------------------------------------------- what a look decided stays


def _with_latched(
    findings: tuple[Finding, ...], latched: tuple[Finding, ...], current: AttemptEvidence
) -> tuple[Finding, ...]:
    decided = {(finding.objective, finding.phase): finding for finding in latched if finding.decides}
    passed = bool(decided) and all(finding.verdict is Verdict.PASS for finding in decided.values())
    return tuple(
        _latch(finding, decided.get((finding.objective, finding.phase)), current, passed=passed) for finding in findings
    )


def _latch(finding: Finding, decided: Finding | None, current: AttemptEvidence, *, passed: bool) -> Finding:
    if decided is None or finding.verdict is Verdict.FAIL:
        return finding
    if decided.verdict is Verdict.FAIL:
        if current.no_fail:
            reason = f"the numbers decided a fail, but {current.no_fail[0]}"
            return replace(finding, verdict=Verdict.INCONCLUSIVE, decided_at=None, reason=reason)
        return replace(decided, measured=finding.measured)
    if passed and not current.no_pass:
        return replace(decided, measured=finding.measured)
    return finding
