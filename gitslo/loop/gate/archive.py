"""What is read of a repository for questions: which commit is meant, what it says, what the ledgers' entries say.

Called by `gitslo.loop.gate.gate` under its lock. What must stay true: only so many questions a minute read anything
from the clone, which is the loop's; and only what is there already is read.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final, TypeVar

from gitslo.errors import Refused
from gitslo.loop.budget import PushBudget
from gitslo.loop.gate.views import Bounds, Denied, Snapshot
from gitslo.loop.ledgers import Ledgers, LedgerTip
from gitslo.loop.sight import Facts, facts_in
from gitslo.loop.views import ObjectCache, RevisionView, in_halves
from gitslo.model import CommitId, Environment, EnvironmentState, Release, Subject
from gitslo.ports import Clock, Repository

__all__ = ["Archive", "Said", "keep", "subject_of"]

K = TypeVar("K")
V = TypeVar("V")

REMEMBERED: Final = 4096
"""Of each kind of thing that is read at most so many are remembered."""
HEX: Final = re.compile(r"[0-9a-f]+")
WHOLE: Final = 40

Said = tuple[Subject, Release]
"""What a commit says of an environment."""


class Archive:
    """One repository's objects, for the questions of one gate."""

    def __init__(self, repository: Repository, ledgers: Ledgers, clock: Clock, bounds: Bounds) -> None:
        self._repository, self.ledgers, self._clock, self._bounds = repository, ledgers, clock, bounds
        self._cache = ObjectCache()
        self._reads = PushBudget(bounds.reads_per_minute, clock.now().monotonic)
        self._facts: OrderedDict[tuple[CommitId, str], tuple[Environment, Said | str]] = OrderedDict()
        self._listed: tuple[CommitId, frozenset[CommitId]] = (CommitId(""), frozenset())
        self._contained: OrderedDict[tuple[CommitId, CommitId], bool] = OrderedDict()

    def commit(self, seen: Snapshot, text: str) -> CommitId:
        """The commit of the branch that is meant by an id or its beginning.

        Raises:
            Denied: there is none, or more than one, or no read is left.
        """
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

    def _newest(self, seen: Snapshot) -> frozenset[CommitId]:
        if self._listed[0] != seen.revision:
            self.permit()
            history = self._repository.history(seen.revision, None, (), self._bounds.newest)
            self._listed = (seen.revision, frozenset(each.id for each in history))
        return self._listed[1]

    def _contains(self, seen: Snapshot, commit: CommitId) -> bool:
        """Whether a commit that is none of the newest is on the branch."""
        if len(self._newest(seen)) < self._bounds.newest:
            return False
        key = (seen.revision, commit)
        if key not in self._contained:
            self.permit()
            try:
                found = self._repository.is_ancestor(commit, seen.revision)
            except Refused:  # there is no such object here
                found = False
            keep(self._contained, key, found)
        return self._contained[key]

    def said(self, seen: Snapshot, commit: CommitId, environment: Environment) -> Said | str:
        """What a commit says of an environment, or why that cannot be understood."""
        known = seen.facts.get(environment.name) if commit == seen.revision else None
        if known is not None:
            return subject_of(known), known.release
        key = (commit, environment.name)
        kept = self._facts.get(key)
        if kept is None or kept[0] != environment:  # the pipeline may have moved it to another folder since
            self.permit()
            said: Said | str
            try:
                facts = facts_in(RevisionView(self._repository, commit, self._cache), environment)
                said = (subject_of(facts), facts.release)
            except Refused as refused:
                said = str(refused.problems[0])
            kept = (environment, said)
            keep(self._facts, key, kept)
        return kept[1]

    def entries(self, seen: Snapshot, environment: str) -> Iterator[EnvironmentState]:
        """The ledger's entries, newest first; ends where one cannot be believed."""
        tip = seen.refs.get(self.ledgers.ref(seen.pipeline.name, environment))
        if tip is None:
            return
        self.permit()
        ids = [each.id for each in self._repository.history(tip, None, (), self._bounds.entries)]
        for at in range(0, len(ids), 20):
            in_halves([each for each in ids[at : at + 20] if not self.ledgers.known(each)], self.ledgers.ahead)
            for each in ids[at : at + 20]:
                entry = self.ledgers.read(seen.pipeline.name, environment, each)
                if entry.problem:
                    return
                yield entry.state

    def tip(self, seen: Snapshot, environment: str) -> LedgerTip:
        """The ledger's newest entry; what cannot be read is a problem of it."""
        tip = seen.refs.get(self.ledgers.ref(seen.pipeline.name, environment))
        if tip is not None and not self.ledgers.known(tip):
            self.permit()
        try:
            return self.ledgers.read(seen.pipeline.name, environment, tip)
        except Refused as refused:
            return LedgerTip(tip, EnvironmentState(seen.pipeline.name, environment), str(refused.problems[0]))

    def permit(self) -> None:
        """Take one of this minute's reads.

        Raises:
            Denied: none is left.
        """
        if self._reads.wait(self._clock.now().monotonic) > 0.0:
            raise Denied(503, "busy", "too many questions need something read", "ask again")


def subject_of(facts: Facts) -> Subject:
    """What a verdict is about."""
    return Subject(facts.tree.digest, facts.plan.digest)


def keep(kept: OrderedDict[K, V], key: K, value: V) -> None:
    """Remember, and forget what was remembered first where it is too much."""
    kept[key] = value
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)
