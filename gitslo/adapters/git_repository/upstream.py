"""The remote as the clone sees it: which refs there are, bringing them here, and mending what was lost on the way.

Called by `repository`. **Invariants**: one `ls-remote` a question; only refs that were asked for are fetched, never by
a wildcard (`refs/pull/*` of strangers stay there); a damaged clone is made again at most once for one call, and not
again for tips with which that did not help.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha1
from types import MappingProxyType
from typing import TypeVar

from gitslo.adapters.git_repository import grammar
from gitslo.adapters.git_repository.clone import Clone
from gitslo.adapters.git_repository.faults import Absent, Damaged, TimedOut, TooLarge, cleaned, remote_error
from gitslo.adapters.git_repository.process import GitProcesses
from gitslo.adapters.git_repository.reading import objects
from gitslo.adapters.git_repository.replies import parse_ls_remote
from gitslo.errors import Conflict, Problem, Refused, Retry
from gitslo.model import CommitId

__all__ = ["Upstream"]

T = TypeVar("T")

_CACHE_REFS = "refs/gitslo-cache/"
_LISTING_CAP = 1 << 26
_MOST_PATTERNS = 500
_MOST_AT_ONCE = 500
"""Refs in one fetch: Git compares every ref that is asked for with every ref that the remote shows for that."""
_SHA1_DIGITS = 40
_FETCH_PATIENCE = 20.0


class Upstream:
    """One remote and its clone.

    Args:
        remote: where.
        git: starts the processes.
        clone: the cache.
    """

    def __init__(self, remote: grammar.Remote, git: GitProcesses, clone: Clone) -> None:
        self._remote = remote
        self._git = git
        self._clone = clone
        self._state = threading.Lock()
        self._listed: Mapping[str, CommitId] = {}
        self._answers: dict[tuple[str, ...], tuple[bytes, Mapping[str, CommitId]]] = {}
        self._known_absent: frozenset[str] = frozenset()
        self._hopeless: frozenset[str] = frozenset()

    @property
    def listed(self) -> Mapping[str, CommitId]:
        """What the loop was told last."""
        return self._listed

    def note(self, refs: Mapping[str, CommitId]) -> None:
        """Remember what the loop is told."""
        with self._state:
            if refs != self._listed:
                self._listed = refs
                self._known_absent = frozenset()

    def ask(self, wanted: Sequence[str]) -> Mapping[str, CommitId]:
        """Where the refs that match these patterns are now; the same object again for the same answer to the same.

        Raises:
            Retry, Refused: as `ports.Repository.list_refs`, except that no branch is looked for.
        """
        if len(wanted) > _MOST_PATTERNS:
            raise Refused(f"more than {_MOST_PATTERNS} ref patterns in one question")
        self._clone.prepare()
        doing = f"listing {self._remote.url}"
        try:
            listed = self._git.run(
                "ls-remote",
                "--refs",
                "-q",
                "--end-of-options",
                self._remote.url,
                *wanted,
                cap=_LISTING_CAP,
                to_remote=True,
                in_clone=False,
            )
        except TimedOut:
            raise Retry(f"{doing}: no answer within {self._git.timeout:g} s") from None
        except TooLarge:
            raise Refused(f"{doing}: its refs are more than {_LISTING_CAP >> 20} MiB of text") from None
        if listed.code:
            known = remote_error(doing, listed.said, signed_in=self._git.signed_in)
            raise known or Retry(f"{doing}: {cleaned(listed.said) or f'git ended with {listed.code}'}")
        answer, refs = self._answers.get(tuple(wanted), (b"", {}))
        if answer == listed.out:
            return refs
        matches = grammar.pattern_matcher(wanted)
        try:
            pairs = [pair for pair in parse_ls_remote(listed.out) if matches.match(pair[1])]
        except ValueError:
            raise Retry(f"{doing}: the answer is not Git's") from None
        if any(len(identifier) != _SHA1_DIGITS for identifier, _ in pairs):
            raise Refused(f"{doing}: SHA-256 repositories are not in this version")
        refs = MappingProxyType({ref: grammar.commit_id(identifier) for identifier, ref in pairs})
        # A poll asks the same again and again; ten thousand refs are then not parsed again and again.
        self._answers = {**dict([*self._answers.items()][-1:]), tuple(wanted): (listed.out, refs)}
        return refs

    # ------------------------------------------------------------------ bringing

    def fetch(self, wanted: Mapping[str, CommitId]) -> None:
        """Make tips readable; does nothing for those that are.

        Raises:
            Conflict: a ref has moved away from its tip meanwhile.
            Retry: the remote did not answer as it should.
            Refused: it must not be read, or its objects break Git's rules.
        """
        for last in (False, True):
            seen = self._clone.prepare()
            try:
                if not (missing := self._missing(wanted)):
                    return
                refs = list(missing)
                for at in range(0, len(refs), _MOST_AT_ONCE):
                    self._bring({ref: missing[ref] for ref in refs[at : at + _MOST_AT_ONCE]})
                if not (still := self._missing(missing)):
                    return
                self._see_moved(still)
                raise Damaged("the remote sent nothing for what it shows")  # noqa: TRY301 - one way out of damage
            except Damaged as damage:
                tips = frozenset(wanted.values())
                if last or tips == self._hopeless:
                    self._hopeless = tips
                    hint = "run `git fsck` on the remote: objects that break Git's rules are not taken"
                    raise Refused(Problem(f"fetching from {self._remote.url}: {damage}", hint=hint)) from None
                self._remake(seen)

    def _missing(self, wanted: Mapping[str, CommitId]) -> dict[str, CommitId]:
        if not wanted:
            return {}
        with _as_errors(), self._clone.shared(), objects(self._git) as database:
            found = database.info(wanted.values())
        return {ref: tip for ref, tip in wanted.items() if found[tip] is None}

    def _bring(self, wanted: Mapping[str, CommitId]) -> None:
        # Each lands under a name of its own making: `a` and `a/b` may follow each other on the remote.
        lines = [f"+{ref}:{_CACHE_REFS}{sha1(ref.encode(), usedforsecurity=False).hexdigest()}\n" for ref in wanted]
        doing = f"fetching from {self._remote.url}"
        try:
            with self._clone.alone():
                fetched = self._git.run(
                    "fetch",
                    "-q",
                    "--no-tags",
                    "--no-write-fetch-head",
                    "--no-auto-maintenance",
                    "--no-recurse-submodules",
                    "--no-show-forced-updates",
                    "--stdin",
                    "--end-of-options",
                    self._remote.url,
                    stdin="".join(lines).encode(),
                    patience=_FETCH_PATIENCE,
                    to_remote=True,
                )
                if fetched.code == 0:
                    with contextlib.suppress(TimedOut):
                        self._clone.tidy()
                    return
        except TimedOut:
            raise Retry(f"{doing}: it did not end in time") from None
        if error := remote_error(doing, fetched.said, signed_in=self._git.signed_in):
            raise error
        self._see_moved(wanted)
        raise Damaged(cleaned(fetched.said) or f"git ended with {fetched.code}")

    def _see_moved(self, wanted: Mapping[str, CommitId]) -> None:
        refs = list(wanted)
        present: dict[str, CommitId] = {}
        for at in range(0, len(refs), _MOST_PATTERNS):
            present |= self.ask(refs[at : at + _MOST_PATTERNS])
        if moved := [ref for ref, tip in wanted.items() if present.get(ref) != tip]:
            raise Conflict(f"{', '.join(moved[:5])}: moved while it was fetched")

    # ------------------------------------------------------------------ working on the clone

    def working(self, work: Callable[[], T]) -> T:
        """Carry `work` out on the clone, which is made again once if it turns out to be damaged.

        Raises:
            Absent: what `work` names is not in the clone.
            Retry: it did not end in time, or the damage came back.
            Refused: it is too large.
        """
        for last in (False, True):
            seen = self._clone.prepare()
            try:
                with _as_errors(), self._clone.shared():
                    return work()
            except Damaged as damage:
                if last:
                    raise Retry(f"the clone is damaged again right after it was made anew: {damage}") from None
                self._remake(seen)
        raise AssertionError("the second round returns or raises")

    def reading(self, work: Callable[[], T]) -> T:
        """Like `working`, and what is not in the clone is fetched: only what the loop was told of.

        Raises:
            Refused: it is in none of those refs either.
        """
        try:
            return self.reading_if_present(work)
        except Absent as absent:
            hint = "was its history rewritten?"
            raise Refused(Problem(f"{absent} is in no ref that {self._remote.url} showed", hint=hint)) from None

    def reading_if_present(self, work: Callable[[], T], *, thorough: bool = True) -> T:
        """Like `reading`, but Absent where it is nowhere.

        Args:
            work: what to do.
            thorough: look for damage before believing that something is nowhere.
        """
        measures = (self._fetch_listed, self._mend_unsound, None) if thorough else (self._fetch_listed, None)
        for measure in measures:
            try:
                return self.working(work)
            except Absent as absent:
                if measure is None or self._known_absent & set(absent.ids):
                    raise
                measure(absent)
        raise AssertionError("the last round returns or raises")

    def _fetch_listed(self, absent: Absent) -> None:
        if not self._listed:
            raise Refused(Problem(f"{absent} is not here, and the refs were not listed yet"))
        named = {ref: tip for ref, tip in self._listed.items() if tip in absent.ids}
        self.fetch(named if len(set(named.values())) == len(absent.ids) else self._listed)

    def _mend_unsound(self, absent: Absent) -> None:
        """All tips are here and something still is not: lost here, or not in them? The answer is remembered."""
        seen = self._clone.prepare()
        with _as_errors(), self._clone.shared():
            sound = self._clone.sound()
        if sound:
            with self._state:
                self._known_absent |= set(absent.ids)
            raise absent
        self._remake(seen)
        self.fetch(self._listed)

    def known_commits(self, ids: Iterable[CommitId]) -> None:
        """See that these are commits and in the clone, within `work`; raises Absent."""
        with objects(self._git) as database:
            database.commits(ids)

    def _remake(self, seen: int) -> None:
        with _as_errors():
            self._clone.remake(seen)


@contextlib.contextmanager
def _as_errors() -> Iterator[None]:
    try:
        yield
    except TimedOut:
        raise Retry("git, or whoever holds the clone, did not end in time") from None
    except TooLarge:
        raise Refused("Git's answer is larger than its budget") from None
