"""What the metrics of a plan say of one attempt: their sources are asked in the background, window by window.

Called by `looks`, which asks at every look what is due and takes what has been answered. What must stay true:

* A look never waits for a source: questions run in threads of their own, one at a time and metric, and a source that
  hangs holds up nothing but its own metric.
* Only windows that are not known yet are asked for; an answer stays. A source that could not be asked is asked again
  with the next window, and so is a window that was not known, until its patience is over.
* What a source said is believed only as far as it can be true (`core.windows.fault`), and never where it said itself
  that something may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from gitslo.core import windows
from gitslo.core.windows import Stretch, Value, Watch
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import Instant, MetricSeries, Plan, Role, Seconds, Tally
from gitslo.ports import MetricAnswer, MetricQuestion, MetricSource

__all__ = ["Collector", "Found", "watches"]

_MOST_THREADS = 16
_MOST_WINDOWS = 240
"""Windows in one question."""
_SAID = 300
"""Characters of what a source said."""
_WHOLE = 1e-9


@dataclass(frozen=True, slots=True)
class Found:
    """What is known at one look; the fields are those of `AttemptEvidence`.

    Attributes:
        covered: seconds that the deciding metric with the fewest known windows has been judged; None: none decides.
    """

    tallies: tuple[Tally, ...] = ()
    series: tuple[MetricSeries, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    covered: Seconds | None = None


def watches(plan: Plan, sources: Mapping[str, MetricSource]) -> tuple[Watch, ...]:
    """How each metric of the plan is looked at.

    Raises:
        Refused: the plan asks for a source that is not given.
    """
    problems = [
        Problem(
            f"the metric `{each.name}` asks for the source `{each.source}`, which is not known or not allowed",
            hint="`sources` and `allow.sources` of the operator's file, or `--sources` of `gitslo test`, name them",
        )
        for each in plan.metrics
        if each.source not in sources
    ]
    if problems:
        raise Refused(*problems)
    return tuple(windows.watch(plan, each, sources[each.source].every) for each in plan.metrics)


@dataclass(slots=True)
class _Track:
    """One metric: its windows, and what has become of them.

    Attributes:
        starts: of all windows.
        left: the starts of those that are not known and may still become so, ascending.
        known, asked: by start; `asked` are those that were asked for and answered, whatever the answer was.
        why: what the source said last of what is not known.
        asking: the windows of the question under way.
        last: seconds since zero at which it was asked last.
    """

    watch: Watch
    source: MetricSource
    decides: bool
    starts: tuple[int, ...] = ()
    left: list[int] = field(default_factory=list)
    known: dict[int, Value] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    why: str = "no whole window was judged"
    asking: tuple[int, ...] = ()
    pending: Future[MetricAnswer] | None = None
    last: float = float("-inf")

    def due(self, elapsed: float) -> tuple[int, ...]:
        """What should be asked for now: something new, or again what was not known a window's length ago."""
        found = windows.due(self.left, self.watch, elapsed)[:_MOST_WINDOWS]
        fresh = any(at not in self.asked for at in found)
        return found if fresh or elapsed - self.last >= self.watch.every - _WHOLE else ()

    def take(self) -> None:
        """Take the answer that has come.

        Raises:
            Refused: the question is one that the source can never answer.
        """
        assert self.pending is not None  # noqa: S101 - asked for by the caller
        future, self.pending = self.pending, None
        self.asked.update(self.asking)
        try:
            answer = future.result()
        except Retry as retry:
            self.why = f"its source could not be asked: {retry}"[:_SAID]
            return
        except Refused as refused:
            where = f"the metric `{self.watch.name}` cannot be asked of `{self.watch.section.source}`"
            raise Refused(*(_within(where, each) for each in refused.problems)) from refused
        self._believe(answer)
        late = self.watch.every + self.watch.lag + self.watch.patience
        gone = {at for at in self.asking if at + late <= self.last + _WHOLE}
        self.left = [at for at in self.left if at not in self.known and at not in gone]

    def _believe(self, answer: MetricAnswer) -> None:
        if answer.partial:
            self.why = f"its source said that something may be missing: {answer.partial}"[:_SAID]
            return
        if len(answer.values) != len(self.asking):
            self.why = f"its source answered {len(answer.values)} values for {len(self.asking)} windows"
            return
        faults = []
        for at, value in zip(self.asking, answer.values, strict=True):
            if value is None:
                continue
            fault = windows.fault(self.watch, value)
            if fault:
                faults.append(fault)
            else:
                self.known[at] = value
        if any(at not in self.known for at in self.asking):
            self.why = "; ".join(dict.fromkeys((*answer.notes, *faults)))[:_SAID] or "no value"


def _within(where: str, problem: Problem) -> Problem:
    return replace(problem, message=f"{where}: {problem.message}")


