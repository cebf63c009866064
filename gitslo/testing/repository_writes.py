"""The Repository contract, second half: building commits and swapping refs."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.errors import Conflict, Refused
from gitslo.model import ObjectId
from gitslo.ports import RefUpdate, TreeEntry
from gitslo.testing.expectations import expect, expect_raised
from gitslo.testing.repository_world import (
    HEAD,
    LAYOUT,
    LEDGER,
    LEDGERS,
    MODES,
    NOBODY,
    RepositoryWorld,
    entry_at,
    ledger_entry,
)

__all__ = ["WRITES"]

# --------------------------------------------------------------------------- building


def a_commit_changes_what_its_edits_name(world: RepositoryWorld) -> None:
    """Modes stay with the path, neighbours keep their objects, emptied folders vanish, objects can be put."""
    tip = world.commit(LAYOUT, modes=MODES)
    repository = world.repository()
    repository.list_refs()
    deep = entry_at(repository, tip, "dev/deep")

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

    expect(
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
    expect([world.read(path) for path in ("dev/run.sh", "new/file")], [b"#!/bin/sh\nexit 1\n", b"new"])
    expect(entry_at(repository, made, "dev/app.yaml"), entry_at(repository, tip, "dev/app.yaml"))
    expect(
        repository.commit_info([made])[made].trailers,
        (("Gitslo-Run", "1"),),
    )


def a_file_may_become_a_folder_and_back(world: RepositoryWorld) -> None:
    """Where the edits say both halves: the old one goes, the new one comes."""
    tip = world.commit({"a": b"1", "b/c": b"1"})
    repository = world.repository()
    repository.list_refs()
    blob = entry_at(repository, tip, "a")

    made = repository.commit([tip], tip, {"a": None, "a/x": b"2", "b": blob}, "turn", 5.0)

    expect([entry.path for entry in repository.walk(made, "")], ["a/x", "b"])


def contradicting_edits_are_refused(world: RepositoryWorld) -> None:
    """Content where a folder, a link or a submodule is; anything below a file; an object of another kind."""
    tip = world.commit(LAYOUT, modes=MODES)
    tip = world.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = world.repository()
    repository.list_refs()
    blob, tree = entry_at(repository, tip, "dev/app.yaml"), entry_at(repository, tip, "dev")

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
        {"new": TreeEntry("new", "100644", ObjectId(NOBODY))},
        {"": b"x"},
        {"../x": b"x"},
        {"a/.GIT/config": b"x"},
    ):
        expect_raised(Refused, lambda edits=edits: repository.commit([tip], tip, edits, "no", 5.0))  # type: ignore[misc]


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

    expect((len(ids), different in ids), (1, False))
    expect(dict(world.refs()), before)


def an_empty_tree_can_be_committed(world: RepositoryWorld) -> None:
    """Removing the last file leaves a commit without files, and no base is the empty tree."""
    tip = world.commit({"a/b": b"1"})
    repository = world.repository()
    repository.list_refs()

    expect(repository.walk(repository.commit([tip], tip, {"a/b": None}, "gone", 5.0), ""), ())
    expect(repository.walk(repository.commit([], None, {}, "nothing", 5.0), ""), ())


# --------------------------------------------------------------------------- swapping


def swap_creates_moves_and_deletes(world: RepositoryWorld) -> None:
    """A ref goes where it is told, from where it was seen."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    made = repository.commit([tip], tip, {"a": b"2"}, "two", 5.0)
    other = repository.commit([tip], tip, {"a": b"3"}, "three", 5.0)

    repository.swap([RefUpdate(HEAD, None, made)])
    expect(world.refs()[HEAD], made)
    repository.swap([RefUpdate(HEAD, made, other)])
    expect(world.refs()[HEAD], other)
    repository.swap([RefUpdate(HEAD, other, other)])
    repository.swap([RefUpdate(HEAD, other, None)])
    expect(HEAD in world.refs(), False)
    repository.swap([])


