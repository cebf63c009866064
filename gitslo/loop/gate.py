"""What one repository's loop knows, for readers in other threads: a gate's questions about commits and environments.

Called by `serve` after every poll (`publish`), and by `gitslo.loop.api` for every question. **Invariants**
* the loop waits for nobody here: what it publishes are references to data that never changes, and what a question needs
  beyond them is read through a Git client of the gate's own, from objects that are here already;
* questions cannot keep the loop from its clone: only so many a minute may read anything from it;
* what is older than a few polls is not told: a verdict that nobody looked after is no verdict.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gitslo.core.gate import Answer, Answered, Vantage, answer, guarded
from gitslo.core.nearest import nearest
from gitslo.core.render import report
from gitslo.errors import GitsloError, Refused, Retry
from gitslo.loop.budget import PushBudget
from gitslo.loop.controller import Poll
from gitslo.loop.ledgers import Ledgers, LedgerTip
from gitslo.loop.sight import Facts, Sight, facts_in
from gitslo.loop.staying import Standing
from gitslo.loop.views import ObjectCache, RevisionView, in_halves
from gitslo.model import (
    CommitId,
    Environment,
    EnvironmentState,
    Evidence,
    Instant,
    Pipeline,
    Release,
    Run,
    Seconds,
    Subject,
)
from gitslo.ports import Clock, Repository

__all__ = ["Bounds", "Denied", "EnvironmentView", "Gate", "VerdictView"]

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED: Final = 4096
"""Of each kind of thing that is read at most so many are remembered."""
HEX: Final = re.compile(r"[0-9a-f]+")
WHOLE: Final = 40

_Said = tuple[Subject, Release]
"""What a commit says of an environment."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one question, and all of them together, may take.

    Attributes:
        newest: how many of the branch's newest commits may be named by the beginning of their id.
        shortest: hexadecimal digits that such a beginning has at least.
        entries: how many ledger entries are searched for what the newest one does not say.
        reads_per_minute: questions that may read from the clone; others are answered from what was read before.
        patience: seconds that a question waits for those before it.
    """

    newest: int = 10_000
    shortest: int = 7
    entries: int = 200
    reads_per_minute: int = 300
    patience: float = 4.0


_BOUNDS = Bounds()


class Denied(GitsloError):
    """A question that has no answer.

    Attributes:
        status: of HTTP.
        code: a stable word for programs.
        message, hint: for people.
    """

    def __init__(self, status: int, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint


@dataclass(frozen=True, slots=True)
class VerdictView:
    """The answer about one commit in one environment.

    Attributes:
        subject: what the commit says of the environment.
        running: whether the branch's head says the same of it.
        run: the run that the answer names, without its evidence; None where there is none, or its entry is not found.
        looked: when the repository was looked at last.
    """

    environment: Environment
    commit: CommitId
    subject: Subject
    release: Release
    running: bool
    answer: Answer
    run: Run | None
    looked: Instant


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """Where one environment stands.

    Attributes:
        answer: about what the branch's head says of it; None where that cannot be understood.
        release: what runs, or is to run; None likewise.
        run: as of VerdictView.
        waiting: what it waits for, or what is wrong with it; empty where nothing is known.
    """

    environment: Environment
    answer: Answer | None
    release: Release | None
    run: Run | None
    waiting: str


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What one poll left behind. Nothing of it changes."""

    looked: Instant
    revision: CommitId
    refs: Mapping[str, CommitId]
    pipeline: Pipeline
    environments: tuple[Environment, ...]
    by_name: Mapping[str, Environment]
    facts: Mapping[str, Facts]
    standings: tuple[Standing, ...]

    @property
    def whole(self) -> bool:
        """Whether what the head says is known of every environment."""
        return len(self.facts) == len(self.environments)


