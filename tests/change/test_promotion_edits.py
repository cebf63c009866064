from __future__ import annotations

import pytest

from gitslo.core.change import promotion_edits, release_of
from gitslo.core.discover import tree_of
from gitslo.core.overlay import edited_tree
from gitslo.errors import Refused
from gitslo.model import LocatorForm, Promoted, Release
from gitslo.ports import TreeEntry
from gitslo.testing.memory_view import MemoryView
from tests.change.folders import (
    APP,
    OTHER_SHA,
    SHA,
    deployment,
    environment,
    field,
    image,
    promote,
    release,
    text,
    view,
    whole,
)

KUSTOMIZE = image(LocatorForm.KUSTOMIZE, file="kustomization.yaml")
HELM = image(LocatorForm.HELM, file="values.yaml", at="image.tag")
PINNED = image(LocatorForm.HELM, file="values.yaml", at="image.tag", digest_at="image.digest")


def refusal(files: dict[str, str], value: str, promoted: Promoted) -> str:
    with pytest.raises(Refused) as caught:
        promote(files, value, promoted)
    return str(caught.value)


@pytest.mark.parametrize("value", ["2", "1.10", f"2@{SHA}", f"@{SHA}", "latest"])
@pytest.mark.parametrize("old", [f"{APP}:1", f"{APP}@{OTHER_SHA}", f"{APP}:1@{OTHER_SHA}", f"'{APP}:1'", f'"{APP}:1"'])
def test_only_the_reference_changes(old, value):
    """Whatever form the reference had, it gets the release's form, in the quotes it had; nothing else moves."""
    quote = old[0] if old[0] in "'\"" else ""
    new = f"{quote}{APP}{value if value.startswith('@') else ':' + value}{quote}"

    assert promote({"a.yaml": deployment(old)}, value, image()) == {"a.yaml": deployment(new)}


def test_an_image_without_a_tag_gets_one():
    """A reference without a tag gets one; `latest` is what it had."""
    assert promote({"a.yaml": deployment(APP)}, "2", image()) == {"a.yaml": deployment(f"{APP}:2")}
    assert promote({"a.yaml": deployment(APP)}, "latest", image()) == {}


def test_nothing_differs_nothing_changes():
    """A target that carries the release already has no edits."""
    assert promote({"a.yaml": deployment(f"{APP}:1")}, "1", image()) == {}


def test_every_place_in_the_folder_and_no_other():
    """Each Pod that names the image changes; names that are alike, the plan and other folders do not."""
    files = {
        "a.yaml": deployment(f"{APP}:1") + "---\n" + deployment(f"{APP}-worker:1"),
        "b.yaml": deployment(f"{APP}:1", "StatefulSet"),
        "slo.yaml": deployment(f"{APP}:1"),
        "c.yaml": deployment("other:1"),
    }

    assert promote(files, "2", image()) == {
        "a.yaml": deployment(f"{APP}:2") + "---\n" + deployment(f"{APP}-worker:1"),
        "b.yaml": deployment(f"{APP}:2", "StatefulSet"),
    }


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        # a comment, the order, the indentation and the quotes stay
        ("- name: A # a\n  newTag: v1 # t\n", "v2", "- name: A # a\n  newTag: v2 # t\n"),
        ("-   newTag: 'v1'\n    name: A\n", "v2", "-   newTag: 'v2'\n    name: A\n"),
        ("- {name: A, newTag: v1}\n", "v2", "- {name: A, newTag: v2}\n"),
        ('- {"name": "A", "newTag": "v1"}\n', "v2", '- {"name": "A", "newTag": "v2"}\n'),
        # what would not stay a string is quoted
        ("- name: A\n  newTag: v1\n", "1.10", '- name: A\n  newTag: "1.10"\n'),
        ("- name: A\n  newTag: v1\n", "on", '- name: A\n  newTag: "on"\n'),
        ("- name: A\n  newTag: v1\n", "1e3", '- name: A\n  newTag: "1e3"\n'),
        ("- name: A\n  newTag: v1\n", "2024-01-01", '- name: A\n  newTag: "2024-01-01"\n'),
        ("- name: A\n  newTag: v1\n", "1.2.3", "- name: A\n  newTag: 1.2.3\n"),
        ("- name: A\n  newTag: 1.9\n", "1.10", '- name: A\n  newTag: "1.10"\n'),
        # the form changes: one key takes the other's place
        ("- name: A\n  newTag: v1 # t\n  x: y\n", f"@{SHA}", f"- name: A\n  digest: {SHA} # t\n  x: y\n"),
        (f"- digest: {SHA}\n  name: A\n", "v2", "- newTag: v2\n  name: A\n"),
        ("- {name: A, newTag: 'v1'}\n", f"@{SHA}", f"- {{name: A, digest: '{SHA}'}}\n"),
        # a key comes
        ("- name: A\n  newTag: v1\n- name: b\n", f"v2@{SHA}", f"- name: A\n  newTag: v2\n  digest: {SHA}\n- name: b\n"),
        ("- name: A # a\n", "v2", "- name: A # a\n  newTag: v2\n"),
        ("- name: A", "v2", "- name: A\n  newTag: v2"),
        ("- name: A\r\n- name: b\r\n", "v2", "- name: A\r\n  newTag: v2\r\n- name: b\r\n"),
        ("- {name: A}\n", "v2", "- {name: A, newTag: v2}\n"),
        ('- {"name": "A"}\n', "v2", '- {"name": "A", "newTag": "v2"}\n'),
        # a key goes
        (f"- name: A\n  newTag: v1\n  digest: {SHA} # d\n", "v1", "- name: A\n  newTag: v1\n"),
        (f"- name: A\n  digest: {SHA}\n  newTag: v1", "v2", "- name: A\n  newTag: v2"),
        (f"- name: A\n  newTag: v1\n  digest: {SHA}", "v1", "- name: A\n  newTag: v1"),
        (f"- digest: {SHA}\n  newTag: v1 # t\n  name: A\n", "v2", "- newTag: v2 # t\n  name: A\n"),
        (f"- {{digest: '{SHA}', newTag: v1, name: A}}\n", "v1", "- {newTag: v1, name: A}\n"),
        (f"- {{name: A, newTag: v1, digest: '{SHA}'}}\n", f"@{SHA}", f"- {{name: A, digest: '{SHA}'}}\n"),
        # empty ones
        ("- name: A\n  newTag:\n", "v2", "- name: A\n  newTag: v2\n"),
        ("- name: A\n  newTag: # t\n", "v2", "- name: A\n  newTag: v2 # t\n"),
        ("- name: A\n  newTag: ''\n", "v2", "- name: A\n  newTag: 'v2'\n"),
    ],
)
def test_a_kustomization(before, value, after):
    """`newTag` and `digest` are changed, added and taken away where they stand."""
    before, after = ("# top\nimages:\n" + part.replace("A", APP) for part in (before, after))

    assert promote({"kustomization.yaml": before}, value, KUSTOMIZE) == {"kustomization.yaml": after}


