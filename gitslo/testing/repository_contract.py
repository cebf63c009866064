"""What every Repository must do, as checks that run on a real one and on a fake alike.

A test suite builds a `RepositoryWorld` and runs every check of `REPOSITORY_CONTRACT` on a fresh one. A check raises
AssertionError where the repository breaks the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from gitslo.errors import Conflict, GitsloError, Refused
from gitslo.model import ByteCount, CommitId, ObjectId
from gitslo.ports import CommitInfo, RefUpdate, Repository, TreeEntry

__all__ = ["LEDGERS", "REPOSITORY_CONTRACT", "RepositoryWorld"]

LEDGERS = "refs/gitslo/shop/"
"""The namespace in which the world's repositories look for ledgers."""

_CAP = ByteCount(1000)
_NOBODY = CommitId("0123456789" * 4)
_LEDGER = f"{LEDGERS}dev"
_HEAD = "refs/heads/gitslo/shop/dev/promote"


class RepositoryWorld(Protocol):
    """One remote with the branch `main`, the clients that know it, and a person who commits to it."""

    def repository(self, branch: str = "main") -> Repository:
        """A new client with a clone of its own and LEDGERS as its namespace."""

    def commit(
        self,
        files: Mapping[str, bytes | None],
        message: str = "change",
        branch: str = "main",
        modes: Mapping[str, str] | None = None,
    ) -> CommitId:
        """A person commits onto a branch, which starts from nothing where it is new; None removes a file."""

    def set_ref(self, ref: str, new: CommitId | None) -> None:
        """Somebody moves, creates or deletes a ref by force."""

    def refs(self) -> Mapping[str, CommitId]:
        """Every ref on the remote."""

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's content on the remote."""

    def files(self, revision: str = "main") -> tuple[str, ...]:
        """Every file on the remote with its mode: `100644 path`."""


