from __future__ import annotations

import pytest

from gitslo.errors import Refused
from gitslo.model import ByteCount
from gitslo.ports import RefUpdate
from tests.git.audit import processes
from tests.git.worlds import client

CAP = ByteCount(10_000)
HEAD = "refs/heads/gitslo/shop/dev/promote"


def canary(tmp_path) -> str:
    return f"touch {tmp_path}/sprung"


def traps(tmp_path) -> dict[str, bytes]:
    """Every file in a tree that some Git client acts on."""
    run = canary(tmp_path)
    return {
        ".gitattributes": b"* filter=trap diff=trap merge=trap ident text eol=crlf export-subst\n",
        "dev/.gitattributes": b"* filter=lfs working-tree-encoding=UTF-16\n",
        ".lfsconfig": f'[lfs]\n\turl = "file:///{tmp_path}"\n[filter "lfs"]\n\tprocess = {run}\n'.encode(),
        "config": f'[core]\n\tfsmonitor = {run}\n\tsshCommand = {run}\n[filter "trap"]\n\tsmudge = {run}\n'.encode(),
        "hooks/post-checkout": f"#!/bin/sh\n{run}\n".encode(),
        "hooks/pre-push": f"#!/bin/sh\n{run}\n".encode(),
        "hooks/reference-transaction": f"#!/bin/sh\n{run}\n".encode(),
        "objects/info/alternates": b"/\n",
        "HEAD": b"ref: refs/heads/main\n",
        "dev/app.yaml": b"$Id$ one\r\ntwo\n$Format:%H$\n",
        "dev/escape": b"../../../../etc/passwd",
        "dev/folder": b"/etc",
    }


def test_a_trapped_tree_springs_nothing(tmp_path, git_server, bare_repository) -> None:
    """No hook, filter, attribute, alternate or configuration that a tree holds has any effect on us."""
    files = traps(tmp_path)
    links = dict.fromkeys(("dev/escape", "dev/folder"), "120000")
    tip = bare_repository.commit(files, modes=links)
    bare_repository.set_ref("refs/heads/gitslo/side", tip)
    side = bare_repository.commit({"other": b"side\n"}, branch="gitslo/side")
    ours = bare_repository.commit({"more": b"main\n"})
    repository = client(git_server.url("shop.git"), tmp_path / "cache")
    with processes() as started:
        repository.list_refs()
        entries = repository.resolve(ours, list(files))
        read = repository.read([entry.id for entry in entries.values()], CAP)
        merged = repository.merge_tree(ours, side)
        made = repository.commit([ours], ours, {"dev/app.yaml": b"a\r\nb\n"}, "m", 5.0)
        repository.swap([RefUpdate(HEAD, None, made)])

    assert files == {path: read[entry.id] for path, entry in entries.items()}
    assert links == {path: entry.mode for path, entry in entries.items() if entry.mode != "100644"}
    assert merged is not None
    assert b"a\r\nb\n" == bare_repository.read("dev/app.yaml", HEAD)
    assert [] == [argv for argv in started if not argv[0].endswith("/env")]
    assert not (tmp_path / "sprung").exists()