class Collector:
    """All metrics of one attempt. Not thread-safe: whoever looks holds a lock."""

    def __init__(
        self,
        plan: Plan,
        watched: Sequence[Watch],
        sources: Mapping[str, MetricSource],
        variables: Mapping[str, str],
    ) -> None:
        """Without a beginning nothing is asked yet."""
        self._plan = plan
        self._variables = variables
        deciding = {o.source for o in plan.objectives if o.role is Role.DECIDE}
        self._tracks = [
            _Track(each, sources[each.section.source], each.name in deciding or not plan.objectives) for each in watched
        ]
        self._stretches: tuple[Stretch, ...] = ()
        self._zero = Instant(0.0, 0.0)
        self._whole = False
        self._asks = True
        self._pool: ThreadPoolExecutor | None = None
        self.answers = 0
        """Answers taken so far: where it is the same as before, nothing new is known."""

    @property
    def begun(self) -> bool:
        """Whether the attempt's zero is known."""
        return bool(self._stretches)

    def begin(self, zero: Instant, stretches: Sequence[Stretch]) -> None:
        """The attempt's zero, and where it is judged."""
        self._zero, self._stretches = zero, tuple(stretches)
        for track in self._tracks:
            track.starts = windows.windows(self._stretches, track.watch.every)
            track.left = list(track.starts)

    def ended(self, at: float) -> None:
        """Nothing is judged from `at` on, in seconds since zero."""
        self._stretches = tuple((start, min(end, at)) for start, end in self._stretches if start < at)
        for track in self._tracks:
            track.starts = windows.windows(self._stretches, track.watch.every)
            planned = frozenset(track.starts)
            track.left = [start for start in track.left if start in planned]

    def last_answers(self) -> None:
        """Nothing more is asked; what has been asked may still be answered."""
        self._asks = False

    def missing(self) -> None:
        """What is not known now is not waited for any more: it is missing."""
        self._whole = True

    def elapsed(self, now: Instant) -> float:
        """Seconds since zero."""
        return now.monotonic - self._zero.monotonic

    def ask(self, now: Instant) -> None:
        """Take what has been answered and ask for what is due; returns at once.

        Raises:
            Refused: a source can never answer.
        """
        elapsed = self.elapsed(now)
        for track in self._tracks:
            if track.pending is not None and track.pending.done():
                self.answers += 1
                track.take()
            if track.pending is None and self._asks:
                due = track.due(elapsed)
                if due:
                    self._submit(track, due, elapsed)

    def _submit(self, track: _Track, due: tuple[int, ...], elapsed: float) -> None:
        if self._pool is None:
            most = min(_MOST_THREADS, len(self._tracks))
            self._pool = ThreadPoolExecutor(most, thread_name_prefix="metrics")
        wall, every = self._zero.wall, track.watch.every
        question = MetricQuestion(
            section=track.watch.section,
            windows=tuple((wall + at, wall + at + every) for at in due),
            limits=track.watch.limits,
            variables=self._variables,
        )
        track.asking, track.last = due, elapsed
        track.pending = self._pool.submit(track.source.measure, question)

    def settle(self, seconds: float) -> None:
        """Wait for the answers under way, at most `seconds` of this machine's time."""
        pending = [track.pending for track in self._tracks if track.pending is not None]
        if pending:
            wait(pending, seconds)

    @property
    def answering(self) -> bool:
        """Whether a question is under way."""
        return any(track.pending is not None for track in self._tracks)

    @property
    def over(self) -> bool:
        """Whether nothing more will come to be known."""
        return not any(track.left or track.pending is not None for track in self._tracks)

    def found(self) -> Found:
        """Everything that is known."""
        tallies: list[Tally] = []
        series: list[MetricSeries] = []
        unknown: list[tuple[str, str]] = []
        covered: list[float] = []
        for track in self._tracks:
            kept = {at: track.known[at] for at in track.starts if at in track.known}
            tallies += windows.tallies(self._plan, track.watch, kept)
            series += windows.series(track.watch, track.starts, kept)
            # What has not been answered may still come, until it is not waited for any more.
            asked = track.starts if self._whole else [at for at in track.starts if at in track.asked]
            reason = windows.gap(asked, kept, track.why) if asked or self._whole else None
            if reason is not None:
                unknown.append((track.watch.name, reason))
            if track.decides:
                seconds = windows.covered(track.watch, kept, self._stretches, whole=self._whole)
                covered.append(seconds if reason is None else 0.0)
        least = Seconds(min(covered)) if covered else None
        return Found(tuple(tallies), tuple(series), tuple(unknown), least)

    def said(self) -> tuple[tuple[str, int], ...]:
        """(metric, how many of its windows are known), for people."""
        return tuple((track.watch.name, len(track.known)) for track in self._tracks)

    def close(self) -> None:
        """Forget what is under way; an answer that still comes is heard by nobody."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
