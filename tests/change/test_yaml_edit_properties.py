"""Everything outside the edited scalars is identical, over generated YAML."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.change import promotion_edits, release_of
from gitslo.core.edit import Address, YamlFile, edited
from gitslo.core.scalars import NewValue
from gitslo.errors import Refused
from tests.change.folders import APP, environment, image, release, view

HERE = "\0"
"""Stands in a generated file where a value will be."""

tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True) | st.sampled_from(
    ["1.10", "on", "no", "1e3", "0x1F", "2024-01-01", "null", "y", "1_0", "latest"]
)
words = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
comments = st.sampled_from(["", " # image: ghcr.io/acme/app:0", "   #'\"{[", " # \u00e9\U0001f600", "  "])
quotes = st.sampled_from(["", "'", '"'])
others = st.sampled_from(
    [
        "1.10",
        "'it''s'",
        '"a\\tb"',
        "[a, 'b', {c: d}]",
        "{e: f}",
        "&anchor x",
        "ghcr.io/acme/app-worker:1",
        "|\nINDENT  text: ghcr.io/acme/app:1\n\nINDENT  more",
        ">-\nINDENT  folded\nINDENT  text",
        "",
        "~",
    ]
)


@dataclass(frozen=True)
class Template:
    """A file with holes, and how each hole is quoted."""

    text: str
    quotes: tuple[str, ...]

    def filled(self, *values: str) -> str:
        """The file with these texts in its holes."""
        parts = self.text.split(HERE)
        return "".join(part + value for part, value in zip(parts, (*values, ""), strict=True))


@st.composite
def siblings(draw, indent):
    """Lines of entries that do not concern us, indented by so much."""
    lines = []
    for number in range(draw(st.integers(0, 2))):
        value = draw(others).replace("INDENT", indent)
        comment = "" if "\n" in value else draw(comments)
        lines.append(f"{indent}{draw(words)}{number}: {value}{comment}\n")
        lines.append(draw(st.sampled_from(["", "\n", f"{indent}# a line\n", "  # another\n"])))
    return "".join(lines)


@st.composite
def pods(draw):
    """A Pod with one to three containers of the image, in block or flow style; and the quotes of each."""
    used = []
    text = f"kind: Pod{draw(comments)}\n{draw(siblings(''))}spec:\n{draw(siblings('  '))}"
    if draw(st.booleans()):
        items = []
        for _ in range(draw(st.integers(1, 3))):
            used.append(draw(st.sampled_from(["'", '"'])))
            items.append(draw(st.sampled_from([f"{{image: {HERE}}}", f"{{name: a, image: {HERE} }}"])))
        text += f"  containers: [{', '.join(items)}]{draw(comments)}\n"
    else:
        text += f"  containers:{draw(comments)}\n"
        indent = draw(st.sampled_from(["  ", "    ", "      "]))
        for _ in range(draw(st.integers(1, 3))):
            used.append(draw(quotes))
            name = draw(st.sampled_from(["", f"name: a{draw(comments)}\n{indent}  "]))
            text += f"{indent}- {name}image: {HERE}{draw(comments)}\n{draw(siblings(indent + '  '))}"
    return text, used


@st.composite
def templates(draw):
    """A file of several documents, some of them Pods with the image, with LF or CRLF, with or without a last one."""
    documents, used = [], []
    for _ in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            documents.append(f"kind: ConfigMap\n{draw(siblings(''))}")
        text, found = draw(pods())
        documents.append(text)
        used += found
    separator = draw(st.sampled_from(["---\n", "--- # next\n", "...\n---\n"]))
    text = draw(st.sampled_from(["", "---\n", "# top\n"])) + separator.join(documents)
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    return Template(text, tuple(used))


@pytest.mark.heavy
@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(templates(), tags, tags)
def test_outside_the_edited_scalars_nothing_changes(template, old, new):
    """For any file: each image changes in its own quotes, and every other byte is what it was."""
    before, after = (
        template.filled(*(f"{quote}{APP}:{tag}{quote}" for quote in template.quotes)) for tag in (old, new)
    )
    target = environment(image())
    present = view({"a.yaml": before})

    edits = promotion_edits(present, target, release(new, image()), present, target)

    assert release_of(present, target).values[0].value == old
    assert edits == ({} if old == new else {"deploy/prod/a.yaml": after.encode()})


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"]), max_size=30
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(
    st.sampled_from(["", "'", '"']),
    texts | tags | st.text("ab:#- ,[]{}'\"\\\n\t&*!|>%@`?~", max_size=12),
    st.booleans(),
)
def test_any_text_survives_being_written(quote, value, flow):
    """Whatever a string holds, reading it back gives the same string, in a block and inside brackets."""
    before = f"{{a: {quote}old{quote}, b: 1}}" if flow else f"a: {quote}old{quote} # c\nb: 1\n"

    after = edited(YamlFile.read(before.encode(), "f.yaml"), {Address(0, ("a",)): NewValue(value)})

    (document,) = YamlFile.read(after, "f.yaml").documents
    assert document.get("a").data() == value
    head, tail = before.split(f"{quote}old{quote}")
    assert after.decode().startswith(head)
    assert after.decode().endswith(tail)


keys = st.sampled_from(["newTag", "digest"])


@settings(derandomize=True, database=None, deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(["name: app", "newTag: v1", "digest: 'd1'", "newName: x"]), unique=True, min_size=1),
    st.lists(comments, min_size=4, max_size=4),
    st.sampled_from(["", "b: 1\n"]),
    st.dictionaries(keys, st.none() | tags),
    st.booleans(),
)
def test_keys_of_an_entry_come_and_go_alone(entries, notes, rest, wanted, flow):
    """Whatever keys an entry has and whichever are wanted, the others stay, and so do their lines."""
    if flow:
        text = f"images: [{{{', '.join(entries)}}}]\n{rest}"
    else:
        lines = [entry + note for entry, note in zip(entries, notes, strict=False)]
        text = "images:\n- " + "\n  ".join(lines) + f"\n{rest}"
    file = YamlFile.read(text.encode(), "f.yaml")
    places = {Address(0, ("images", 0, key)): None if new is None else NewValue(new) for key, new in wanted.items()}

    try:
        after = edited(file, places).decode()
    except Refused:
        # The last entry of a list item has nowhere to leave to.
        assert {entry.partition(":")[0] for entry in entries} <= {key for key, new in wanted.items() if new is None}
        return

    (document,) = YamlFile.read(after.encode(), "f.yaml").documents
    found = {key.value: value.value for key, value in document.get("images").items[0].entries}
    had = {entry.partition(": ")[0]: entry.partition(": ")[2].strip("'") for entry in entries}
    assert found == {key: new for key, new in {**had, **wanted}.items() if new is not None}
    assert after.endswith(rest)
    if not flow:
        kept = [line for line in lines if line.partition(":")[0] not in {"newTag", "digest"}]
        assert [line for line in kept if line not in after] == []
