"""The adapter: `ports.Repository` on Git. See the package's docstring for how the parts lie.

Used by the loop; every method checks what it is given, then works on the clone through `upstream`, which fetches what
is not here and mends what is damaged.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from gitslo.adapters.git_repository import grammar, publish
from gitslo.adapters.git_repository.batches import HEADER_ROOM, BatchReads
from gitslo.adapters.git_repository.clone import Clone, Folders
from gitslo.adapters.git_repository.commits import Edits, edited_tree, entries_of, planned, store
from gitslo.adapters.git_repository.faults import Absent, Damaged, cleaned
from gitslo.adapters.git_repository.objects import GitObject, commit_object
from gitslo.adapters.git_repository.process import GitProcesses
from gitslo.adapters.git_repository.reading import objects
from gitslo.adapters.git_repository.replies import LOG_FORMAT, parse_log
from gitslo.adapters.git_repository.upstream import Upstream
from gitslo.core.objects import FOLDER
from gitslo.errors import Conflict, Problem, Refused, Retry
from gitslo.model import ByteCount, CommitId, ObjectId
from gitslo.ports import CommitInfo, Edit, RefUpdate, TreeEntry

__all__ = ["GitRepository"]

_LOG_CAP = 1 << 25
_LAST_SECOND = 1 << 40


class GitRepository(BatchReads):
    """One Git remote and branch.

    Args:
        url: `file:///...`, `http://...` or `https://...`, without credentials.
        branch: short name of the watched branch.
        cache: a folder for this repository alone; it may be deleted at any time between calls.
        ledger_prefix: where ledgers live, e.g. `refs/gitslo/`; ends with a slash.
        username: for the remote; `git` where only a password is given.
        password: called for each process that talks to the remote, so that a token may change; None: no credentials.
        plain_http: the password may go over plain http:// to another machine.
        ca: a PEM file with the authorities that may have signed an https:// server's certificate; None: the system's.
        author: name and e-mail address of every commit made here.
        sign: signs every commit made here, entries of ledgers too; None: none is signed.
        timeout: seconds for one exchange with the remote or one local process; a fetch may take twenty times as long,
            as long as it does not stall.

    Raises:
        Refused: the URL, the branch, the namespace or the author is not valid; no process was started.
        Fatal: there is no Git on this machine.
    """

    def __init__(
        self,
        *,
        url: str,
        branch: str,
        cache: Path,
        ledger_prefix: str,
        username: str | None = None,
        password: Callable[[], str] | None = None,
        plain_http: bool = False,
        ca: Path | None = None,
        author: tuple[str, str],
        sign: Callable[[bytes, int], str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._remote = grammar.remote(url)
        self._branch_ref = grammar.branch_ref(branch)
        self._ledger_prefix = grammar.ref_prefix(ledger_prefix)
        self._author = grammar.identity(author)
        self._sign = sign
        grammar.signing_in(self._remote, username, password=password is not None, plain_http=plain_http)
        folders = Folders(cache)
        self._git = GitProcesses(
            folders.home, folders.repository, self._remote, ca, username=username, password=password, timeout=timeout
        )
        self._clone = Clone(folders, self._git)
        self._upstream = Upstream(self._remote, self._git, self._clone)
        self._atomic: bool | None = None
        self._ledger_seen = False
        self._shown: tuple[Mapping[str, CommitId], Mapping[str, CommitId]] = ({}, {})

    @property
    def branch_ref(self) -> str:
        """The full name of the watched branch."""
        return self._branch_ref

    @property
    def ledger_prefix(self) -> str:
        """Where ledgers live; ends with a slash."""
        return self._ledger_prefix

    @property
    def clones_remade(self) -> int:
        """How often a damaged clone was renamed away and made again by this object."""
        return self._clone.remade

    @property
    def atomic(self) -> bool:
        """Whether several updates in one `swap` are known to be all or nothing; see `publish` for the proof.

        Asked of the server once, as soon as a ledger exists; False until it is known.
        """
        if self._atomic is None:
            listed = self._upstream.listed.items()
            ledger = next(((ref, tip) for ref, tip in listed if ref.startswith(self._ledger_prefix)), None)
            if ledger is not None:
                with contextlib.suppress(Retry, Refused, Conflict):
                    self._atomic = self._proven(*ledger)
        return bool(self._atomic)

    def _proven(self, ref: str, tip: CommitId) -> bool:
        def proven() -> bool:
            self._upstream.known_commits([tip])
            return publish.prove_atomic(self._git, self._remote, (ref, tip), self._ledger_prefix, self._upstream.ask)

        return self._upstream.reading(proven)

    # ------------------------------------------------------------------ refs

    def list_refs(self, patterns: Sequence[str] = ()) -> Mapping[str, CommitId]:
        """One `ls-remote`: the branch, every ledger, every `refs/heads/gitslo/...` head, and what `patterns` match.

        Raises:
            Retry, Refused: as `ports.Repository.list_refs`.
        """
        asked = (self._branch_ref, f"{self._ledger_prefix}*", f"{publish.OWN_HEADS}*", *map(grammar.pattern, patterns))
        answer = self._upstream.ask(asked)
        known, refs = self._shown
        if answer is not known:
            scratch = self._ledger_prefix + publish.PROBE
            refs = MappingProxyType({ref: tip for ref, tip in answer.items() if not ref.startswith(scratch)})
            self._shown = (answer, refs)
        if self._branch_ref not in refs:
            branch = self._branch_ref.removeprefix(publish.HEADS)
            raise Refused(Problem(f"{self._remote.url} has no branch {branch}", hint="push it, or name another branch"))
        self._upstream.note(refs)
        return refs

    def fetch(self, ids: Mapping[str, CommitId]) -> None:
        """Make the given tips readable; does nothing for those that already are.

        Raises:
            Conflict: a ref has moved away from its tip meanwhile.
            Retry, Refused: as `list_refs`; Refused also where the remote's objects break Git's rules.
        """
        self._upstream.fetch({grammar.ref(ref): grammar.commit_id(tip) for ref, tip in ids.items()})

    # ------------------------------------------------------------------ reading

    def resolve(self, commit: CommitId, paths: Sequence[str]) -> Mapping[str, TreeEntry | None]:
        """What each path is in the commit's tree, in one process whatever their number; `` is the root tree."""
        grammar.commit_id(commit)
        checked = [grammar.path(path, root=True) for path in paths]

        def resolved() -> dict[str, TreeEntry | None]:
            with objects(self._git) as database:
                return database.resolve(database.root(commit), checked)

        found = self._upstream.reading(resolved)
        return {path: found[path] for path in checked}

    def walk(self, commit: CommitId, path: str) -> tuple[TreeEntry, ...]:
        """Every file (not folder) below `path`, recursively, sorted by path; empty where there is no such folder.

        Raises:
            Refused: there are more than 200,000, or a file's name is not UTF-8.
        """
        grammar.commit_id(commit)
        grammar.path(path, root=True)

        def walked() -> tuple[TreeEntry, ...]:
            with objects(self._git) as database:
                return database.walk(database.root(commit), path)

        return self._upstream.reading(walked)

    def read(self, ids: Sequence[ObjectId], cap: ByteCount) -> Mapping[ObjectId, bytes]:
        """The contents of blobs, in one process; nothing of a blob is read before its size is known to fit.

        Raises:
            Refused: one of them is larger than `cap` bytes or is no blob.
        """
        wanted = [grammar.object_id(identifier) for identifier in dict.fromkeys(ids)]
        if not wanted:
            return {}

        def read() -> dict[ObjectId, bytes]:
            with objects(self._git, cap=len(wanted) * (cap + HEADER_ROOM)) as database:
                found = database.info(wanted)
                if absent := [identifier for identifier, held in found.items() if held is None]:
                    raise Absent(absent)
                for identifier, held in found.items():
                    if held is not None and held.kind != "blob":
                        raise Refused(f"object {identifier} is a {held.kind} and no file")
                    if held is not None and held.size > cap:
                        raise Refused(f"object {identifier} has {held.size} bytes, at most {cap} are read")
                return database.bodies(wanted)

        return self._upstream.reading(read)

    def commit_info(self, ids: Sequence[CommitId]) -> Mapping[CommitId, CommitInfo]:
        """Facts about commits; text is the authors' and not escaped."""
        wanted = [grammar.commit_id(identifier) for identifier in dict.fromkeys(ids)]
        if not wanted:
            return {}
        lines = "".join(f"{identifier}\n" for identifier in wanted)
        infos = {info.id: info for info in self._log(wanted, lines, "--no-walk=unsorted")}
        return {identifier: infos[identifier] for identifier in wanted}

    def history(
        self, newest: CommitId, since: CommitId | None, paths: Sequence[str], limit: int
    ) -> tuple[CommitInfo, ...]:
        """Commits reachable from `newest` and not from `since` that touch `paths` (all if empty), newest first.

        A merge that took one side as it is counts as that side's commits, as in `git log -- PATH`.
        """
        known = [grammar.commit_id(commit) for commit in (newest, since) if commit is not None]
        if limit <= 0:
            return ()
        lines = [newest] + ([f"^{since}"] if since else []) + (["--"] if paths else [])
        lines += [grammar.path(path) for path in paths]
        return self._log(known, "".join(f"{line}\n" for line in lines), f"--max-count={int(limit)}")

    def _log(self, known: Sequence[CommitId], stdin: str, option: str) -> tuple[CommitInfo, ...]:
        def logged() -> tuple[CommitInfo, ...]:
            self._upstream.known_commits(known)
            said = self._git.run(
                "log", "-z", "--encoding=UTF-8", LOG_FORMAT, option, "--stdin", stdin=stdin.encode(), cap=_LOG_CAP
            )
            if said.code:
                raise Damaged(f"log: {cleaned(said.said)}")
            try:
                return parse_log(said.out)
            except ValueError as error:
                raise Damaged(f"log: {error}") from error

        return self._upstream.reading(logged)

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        """Whether `new` contains `old`; a commit that no ref shows any more is in none."""
        grammar.commit_id(old)
        grammar.commit_id(new)
        self._upstream.reading(lambda: self._upstream.known_commits([new]))

        def contained() -> bool:
            self._upstream.known_commits([old, new])
            said = self._git.run("merge-base", "--is-ancestor", "--end-of-options", old, new)
            if said.code not in {0, 1}:
                raise Damaged(f"merge-base: {cleaned(said.said)}")
            return said.code == 0

        try:
            return self._upstream.reading_if_present(contained)
        except Absent:
            return False

    def merge_tree(self, ours: CommitId, theirs: CommitId) -> ObjectId | None:
        """The tree of a three-way merge, or None where it conflicts or the two have no common history."""
        grammar.commit_id(ours)
        grammar.commit_id(theirs)

        def merged() -> ObjectId | None:
            self._upstream.known_commits([ours, theirs])
            if self._git.run("merge-base", "--end-of-options", ours, theirs).code == 1:
                return None
            said = self._git.run("merge-tree", "--write-tree", "--no-messages", "-z", ours, theirs, cap=_LOG_CAP)
            if said.code == 1:
                return None
            if said.code:
                raise Damaged(f"merge-tree: {cleaned(said.said)}")
            return grammar.object_id(said.out.split(b"\0")[0].decode("ascii", "replace").strip())

        return self._upstream.reading(merged)

    # ------------------------------------------------------------------ building

    def commit(
        self,
        parents: Sequence[CommitId],
        base: CommitId | None,
        edits: Mapping[str, Edit],
        message: str,
        wall: float,
    ) -> CommitId:
        """Build a commit in the object database; nothing is published. The same arguments give the same id.

        Raises:
            Refused: the edits contradict each other or the tree (content where a folder, a symbolic link or a
                submodule is; something below a file), or put an object that is not of the kind its mode says.
        """
        if base is not None:
            grammar.commit_id(base)
        plan = planned(edits)
        return self._build(parents, message, wall, lambda: self._edited(base, plan))

    def commit_tree(self, parents: Sequence[CommitId], tree: ObjectId, message: str, wall: float) -> CommitId:
        """Like `commit`, with a whole tree."""
        whole = TreeEntry("", FOLDER, grammar.object_id(tree))

        def checked() -> tuple[ObjectId, list[GitObject]]:
            with objects(self._git) as database:
                database.fitting([whole])
            return tree, []

        return self._build(parents, message, wall, checked)

    def _edited(self, base: CommitId | None, plan: Edits) -> tuple[ObjectId, list[GitObject]]:
        with objects(self._git) as database:
            database.fitting(entries_of(plan))
            root = None if base is None else database.root(base)
            return edited_tree(root, plan, database.trees)

    def _build(
        self,
        parents: Sequence[CommitId],
        message: str,
        wall: float,
        tree_of: Callable[[], tuple[ObjectId, list[GitObject]]],
    ) -> CommitId:
        for parent in parents:
            grammar.commit_id(parent)
        if not 0 <= wall < _LAST_SECOND:
            raise Refused(f"{wall} is no date that Git keeps")
        if "\0" in message or not message.strip() or any("\ud800" <= sign <= "\udfff" for sign in message):
            raise Refused("a commit message is empty, or holds a NUL or half a character")

        def built() -> CommitId:
            self._upstream.known_commits(parents)
            tree, new = tree_of()
            made = commit_object(tree, parents, self._author, int(wall), message, self._sign)
            store(self._git, [*new, made])
            return CommitId(made.id)

        return self._upstream.reading(built)

    # ------------------------------------------------------------------ publishing

    def swap(self, updates: Sequence[RefUpdate]) -> None:
        """Compare-and-swap the refs on the remote in one push; the outcome is as `ports.Repository.swap` says.

        Raises:
            Refused: also where an update breaks a rule of ours: a ledger's new entry has the old one as its only
                parent; a branch that is not ours only grows and is never deleted; nothing is written but branches and
                `refs/gitslo...`.
            Retry: also where a commit that was built is gone with the clone: build it again.
        """
        publish.check(updates, self._ledger_prefix)
        if not updates:
            return
        built = [update.new for update in updates if update.new is not None]
        try:
            self._upstream.reading_if_present(lambda: self._upstream.known_commits(built), thorough=False)
        except Absent:
            raise Retry("the clone was lost after the commit was built: build it again", 0.0) from None
        for update in updates:
            self._check_growth(update)
        atomic = len(updates) > 1 and self.atomic

        def pushed() -> None:
            publish.push(
                self._git,
                self._remote,
                updates,
                atomic=atomic,
                ledger_prefix=self._ledger_prefix,
                listing=self._upstream.ask,
            )

        self._upstream.working(pushed)
        self._see_ledger(updates)

    def _check_growth(self, update: RefUpdate) -> None:
        if update.new is None or update.new == update.old:
            return
        if update.ref.startswith(self._ledger_prefix):
            expected = () if update.old is None else (update.old,)
            if self.commit_info([update.new])[update.new].parents != expected:
                raise Refused(f"{update.ref}: the new entry's only parent must be {update.old or 'none'}")
        elif publish.of_people(update.ref) and update.old is not None and not self.is_ancestor(update.old, update.new):
            raise Refused(f"{update.ref}: {update.new} does not contain {update.old} and would overwrite commits")

    def _see_ledger(self, updates: Sequence[RefUpdate]) -> None:
        """Some servers take refs that they then hide: a ledger that cannot be read back is no ledger."""
        made = [update.ref for update in updates if update.ref.startswith(self._ledger_prefix) and update.new]
        if self._ledger_seen or not made:
            return
        if made[0] not in self._upstream.ask(made[:1]):
            hint = f"let this account read {self._ledger_prefix}*, or set another ledger namespace in the operator file"
            raise Refused(Problem(f"{self._remote.url} took {made[0]} and does not show it", hint=hint))
        self._ledger_seen = True
