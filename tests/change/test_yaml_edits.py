from __future__ import annotations

import pytest

from gitslo.core.edit import Address, YamlFile, edited
from gitslo.core.scalars import NewValue
from gitslo.errors import Refused


def edit(text: str, wanted: dict[tuple[str | int, ...], str | None], document: int = 0) -> str:
    places = {Address(document, path): None if new is None else NewValue(new) for path, new in wanted.items()}
    return edited(YamlFile.read(text.encode(), "f.yaml"), places).decode()


def refusal(text: str, wanted: dict[tuple[str | int, ...], str | None]) -> str:
    with pytest.raises(Refused) as caught:
        edit(text, wanted)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: old # c\nb: 1\n", "a: new # c\nb: 1\n"),
        ("a:   old   \n", "a:   new   \n"),
        ("a: 'old'", "a: 'new'"),
        ('a: "o\\u006cd"\r\nb: 1\r\n', 'a: "new"\r\nb: 1\r\n'),
        ("a: &x old # c\n", "a: &x new # c\n"),
        ("a: &x 'old'\n", "a: &x 'new'\n"),
        ("a: old\n  longer\nb: 1\n", "a: new\nb: 1\n"),
        ("a: 'old\n\n  longer'\nb: 1\n", "a: 'new'\nb: 1\n"),
        ("a:\n", "a: new\n"),
        ("a: # c\nb: 1\n", "a: new # c\nb: 1\n"),
        ("a:", "a: new"),
        ("a: &x # c\n", "a: &x new # c\n"),
        ("{a: , b: 1}", "{a: new , b: 1}"),
        ("{b: 1, a: }", "{b: 1, a: new }"),
        ('{"a":"old","b":1}', '{"a":"new","b":1}'),
        ("? a\n: old\n", "? a\n: new\n"),
        ("a: ~", "a: new"),
        ("a: |\n  old\n", "a: |-\n  new\n"),
        ("a: |-\n  old", "a: |-\n  new"),
        ("a: > # c\r\n  old\r\n  old\r\n\r\nb: 1\r\n", "a: |- # c\r\n  new\r\n\r\nb: 1\r\n"),
        ("b: 1\n---\n", None),
        ("é: é\na: old # é\n", "é: é\na: new # é\n"),
        ("a: \U0001f600\nb: \U0001f600\n", "a: new\nb: \U0001f600\n"),
    ],
)
def test_only_the_value_changes(before, after):
    """A value is rewritten in its own quotes; comments, anchors, spaces and line ends stay."""
    if after is None:
        assert "there is no /a/b" in refusal(before, {("a", "b"): "new"})
    else:
        assert edit(before, {("a",): "new"}) == after


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("v1.2", "v1.2"),
        ("1.2.3", "1.2.3"),
        ("20240101-abcdef", "20240101-abcdef"),
        ("sha256:abc", "sha256:abc"),
        ("a b", "a b"),
        ("a#b", "a#b"),
        ("-Xmx", "-Xmx"),
        ("a'b", "a'b"),
        ("1.2", '"1.2"'),
        ("1_000", '"1_000"'),
        ("0x1F", '"0x1F"'),
        ("0o17", '"0o17"'),
        ("0b1", '"0b1"'),
        ("017", '"017"'),
        ("+1", '"+1"'),
        (".5", '".5"'),
        ("1e3", '"1e3"'),
        ("1234e56", '"1234e56"'),
        ("1:30", '"1:30"'),
        ("-.INF", '"-.INF"'),
        (".nan", '".nan"'),
        ("2024-01-01", '"2024-01-01"'),
        ("2024-1-1 10:00", '"2024-1-1 10:00"'),
        ("on", '"on"'),
        ("No", '"No"'),
        ("y", '"y"'),
        ("TRUE", '"TRUE"'),
        ("null", '"null"'),
        ("~", '"~"'),
        ("", '""'),
        ("=", '"="'),
        ("<<", '"<<"'),
        ("---", '"---"'),
        ("- a", '"- a"'),
        ("a: b", '"a: b"'),
        ("a #b", '"a #b"'),
        ("a:", '"a:"'),
        (" a", '" a"'),
        ("*a", '"*a"'),
        ("@a", '"@a"'),
        ("{a}", '"{a}"'),
        ('"a"', '"\\"a\\""'),
        ("a\\b", "a\\b"),
        ("a\nb", '"a\\nb"'),
        ("a\tb", '"a\\tb"'),
    ],
)
def test_a_plain_value_gets_quotes_only_where_it_needs_them(value, written):
    """What some YAML reader would take for something else than this string is quoted, and nothing else is."""
    assert edit("a: old # c\n", {("a",): value}) == f"a: {written} # c\n"


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("a: {b: 1}", ("a",), "f.yaml:1:4: /a is no single value"),
        ("a: [1]", ("a",), "/a is no single value"),
        ("a: 1", ("b", "c"), "there is no /b/c"),
        ("a: 1", ("a", "b"), "f.yaml:1:4: there is no /a/b"),
        ("a: [1]", ("a", 1), "there is no /a/1"),
        ("a: &x\nb: *x\n", ("b",), "an anchor shares this with /a"),
        ("- \n- a\n", (0,), "/0 is empty"),
        ("a: |2\n   old\n", ("a",), "this block scalar cannot be rewritten"),
        ("a: |+\n  old\n\n", ("a",), "this block scalar cannot be rewritten"),
        ("a: {}", ("a", "b"), "'b' cannot be added here"),
        ("? a\n: 1\n", ("b",), "f.yaml:"),
        ("- - a: |\n      x\n", (0, 0, "b"), "'b' cannot be added here"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_its_place(text, path, says):
    """Where a value cannot be changed alone, nothing is written."""
    assert says in refusal(text, {path: "new"})


def test_documents_are_counted():
    """A place is in one document; the others stay, with their separators and their own anchors."""
    text = "--- # one\na: &x old\nb: 1\n...\n---\na: &x old # two\nc: *x\n"

    assert edit(text, {("a",): "new"}) == text.replace("&x old\nb", "&x new\nb")
    assert edit(text, {("a",): "new", ("c",): "new"}, 1) == text.replace("old # two", "new # two")


def test_nothing_differs():
    """A value that stands there already is not rewritten, whatever its quotes."""
    text = "a: 1.10\nb: 'on'\nc:\n"

    assert edit(text, {("a",): "1.10", ("b",): "on", ("c",): "", ("d",): None}) == text


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        ("a: 1\nb: 2 # b\n# end\n", {("b",): None}, "a: 1\n# end\n"),
        ("- a: 1 # a\n  # own\n  b: 2 # b\n", {(0, "a"): None}, "- b: 2 # b\n  # own\n"),
        ("- a: 1 # a\r\n  # own\r\n  b: 2 # b", {(0, "a"): None}, "- b: 2 # b\r\n  # own"),
        ("{a: 1, b: 2, c: 3}", {("b",): None}, "{a: 1, c: 3}"),
        ("{a: 1, b: 2}", {("a",): None}, "{b: 2}"),
        ("{a: 1}", {("a",): None}, "{}"),
        ("t: &t 1\nx:\n  a: *t # c\n", {("x", "b"): "new"}, "t: &t 1\nx:\n  a: *t # c\n  b: new\n"),
        ("a: [1, old]", {("a", 1): "new"}, "a: [1, new]"),
        ("a: 1\nb: |\n  x\nc: 3\n", {("b",): None}, "a: 1\nc: 3\n"),
        ("x:\n  a: 1\n\n\ny: 2\n", {("x", "b"): "new"}, "x:\n  a: 1\n  b: new\n\n\ny: 2\n"),
        ("x: {a: 1,\n  c: 2 # c\n  }\n", {("x", "b"): "new"}, "x: {a: 1,\n  c: 2, b: new # c\n  }\n"),
        (
            "x: &x\n  a: 1\nz:\n  <<: *x\n  c: 1\n",
            {("z", "b"): "new"},
            "x: &x\n  a: 1\nz:\n  <<: *x\n  c: 1\n  b: new\n",
        ),
    ],
)
def test_keys_that_come_and_go(before, wanted, after):
    """A key takes its own line with it, or its own place between commas; what is around it stays."""
    assert edit(before, wanted) == after


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("- a: 1\n", (0, "a")),
        ("{a: 1, # a\n b: 2}", ("b",)),
        ("- a: 1\n  b: {c: d}\n", (0, "a")),
        ("a: &x 1\nb: *x\n", ("a",)),
        ("x: &x {a: 1}\ny: *x\n", ("y", "a")),
    ],
)
def test_keys_that_cannot_go_alone(text, path):
    """A key whose going would take something else with it stays, and says so."""
    assert refusal(text, {path: None}).startswith("f.yaml:")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x: &x\n  a: 1\ny:\n  <<: *x\n", {("x", "b"): "new"}),
        ("x:\n  a: # c\n", {("x", "a"): None, ("x", "b"): "new"}),
    ],
)
def test_what_would_change_something_else_is_refused(text, wanted):
    """An edit that shows elsewhere when the file is read again is not handed out."""
    assert "without touching what is around it" in refusal(text, wanted)