def test_two_entries_for_one_image():
    """Every entry that names the image changes."""
    before = f"images:\n- name: {APP}\n  newTag: v1\n- name: b\n  newName: {APP}\n  newTag: v1\n"

    assert promote({"kustomization.yaml": before}, "v2", KUSTOMIZE) == {
        "kustomization.yaml": before.replace("v1", "v2")
    }


def test_a_kustomization_that_was_found_by_itself():
    """Where the kustomization is the only place, it is the one that changes; an untagged manifest stays."""
    files = {"a.yaml": deployment(APP), "kustomization.yaml": f"images: [{{name: {APP}, newTag: v1}}]"}

    assert promote(files, "v2", image()) == {"kustomization.yaml": f"images: [{{name: {APP}, newTag: v2}}]"}


@pytest.mark.parametrize(
    ("before", "promoted", "value", "after"),
    [
        ("image:\n  tag: 1.9 # t\n", HELM, "1.10", 'image:\n  tag: "1.10" # t\n'),
        ("image:\n  tag: '1.9'\n", HELM, "1.10", "image:\n  tag: '1.10'\n"),
        ("image: {tag: v1, digest: ''}", PINNED, f"v2@{SHA}", f"image: {{tag: v2, digest: '{SHA}'}}"),
        (f"image: {{tag: v1, digest: '{SHA}'}}", PINNED, "v2", "image: {tag: v2, digest: ''}"),
        (f"image:\n  tag: v1\n  digest: {SHA}\n", PINNED, "v1", 'image:\n  tag: v1\n  digest: ""\n'),
        (
            f"image:\n  tag: v1\n  digest: {SHA}\n",
            PINNED,
            f"@{OTHER_SHA}",
            f'image:\n  tag: ""\n  digest: {OTHER_SHA}\n',
        ),
        ("image:\n  tag: v1\n  digest:\n", PINNED, f"v1@{SHA}", f"image:\n  tag: v1\n  digest: {SHA}\n"),
        (f"image: {{tag: 'v1@{OTHER_SHA}'}}", HELM, f"v2@{SHA}", f"image: {{tag: 'v2@{SHA}'}}"),
    ],
)
def test_values_of_a_chart(before, promoted, value, after):
    """A tag and a digest are written where the locator says, an absent digest as an empty string."""
    assert promote({"values.yaml": before}, value, promoted) == {"values.yaml": after}


