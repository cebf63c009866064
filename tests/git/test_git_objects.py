from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.adapters.git_repository.commits import edited_tree, planned
from gitslo.adapters.git_repository.objects import TreeRow, commit_object, made, pack, parse_tree, tree_object
from gitslo.errors import Refused
from gitslo.model import ByteCount
from gitslo.ports import RefUpdate, TreeEntry
from gitslo.testing.git_server import BareRepository
from tests.git.worlds import client

NAMES = st.sampled_from(["a", "a.b", "a-b", "ab", "b", "ü", "a b", "Z", "0"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
CONTENTS = st.binary(max_size=40)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> BareRepository:
    """A repository that Git itself fills."""
    return BareRepository.create(tmp_path_factory.mktemp("store") / "store.git")


def without_clashes(files: dict[str, bytes]) -> dict[str, bytes]:
    """Drop files that lie below another file."""
    return {path: data for path, data in files.items() if not any(path.startswith(f"{other}/") for other in files)}


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(PATHS, CONTENTS, min_size=1, max_size=8).map(without_clashes).filter(bool))
def test_ids_are_gits(store, files) -> None:
    """A tree built here is the one Git builds, and Git takes the pack that brings it."""
    tree, new = edited_tree(None, planned(files), lambda _: {})
    store.git("unpack-objects", "-q", "--strict", stdin=pack(list({each.id: each for each in new}.values())))
    branch = f"b{tree[:12]}"
    if store.tip(branch) is None:
        store.commit(files, branch=branch)

    assert store.git("rev-parse", f"{branch}^{{tree}}").decode().strip() == tree
    assert files == {path: store.read(path, tree) for path in files}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(PATHS, CONTENTS, max_size=8).map(without_clashes),
    st.dictionaries(PATHS, st.none() | CONTENTS, max_size=5),
)
def test_edits_are_what_writing_the_files_would_be(before, edits) -> None:
    """Laid over any tree, edits give the tree that holds exactly the files that writing and removing would leave."""
    base, objects = edited_tree(None, planned(before), lambda _: {})
    trees = {each.id: parse_tree(each.body) for each in objects if each.kind == "tree"}
    removed = {path: data for path, data in before.items() if edits.get(path, b"") is not None}
    removed = {
        path: data
        for path, data in removed.items()
        if not any(edit is None and path.startswith(f"{name}/") for name, edit in edits.items())
    }
    put = {path: data for path, data in edits.items() if data is not None}
    expected = {**removed, **put}
    try:
        tree, _ = edited_tree(base, planned(edits), lambda _: trees)
    except Refused:
        clash = without_clashes(expected) != expected or any(
            path.startswith(f"{edit}/") for edit in edits for path in {**before, **edits}
        )
        below_file = any(name.startswith(f"{path}/") for name in edits for path in before)
        assert clash or below_file
        return

    assert edited_tree(None, planned(expected), lambda _: {})[0] == tree


def test_a_tree_reads_back_as_it_was_written() -> None:
    """Modes, bytes of names, and Git's order, in which a folder sorts as if it ended with a slash."""
    one = made("blob", b"1").id
    rows = (TreeRow("100644", b"a.b", one), TreeRow("040000", b"a", one), TreeRow("120000", b"a\xff", one))

    assert (rows[0], rows[1], rows[2]) == parse_tree(tree_object(reversed(rows)).body)


@pytest.mark.parametrize("cut", [1, 5, 10, 25])
def test_a_tree_that_is_cut_off_is_none(cut) -> None:
    """Half a row is damage."""
    body = tree_object([TreeRow("100644", b"name", made("blob", b"1").id)]).body

    with pytest.raises(ValueError):  # noqa: PT011 - whichever way it is broken
        parse_tree(body[:-cut])


def test_a_commit_is_gits(store) -> None:
    """Author, committer, dates and message as `git commit-tree` writes them."""
    tree = tree_object([])
    store.git("unpack-objects", "-q", stdin=pack([tree]))
    ours = commit_object(tree.id, [], ("Grün B", "g@example.invalid"), 1234, "subject\n\nKey: value\n")
    said = subprocess.run(
        ["git", "commit-tree", "-F", "-", tree.id],
        cwd=store.path,
        input=b"subject\n\nKey: value\n",
        capture_output=True,
        check=True,
        env={
            "PATH": "/usr/bin:/bin",
            **{f"GIT_{who}_NAME": "Grün B" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "g@example.invalid" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": "@1234 +0000" for who in ("AUTHOR", "COMMITTER")},
        },
    )

    assert said.stdout.decode().strip() == ours.id


@pytest.mark.parametrize("size", [0, 15, 16, 2047, 2048, 300_000])
def test_packs_hold_any_size(store, size) -> None:
    """A size is written in as many bytes as it takes."""
    blob = made("blob", bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    store.git("unpack-objects", "-q", stdin=pack([blob]))

    assert blob.body == store.git("cat-file", "blob", blob.id)


def test_a_large_file_travels_over_http(tmp_path, git_server, bare_repository) -> None:
    """More than one megabyte makes Git send its request in chunks."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(git_server.url("shop.git"), tmp_path / "cache")
    repository.list_refs()
    data = b"".join(made("blob", b"%d" % number).id.encode() for number in range(80_000))
    made_commit = repository.commit([tip], tip, {"large": data}, "large", 5.0)
    repository.swap([RefUpdate("refs/heads/main", tip, made_commit)])
    other = client(git_server.url("shop.git"), tmp_path / "other")
    other.list_refs()
    entry: TreeEntry = other.resolve(made_commit, ["large"])["large"]

    assert {entry.id: data} == other.read([entry.id], ByteCount(len(data)))
