"""People's own pull requests: what `gitslo check` says of them, as a status that a branch's rules may ask for.

Called by the controller after every poll, where the operator wants it. Nothing of what a pull request holds is run, and
nothing but the branches of the same repository is read: their heads are fetched by their ids.

**Invariants**
* what is checked is the merge with the branch as it is now, beside that branch: errors that are there already are
  nobody's new ones;
* a status is set on the head that was checked, and the head is looked at again when it or the branch has moved;
* one pull request that cannot be checked keeps no other waiting, and no environment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from gitslo.core.checking import Checked, check
from gitslo.core.escape import quiet, short
from gitslo.core.lint import Severity
from gitslo.core.state import status_context
from gitslo.errors import GitsloError, Problem
from gitslo.loop.sight import PIPELINE_FILE, Sight
from gitslo.loop.views import ObjectCache, RevisionView
from gitslo.model import CommitId, Environment
from gitslo.ports import STATUS_LENGTH, Event, Forge, PullRequest, Status, StatusState

__all__ = ["OURS", "PeoplesPulls"]

OURS: Final = "gitslo/"
"""What the names of our own head branches begin with."""
EVERY: Final = 15.0
"""Seconds between two looks at the list."""
MOST: Final = 30
"""Pull requests that are kept an eye on, the newest ones."""
ALL_OF: Final = 20
"""Of so many environments a pull request has the status of each; of more of those that it touches, so many at most."""
MOST_CHANGES: Final = 5_000
_AT: Final = 946_684_800.0
"""When the merges that are only looked at were made: the same merge has the same id."""


class PeoplesPulls:
    """The pull requests of one repository that are not ours."""

    def __init__(self, sight: Sight, forge: Forge, tell: Callable[[Event], None]) -> None:
        self._sight, self._forge, self._tell = sight, forge, tell
        self._due = 0.0
        self._checked: dict[int, tuple[CommitId, CommitId]] = {}
        self._standing: tuple[CommitId, frozenset[Problem]] | None = None
        self._cache = ObjectCache()

    def look(self, now: float) -> None:
        """Check what has moved since the last look; `now` is monotonic, in seconds. Says what it cannot do."""
        if now < self._due:
            return
        self._due = now + EVERY
        try:
            self._look()
        except GitsloError as error:
            self._tell(Event("pull_request.unchecked", "", str(error), {"reason": str(error)}))

    def _look(self) -> None:
        repository = self._sight.repository
        base = repository.branch_ref.removeprefix("refs/heads/")
        theirs = [each for each in self._forge.open_pulls(base) if not each.head.startswith(OURS)][:MOST]
        self._checked = {each.number: self._checked[each.number] for each in theirs if each.number in self._checked}
        if not theirs:
            return
        refs = repository.list_refs([f"refs/heads/{each.head}" for each in theirs])
        for pull in theirs:
            head = refs.get(f"refs/heads/{pull.head}")
            moment = (self._sight.revision, head)
            if head is None or self._checked.get(pull.number) == moment:
                continue
            try:
                repository.fetch({f"refs/heads/{pull.head}": head})
                if not repository.is_ancestor(head, self._sight.revision):  # it gets verdicts
                    self._tell_of(pull, head)
            except GitsloError as error:
                said = f"pull request {pull.number} cannot be checked now: {error}"
                self._tell(Event("pull_request.unchecked", "", said, {"pull_request": pull.number}))
            else:
                self._checked[pull.number] = (self._sight.revision, head)

    def _tell_of(self, pull: PullRequest, head: CommitId) -> None:
        merge = self._merge(head)
        if merge is None:
            state, text = StatusState.PENDING, f"cannot be checked: it does not merge cleanly into {pull.base}"
            contexts: Sequence[Environment] = self._sight.environments[:ALL_OF]
        else:
            new = self._new_errors(merge)
            state, text = (StatusState.FAILURE, _said(new)) if new else (StatusState.SUCCESS, "brings no new error")
            contexts = self._touched(merge)
        for environment in contexts:
            said = short(quiet(f"gitslo check: {text}"), STATUS_LENGTH)
            status = Status(head, status_context(environment.name), state, said)
            if not self._forge.has_status(status):
                self._forge.set_status(status)
        fields: dict[str, str | int | float | bool | None] = {"pull_request": pull.number, "state": state.value}
        self._tell(Event("pull_request.checked", "", f"pull request {pull.number}: {text}", fields))

    def _merge(self, head: CommitId) -> CommitId | None:
        """What the branch would be with it: a commit of the local clone, published nowhere."""
        repository, revision = self._sight.repository, self._sight.revision
        if repository.is_ancestor(revision, head):
            return head
        tree = repository.merge_tree(revision, head)
        return None if tree is None else repository.commit_tree([revision, head], tree, "what would be\n", _AT)

    def _new_errors(self, merge: CommitId) -> list[Problem]:
        revision = self._sight.revision
        if self._standing is None or self._standing[0] != revision:
            self._standing = (revision, frozenset(map(_same, _errors(self._check(revision)))))
        return [error for error in _errors(self._check(merge)) if _same(error) not in self._standing[1]]

    def _check(self, commit: CommitId) -> Checked:
        return check(RevisionView(self._sight.repository, commit, self._cache))

    def _touched(self, merge: CommitId) -> Sequence[Environment]:
        environments = self._sight.environments
        if len(environments) <= ALL_OF:
            return environments
        changes = self._sight.repository.changes(self._sight.revision, merge, MOST_CHANGES)
        found = [each for each in environments if changes is None or _touches(each, changes.keys())]
        return found[:ALL_OF]


def _touches(environment: Environment, paths: Collection[str]) -> bool:
    """Whether files of an environment are among these paths; a folder on its way is one of them, too."""
    return PIPELINE_FILE in paths or environment.plan_path in paths or environment.path in paths


def _errors(checked: Checked) -> list[Problem]:
    return [remark.problem for remark in checked.remarks if remark.severity is Severity.ERROR]


def _same(problem: Problem) -> Problem:
    """An error wherever it stands in its file: lines move."""
    return Problem(problem.message, problem.file, pointer=problem.pointer)


def _said(errors: Sequence[Problem]) -> str:
    first = errors[0]
    where = ":".join(str(part) for part in (first.file, first.line) if part is not None)
    count = "1 new error" if len(errors) == 1 else f"{len(errors)} new errors"
    return f"{count}: {where}: {first.message}" if where else f"{count}: {first.message}"