def test_a_tag_s_place_takes_no_digest():
    """A digest is not squeezed into a place that had a tag: charts make labels of it."""
    assert "name the digest's place" in refusal({"values.yaml": "image: {tag: v1}"}, f"v1@{SHA}", HELM)
    assert "name the digest's place" in refusal({"values.yaml": f"image: {{tag: 'v1@{SHA}'}}"}, f"@{SHA}", HELM)


@pytest.mark.parametrize(
    ("before", "after"),
    [(f"a: {APP}:1 # c\n", f"a: {APP}:2.0 # c\n"), ("a: '1'\n", "a: '2.0'\n"), ("a: 1\n", 'a: "2.0"\n')],
)
def test_an_image_in_a_field(before, after):
    """An image in a field keeps its form: the tag alone, or the whole reference."""
    promoted = image(LocatorForm.YAML, file="f.yaml", at="a")

    assert promote({"f.yaml": before}, "2.0", promoted) == {"f.yaml": after}


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("x: 3", "a: 2", "a: 3"),
        ("x: '3'", "a: 2", 'a: "3"'),
        ("x: 3", "a: '2'", "a: '3'"),
        ("x: true", "a: false", "a: true"),
        ("x: 1.10", "a: 1.9", "a: 1.10"),
        ("x: text", 'a: "old"', 'a: "text"'),
        ("x: it's", "a: 'old'", "a: 'it''s'"),
        ('x: "a\\nb"', "a: old", 'a: "a\\nb"'),
        ("x: |\n  one\n  two\n", "a: >-\n   old\n   one\n# c\n", "a: |\n   one\n   two\n# c\n"),
        ("x: 'one'", "a: |-\n  old\nb: 1\n", "a: |-\n  one\nb: 1\n"),
        ("x: a,b", "{a: old}", '{a: "a,b"}'),
        ("x: ''", "a: old", 'a: ""'),
        ("x: 5", "a: # c\n", None),
    ],
)
def test_a_field_keeps_its_type(source, before, after):
    """A number stays a number and a string a string; the target keeps its own quotes."""
    dev, prod = environment(field("f.yaml", "x"), stage="dev"), environment(field("g.yaml", "a"))
    passed, present = view({"f.yaml": source}, "dev"), view({"g.yaml": before})

    edits = promotion_edits(present, prod, release_of(passed, dev), passed, dev)

    assert {path: text(edit) for path, edit in edits.items()} == {
        "deploy/prod/g.yaml": "a: 5 # c\n" if after is None else after
    }


def test_a_file_is_taken_as_it_is():
    """A promoted file is the source's object, mode and all; where it is there already, nothing changes."""
    dev, prod = environment(whole("a/rules.txt"), stage="dev"), environment(whole("rules.txt"))
    passed = MemoryView({"deploy/dev/a/rules.txt": b"new\xff"}, {"deploy/dev/a/rules.txt": "100755"})
    present = view({"rules.txt": "old", "a.yaml": "x"})

    edits = promotion_edits(present, prod, release_of(passed, dev), passed, dev)

    ((path, edit),) = edits.items()
    assert isinstance(edit, TreeEntry)
    assert (path, edit.path, edit.mode, edit.id) == (
        "deploy/prod/rules.txt",
        "deploy/prod/rules.txt",
        "100755",
        passed.entry("deploy/dev/a/rules.txt").id,
    )
    after = edited_tree(present, edits)
    assert after.read("deploy/prod/rules.txt") == b"new\xff"
    assert promotion_edits(after, prod, release_of(passed, dev), passed, dev) == {}


def test_a_file_that_is_not_the_one_that_passed():
    """The source's file must be the recorded one: what is promoted is what has passed."""
    dev, prod = environment(whole("f"), stage="dev"), environment(whole("f"))
    passed = release_of(view({"f": "passed"}, "dev"), dev)

    with pytest.raises(Refused, match="is not the file that passed in 'dev'"):
        promotion_edits(view({"f": "old"}), prod, passed, view({"f": "newer"}, "dev"), dev)


def test_several_values_in_one_file():
    """Values that live in one file change it once."""
    promoted = (image(), field("a.yaml", "kind"), field("b.yaml", "x", "other"))
    dev, prod = environment(*promoted, stage="dev"), environment(*promoted)
    passed = view({"a.yaml": deployment(f"{APP}:2", "StatefulSet"), "b.yaml": "x: 1"}, "dev")

    edits = promotion_edits(
        view({"a.yaml": deployment(f"{APP}:1"), "b.yaml": "x: 1"}), prod, release_of(passed, dev), passed, dev
    )

    assert {path: text(edit) for path, edit in edits.items()} == {
        "deploy/prod/a.yaml": deployment(f"{APP}:2", "StatefulSet")
    }


