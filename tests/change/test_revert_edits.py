from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.change import revert_edits, shared_inputs_changed
from gitslo.core.discover import tree_of
from gitslo.core.overlay import edited_tree
from gitslo.errors import Refused
from gitslo.ports import TreeEntry
from gitslo.testing.memory_view import MemoryView
from tests.change.folders import environment

PROD = environment()


def repository(files: dict[str, str], modes: dict[str, str] | None = None) -> MemoryView:
    return MemoryView({path: text.encode() for path, text in files.items()}, modes)


def test_the_folder_comes_back_and_the_plan_stays():
    """What was changed is restored, what came is removed, what went returns; the plan and other folders stay."""
    passed = repository(
        {
            "deploy/prod/a": "1",
            "deploy/prod/gone/b": "1",
            "deploy/prod/same": "1",
            "deploy/prod/slo.yaml": "1",
            "x": "1",
        }
    )
    failing = repository(
        {"deploy/prod/a": "2", "deploy/prod/new/c": "2", "deploy/prod/same": "1", "deploy/prod/slo.yaml": "2", "x": "2"}
    )

    edits = revert_edits(failing, passed, PROD)

    assert {path: edit and (edit.path, edit.mode, edit.id) for path, edit in edits.items()} == {
        "deploy/prod/a": ("deploy/prod/a", "100644", passed.entry("deploy/prod/a").id),
        "deploy/prod/gone/b": ("deploy/prod/gone/b", "100644", passed.entry("deploy/prod/gone/b").id),
        "deploy/prod/new/c": None,
    }
    assert all(edit is None or isinstance(edit, TreeEntry) for edit in edits.values())
    restored = edited_tree(failing, edits)
    assert tree_of(restored, PROD) == tree_of(passed, PROD)
    assert restored.read("deploy/prod/slo.yaml") == restored.read("x") == b"2"


def test_a_mode_is_restored():
    """A file that only became executable is restored, too."""
    passed = repository({"deploy/prod/a": "1"})
    failing = repository({"deploy/prod/a": "1"}, {"deploy/prod/a": "100755"})

    assert revert_edits(failing, passed, PROD)["deploy/prod/a"].mode == "100644"


def test_nothing_to_revert():
    """A folder that is as it was has no edits, whatever happened to the plan."""
    passed = repository({"deploy/prod/a": "1", "deploy/prod/slo.yaml": "1"})

    assert revert_edits(repository({"deploy/prod/a": "1"}), passed, PROD) == {}


def test_a_folder_where_a_file_was():
    """A file that became a folder, and the other way round, comes back."""
    passed = repository({"deploy/prod/a": "1", "deploy/prod/b/c": "1"})
    failing = repository({"deploy/prod/a/x": "2", "deploy/prod/b": "2"})

    restored = edited_tree(failing, revert_edits(failing, passed, PROD))

    assert restored.walk("") == passed.walk("")
    assert restored.entry("deploy/prod/b").mode == "040000"
    assert restored.entry("deploy/prod/a/x") is None


names = st.sampled_from(["a", "b", "c/d", "c/e", "slo.yaml", "f/g/h"])
folders = st.dictionaries(names, st.sampled_from(["1", "2"]), min_size=1)


@settings(derandomize=True, database=None, deadline=None)
@given(folders, folders)
def test_a_revert_restores_the_tree(then, now):
    """For any two folders: the tree with the revert's edits equals the passed one, and the plan is as it is now."""
    passed, failing = (
        repository({"deploy/prod/keep": "1", **{f"deploy/prod/{name}": text for name, text in files.items()}})
        for files in (then, now)
    )

    restored = edited_tree(failing, revert_edits(failing, passed, PROD))

    assert tree_of(restored, PROD) == tree_of(passed, PROD)
    assert restored.entry("deploy/prod/slo.yaml") == failing.entry("deploy/prod/slo.yaml")
    assert revert_edits(restored, passed, PROD) == {}


BASED = {"deploy/prod/kustomization.yaml": "resources: [../../base]", "base/kustomization.yaml": "resources: [a.yaml]"}


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        ({"base/a.yaml": "1"}, ()),
        ({"base/a.yaml": "1", "base/other": "2", "deploy/prod/x": "2"}, ()),
        ({"base/a.yaml": "2"}, ("base/a.yaml",)),
        ({"base/kustomization.yaml": "resources: [b.yaml]", "base/b.yaml": ""}, None),
        ({"base/a.yaml": "1", "deploy/prod/kustomization.yaml": "resources: [../../new]"}, ()),
        ({}, ("base/a.yaml",)),
    ],
)
def test_shared_inputs_that_changed(now, changed):
    """Only inputs that the restored folder would have count: not new ones that the failing folder came to use."""
    passed = repository({**BASED, "base/a.yaml": "1"})
    present = repository({**BASED, "new/kustomization.yaml": "", **now})
    expected = ("base/a.yaml", "base/b.yaml", "base/kustomization.yaml") if changed is None else changed

    assert shared_inputs_changed(present, passed, PROD) == expected


def test_a_file_added_to_a_shared_chart_counts():
    """A chart is an input whole: what came to it since the pass would run as well."""
    files = {
        "deploy/prod/Chart.yaml": "dependencies: [{name: lib, repository: 'file://../../lib'}]",
        "lib/Chart.yaml": "name: lib",
    }

    assert shared_inputs_changed(repository({**files, "lib/new.yaml": ""}), repository(files), PROD) == (
        "lib/new.yaml",
    )


def test_a_folder_that_cannot_be_restored():
    """Where the folder cannot be restored for a reason that no changed input explains, the reason is said."""
    passed = repository({**BASED, "base/a.yaml": "1"})
    present = repository({**BASED, "base/a.yaml": "1", "base/Kustomization": ""})

    with pytest.raises(Refused, match="holds both"):
        shared_inputs_changed(present, passed, PROD)