def test_traps_planted_in_the_clone_spring_nothing(tmp_path, bare_repository) -> None:
    """Even hooks and helpers that somebody put into the cache are not run."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.fetch(repository.list_refs())
    clone = tmp_path / "cache" / "repository.git"
    for name in ("reference-transaction", "pre-push", "post-index-change", "pre-auto-gc", "post-rewrite"):
        hook = clone / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{canary(tmp_path)}\n")
        hook.chmod(0o755)
    with (clone / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {canary(tmp_path)}\n\taskPass = {canary(tmp_path)}\n"
            f"[credential]\n\thelper = !{canary(tmp_path)}\n[gc]\n\tauto = 1\n"
        )
    newer = bare_repository.commit({"a": b"2"})
    repository.fetch({"refs/heads/main": newer})
    made = repository.commit([newer], newer, {"a": b"3"}, "m", 5.0)
    repository.swap([RefUpdate(HEAD, None, made)])

    assert (made, False, True) == (
        bare_repository.refs()[HEAD],
        (tmp_path / "sprung").exists(),
        repository.is_ancestor(tip, made),
    )


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", "..", "."])
def test_objects_that_break_gits_rules_are_not_taken(tmp_path, bare_repository, name) -> None:
    """A tree made to hurt whoever checks it out is refused at the door, and does not cost a clone each time."""
    bare_repository.commit({"a": b"1"})
    blob = bare_repository.git("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    tree = bare_repository.git("mktree", "--missing", stdin=f"100644 blob {blob}\tconfig\n".encode()).decode().strip()
    root = bare_repository.git("mktree", stdin=f"040000 tree {tree}\t{name}\n".encode()).decode().strip()
    evil = (
        bare_repository.git("-c", "user.name=e", "-c", "user.email=e@e", "commit-tree", "-m", "evil", root)
        .decode()
        .strip()
    )
    bare_repository.set_ref("refs/heads/gitslo/evil", evil)
    repository = client(bare_repository.url, tmp_path / "cache")
    listed = repository.list_refs()
    said = []
    for _ in range(4):
        with pytest.raises(Refused) as caught:
            repository.fetch({"refs/heads/gitslo/evil": evil})
        said.append(str(caught.value))
    repository.fetch({"refs/heads/main": listed["refs/heads/main"]})

    assert (True, [True] * 4) == (repository.clones_remade <= 1, ["fsck" in text for text in said])


def test_a_submodule_url_that_is_an_option_is_not_taken(tmp_path, bare_repository) -> None:
    """CVE-2018-17456: such a file is refused with the fetch that brings it."""
    tip = bare_repository.commit(
        {".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = -u{canary(tmp_path)}\n'.encode()}
    )
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()

    with pytest.raises(Refused):
        repository.fetch({"refs/heads/main": tip})


def test_links_and_submodules_are_told_and_never_followed(tmp_path, bare_repository) -> None:
    """They are entries with their modes; whoever reads decides, and a link's content is its target's name."""
    tip = bare_repository.commit({"dev/a": b"1", "link": b"/etc/passwd"}, modes={"link": "120000"})
    tip = bare_repository.commit({"module": tip.encode()}, modes={"module": "160000"})
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()
    entries = {entry.path: entry for entry in repository.walk(tip, "")}

    assert {"dev/a": "100644", "link": "120000", "module": "160000"} == {p: e.mode for p, e in entries.items()}
    assert {entries["link"].id: b"/etc/passwd"} == repository.read([entries["link"].id], CAP)
    with pytest.raises(Refused):
        repository.read([entries["module"].id], CAP)


def test_a_tree_that_unfolds_without_end_is_refused(tmp_path, bare_repository) -> None:
    """Ten tiny trees that hold each other ten times over are ten billion files: the walk has a budget."""
    blob = bare_repository.git("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    rows = "".join(f"100644 blob {blob}\t{number}\n" for number in range(10))
    tree = bare_repository.git("mktree", stdin=rows.encode()).decode().strip()
    for _ in range(9):
        rows = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
        tree = bare_repository.git("mktree", stdin=rows.encode()).decode().strip()
    bomb = bare_repository.git("-c", "user.name=e", "-c", "user.email=e@e", "commit-tree", "-m", "b", tree).decode()
    bare_repository.set_ref("refs/heads/main", bomb.strip())
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()

    with pytest.raises(Refused):
        repository.walk(bomb.strip(), "")
    assert "100644" == repository.resolve(bomb.strip(), ["/".join("0123456789")])["/".join("0123456789")].mode


def test_names_that_are_no_text_are_refused_where_they_are_walked(tmp_path, bare_repository) -> None:
    """A name that is not UTF-8 stops the walk of its folder, not that of its neighbours."""
    blob = bare_repository.git("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    bad = bare_repository.git("mktree", "-z", stdin=f"100644 blob {blob}\t".encode() + b"\xff.yaml\0").decode().strip()
    good = bare_repository.git("mktree", stdin=f"100644 blob {blob}\ta\n".encode()).decode().strip()
    rows = f"040000 tree {bad}\tbad\n040000 tree {good}\tgood\n"
    root = bare_repository.git("mktree", stdin=rows.encode()).decode().strip()
    tip = bare_repository.git("-c", "user.name=e", "-c", "user.email=e@e", "commit-tree", "-m", "x", root).decode()
    bare_repository.set_ref("refs/heads/main", tip.strip())
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.list_refs()

    assert ["good/a"] == [entry.path for entry in repository.walk(tip.strip(), "good")]
    with pytest.raises(Refused):
        repository.walk(tip.strip(), "")


def test_a_ledger_ref_that_is_no_commit_is_refused(tmp_path, bare_repository) -> None:
    """Anyone who may push any ref may put a blob or a tag there; it is told, and nothing else breaks."""
    tip = bare_repository.commit({"a": b"1"})
    blob = bare_repository.git("hash-object", "-w", "--stdin", stdin=b"x").decode().strip()
    bare_repository.set_ref("refs/gitslo/shop/dev", blob)
    repository = client(bare_repository.url, tmp_path / "cache")
    repository.fetch(repository.list_refs())

    for work in (
        lambda: repository.resolve(blob, ["ledger.json"]),
        lambda: repository.commit_info([blob]),
        lambda: repository.history(blob, None, [], 1),
        lambda: repository.commit([blob], None, {}, "m", 5.0),
    ):
        with pytest.raises(Refused):
            work()
    assert 0 == repository.clones_remade
    assert repository.resolve(tip, ["a"])["a"] is not None