def test_values_that_contradict_each_other():
    """Two promoted values cannot be one place, nor a file and a part of it."""
    twice = (field("f.yaml", "a", "one"), field("f.yaml", "a", "two"))
    dev = environment(field("f.yaml", "a", "one"), field("f.yaml", "b", "two"), stage="dev")
    passed = view({"f.yaml": "a: 1\nb: 2\n"}, "dev")
    both = (field("f.yaml", "a"), whole("f.yaml"))
    from_both = environment(*both, stage="dev")

    with pytest.raises(Refused, match="two things at once"):
        promotion_edits(view({"f.yaml": "a: 0"}), environment(*twice), release_of(passed, dev), passed, dev)
    with pytest.raises(Refused, match="as a whole, and in part as well"):
        promotion_edits(view({"f.yaml": "a: 0"}), environment(*both), release_of(passed, from_both), passed, from_both)


def test_a_value_that_the_recorded_release_lacks():
    """Where `promote` has grown since the pass, the new value is the one of the tree that passed."""
    promoted = (image(), field("f.yaml", "a"))
    dev, prod = environment(*promoted, stage="dev"), environment(*promoted)
    passed = view({"a.yaml": deployment(f"{APP}:2"), "f.yaml": "a: new"}, "dev")
    recorded = release("2", image())

    edits = promotion_edits(view({"a.yaml": deployment(f"{APP}:2"), "f.yaml": "a: old"}), prod, recorded, passed, dev)

    assert {path: text(edit) for path, edit in edits.items()} == {"deploy/prod/f.yaml": "a: new"}


def test_a_source_that_does_not_promote_it():
    """A value that the source does not know cannot come from there."""
    with pytest.raises(Refused, match="'dev' has no image"):
        promotion_edits(
            view({"a.yaml": deployment(f"{APP}:1")}),
            environment(image()),
            Release((), ""),
            view({}, "dev"),
            environment(stage="dev"),
        )


def test_a_whole_reference_in_a_field_may_be_pinned():
    """A whole reference has room for a digest."""
    promoted = image(LocatorForm.YAML, file="f.yaml", at="a")

    assert promote({"f.yaml": f"a: {APP}:1\n"}, f"@{SHA}", promoted) == {"f.yaml": f"a: {APP}@{SHA}\n"}


def test_an_anchor_whose_every_use_is_the_image():
    """An anchored image changes once, where all that use it are images to change."""
    anchored = (
        "kind: List\nitems:\n"
        f"- kind: Pod\n  spec: {{containers: [{{image: &i {APP}:1}}]}} # first\n"
        "- kind: Pod\n  spec: {containers: [{image: *i}]}\n"
    )

    assert promote({"a.yaml": anchored}, "2", image()) == {"a.yaml": anchored.replace(":1}", ":2}")}


@pytest.mark.parametrize(
    "shared",
    [
        f"kind: Pod\nnote: &i {APP}:1\nspec: {{containers: [{{image: *i}}]}}\n",
        f"kind: Pod\nspec: {{containers: [{{image: &i {APP}:1}}]}}\nnote: *i\n",
        f"kind: Pod\nspec: {{containers: &c [{{image: '{APP}:1'}}]}}\nnote: *c\n",
        f"x: &c {{image: '{APP}:1'}}\nkind: Pod\nspec: {{containers: [{{<<: *c, name: a}}]}}\n",
    ],
)
def test_an_anchor_that_something_else_uses(shared):
    """An anchored image that something else uses is refused, with the place of what is shared."""
    said = refusal({"a.yaml": shared}, "2", image())

    assert said.startswith("deploy/prod/a.yaml:")
    assert "an anchor shares this with" in said


def test_a_kustomization_entry_that_an_anchor_shares():
    """A key is not added to a mapping that an alias repeats elsewhere."""
    shared = f"x: &e {{name: {APP}}}\nimages: [*e]\n"

    assert "an anchor shares this with" in refusal({"kustomization.yaml": shared}, "2", KUSTOMIZE)


def test_writes_stay_in_the_folder_and_off_the_plan():
    """A locator that leads to the plan, or out of the folder, writes nothing, whoever made it."""
    plan = field("slo.yaml", "a")
    out = field("../dev/f.yaml", "a")
    present = MemoryView({"deploy/prod/slo.yaml": b"a: 1", "deploy/prod/../dev/f.yaml": b"a: 1"})

    for promoted in (plan, out):
        with pytest.raises(Refused):
            promotion_edits(present, environment(promoted), release("2", promoted), present, environment(promoted))


def test_the_result_s_tree_is_known_before_it_is_committed():
    """The digest of the tree with the edits laid over it is the one of the files as they will be."""
    before, after = ({"a.yaml": deployment(f"{APP}:{tag}"), "slo.yaml": "x"} for tag in ("1", "2"))
    target = environment(image())

    edits = promotion_edits(view(before), target, release("2", image()), view(before), target)

    assert tree_of(edited_tree(view(before), edits), target) == tree_of(view(after), target)
