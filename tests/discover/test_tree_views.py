"""The contract of `TreeView`, on every view that is no Git repository: in memory, on disk, and laid over another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from gitslo.adapters.directory import DirectoryView
from gitslo.core.overlay import edited_tree
from gitslo.errors import Refused
from gitslo.ports import TreeEntry, TreeView
from gitslo.testing.memory_view import MemoryView

FILES = {
    "README.md": b"hello\n",
    "deploy.yaml": b"",
    "deploy/dev/a.yaml": b"a: 1\n",
    "deploy/dev/sub/b.yaml": b"b: 2\r\n",
    "deploy/dev-2/c.yaml": b"c: \xff",
    "deploy/run.sh": b"#!/bin/sh\n",
}
MODES = {"deploy/run.sh": "100755"}


def on_disk(root: Path, files: dict[str, bytes], modes: dict[str, str]) -> None:
    for path, data in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if modes.get(path) == "120000":
            file.symlink_to(os.fsdecode(data))
            continue
        file.write_bytes(data)
        file.chmod(0o755 if modes.get(path) == "100755" else 0o644)


def make(kind: str, root: Path, files: dict[str, bytes], modes: dict[str, str]) -> TreeView:
    match kind:
        case "memory":
            return MemoryView(files, modes)
        case "disk":
            on_disk(root, files, modes)
            return DirectoryView(root)
        case _:
            under = {**dict.fromkeys(files, b"old"), "gone.yaml": b"x", "gone/too.yaml": b"y"}
            edits = {path: data for path, data in files.items() if modes.get(path) != "120000"}
            links = {path: data for path, data in files.items() if modes.get(path) == "120000"}
            base = MemoryView({**under, **links}, modes)
            return edited_tree(base, {**edits, "gone.yaml": None, "gone/too.yaml": None})


@pytest.fixture(params=["memory", "disk", "edited"])
def kind(request):
    return request.param


@pytest.fixture
def view(kind, tmp_path):
    return make(kind, tmp_path, FILES, MODES)


def test_walk_is_sorted_and_recursive(view):
    """`walk` gives every file below a folder, sorted by path, and no folders."""
    assert [entry.path for entry in view.walk("deploy/dev")] == ["deploy/dev/a.yaml", "deploy/dev/sub/b.yaml"]
    assert [entry.path for entry in view.walk("")] == sorted(FILES)


@pytest.mark.parametrize("path", ["nothing", "README.md", "deploy/de", "deploy/dev/a.yaml/x", "gone", "../x"])
def test_walk_of_no_folder_is_empty(view, path):
    """`walk` is empty where there is no such folder."""
    assert view.walk(path) == ()


def test_ids_are_git_s(view):
    """Blob and tree ids are those that Git gives."""
    assert view.entry("README.md") == TreeEntry("README.md", "100644", "ce013625030ba8dba906f756967f9e9ca394464a")
    assert view.entry("deploy.yaml").id == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert view.entry("deploy/run.sh").mode == "100755"


def test_tree_ids_equal_those_of_git_write_tree(view, tmp_path_factory):
    """The id of a folder is the one `git write-tree` gives: names with a dot sort before folders, and so on."""
    root = tmp_path_factory.mktemp("git")
    on_disk(root, FILES, MODES)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=root, env=env, capture_output=True, check=True, timeout=60)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    git("add", "--all")
    tree = git("write-tree")

    assert view.entry("") == TreeEntry("", "040000", tree)
    assert view.entry("deploy").id == git("rev-parse", f"{tree}:deploy")


@pytest.mark.parametrize("path", ["nothing", "deploy/de", "deploy/dev/a.yaml/x", "gone", "gone.yaml", "gone/too.yaml"])
def test_entry_of_nothing(view, path):
    """`entry` is None where nothing stands."""
    assert view.entry(path) is None


def test_read(view):
    """`read` gives a file's bytes as they are."""
    assert {path: view.read(path) for path in FILES} == FILES


