"""The Repository contract, first half: refs, trees, blobs and history."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.errors import Conflict, Refused
from gitslo.model import ByteCount, CommitId, ObjectId
from gitslo.ports import CommitInfo
from gitslo.testing.expectations import expect, expect_raised
from gitslo.testing.repository_world import CAP, HEAD, LAYOUT, LEDGER, LEDGERS, MODES, NOBODY, RepositoryWorld, entry_at

__all__ = ["READS"]

# --------------------------------------------------------------------------- refs


def list_refs_shows_what_it_must_and_nothing_else(world: RepositoryWorld) -> None:
    """The branch, the ledgers, our heads and what is asked for; no other branch, tag or namespace."""
    tip = world.commit({"a": b"1"})
    shown = ("refs/heads/main", LEDGER, f"{LEDGERS}eu/prod", HEAD, "refs/gitslo-forge/pulls/1", "refs/heads/asked")
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

    expect(dict(listed), dict.fromkeys(shown, tip))


def a_branch_that_is_not_there_is_refused(world: RepositoryWorld) -> None:
    """A missing branch is said by name, and is no empty listing."""
    world.commit({"a": b"1"})

    error = expect_raised(Refused, lambda: world.repository("absent").list_refs())

    expect("absent" in str(error), True)


def fetch_makes_tips_readable(world: RepositoryWorld) -> None:
    """A tip that was listed can be read once it is fetched, also where a ref has become a folder of refs."""
    first = world.commit({"a": b"1"})
    repository = world.repository()
    world.set_ref(LEDGER, first)
    repository.fetch({LEDGER: first})
    world.set_ref(LEDGER, None)
    second = world.commit({"a": b"2"})
    world.set_ref(f"{LEDGER}/below", second)

    repository.fetch({f"{LEDGER}/below": second})

    expect(repository.commit_info([second])[second].parents, (first,))


def fetching_a_ref_that_moved_is_a_conflict(world: RepositoryWorld) -> None:
    """A tip that is nowhere any more is looked for again by whoever wanted it."""
    world.commit({"a": b"1"})
    gone = world.commit({"a": b"2"}, branch="gitslo/x")
    world.set_ref("refs/heads/gitslo/x", None)

    expect_raised(Conflict, lambda: world.repository().fetch({"refs/heads/gitslo/x": gone}))
    expect_raised(Conflict, lambda: world.repository().fetch({"refs/heads/main": gone}))


def reads_bring_what_was_listed(world: RepositoryWorld) -> None:
    """What a listing showed can be read without a fetch of one's own, and so can what it contains."""
    old = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    world.commit({"a": b"2"})
    newest = repository.list_refs()["refs/heads/main"]

    expect(repository.read([entry_at(repository, newest, "a").id], CAP), {entry_at(repository, newest, "a").id: b"2"})
    expect(entry_at(repository, old, "a").mode, "100644")


def a_commit_in_no_ref_is_refused(world: RepositoryWorld) -> None:
    """What no listed ref contains is no empty tree."""
    world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()

    for _ in range(2):
        expect_raised(Refused, lambda: repository.resolve(NOBODY, ["a"]))
        expect_raised(Refused, lambda: repository.walk(NOBODY, ""))
        expect_raised(Refused, lambda: repository.read([ObjectId(NOBODY)], CAP))
        expect_raised(Refused, lambda: repository.commit_info([NOBODY]))


# --------------------------------------------------------------------------- trees and blobs


