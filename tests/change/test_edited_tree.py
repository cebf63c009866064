from __future__ import annotations

import pytest

from gitslo.core.objects import blob_id
from gitslo.core.overlay import edited_tree
from gitslo.errors import Refused
from gitslo.ports import TreeEntry
from gitslo.testing.memory_view import MemoryView

BASE = MemoryView({"a": b"1", "b/c": b"2", "b/d": b"3", "run": b"4"}, {"run": "100755"})


def test_new_content_keeps_the_mode():
    """New bytes keep an executable executable; a new file is a plain one."""
    tree = edited_tree(BASE, {"run": b"5", "new": b"6"})

    assert tree.entry("run") == TreeEntry("run", "100755", blob_id(b"5"))
    assert tree.entry("new") == TreeEntry("new", "100644", blob_id(b"6"))


def test_what_is_not_edited_is_the_view_s():
    """Everything else is what it was, by the same ids; a folder's id follows what is in it."""
    tree = edited_tree(BASE, {"a": b"9"})

    assert tree.entry("b") == BASE.entry("b")
    assert tree.entry("") != BASE.entry("")
    assert tree.read("b/c") == b"2"
    assert edited_tree(BASE, {}).entry("") == BASE.entry("")


def test_the_last_file_of_a_folder_takes_it_along():
    """Git knows no empty folders."""
    tree = edited_tree(BASE, {"b/c": None, "b/d": None})

    assert tree.entry("b") is None
    assert [entry.path for entry in tree.walk("")] == ["a", "run"]


def test_a_file_in_a_folder_s_place_and_a_folder_in_a_file_s():
    """What an edit's own path makes impossible is gone."""
    tree = edited_tree(BASE, {"b": b"file", "a/x": b"folder"})

    assert [entry.path for entry in tree.walk("")] == ["a/x", "b", "run"]
    assert tree.entry("b/c") is None
    assert tree.entry("a").mode == "040000"


def test_an_entry_that_the_view_has_elsewhere():
    """An existing object can be put somewhere else, and is read where the view has it."""
    tree = edited_tree(BASE, {"copy": BASE.entry("b/c")})

    assert tree.entry("copy") == TreeEntry("copy", "100644", BASE.entry("b/c").id)
    assert tree.read("copy") == b"2"


def test_an_object_that_nobody_can_read():
    """An object known by its id only can be named, and not read."""
    tree = edited_tree(BASE, {"a": TreeEntry("a", "100644", blob_id(b"unknown"))})

    assert tree.entry("a").id == blob_id(b"unknown")
    with pytest.raises(Refused, match="known by its id only"):
        tree.read("a")


def test_a_tree_that_no_git_tree_can_be():
    """A file and a folder of one name, which only a forged tree has, break nothing."""
    assert MemoryView({"a": b"", "a/b": b""}).entry("").mode == "040000"