def a_stale_swap_is_a_conflict(world: RepositoryWorld) -> None:
    """Whatever else the remote has: a value that was not seen is not overwritten, and nothing moves."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    one, two, three = (repository.commit([tip], tip, {"a": text}, "x", 5.0) for text in (b"one", b"two", b"three"))
    repository.swap([RefUpdate(HEAD, None, one)])

    for update in (
        RefUpdate(HEAD, None, two),
        RefUpdate(HEAD, two, three),
        RefUpdate(HEAD, two, None),
        RefUpdate(HEAD, two, two),
        RefUpdate(f"{HEAD}2", one, two),
        RefUpdate(f"{HEAD}2", one, None),
        RefUpdate(f"{HEAD}/below", None, two),
    ):
        expect_raised(Conflict, lambda update=update: repository.swap([update]))  # type: ignore[misc]
    expect({ref: at for ref, at in world.refs().items() if ref.startswith(HEAD)}, {HEAD: one})


def the_same_move_is_won_once(world: RepositoryWorld) -> None:
    """Two clients that build the same commit: the second finds it there, and has lost all the same."""
    tip = world.commit({"a": b"1"})
    first, second = world.repository(), world.repository()
    for repository in (first, second):
        repository.list_refs()
    entry = ledger_entry(first, None)
    expect(ledger_entry(second, None), entry)
    first.swap([RefUpdate(LEDGER, None, entry)])

    expect_raised(Conflict, lambda: second.swap([RefUpdate(LEDGER, None, entry)]))

    following = ledger_entry(first, entry, b"2")
    second.list_refs()
    expect(ledger_entry(second, entry, b"2"), following)
    second.swap([RefUpdate(LEDGER, entry, following)])
    expect_raised(Conflict, lambda: first.swap([RefUpdate(LEDGER, entry, following)]))
    expect([world.refs()["refs/heads/main"], world.refs()[LEDGER]], [tip, following])


def a_swap_keeps_to_what_is_ours(world: RepositoryWorld) -> None:
    """A ledger grows by one entry on the last; people's branches only grow; tags and foreign refs are not written."""
    tip = world.commit({"a": b"1"})
    world.set_ref("refs/heads/other", tip)
    world.set_ref("refs/tags/v1", tip)
    repository = world.repository()
    repository.list_refs()
    side = repository.commit([], None, {"a": b"2"}, "unrelated", 5.0)
    entry = ledger_entry(repository, None)
    repository.swap([RefUpdate(LEDGER, None, entry)])
    skipping = ledger_entry(repository, ledger_entry(repository, entry, b"2"), b"3")
    before = dict(world.refs())

    for update in (
        RefUpdate(LEDGER, entry, skipping),
        RefUpdate(LEDGER, entry, side),
        RefUpdate(f"{LEDGERS}new", None, skipping),
        RefUpdate("refs/heads/main", tip, side),
        RefUpdate("refs/heads/main", tip, None),
        RefUpdate("refs/heads/other", tip, side),
        RefUpdate("refs/heads/other", tip, None),
        RefUpdate("refs/tags/v1", tip, side),
        RefUpdate("refs/tags/v2", None, tip),
        RefUpdate("refs/pull/1/head", None, tip),
        RefUpdate(HEAD, None, None),
        RefUpdate("HEAD", None, tip),
        RefUpdate("-f", None, tip),
    ):
        expect_raised(Refused, lambda update=update: repository.swap([update]))  # type: ignore[misc]
    expect_raised(Refused, lambda: repository.swap([RefUpdate(HEAD, None, tip), RefUpdate(HEAD, None, side)]))
    expect(dict(world.refs()), before)


def several_refs_move_in_one_swap(world: RepositoryWorld) -> None:
    """Those that are where they were seen; where `atomic` says so, none moves when one is not."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    entry = ledger_entry(repository, None)
    repository.swap([RefUpdate(LEDGER, None, entry)])
    repository.list_refs()
    made = repository.commit([tip], tip, {"a": b"2"}, "two", 5.0)
    following = ledger_entry(repository, entry, b"2")

    repository.swap([RefUpdate(LEDGER, entry, following), RefUpdate(HEAD, None, made)])
    expect([world.refs()[ref] for ref in (LEDGER, HEAD)], [following, made])

    third = ledger_entry(repository, following, b"3")
    stale = [RefUpdate(LEDGER, following, third), RefUpdate(HEAD, tip, tip)]
    expect_raised(Conflict, lambda: repository.swap(stale))
    expect(world.refs()[HEAD], made)
    if repository.atomic:
        expect(world.refs()[LEDGER], following)


def a_persons_commit_is_never_overwritten(world: RepositoryWorld) -> None:
    """The branch moved after it was seen: the swap is lost, and theirs stays."""
    tip = world.commit({"a": b"1"})
    repository = world.repository()
    repository.list_refs()
    ours = repository.commit([tip], tip, {"a": b"ours"}, "ours", 5.0)
    theirs = world.commit({"a": b"theirs"})

    expect_raised(Conflict, lambda: repository.swap([RefUpdate("refs/heads/main", tip, ours)]))
    expect(world.refs()["refs/heads/main"], theirs)


WRITES: tuple[Callable[[RepositoryWorld], None], ...] = (
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
"""Every check of this half."""