def _expect(actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


def _expect_raised(kind: type[GitsloError], work: Callable[[], object]) -> GitsloError:
    try:
        result = work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {result!r}")


def _entry(repository: Repository, commit: CommitId, path: str) -> TreeEntry:
    found = repository.resolve(commit, [path])[path]
    if found is None:
        raise AssertionError(f"there is no {path} in {commit}")
    return found


def _ledger(repository: Repository, parent: CommitId | None, text: bytes = b"{}") -> CommitId:
    return repository.commit([parent] if parent else [], None, {"ledger.json": text}, "an entry", 1000.0)


# --------------------------------------------------------------------------- refs


def list_refs_shows_what_it_must_and_nothing_else(world: RepositoryWorld) -> None:
    """The branch, the ledgers, our heads and what is asked for; no other branch, tag or namespace."""
    tip = world.commit({"a": b"1"})
    shown = ("refs/heads/main", _LEDGER, f"{LEDGERS}eu/prod", _HEAD, "refs/gitslo-forge/pulls/1", "refs/heads/asked")
    hidden = (
        "refs/heads/other",
        "refs/heads/x/main",
        "refs/heads/nested/refs/heads/main",
        "refs/tags/v1",
        "refs/gitslo/other/dev",
        "refs/pull/1/head",
    )
    for ref in (*shown, *hidden):
        world.set_ref(ref, tip)

    listed = world.repository().list_refs(("refs/gitslo-forge/pulls/*", "refs/heads/asked"))

    _expect(dict(listed), dict.fromkeys(shown, tip))


def a_branch_that_is_not_there_is_refused(world: RepositoryWorld) -> None:
    """A missing branch is said by name, and is no empty listing."""
    world.commit({"a": b"1"})

    error = _expect_raised(Refused, lambda: world.repository("absent").list_refs())

    _expect("absent" in str(error), True)


def fetch_makes_tips_readable(world: RepositoryWorld) -> None:
    """A tip that was listed can be read once it is fetched, also where a ref has become a folder of refs."""
    first = world.commit({"a": b"1"})
    repository = world.repository()
    world.set_ref(_LEDGER, first)
    repository.fetch({_LEDGER: first})
    world.set_ref(_LEDGER, None)
    second = world.commit({"a": b"2"})
    world.set_ref(f"{_LEDGER}/below", second)

    repository.fetch({f"{_LEDGER}/below": second})

    _expect(repository.commit_info([second])[second].parents, (first,))


def fetching_a_ref_that_moved_is_a_conflict(world: RepositoryWorld) -> None:
    """A tip that is nowhere any more is looked for again by whoever wanted it."""
    world.commit({"a": b"1"})
    gone = world.commit({"a": b"2"}, branch="gitslo/x")
    world.set_ref("refs/heads/gitslo/x", None)

    _expect_raised(Conflict, lambda: world.repository().fetch({"refs/heads/gitslo/x": gone}))
    _expect_raised(Conflict, lambda: world.repository().fetch({"refs/heads/main": gone}))


def reads_bring_what_was_listed(world: RepositoryWorld) -> None:
    """What a listing showed can be read without a fetch of one's own, and so can what it contains."""
    old = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    world.commit({"a": b"2"})
    newest = repository.list_refs()["refs/heads/main"]

    _expect(repository.read([_entry(repository, newest, "a").id], _CAP), {_entry(repository, newest, "a").id: b"2"})
    _expect(_entry(repository, old, "a").mode, "100644")


def a_commit_in_no_ref_is_refused(world: RepositoryWorld) -> None:
    """What no listed ref contains is no empty tree."""
    world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()

    for _ in range(2):
        _expect_raised(Refused, lambda: repository.resolve(_NOBODY, ["a"]))
        _expect_raised(Refused, lambda: repository.walk(_NOBODY, ""))
        _expect_raised(Refused, lambda: repository.read([ObjectId(_NOBODY)], _CAP))
        _expect_raised(Refused, lambda: repository.commit_info([_NOBODY]))


# --------------------------------------------------------------------------- trees and blobs

_LAYOUT = {
    "dev/app.yaml": b"image: a\n",
    "dev/run.sh": b"#!/bin/sh\n",
    "dev/deep/er/leaf": b"leaf",
    "dev.yaml": b"beside\n",
    "link": b"dev/app.yaml",
    "grüße/ä b.txt": b"unicode",
}
_MODES = {"dev/run.sh": "100755", "link": "120000"}


def resolve_says_what_each_path_is(world: RepositoryWorld) -> None:
    """Files, folders and links with their modes; None for what is not there or lies below a file or a link."""
    tip = world.commit(_LAYOUT, modes=_MODES)
    tip = world.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = world.repository()
    repository.list_refs()

    found = repository.resolve(
        tip, ["", "dev", "dev/app.yaml", "dev/run.sh", "dev/deep/er", "link", "module", "grüße/ä b.txt"]
    )
    absent = repository.resolve(tip, ["prod", "dev/none", "dev/app.yaml/x", "link/app.yaml", "module/x", "Dev"])

    _expect(
        {path: entry.mode if entry else None for path, entry in found.items()},
        {
            "": "040000",
            "dev": "040000",
            "dev/app.yaml": "100644",
            "dev/run.sh": "100755",
            "dev/deep/er": "040000",
            "link": "120000",
            "module": "160000",
            "grüße/ä b.txt": "100644",
        },
    )
    _expect({path: entry.path for path, entry in found.items() if entry}, {path: path for path in found})
    _expect(set(absent.values()), {None})
    _expect(repository.resolve(tip, []), {})


def walk_lists_every_file_below(world: RepositoryWorld) -> None:
    """Recursively, from the root's point of view, sorted; links and submodules are entries, folders are not."""
    tip = world.commit(_LAYOUT, modes=_MODES)
    tip = world.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = world.repository()
    repository.list_refs()

    _expect(
        [(entry.mode, entry.path) for entry in repository.walk(tip, "dev")],
        [("100644", "dev/app.yaml"), ("100644", "dev/deep/er/leaf"), ("100755", "dev/run.sh")],
    )
    _expect(
        [entry.path for entry in repository.walk(tip, "")],
        ["dev.yaml", "dev/app.yaml", "dev/deep/er/leaf", "dev/run.sh", "grüße/ä b.txt", "link", "module"],
    )
    _expect([repository.walk(tip, path) for path in ("prod", "dev/app.yaml", "link", "module")], [(), (), (), ()])


def read_gives_contents_within_the_cap(world: RepositoryWorld) -> None:
    """Bytes as they are; one too large, or what is no file, is refused; asking for nothing gives nothing."""
    contents = {"a": b"\x00\xff\r\n", "b": b"", "c": b"x" * 1000, "d": b"x" * 1001}
    tip = world.commit(contents)
    repository = world.repository()
    repository.list_refs()
    ids = {path: _entry(repository, tip, path).id for path in contents}

    read = repository.read([ids["a"], ids["b"], ids["c"], ids["a"]], _CAP)

    _expect(read, {ids[path]: contents[path] for path in "abc"})
    _expect(repository.read([], _CAP), {})
    _expect_raised(Refused, lambda: repository.read([ids["a"], ids["d"]], _CAP))
    _expect_raised(Refused, lambda: repository.read([_entry(repository, tip, "").id], _CAP))


# --------------------------------------------------------------------------- history


def commit_info_says_who_when_and_what(world: RepositoryWorld) -> None:
    """Parents, author, date, subject and trailers in order; odd text stays text."""
    first = world.commit({"a": b"1"}, "one\n\nbody: not a trailer\n\nmore text\n")
    second = world.commit({"a": b"2"}, "zwei: größer \x1b[2J\n\nGitslo-Run: 7\nGitslo-Run: 8\nReviewed-by: Ada: B\n")
    repository = world.repository()
    repository.list_refs()

    infos = repository.commit_info([second, first, second])

    _expect(
        infos,
        {
            second: CommitInfo(
                second,
                (first,),
                "Ada <ada@example.invalid>",
                1_700_000_000.0,
                "zwei: größer \x1b[2J",
                (("Gitslo-Run", "7"), ("Gitslo-Run", "8"), ("Reviewed-by", "Ada: B")),
            ),
            first: CommitInfo(first, (), "Ada <ada@example.invalid>", 1_700_000_000.0, "one", ()),
        },
    )
    _expect(repository.commit_info([]), {})


def history_lists_commits_by_path(world: RepositoryWorld) -> None:
    """Newest first, without what `since` contains, only those that touch the paths, at most `limit`."""
    one = world.commit({"a": b"1", "b/c": b"1"})
    two = world.commit({"a": b"2"})
    three = world.commit({"b/c": b"2"})
    four = world.commit({"a": None})
    repository = world.repository()
    repository.list_refs()

    def history(since: CommitId | None, paths: tuple[str, ...], limit: int = 10) -> list[CommitId]:
        return [info.id for info in repository.history(four, since, paths, limit)]

    _expect(history(None, ()), [four, three, two, one])
    _expect(history(one, ("a",)), [four, two])
    _expect(history(one, ("b", "absent")), [three])
    _expect(history(None, ("a", "b"), 2), [four, three])
    _expect(history(four, ()), [])
    _expect(history(None, (), 0), [])


def is_ancestor_knows_what_a_commit_contains(world: RepositoryWorld) -> None:
    """A commit contains itself and its past; one that was rewritten away is in nothing."""
    old = world.commit({"a": b"1"})
    new = world.commit({"a": b"2"})
    repository = world.repository()
    repository.list_refs()

    _expect(
        [repository.is_ancestor(*pair) for pair in ((old, new), (new, new), (new, old))],
        [True, True, False],
    )
    world.set_ref("refs/heads/main", old)
    rewritten = world.commit({"a": b"3"})
    late = world.repository()
    late.list_refs()
    _expect([late.is_ancestor(new, rewritten), late.is_ancestor(old, rewritten)], [False, True])


def merge_tree_merges_or_says_that_it_conflicts(world: RepositoryWorld) -> None:
    """Both sides' changes where they do not meet; None where they do, or have nothing in common."""
    base = world.commit({"a": b"1\n", "b": b"1\n"})
    world.set_ref("refs/heads/gitslo/side", base)
    side = world.commit({"b": b"2\n"}, branch="gitslo/side")
    clash = world.commit({"a": b"3\n"}, branch="gitslo/side")
    main = world.commit({"a": b"2\n"})
    stranger = world.commit({"z": b"1\n"}, branch="gitslo/stranger")
    repository = world.repository()
    repository.list_refs()

    merged = repository.merge_tree(main, side)
    if merged is None:
        raise AssertionError("a clean merge was called a conflict")
    commit = repository.commit_tree([main, side], merged, "merge", 5.0)

    _expect(
        repository.read([_entry(repository, commit, path).id for path in "ab"], _CAP),
        dict.fromkeys([_entry(repository, commit, "a").id], b"2\n"),
    )
    _expect(repository.commit_info([commit])[commit].parents, (main, side))
    _expect([repository.merge_tree(main, other) for other in (clash, stranger)], [None, None])


# --------------------------------------------------------------------------- building


def a_commit_changes_what_its_edits_name(world: RepositoryWorld) -> None:
    """Modes stay with the path, neighbours keep their objects, emptied folders vanish, objects can be put."""
    tip = world.commit(_LAYOUT, modes=_MODES)
    repository = world.repository()
    repository.list_refs()
    deep = _entry(repository, tip, "dev/deep")

    made = repository.commit(
        [tip],
        tip,
        {
            "dev/run.sh": b"#!/bin/sh\nexit 1\n",
            "dev/deep": None,
            "dev/absent": None,
            "grüße/ä b.txt": None,
            "prod/deep": deep,
            "prod/deep/er/more": b"more",
            "new/file": b"new",
        },
        "change\n\nGitslo-Run: 1\n",
        1_700_000_100.0,
    )
    repository.swap([RefUpdate("refs/heads/main", tip, made)])

    _expect(
        world.files(),
        (
            "100644 dev.yaml",
            "100644 dev/app.yaml",
            "100755 dev/run.sh",
            "120000 link",
            "100644 new/file",
            "100644 prod/deep/er/leaf",
            "100644 prod/deep/er/more",
        ),
    )
    _expect([world.read(path) for path in ("dev/run.sh", "new/file")], [b"#!/bin/sh\nexit 1\n", b"new"])
    _expect(_entry(repository, made, "dev/app.yaml"), _entry(repository, tip, "dev/app.yaml"))
    _expect(
        repository.commit_info([made])[made].trailers,
        (("Gitslo-Run", "1"),),
    )


def a_file_may_become_a_folder_and_back(world: RepositoryWorld) -> None:
    """Where the edits say both halves: the old one goes, the new one comes."""
    tip = world.commit({"a": b"1", "b/c": b"1"})
    repository = world.repository()
    repository.list_refs()
    blob = _entry(repository, tip, "a")

    made = repository.commit([tip], tip, {"a": None, "a/x": b"2", "b": blob}, "turn", 5.0)

    _expect([entry.path for entry in repository.walk(made, "")], ["a/x", "b"])


def contradicting_edits_are_refused(world: RepositoryWorld) -> None:
    """Content where a folder, a link or a submodule is; anything below a file; an object of another kind."""
    tip = world.commit(_LAYOUT, modes=_MODES)
    tip = world.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = world.repository()
    repository.list_refs()
    blob, tree = _entry(repository, tip, "dev/app.yaml"), _entry(repository, tip, "dev")

    for edits in (
        {"dev": b"x"},
        {"link": b"x"},
        {"module": b"x"},
        {"dev/app.yaml/x": b"x"},
        {"link/x": b"x"},
        {"new": b"x", "new/x": b"x"},
        {"new": blob, "new/x": b"x"},
        {"new": TreeEntry("new", "100644", tree.id)},
        {"new": TreeEntry("new", "040000", blob.id)},
        {"new": TreeEntry("new", "100640", blob.id)},
        {"new": TreeEntry("new", "100644", ObjectId(_NOBODY))},
        {"": b"x"},
        {"../x": b"x"},
        {"a/.GIT/config": b"x"},
    ):
        _expect_raised(Refused, lambda edits=edits: repository.commit([tip], tip, edits, "no", 5.0))  # type: ignore[misc]


def the_same_commit_has_the_same_id_everywhere(world: RepositoryWorld) -> None:
    """Two clones that build from the same arguments build the same commit, and publish nothing by it."""
    tip = world.commit({"a": b"1", "b/c": b"2"})
    before = dict(world.refs())
    ids = set()
    for _ in range(2):
        repository = world.repository()
        repository.list_refs()
        ids.add(repository.commit([tip], tip, {"b/c": b"3", "a": None}, "same\n\nGitslo-Run: 1\n", 77.0))
        ids.add(repository.commit([tip], tip, {"a": None, "b/c": b"3"}, "same\n\nGitslo-Run: 1\n", 77.9))
    different = repository.commit([tip], tip, {"b/c": b"3", "a": None}, "same\n\nGitslo-Run: 1\n", 78.0)

    _expect((len(ids), different in ids), (1, False))
    _expect(dict(world.refs()), before)


def an_empty_tree_can_be_committed(world: RepositoryWorld) -> None:
    """Removing the last file leaves a commit without files, and no base is the empty tree."""
    tip = world.commit({"a/b": b"1"})
    repository = world.repository()
    repository.list_refs()

    _expect(repository.walk(repository.commit([tip], tip, {"a/b": None}, "gone", 5.0), ""), ())
    _expect(repository.walk(repository.commit([], None, {}, "nothing", 5.0), ""), ())


# --------------------------------------------------------------------------- swapping


def swap_creates_moves_and_deletes(world: RepositoryWorld) -> None:
    """A ref goes where it is told, from where it was seen."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    made = repository.commit([tip], tip, {"a": b"2"}, "two", 5.0)
    other = repository.commit([tip], tip, {"a": b"3"}, "three", 5.0)

    repository.swap([RefUpdate(_HEAD, None, made)])
    _expect(world.refs()[_HEAD], made)
    repository.swap([RefUpdate(_HEAD, made, other)])
    _expect(world.refs()[_HEAD], other)
    repository.swap([RefUpdate(_HEAD, other, other)])
    repository.swap([RefUpdate(_HEAD, other, None)])
    _expect(_HEAD in world.refs(), False)
    repository.swap([])


def a_stale_swap_is_a_conflict(world: RepositoryWorld) -> None:
    """Whatever else the remote has: a value that was not seen is not overwritten, and nothing moves."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    one, two, three = (repository.commit([tip], tip, {"a": text}, "x", 5.0) for text in (b"one", b"two", b"three"))
    repository.swap([RefUpdate(_HEAD, None, one)])

    for update in (
        RefUpdate(_HEAD, None, two),
        RefUpdate(_HEAD, two, three),
        RefUpdate(_HEAD, two, None),
        RefUpdate(_HEAD, two, two),
        RefUpdate(f"{_HEAD}2", one, two),
        RefUpdate(f"{_HEAD}2", one, None),
        RefUpdate(f"{_HEAD}/below", None, two),
    ):
        _expect_raised(Conflict, lambda update=update: repository.swap([update]))  # type: ignore[misc]
    _expect({ref: at for ref, at in world.refs().items() if ref.startswith(_HEAD)}, {_HEAD: one})


def the_same_move_is_won_once(world: RepositoryWorld) -> None:
    """Two clients that build the same commit: the second finds it there, and has lost all the same."""
    tip = world.commit({"a": b"1"})
    first, second = world.repository(), world.repository()
    for repository in (first, second):
        repository.list_refs()
    entry = _ledger(first, None)
    _expect(_ledger(second, None), entry)
    first.swap([RefUpdate(_LEDGER, None, entry)])

    _expect_raised(Conflict, lambda: second.swap([RefUpdate(_LEDGER, None, entry)]))

    following = _ledger(first, entry, b"2")
    second.list_refs()
    _expect(_ledger(second, entry, b"2"), following)
    second.swap([RefUpdate(_LEDGER, entry, following)])
    _expect_raised(Conflict, lambda: first.swap([RefUpdate(_LEDGER, entry, following)]))
    _expect([world.refs()["refs/heads/main"], world.refs()[_LEDGER]], [tip, following])


def a_swap_keeps_to_what_is_ours(world: RepositoryWorld) -> None:
    """A ledger grows by one entry on the last; people's branches only grow; tags and foreign refs are not written."""
    tip = world.commit({"a": b"1"})
    world.set_ref("refs/heads/other", tip)
    world.set_ref("refs/tags/v1", tip)
    repository = world.repository()
    repository.list_refs()
    side = repository.commit([], None, {"a": b"2"}, "unrelated", 5.0)
    entry = _ledger(repository, None)
    repository.swap([RefUpdate(_LEDGER, None, entry)])
    skipping = _ledger(repository, _ledger(repository, entry, b"2"), b"3")
    before = dict(world.refs())

    for update in (
        RefUpdate(_LEDGER, entry, skipping),
        RefUpdate(_LEDGER, entry, side),
        RefUpdate(f"{LEDGERS}new", None, skipping),
        RefUpdate("refs/heads/main", tip, side),
        RefUpdate("refs/heads/main", tip, None),
        RefUpdate("refs/heads/other", tip, side),
        RefUpdate("refs/heads/other", tip, None),
        RefUpdate("refs/tags/v1", tip, side),
        RefUpdate("refs/tags/v2", None, tip),
        RefUpdate("refs/pull/1/head", None, tip),
        RefUpdate(_HEAD, None, None),
        RefUpdate("HEAD", None, tip),
        RefUpdate("-f", None, tip),
    ):
        _expect_raised(Refused, lambda update=update: repository.swap([update]))  # type: ignore[misc]
    _expect_raised(Refused, lambda: repository.swap([RefUpdate(_HEAD, None, tip), RefUpdate(_HEAD, None, side)]))
    _expect(dict(world.refs()), before)


def several_refs_move_in_one_swap(world: RepositoryWorld) -> None:
    """Those that are where they were seen; where `atomic` says so, none moves when one is not."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    entry = _ledger(repository, None)
    repository.swap([RefUpdate(_LEDGER, None, entry)])
    repository.list_refs()
    made = repository.commit([tip], tip, {"a": b"2"}, "two", 5.0)
    following = _ledger(repository, entry, b"2")

    repository.swap([RefUpdate(_LEDGER, entry, following), RefUpdate(_HEAD, None, made)])
    _expect([world.refs()[ref] for ref in (_LEDGER, _HEAD)], [following, made])

    third = _ledger(repository, following, b"3")
    stale = [RefUpdate(_LEDGER, following, third), RefUpdate(_HEAD, tip, tip)]
    _expect_raised(Conflict, lambda: repository.swap(stale))
    _expect(world.refs()[_HEAD], made)
    if repository.atomic:
        _expect(world.refs()[_LEDGER], following)


def a_persons_commit_is_never_overwritten(world: RepositoryWorld) -> None:
    """The branch moved after it was seen: the swap is lost, and theirs stays."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    ours = repository.commit([tip], tip, {"a": b"ours"}, "ours", 5.0)
    theirs = world.commit({"a": b"theirs"})

    _expect_raised(Conflict, lambda: repository.swap([RefUpdate("refs/heads/main", tip, ours)]))
    _expect(world.refs()["refs/heads/main"], theirs)


REPOSITORY_CONTRACT: tuple[Callable[[RepositoryWorld], None], ...] = (
    list_refs_shows_what_it_must_and_nothing_else,
    a_branch_that_is_not_there_is_refused,
    fetch_makes_tips_readable,
    fetching_a_ref_that_moved_is_a_conflict,
    reads_bring_what_was_listed,
    a_commit_in_no_ref_is_refused,
    resolve_says_what_each_path_is,
    walk_lists_every_file_below,
    read_gives_contents_within_the_cap,
    commit_info_says_who_when_and_what,
    history_lists_commits_by_path,
    is_ancestor_knows_what_a_commit_contains,
    merge_tree_merges_or_says_that_it_conflicts,
    a_commit_changes_what_its_edits_name,
    a_file_may_become_a_folder_and_back,
    contradicting_edits_are_refused,
    the_same_commit_has_the_same_id_everywhere,
    an_empty_tree_can_be_committed,
    swap_creates_moves_and_deletes,
    a_stale_swap_is_a_conflict,
    the_same_move_is_won_once,
    a_swap_keeps_to_what_is_ours,
    several_refs_move_in_one_swap,
    a_persons_commit_is_never_overwritten,
)
"""Every check, each for a fresh world."""
