"""Views of revisions: what was read before or ahead changes what a read costs, and never what it says."""

from __future__ import annotations

import pytest

from gitslo.errors import Refused
from gitslo.loop.views import CACHED_BYTES, ObjectCache, RecordedView, RevisionView, in_halves
from gitslo.model import ObjectId
from gitslo.ports import TreeEntry
from tests.loop.mono import Counted, Mono

LAYOUT = {
    "a/dev/app.yaml": "a: 1\n",
    "a/dev/slo.yaml": "plan\n",
    "a/dev/sub/more.yaml": "more: 1\n",
    "a/dev/notes.txt": "text\n",
    "a/dev/kustomization.yaml": "resources: [app.yaml, '../base']\n",
    "a/base/kustomization.yaml": "resources:\n- ../../shared\n- own.yaml\n",
    "a/base/own.yaml": "own: 1\n",
    "shared/kustomization.yaml": "resources: [all.yaml]\n",
    "shared/all.yaml": "all: 1\n",
    "gone/x.yaml": "x: 1\n",
    "turns": "a file\n",
}
PATHS = (*LAYOUT, "a", "a/dev", "a/dev/sub", "a/base", "gone", "turns/into", "new", "new/y.yaml", "nothing")


@pytest.fixture
def mono(tmp_path):
    mono = Mono(tmp_path, 1)
    mono.commit(LAYOUT)
    return mono


def read_all(view: RevisionView) -> dict[str, object]:
    """Everything that a view says about PATHS."""
    said: dict[str, object] = {}
    for path in PATHS:
        said[path] = (view.entry(path), view.walk(path))
        try:
            said[f"content of {path}"] = view.read(path)
        except Refused as refused:
            said[f"content of {path}"] = str(refused)
    return said


def test_the_view_after_another_says_what_a_fresh_one_says(mono) -> None:
    """What stayed, changed, came, went, and turned from a file into a folder: as if nothing had been known before."""
    old, repository = mono.head, mono.clone()
    repository.list_refs()
    known = RevisionView(repository, old, ObjectCache())
    known.prefetch(PATHS)
    new = mono.commit(
        {"a/dev/app.yaml": "a: 2\n", "gone/x.yaml": None, "turns": None, "turns/into": "a folder\n", "new/y.yaml": "y"}
    )
    repository.list_refs()

    fresh = RevisionView(repository, new, ObjectCache())

    assert read_all(fresh) == read_all(known.after(new, PATHS))


def test_only_what_differs_is_asked_for_after_a_commit(mono) -> None:
    """Paths that were known cost nothing at the next revision, those that changed included."""
    repository = Counted(mono.clone())
    repository.list_refs()
    known = RevisionView(repository, mono.head, ObjectCache())
    known.prefetch(PATHS)
    new = mono.commit({"a/dev/app.yaml": "a: 2\n"})
    repository.list_refs()
    repository.since()

    view = known.after(new, PATHS)
    for path in PATHS:
        view.entry(path)

    assert {"changes": 1} == repository.since()


def test_reading_ahead_leaves_nothing_to_be_read(mono) -> None:
    """Folders, manifests and bases on bases are there after a few calls, and are what they are."""
    repository = Counted(mono.clone())
    repository.list_refs()
    fresh = read_all(RevisionView(repository, mono.head, ObjectCache()))
    view = RevisionView(repository, mono.head, ObjectCache())
    repository.since()

    view.ahead(["a/dev", "absent"], ["a/dev/slo.yaml"])
    calls = repository.since()
    read = ("kustomization.yaml", "app.yaml", "slo.yaml", "sub/more.yaml")
    contents = {}
    for folder, names in (("a/dev", read), ("a/base", read[:1]), ("shared", read[:1])):
        view.walk(folder)
        contents |= {f"content of {folder}/{name}": view.read(f"{folder}/{name}") for name in names}

    assert ({}, True) == (repository.since(), calls.total() <= 9)
    assert contents == {key: fresh[key] for key in contents}


def test_one_odd_thing_does_not_keep_the_others_from_being_read_ahead() -> None:
    """A refusal is narrowed down to the thing that it is about."""
    read: list[int] = []

    def odd(numbers) -> None:
        if 5 in numbers:
            raise Refused("odd")
        read.extend(numbers)

    in_halves(range(8), odd)

    assert [0, 1, 2, 3, 4, 6, 7] == sorted(read)


def test_what_is_kept_is_bounded() -> None:
    """The oldest is dropped, and what is larger than the bound is not kept at all."""
    cache = ObjectCache()
    third = b"x" * (CACHED_BYTES // 3)
    ids = [ObjectId(f"{number:040x}") for number in range(5)]
    cache.keep((identifier, third) for identifier in ids[:4])
    first = [cache.blob(identifier) is not None for identifier in ids[:4]]
    cache.keep([(ids[4], b"x" * (CACHED_BYTES + 1))])
    folder = TreeEntry("big", "040000", ids[0])
    cache.keep_folder(folder, tuple(TreeEntry(f"big/{number}", "100644", ids[1]) for number in range(60_000)))

    assert ([False, True, True, True], None) == (first, cache.folder(folder))
    assert [None] * 5 == [cache.blob(identifier) for identifier in ids]


def test_a_recorded_view_names_all_that_an_answer_rested_on(mono) -> None:
    """Files that were read, paths that were not there, folders whose content counts; not what these cover."""
    repository = mono.clone()
    repository.list_refs()
    view = RevisionView(repository, mono.head, ObjectCache())
    recorded = RecordedView(view)
    recorded.entry("a")
    recorded.read("a/dev/app.yaml")
    recorded.walk("a/dev")
    recorded.entry("a/dev/sub")
    recorded.read("shared/all.yaml")
    recorded.entry("nothing")

    watched = recorded.watched()
    new = mono.commit({"a/base/own.yaml": "own: 2\n", "gone/x.yaml": None})
    other = mono.commit({"a/dev/fresh.yaml": "new: 1\n"})
    repository.list_refs()
    marks = [RevisionView(repository, commit, ObjectCache()).marks(watched) for commit in (view.commit, new, other)]

    assert {"a": False, "a/dev": True, "shared/all.yaml": False, "nothing": False} == dict(watched)
    assert (True, False) == (marks[0] == marks[1], marks[1] == marks[2])