class Gate:
    """The questions that may be asked about one repository."""

    def __init__(
        self,
        name: str,
        repository: Repository,
        ledgers: Ledgers,
        *,
        every: Seconds,
        clock: Clock,
        bounds: Bounds = _BOUNDS,
    ) -> None:
        """Nothing is known before the first `publish`.

        Args:
            name: the repository's in the operator's file.
            repository: a client of the gate's own on the loop's clone, with short time-outs; only read from, and never
                asked to list or fetch anything.
            ledgers: over that client.
            every: seconds between two polls.
            clock: the loop's.
            bounds: of questions.
        """
        self.name = name
        self._repository, self._ledgers, self._clock = repository, ledgers, clock
        self._bounds = bounds
        self._stale_after = 3 * every + 60.0
        self._snapshot: _Snapshot | None = None
        self._problem = "it has not been looked at yet"
        self._generation = -1
        self._lock = threading.Lock()
        self._cache = ObjectCache()
        self._reads = PushBudget(bounds.reads_per_minute, clock.now().monotonic)
        self._facts: OrderedDict[tuple[CommitId, str], tuple[Environment, _Said | str]] = OrderedDict()
        self._listed: tuple[CommitId, frozenset[CommitId]] = (CommitId(""), frozenset())
        self._contained: OrderedDict[tuple[CommitId, CommitId], bool] = OrderedDict()
        self._views: OrderedDict[str, tuple[tuple[object, ...], EnvironmentView]] = OrderedDict()
        self._earlier: OrderedDict[tuple[CommitId, Subject, str], tuple[Answer | None, Run | None]] = OrderedDict()

    # ----------------------------------------------------------------- the loop's side

    def publish(self, sight: Sight, poll: Poll) -> None:
        """Show what a poll has left. Called in the loop's thread; costs next to nothing where nothing moved."""
        if poll.problem is not None or sight.pipeline is None:
            self._problem = str(poll.problem or sight.pipeline_problem)
            return
        now, before = self._clock.now(), self._snapshot
        same = before is not None and self._generation == sight.generation and before.whole
        if before is not None and same and before.environments is sight.environments:
            by_name, facts = before.by_name, before.facts
        else:
            by_name, facts = {each.name: each for each in sight.environments}, sight.verified()
            self._generation = sight.generation
        self._snapshot = _Snapshot(
            now, sight.revision, sight.refs, sight.pipeline, sight.environments, by_name, facts, poll.standings
        )

    # ----------------------------------------------------------------- questions

    def verdict(self, environment: str, commit: str | None) -> VerdictView:
        """What is known of a commit's content in an environment.

        Args:
            environment: its name.
            commit: an id or its beginning; None: the branch's head.

        Raises:
            Denied: there is no such environment or commit, or nothing can be said now.
        """
        with self._reading():
            seen = self._seen()
            known = self._environment(seen, environment)
            whole = seen.revision if commit is None else self._whole(seen, commit)
            said = self._said(whole, known)
            if isinstance(said, str):
                message = f"what commit {whole[:12]} says of {known.name} cannot be understood: {said}"
                raise Denied(404, "environment_not_in_commit", message)
            found, run = self._answered(seen, known, said)
            running = self._said(seen.revision, known) == said
            return VerdictView(known, whole, *said, running, found, run, seen.looked)

    def environments(self, after: str, most: int) -> tuple[tuple[EnvironmentView, ...], str]:
        """Environments in the pipeline's order, and the name to go on behind, or empty where that was all.

        Args:
            after: behind which to begin; empty: with the first.
            most: at most so many.

        Raises:
            Denied: there is no environment `after`, or nothing can be said now.
        """
        with self._reading():
            seen = self._seen()
            begin = 1 + seen.environments.index(self._environment(seen, after)) if after else 0
            page = seen.environments[begin : begin + most]
            standings = {each.environment: each for each in seen.standings}
            new = [each.name for each in page if self._current(seen, each, standings.get(each.name)) is None]
            tips = (seen.refs.get(self._ledgers.ref(seen.pipeline.name, name)) for name in new)
            unknown = [tip for tip in tips if tip is not None and not self._ledgers.known(tip)]
            if unknown:
                self._read_allowed()
                in_halves(unknown, self._ledgers.ahead)
            views = tuple(self._view(seen, each, standings.get(each.name)) for each in page)
            more = begin + most < len(seen.environments)
            return views, page[-1].name if more else ""

    def report(self, environment: str, number: str) -> str:
        """The report of one run, as Markdown.

        Raises:
            Denied: there is no such environment or run, or nothing can be said now.
        """
        with self._reading():
            seen = self._seen()
            known = self._environment(seen, environment)
            for state in self._entries(seen, known.name):
                if state.run is not None and state.run.id == number:
                    return report(state.run, state, known)
            message = f"{known.name} has no run {number}"
            raise Denied(404, "unknown_run", message, f"its newest {self._bounds.entries} ledger entries are searched")

    @property
    def looked(self) -> Instant | None:
        """When the repository was looked at last, as far as it has been."""
        return None if self._snapshot is None else self._snapshot.looked

    # ----------------------------------------------------------------- finding

    @contextmanager
    def _reading(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=self._bounds.patience):
            raise Denied(503, "busy", "too many questions are being answered", "ask again")
        try:
            yield
        except (Refused, Retry) as error:
            raise Denied(503, "busy", f"it cannot be read now: {error}", "ask again") from None
        finally:
            self._lock.release()

    def _seen(self) -> _Snapshot:
        seen, now = self._snapshot, self._clock.now().monotonic
        if seen is None:
            raise Denied(503, "not_ready", f"nothing is known of repository {self.name} yet: {self._problem}")
        if now - seen.looked.monotonic > self._stale_after:
            age = now - seen.looked.monotonic
            message = f"repository {self.name} could not be looked at for {age:.0f} s: {self._problem}"
            raise Denied(503, "not_ready", message)
        return seen

    @staticmethod
    def _environment(seen: _Snapshot, name: str) -> Environment:
        found = seen.by_name.get(name)
        if found is None:
            hint = nearest(name, seen.by_name) or "GET /api/v1/environments lists them"
            raise Denied(404, "unknown_environment", f"there is no environment `{name}`", hint)
        return found

    def _whole(self, seen: _Snapshot, text: str) -> CommitId:
        """The commit of the branch that is meant."""
        given = text.lower()
        if not HEX.fullmatch(given) or not self._bounds.shortest <= len(given) <= WHOLE:
            message = f"a commit is {self._bounds.shortest} to {WHOLE} hexadecimal digits, and no branch or tag"
            raise Denied(400, "bad_commit", message)
        if given == seen.revision:
            return seen.revision
        newest = self._newest(seen)
        if len(given) == WHOLE:
            matching = [CommitId(given)] if given in newest or self._contains(seen, CommitId(given)) else []
        else:
            matching = [each for each in newest if each.startswith(given)]
        if len(matching) > 1:
            raise Denied(400, "ambiguous_commit", f"several commits begin with {given}", "give more digits")
        if not matching:
            branch = self._repository.branch_ref.removeprefix("refs/heads/")
            hint = "it may not have been polled yet"
            if len(given) < WHOLE:
                hint += f"; by the beginning of its id only one of the newest {self._bounds.newest} is found"
            raise Denied(404, "unknown_commit", f"{branch} holds no commit {given}", hint)
        return matching[0]

    def _newest(self, seen: _Snapshot) -> frozenset[CommitId]:
        if self._listed[0] != seen.revision:
            self._read_allowed()
            history = self._repository.history(seen.revision, None, (), self._bounds.newest)
            self._listed = (seen.revision, frozenset(each.id for each in history))
        return self._listed[1]

    def _contains(self, seen: _Snapshot, commit: CommitId) -> bool:
        """Whether a commit that is none of the newest is on the branch."""
        if len(self._newest(seen)) < self._bounds.newest:
            return False
        key = (seen.revision, commit)
        if key not in self._contained:
            self._read_allowed()
            try:
                found = self._repository.is_ancestor(commit, seen.revision)
            except Refused:  # there is no such object here
                found = False
            _keep(self._contained, key, found)
        return self._contained[key]

    def _said(self, commit: CommitId, environment: Environment) -> _Said | str:
        """What a commit says of an environment, or why that cannot be understood."""
        seen = self._snapshot
        known = seen.facts.get(environment.name) if seen is not None and commit == seen.revision else None
        if known is not None:
            return _subject(known), known.release
        key = (commit, environment.name)
        kept = self._facts.get(key)
        if kept is None or kept[0] != environment:  # the pipeline may have moved it to another folder since
            self._read_allowed()
            said: _Said | str
            try:
                facts = facts_in(RevisionView(self._repository, commit, self._cache), environment)
                said = (_subject(facts), facts.release)
            except Refused as refused:
                said = str(refused.problems[0])
            kept = (environment, said)
            _keep(self._facts, key, kept)
        return kept[1]

    def _read_allowed(self) -> None:
        if self._reads.wait(self._clock.now().monotonic) > 0.0:
            raise Denied(503, "busy", "too many questions need something read", "ask again")

    # ----------------------------------------------------------------- answering

    def _answered(self, seen: _Snapshot, environment: Environment, said: _Said) -> tuple[Answer, Run | None]:
        standing = next((each for each in seen.standings if each.environment == environment.name), None)
        tip = self._tip(seen, environment.name)
        head = self._said(seen.revision, environment)
        return self._of_tip(seen, environment, tip, said, None if isinstance(head, str) else head[0], standing)

    def _of_tip(
        self,
        seen: _Snapshot,
        environment: Environment,
        tip: LedgerTip,
        said: _Said,
        head: Subject | None,
        standing: Standing | None,
        *,
        deep: bool = True,
    ) -> tuple[Answer, Run | None]:
        if tip.problem:
            return Answer(Answered.UNKNOWN, f"its ledger cannot be believed: {tip.problem}"), None
        vantage = Vantage(head, None if standing is None else standing.fingerprint, _waiting(standing))
        found = answer(*said, tip.state, seen.pipeline, vantage)
        run = _without_evidence(tip.state.run, found.run)
        if deep and tip.id is not None:
            if found.verdict is Answered.UNKNOWN:
                earlier, run = self._search(seen, environment.name, tip.id, said)
                found = earlier or found
            elif found.run is not None and run is None:
                _, run = self._search(seen, environment.name, tip.id, said, found.run)
        return guarded(found, tip.state.hold), run

    def _search(
        self, seen: _Snapshot, environment: str, tip: CommitId, said: _Said, number: str = ""
    ) -> tuple[Answer | None, Run | None]:
        """What an earlier entry says of a subject; or only the run of this number, as its newest entry shows it."""
        key = (tip, said[0], number)
        if key not in self._earlier:
            found: tuple[Answer | None, Run | None] = (None, None)
            for state in self._entries(seen, environment):
                run = state.run
                if number:
                    if run is not None and run.id == number:
                        found = (None, _without_evidence(run, number))
                        break
                    continue
                before = answer(*said, state, seen.pipeline, Vantage(None))
                if before.verdict not in {Answered.UNKNOWN, Answered.PENDING}:
                    found = (before, _without_evidence(run, before.run))
                    break
            _keep(self._earlier, key, found)
        return self._earlier[key]

    def _entries(self, seen: _Snapshot, environment: str) -> Iterator[EnvironmentState]:
        """The ledger's entries, newest first; ends where one cannot be believed."""
        tip = seen.refs.get(self._ledgers.ref(seen.pipeline.name, environment))
        if tip is None:
            return
        self._read_allowed()
        ids = [each.id for each in self._repository.history(tip, None, (), self._bounds.entries)]
        for at in range(0, len(ids), 20):
            in_halves([each for each in ids[at : at + 20] if not self._ledgers.known(each)], self._ledgers.ahead)
            for each in ids[at : at + 20]:
                entry = self._ledgers.read(seen.pipeline.name, environment, each)
                if entry.problem:
                    return
                yield entry.state

    def _tip(self, seen: _Snapshot, environment: str) -> LedgerTip:
        tip = seen.refs.get(self._ledgers.ref(seen.pipeline.name, environment))
        if tip is not None and not self._ledgers.known(tip):
            self._read_allowed()
        try:
            return self._ledgers.read(seen.pipeline.name, environment, tip)
        except Refused as refused:
            return LedgerTip(tip, EnvironmentState(seen.pipeline.name, environment), str(refused.problems[0]))

    def _view(self, seen: _Snapshot, environment: Environment, standing: Standing | None) -> EnvironmentView:
        facts, waiting = seen.facts.get(environment.name), _waiting(standing)
        if facts is None:
            return EnvironmentView(environment, None, None, None, waiting or "it has not been looked at yet")
        view = self._current(seen, environment, standing)
        if view is None:
            said, tip = (_subject(facts), facts.release), self._tip(seen, environment.name)
            found, run = self._of_tip(seen, environment, tip, said, said[0], standing, deep=False)
            run = None if run is None else replace(run, findings=())
            view = EnvironmentView(environment, found, facts.release, run, waiting)
            self._views.pop(environment.name, None)
            _keep(self._views, environment.name, (self._rests_on(seen, environment, standing), view))
        return view

    def _current(self, seen: _Snapshot, environment: Environment, standing: Standing | None) -> EnvironmentView | None:
        """The view that was made before, where all that it rests on is the same: nothing is decoded again for it."""
        kept = self._views.get(environment.name)
        return kept[1] if kept is not None and kept[0] == self._rests_on(seen, environment, standing) else None

    def _rests_on(self, seen: _Snapshot, environment: Environment, standing: Standing | None) -> tuple[object, ...]:
        tip = seen.refs.get(self._ledgers.ref(seen.pipeline.name, environment.name))
        return environment, tip, seen.facts.get(environment.name), standing, seen.pipeline


def _without_evidence(run: Run | None, number: str | None) -> Run | None:
    """The run, where it is that of the number; its evidence may be large, and nobody asks a gate for that."""
    return replace(run, evidence=Evidence()) if run is not None and run.id == number else None


def _subject(facts: Facts) -> Subject:
    return Subject(facts.tree.digest, facts.plan.digest)


def _waiting(standing: Standing | None) -> str:
    if standing is None:
        return ""
    if standing.problem is not None:
        return str(standing.problem)
    return standing.stay.reason if standing.stay is not None else ""


def _keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    kept[key] = value
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)