def resolve_says_what_each_path_is(world: RepositoryWorld) -> None:
    """Files, folders and links with their modes; None for what is not there or lies below a file or a link."""
    tip = world.commit(LAYOUT, modes=MODES)
    tip = world.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = world.repository()
    repository.list_refs()

    found = repository.resolve(
        tip, ["", "dev", "dev/app.yaml", "dev/run.sh", "dev/deep/er", "link", "module", "grüße/ä b.txt"]
    )
    absent = repository.resolve(tip, ["prod", "dev/none", "dev/app.yaml/x", "link/app.yaml", "module/x", "Dev"])

    expect(
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
    expect({path: entry.path for path, entry in found.items() if entry}, {path: path for path in found})
    expect(set(absent.values()), {None})
    expect(repository.resolve(tip, []), {})


def walk_lists_every_file_below(world: RepositoryWorld) -> None:
    """Recursively, from the root's point of view, sorted; links and submodules are entries, folders are not."""
    tip = world.commit(LAYOUT, modes=MODES)
    tip = world.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = world.repository()
    repository.list_refs()

    expect(
        [(entry.mode, entry.path) for entry in repository.walk(tip, "dev")],
        [("100644", "dev/app.yaml"), ("100644", "dev/deep/er/leaf"), ("100755", "dev/run.sh")],
    )
    expect(
        [entry.path for entry in repository.walk(tip, "")],
        ["dev.yaml", "dev/app.yaml", "dev/deep/er/leaf", "dev/run.sh", "grüße/ä b.txt", "link", "module"],
    )
    expect([repository.walk(tip, path) for path in ("prod", "dev/app.yaml", "link", "module")], [(), (), (), ()])


def read_gives_contents_within_the_cap(world: RepositoryWorld) -> None:
    """Bytes as they are; one too large, or what is no file, is refused; asking for nothing gives nothing."""
    contents = {"a": b"\x00\xff\r\n", "b": b"", "c": b"x" * 1000, "d": b"x" * 1001}
    tip = world.commit(contents)
    repository = world.repository()
    repository.list_refs()
    ids = {path: entry_at(repository, tip, path).id for path in contents}

    read = repository.read([ids["a"], ids["b"], ids["c"], ids["a"]], CAP)

    expect(read, {ids[path]: contents[path] for path in "abc"})
    expect(repository.read([], CAP), {})
    expect_raised(Refused, lambda: repository.read([ids["a"], ids["d"]], CAP))
    expect_raised(Refused, lambda: repository.read([entry_at(repository, tip, "").id], CAP))


def batches_read_what_single_reads_read(world: RepositoryWorld) -> None:
    """`resolve_all`, `walk_all` and `read_within` are many `resolve`, `walk` and `read` at once."""
    old = world.commit(LAYOUT, modes=MODES)
    new = world.commit({"dev/app.yaml": b"image: b\n", "dev.yaml": None, "big": b"x" * 600})
    repository = world.repository()
    repository.list_refs()
    pairs = [(commit, path) for commit in (old, new) for path in ("", "dev/app.yaml", "dev.yaml", "link/x", "dev/deep")]

    expect(
        repository.resolve_all(pairs),
        {(commit, path): repository.resolve(commit, [path])[path] for commit, path in pairs},
    )
    folders = ["dev", "", "dev/deep", "absent", "link"]
    expect(repository.walk_all(new, folders), {path: repository.walk(new, path) for path in folders})
    app, big = entry_at(repository, new, "dev/app.yaml").id, entry_at(repository, new, "big").id
    both = {app: b"image: b\n", big: b"x" * 600}
    expect(repository.read_within([app, big], CAP, CAP), both)
    expect(repository.read_within([app, big], ByteCount(599), CAP), {app: both[app]})
    expect(repository.read_within([big, app], CAP, ByteCount(605)), {big: both[big]})
    expect(repository.read_within([app, big], CAP, ByteCount(10)), {app: both[app]})
    expect([repository.resolve_all([]), repository.walk_all(new, []), repository.read_within([], CAP, CAP)], [{}] * 3)
    for work in (
        lambda: repository.resolve_all([(NOBODY, "a")]),
        lambda: repository.resolve_all([(new, "../a")]),
        lambda: repository.walk_all(new, ["a", "/a"]),
        lambda: repository.read_within([ObjectId(NOBODY)], CAP, CAP),
    ):
        expect_raised(Refused, work)


def changes_say_what_stands_where_something_else_was(world: RepositoryWorld) -> None:
    """Files and folders, as they are now; None for what is gone; nothing at all beyond the given number."""
    old = world.commit(LAYOUT, modes=MODES)
    new = world.commit(
        {
            "dev/app.yaml": b"image: b\n",
            "dev/deep/er/leaf": None,
            "link": b"x",
            "new/file": b"1",
            "dev.yaml": b"beside\n",
        }
    )
    repository = world.repository()
    repository.list_refs()

    changed = repository.changes(old, new, 100)

    paths = ("dev", "dev/app.yaml", "dev/deep", "dev/deep/er", "dev/deep/er/leaf", "link", "new", "new/file")
    expect(changed, repository.resolve(new, paths))
    expect([repository.changes(new, new, 0), repository.changes(old, new, 3)], [{}, None])
    expect([repository.changes(NOBODY, new, 100), repository.changes(new, NOBODY, 100)], [None, None])


# --------------------------------------------------------------------------- history


def commit_info_says_who_when_and_what(world: RepositoryWorld) -> None:
    """Parents, author, date, subject and trailers in order; odd text stays text."""
    first = world.commit({"a": b"1"}, "one\n\nbody: not a trailer\n\nmore text\n")
    second = world.commit({"a": b"2"}, "zwei: größer \x1b[2J\n\nGitslo-Run: 7\nGitslo-Run: 8\nReviewed-by: Ada: B\n")
    repository = world.repository()
    repository.list_refs()

    infos = repository.commit_info([second, first, second])

    expect(
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
    expect(repository.commit_info([]), {})


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

    expect(history(None, ()), [four, three, two, one])
    expect(history(one, ("a",)), [four, two])
    expect(history(one, ("b", "absent")), [three])
    expect(history(None, ("a", "b"), 2), [four, three])
    expect(history(four, ()), [])
    expect(history(None, (), 0), [])


def is_ancestor_knows_what_a_commit_contains(world: RepositoryWorld) -> None:
    """A commit contains itself and its past; one that was rewritten away is in nothing."""
    old = world.commit({"a": b"1"})
    new = world.commit({"a": b"2"})
    repository = world.repository()
    repository.list_refs()

    expect(
        [repository.is_ancestor(*pair) for pair in ((old, new), (new, new), (new, old))],
        [True, True, False],
    )
    world.set_ref("refs/heads/main", old)
    rewritten = world.commit({"a": b"3"})
    late = world.repository()
    late.list_refs()
    expect([late.is_ancestor(new, rewritten), late.is_ancestor(old, rewritten)], [False, True])


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

    expect(
        repository.read([entry_at(repository, commit, path).id for path in "ab"], CAP),
        dict.fromkeys([entry_at(repository, commit, "a").id], b"2\n"),
    )
    expect(repository.commit_info([commit])[commit].parents, (main, side))
    expect([repository.merge_tree(main, other) for other in (clash, stranger)], [None, None])


READS: tuple[Callable[[RepositoryWorld], None], ...] = (
    list_refs_shows_what_it_must_and_nothing_else,
    a_branch_that_is_not_there_is_refused,
    fetch_makes_tips_readable,
    fetching_a_ref_that_moved_is_a_conflict,
    reads_bring_what_was_listed,
    a_commit_in_no_ref_is_refused,
    resolve_says_what_each_path_is,
    walk_lists_every_file_below,
    read_gives_contents_within_the_cap,
    batches_read_what_single_reads_read,
    changes_say_what_stands_where_something_else_was,
    commit_info_says_who_when_and_what,
    history_lists_commits_by_path,
    is_ancestor_knows_what_a_commit_contains,
    merge_tree_merges_or_says_that_it_conflicts,
)
"""Every check of this half."""
