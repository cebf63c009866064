"""What one repository's loop knows, for readers in other threads: a gate's questions about commits and environments.

Called by `serve` after every poll (`publish`), and by `gitslo.loop.api` for every question. **Invariants**
* the loop waits for nobody here: what it publishes are references to data that never changes, and what a question needs
  beyond them is read through a Git client of the gate's own, from objects that are here already;
* questions cannot keep the loop from its clone: only so many a minute may read anything from it;
* what is older than a few polls is not told: a verdict that nobody looked after is no verdict.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gitslo.core.gate import Answer, Answered, Vantage, answer, guarded
from gitslo.core.nearest import nearest
from gitslo.core.render import report
from gitslo.errors import Refused, Retry
from gitslo.loop.controller import Poll
from gitslo.loop.gate.archive import Archive, Said, keep, subject_of
from gitslo.loop.gate.views import Bounds, Denied, EnvironmentView, Snapshot, VerdictView
from gitslo.loop.ledgers import Ledgers, LedgerTip
from gitslo.loop.sight import Sight
from gitslo.loop.staying import Standing
from gitslo.loop.views import in_halves
from gitslo.model import (
    CommitId,
    Environment,
    Evidence,
    Instant,
    Run,
    Seconds,
    Subject,
)
from gitslo.ports import Clock, Repository

__all__ = ["Gate"]

_BOUNDS = Bounds()


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
        self._clock, self._bounds = clock, bounds
        self._archive = Archive(repository, ledgers, clock, bounds)
        self._stale_after = 3 * every + 60.0
        self._snapshot: Snapshot | None = None
        self._problem = "it has not been looked at yet"
        self._generation = -1
        self._lock = threading.Lock()
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
        self._snapshot = Snapshot(
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
            whole = seen.revision if commit is None else self._archive.commit(seen, commit)
            said = self._archive.said(seen, whole, known)
            if isinstance(said, str):
                message = f"what commit {whole[:12]} says of {known.name} cannot be understood: {said}"
                raise Denied(404, "environment_not_in_commit", message)
            found, run = self._answered(seen, known, said)
            running = self._archive.said(seen, seen.revision, known) == said
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
            tips = (seen.refs.get(self._archive.ledgers.ref(seen.pipeline.name, name)) for name in new)
            unknown = [tip for tip in tips if tip is not None and not self._archive.ledgers.known(tip)]
            if unknown:
                self._archive.permit()
                in_halves(unknown, self._archive.ledgers.ahead)
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
            for state in self._archive.entries(seen, known.name):
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

    def _seen(self) -> Snapshot:
        seen, now = self._snapshot, self._clock.now().monotonic
        if seen is None:
            raise Denied(503, "not_ready", f"nothing is known of repository {self.name} yet: {self._problem}")
        if now - seen.looked.monotonic > self._stale_after:
            age = now - seen.looked.monotonic
            message = f"repository {self.name} could not be looked at for {age:.0f} s: {self._problem}"
            raise Denied(503, "not_ready", message)
        return seen

    @staticmethod
    def _environment(seen: Snapshot, name: str) -> Environment:
        found = seen.by_name.get(name)
        if found is None:
            hint = nearest(name, seen.by_name) or "GET /api/v1/environments lists them"
            raise Denied(404, "unknown_environment", f"there is no environment `{name}`", hint)
        return found

    # ----------------------------------------------------------------- answering

    def _answered(self, seen: Snapshot, environment: Environment, said: Said) -> tuple[Answer, Run | None]:
        standing = next((each for each in seen.standings if each.environment == environment.name), None)
        tip = self._archive.tip(seen, environment.name)
        head = self._archive.said(seen, seen.revision, environment)
        return self._of_tip(seen, environment, tip, said, None if isinstance(head, str) else head[0], standing)

    def _of_tip(
        self,
        seen: Snapshot,
        environment: Environment,
        tip: LedgerTip,
        said: Said,
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
        self, seen: Snapshot, environment: str, tip: CommitId, said: Said, number: str = ""
    ) -> tuple[Answer | None, Run | None]:
        """What an earlier entry says of a subject; or only the run of this number, as its newest entry shows it."""
        key = (tip, said[0], number)
        if key not in self._earlier:
            found: tuple[Answer | None, Run | None] = (None, None)
            for state in self._archive.entries(seen, environment):
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
            keep(self._earlier, key, found)
        return self._earlier[key]

    def _view(self, seen: Snapshot, environment: Environment, standing: Standing | None) -> EnvironmentView:
        facts, waiting = seen.facts.get(environment.name), _waiting(standing)
        if facts is None:
            return EnvironmentView(environment, None, None, None, waiting or "it has not been looked at yet")
        view = self._current(seen, environment, standing)
        if view is None:
            said, tip = (subject_of(facts), facts.release), self._archive.tip(seen, environment.name)
            found, run = self._of_tip(seen, environment, tip, said, said[0], standing, deep=False)
            run = None if run is None else replace(run, findings=())
            view = EnvironmentView(environment, found, facts.release, run, waiting)
            self._views.pop(environment.name, None)
            keep(self._views, environment.name, (self._rests_on(seen, environment, standing), view))
        return view

    def _current(self, seen: Snapshot, environment: Environment, standing: Standing | None) -> EnvironmentView | None:
        """The view that was made before, where all that it rests on is the same: nothing is decoded again for it."""
        kept = self._views.get(environment.name)
        return kept[1] if kept is not None and kept[0] == self._rests_on(seen, environment, standing) else None

    def _rests_on(self, seen: Snapshot, environment: Environment, standing: Standing | None) -> tuple[object, ...]:
        tip = seen.refs.get(self._archive.ledgers.ref(seen.pipeline.name, environment.name))
        return environment, tip, seen.facts.get(environment.name), standing, seen.pipeline


def _without_evidence(run: Run | None, number: str | None) -> Run | None:
    """The run, where it is that of the number; its evidence may be large, and nobody asks a gate for that."""
    return replace(run, evidence=Evidence()) if run is not None and run.id == number else None


def _waiting(standing: Standing | None) -> str:
    if standing is None:
        return ""
    if standing.problem is not None:
        return str(standing.problem)
    return standing.stay.reason if standing.stay is not None else ""