@pytest.mark.parametrize("path", ["nothing", "deploy", "deploy/dev/a.yaml/x", "../x", "gone.yaml"])
def test_read_of_no_file(view, path):
    """`read` refuses what is no file, by name."""
    with pytest.raises(Refused) as caught:
        view.read(path)

    assert caught.value.problems[0].file == path


def test_a_symlink_is_an_entry_and_never_followed(kind, tmp_path):
    """A symbolic link is told by its mode; what it points at is not read, within the root or outside."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root").mkdir()
    links = {"inside": b"real/a.yaml", "outside": b"../secret", "folder": b"real", "up": b".."}
    view = make(kind, tmp_path / "root", {"real/a.yaml": b"a", **links}, dict.fromkeys(links, "120000"))

    assert {path: view.entry(path).mode for path in links} == dict.fromkeys(links, "120000")
    assert [entry.path for entry in view.walk("")] == ["folder", "inside", "outside", "real/a.yaml", "up"]
    assert view.walk("folder") == view.walk("up") == ()
    assert view.entry("folder/a.yaml") is view.entry("up/secret") is None
    for path in (*links, "folder/a.yaml", "up/secret"):
        with pytest.raises(Refused):
            view.read(path)


def test_the_id_of_a_symlink_is_that_of_its_target_s_name(kind, tmp_path):
    """Git stores a link as a blob with its target."""
    view = make(kind, tmp_path, {"link": b"hello\n"}, {"link": "120000"})

    assert view.entry("link").id == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_large_files_have_an_id_and_are_not_read(kind, tmp_path):
    """More than 1 MiB are not read, and still have an id."""
    view = make(kind, tmp_path, {"large": b"x" * (1024 * 1024 + 1), "fits": b"x" * (1024 * 1024)}, {})

    assert len(view.read("fits")) == 1024 * 1024
    assert len(view.entry("large").id) == 40
    with pytest.raises(Refused, match="1 MiB"):
        view.read("large")


def test_git_s_own_folder_is_not_looked_at(tmp_path):
    """`.git` is no part of a folder's tree, at any depth."""
    on_disk(tmp_path, {".git/config": b"x", "a/.git/config": b"x", "a/b": b"x"}, {})
    view = DirectoryView(tmp_path)

    assert [entry.path for entry in view.walk("")] == ["a/b"]
    assert view.entry(".git") is view.entry(".git/config") is None
    with pytest.raises(Refused):
        view.read(".git/config")


def test_what_git_does_not_know_is_not_there(tmp_path):
    """Empty folders and pipes are no part of a tree, and reading a pipe does not hang."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    view = DirectoryView(tmp_path)

    assert view.walk("") == ()
    assert view.entry("empty") is view.entry("pipe") is view.entry("") is None
    with pytest.raises(Refused, match="regular"):
        view.read("pipe")


def test_files_without_end_have_no_id(tmp_path):
    """A file far larger than any manifest is refused rather than read."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)

    with pytest.raises(Refused, match="64 MiB"):
        DirectoryView(tmp_path).walk("")


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    """Every name is text."""
    (tmp_path / os.fsdecode(b"a\xff")).write_bytes(b"x")

    with pytest.raises(Refused, match="UTF-8"):
        DirectoryView(tmp_path).walk("")


def test_folders_without_end_are_refused(tmp_path):
    """A tree deeper than any repository is refused rather than followed."""
    (tmp_path / "/".join("d" * 70)).mkdir(parents=True)

    with pytest.raises(Refused, match="64 folders deep"):
        DirectoryView(tmp_path).walk("")


def test_the_root_must_be_a_folder(tmp_path):
    """A missing root is refused by name."""
    with pytest.raises(Refused, match="no such folder"):
        DirectoryView(tmp_path / "nothing")


def test_a_root_may_itself_be_reached_through_a_link(tmp_path):
    """Who names the root may name it through a link; only what is inside is not trusted."""
    on_disk(tmp_path / "real", {"a": b"x"}, {})
    (tmp_path / "link").symlink_to("real")

    assert DirectoryView(tmp_path / "link").read("a") == b"x"
