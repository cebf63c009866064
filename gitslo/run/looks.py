"""What is known of an attempt at every look, of its load and of its metrics together, and what that means.

Called by `sequence`, and from the load's threads. What must stay true: the newest snapshots of all sections and all
answers of metrics are judged together, and what one look decided ends the attempt.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gitslo.core.baselines import sample_of_target, targets_of, with_needed_distributions
from gitslo.core.gather import Course, judged_until, slimmed, tallies, watermark, whole_seconds
from gitslo.core.judge import Judge, Judgement
from gitslo.core.rejudge import look_of
from gitslo.core.windows import beside_load
from gitslo.errors import Refused
from gitslo.model import AttemptEvidence, BaselineSample, BurnCounts, Finding, Instant, Phase, Role, Seconds, Tally
from gitslo.ports import Clock, LoadResult, LoadSnapshot
from gitslo.run.collect import Collector
from gitslo.run.loading import LoadKey, objectives_of, relative_to
from gitslo.run.order import AttemptOrder, CutOff, Stop, Tell

__all__ = ["Looks"]


@dataclass(slots=True)
class Looks:
    """The newest snapshot of every section, and what the last look at all of them said.

    Attributes:
        collector: of the metrics.
        judge: of this attempt beside the earlier ones.
        latched: the findings of the look that ended the attempt, empty where none did.
        decided: the evidence of that look, or None.
        burns: what was asked of error budgets when everything else was over.
    """

    order: AttemptOrder
    courses: Sequence[Course]
    started: float
    clock: Clock
    stop: Stop
    tell: Tell
    collector: Collector
    judge: Judge
    latched: tuple[Finding, ...] = ()
    decided: AttemptEvidence | None = None
    burns: tuple[BurnCounts, ...] = ()
    _cut_off: str | None = None
    _refused: Refused | None = None
    _over: bool = False
    _newest: dict[LoadKey, LoadSnapshot] = field(default_factory=dict)
    _results: dict[LoadKey, LoadResult] = field(default_factory=dict)
    _others: dict[LoadKey, LoadResult] = field(default_factory=dict)
    _before: tuple[float, int] = (0.0, 0)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    # ----------------------------------------------------------------- while a load runs

    def at(self, load: LoadKey) -> Callable[[LoadSnapshot], bool]:
        """What the engine is given for one section: whether the load goes on after a snapshot of it."""

        def look(snapshot: LoadSnapshot) -> bool:
            with self._lock:
                return self._look(load, snapshot)

        return look

    def end(self) -> None:
        """Let every section end at its next snapshot."""
        self._over = True

    def ended(self, load: LoadKey, result: LoadResult) -> None:
        """Take a section's last word."""
        with self._lock:
            if not self._is_own(load):
                self._others[load] = result
                return
            self._results[load] = result
            if len(self._results) == len(self.courses):
                self.collector.ended(max(each.ended_at for each in self._results.values()))

    def _look(self, load: LoadKey, snapshot: LoadSnapshot) -> bool:
        if self._over:
            return False
        if not self._is_own(load):
            # What it is compared with goes on as long as any of ours does, and decides nothing before its end.
            return len(self._results) < len(self.courses)
        self._newest[load] = snapshot
        self._say()
        if not self.collector.begun:
            now = self.clock.now()
            zero = Instant(now.monotonic - snapshot.elapsed, now.wall - snapshot.elapsed)
            self.collector.begin(zero, beside_load(self.courses))
        try:
            if self._goes_on():
                return True
        except (CutOff, Refused):
            pass  # raised once the load has ended
        self._over = True
        return False

    def _is_own(self, load: LoadKey) -> bool:
        return load in self._keys()

    def _say(self) -> None:
        newest = self._newest.values()
        elapsed, sent = max(each.elapsed for each in newest), sum(each.sent for each in newest)
        then, before = self._before
        rate = (sent - before) / (elapsed - then) if elapsed > then else None
        if elapsed > then:
            self._before = (elapsed, sent)
        errors = sum(each.errors for each in newest)
        self.tell(
            f"{elapsed:.0f} s: {sent} sent, {errors} errors",
            {
                "elapsed": elapsed,
                "sent": sent,
                "errors": errors,
                "in_flight": sum(each.in_flight for each in newest),
                "rate": rate,
                "p50": max((each.p50 for each in newest if each.p50 is not None), default=None),
                "p99": max((each.p99 for each in newest if each.p99 is not None), default=None),
            },
        )

    # ----------------------------------------------------------------- any look

    def look(self) -> bool:
        """Look at what is known now, without a load under way; whether nothing has been decided yet.

        Raises:
            CutOff: the caller asks to stop.
            Refused: a source of metrics can never answer.
        """
        with self._lock:
            before = self.collector.answers
            return self._goes_on(before)

    def raise_what_ended(self) -> None:
        """Raise what ended the load's looks, if it was no decision.

        Raises:
            CutOff, Refused: as `look` does.
        """
        if self._cut_off is not None:
            raise CutOff(self._cut_off)
        if self._refused is not None:
            raise self._refused

    def _goes_on(self, answers: int | None = None) -> bool:
        """Args: answers: of metrics that the last look knew, where nothing else can have become known since."""
        self._cut_off = self.stop()
        if self._cut_off is not None:
            raise CutOff(self._cut_off)
        try:
            self.collector.ask(self.clock.now())
        except Refused as refused:
            self._refused = refused
            raise
        if answers == self.collector.answers:
            return True
        evidence = self._evidence()
        seen = self.judge.look(evidence, final=False)
        if seen.verdict is None:
            return True
        self.latched, self.decided = seen.findings, evidence
        return False

    def conclude(self) -> tuple[AttemptEvidence, Judgement]:
        """Everything that the attempt came to know, and what it means; what a look decided stays."""
        with self._lock:
            evidence = self._evidence()
            if self.decided is not None:
                evidence = replace(evidence, look=look_of(self.decided, evidence))
            return evidence, self.judge.look(evidence, final=True, latched=self.latched)

    def _evidence(self) -> AttemptEvidence:
        """Everything known: of sections that have ended all of it, of others what every watermark has passed."""
        metrics = self.collector.found()
        found: list[Tally] = []
        judged: list[float] = [] if metrics.covered is None else [metrics.covered]
        for each in self.courses:
            key = each.section.name, each.section.target
            objectives = objectives_of(self.order.plan, each.section.name)
            result, snapshot = self._results.get(key), self._newest.get(key)
            until = 0.0
            if result is not None:
                found += tallies(each, result.counts, objectives)
                until = result.ended_at
            elif snapshot is not None:
                found += tallies(each, snapshot.counts, objectives)
                until = whole_seconds(snapshot.elapsed - watermark(each.section, objectives))
            if any(objective.role is Role.DECIDE for objective in objectives):
                judged.append(judged_until(each, until))
        ended = [result for key in self._keys() if (result := self._results.get(key)) is not None]
        summaries = slimmed([summary for result in ended for summary in result.summaries])
        return AttemptEvidence(
            attempt=self.order.number,
            started=self.started,
            # The phase has been judged for as long as the deciding section or metric that was judged least.
            judged_seconds=((Phase.STEADY, Seconds(min(judged))),) if judged else (),
            tallies=(*found, *metrics.tallies),
            loads=with_needed_distributions(self.order.plan, summaries),
            no_fail=tuple(dict.fromkeys(reason for result in ended for reason in result.no_fail)),
            no_pass=(
                *dict.fromkeys(reason for result in ended for reason in result.no_pass),
                *self._gates_of_others(),
            ),
            series=metrics.series,
            unknown=metrics.unknown,
            baselines=(*self.order.baselines, *self._baselines()),
            burns=self.burns,
        )

    def _keys(self) -> list[LoadKey]:
        return [(each.section.name, each.section.target) for each in self.courses]

    def _gates_of_others(self) -> list[str]:
        """What makes another target look worse than it is, and so ours better: a pass would not rest on the target."""
        return [
            f"the same load on `{target}`: {reason}"
            for (_, target), result in sorted(self._others.items(), key=lambda item: item[0])
            for reason in dict.fromkeys((*result.no_fail, *result.no_pass))
        ]

    def _baselines(self) -> list[BaselineSample]:
        """What other targets said under the same load."""
        plan, found = self.order.plan, []
        for each in self.courses:
            for target in targets_of(plan, each.section.name):
                result = self._others.get((each.section.name, target))
                if result is None:
                    continue
                rows = tallies(each, result.counts)
                found += [
                    sample_of_target(objective, target, rows, result.summaries)
                    for objective in relative_to(plan, each.section.name, target)
                ]
        return found
