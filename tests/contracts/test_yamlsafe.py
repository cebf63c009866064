from __future__ import annotations

import pytest

from gitslo.core.yamlsafe import (
    CONTRACT,
    MANIFEST,
    Budget,
    Mark,
    find,
    locate,
    locate_key,
    plain,
    pointer_to,
    read_document,
    read_documents,
)
from gitslo.errors import Refused


def refusal(data: str | bytes, budget: Budget = CONTRACT) -> str:
    with pytest.raises(Refused) as refused:
        read_documents(data.encode() if isinstance(data, str) else data, file="f.yaml", budget=budget)
    return str(refused.value)


def value(data: str, budget: Budget = MANIFEST) -> object:
    return plain(read_document(data.encode(), file="f.yaml", budget=budget))


# --------------------------------------------------------------------------- what is read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("on", "on"),
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("1.2.3", "1.2.3"),
        ("9223372036854775807", 2**63 - 1),
        ('"\\uD83D\\uDE00"', "😀"),
        ("grüße", "grüße"),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, expected: object) -> None:
    """YAML 1.2's core schema and nothing else: no `yes`, no dates, no sexagesimals; what is quoted is text."""
    found = value(f"a: {text}\n")

    assert [("a", expected, type(expected))] == [(key, item, type(item)) for key, item in found.items()]


def test_empty_values_are_null() -> None:
    """A key without a value is there, and null."""
    assert {"a": None, "b": ""} == value("a:\nb: ''\n")


def test_every_node_knows_its_place() -> None:
    """Offsets cut exactly the node's text out of the file, also with CRLF and characters of several bytes."""
    text = "# grüße\r\na: 'x'\r\nb:\r\n  - \"y\"\r\n  - {c: zzz}\r\n"
    root = read_document(text.encode(), file="f", budget=MANIFEST)
    cut = {
        pointer: text[node.start.offset : node.end.offset]
        for pointer in ("/a", "/b/0", "/b/1", "/b/1/c")
        if (node := find(root, pointer))
    }

    assert {"/a": "'x'", "/b/0": '"y"', "/b/1": "{c: zzz}", "/b/1/c": "zzz"} == cut
    assert (Mark(2, 4, 12), Mark(5, 9, 38)) == (locate(root, "/a"), locate(root, "/b/1/c"))


def test_a_place_is_found_by_pointer() -> None:
    """The value, its key where the value is missing, the key where that is asked for, None where there is nothing."""
    root = read_document(b"a/b: 1\nc:\nd: [x]\n", file="f", budget=CONTRACT)
    lines = [
        (mark.line, mark.column) if mark else None
        for mark in (locate(root, at) for at in ("/a~1b", "/c", "/d/0", "/d/1", "/x", "/d/x", "/a~1b/0"))
    ]

    assert [(1, 6), (2, 1), (3, 5), None, None, None, None] == lines
    assert ("/a~1b/0", Mark(3, 1, 10)) == (pointer_to("a/b", 0), locate_key(root, "/d"))
    assert None is locate_key(root, "/d/1")


def test_several_documents_are_read_where_they_may_be() -> None:
    """Manifests may have several; an empty one is null."""
    documents = read_documents(b"a: 1\n---\n---\nb: 2\n...\n", file="f", budget=MANIFEST)

    assert [{"a": 1}, None, {"b": 2}] == [plain(document) for document in documents]


def test_a_file_without_a_document_has_none() -> None:
    """Only comments: no document; where one is needed that is refused."""
    assert () == read_documents(b"# nothing\n", file="f", budget=MANIFEST)
    with pytest.raises(Refused, match="expected one YAML document and found nothing"):
        read_document(b"", file="f", budget=CONTRACT)


# --------------------------------------------------------------------------- aliases


def test_an_alias_is_the_anchored_node_and_says_so() -> None:
    """What an alias brings keeps the marks of the anchored node; `alias` tells an editor where it came through."""
    root = read_document(b"a: &x {k: 1}\nb: *x\n", file="f", budget=MANIFEST)
    anchored, alias = find(root, "/a"), find(root, "/b")
    assert anchored is not None
    assert alias is not None

    assert ("x", None, Mark(2, 4, 16)) == (anchored.anchor, anchored.alias, alias.alias)
    assert (plain(anchored), anchored.start) == (plain(alias), alias.start)


def test_an_anchor_is_not_part_of_its_node() -> None:
    """A node starts behind its anchor, on whichever line that is."""
    text = "a: &x v\nb: &y\n  # note\n  c: 1\n"
    root = read_document(text.encode(), file="f", budget=MANIFEST)
    places = [mark for pointer in ("/a", "/b") if (mark := locate(root, pointer))]

    assert [("v", 1, 7), ("c", 4, 3)] == [(text[mark.offset], mark.line, mark.column) for mark in places]


def test_an_anchor_with_nothing_behind_it_is_null() -> None:
    """The next line belongs to somebody else; the empty value lies before it."""
    root = read_document(b"a: &x\nb: *x\n", file="f", budget=MANIFEST)
    empty = find(root, "/a")
    assert empty is not None

    assert ({"a": None, "b": None}, empty.start, Mark(1, 1, 0)) == (plain(root), empty.end, locate(root, "/a"))


def test_a_merge_written_in_place_came_through_nothing() -> None:
    """`<<: {...}` is a mapping like any other: its values can be edited where they stand."""
    root = read_document(b"a:\n  <<: {b: 1}\n  c: 2\n", file="f", budget=MANIFEST)
    merged = find(root, "/a/b")

    assert ({"a": {"b": 1, "c": 2}}, None) == (plain(root), merged.alias if merged else merged)


def test_merge_keys_are_resolved() -> None:
    """Own entries win, then the first source; what was merged says where it came through."""
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n"
    root = read_document(text.encode(), file="f", budget=MANIFEST)
    merged, own = find(root, "/z/b"), find(root, "/z/a")

    assert {"a": 0, "b": 1, "c": 2} == plain(root)["z"]
    assert (True, False) == (merged is not None and merged.alias is not None, own is not None and own.alias is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: *x\n", "f.yaml:1:4: the alias `*x` has no anchor"),
        ("&a [*a]\n", "f.yaml:1:5: the alias `*a` is inside its own anchor"),
        ("a: &x 1\nb:\n  <<: *x\n", "f.yaml:3:7: a merge key (`<<`) takes a mapping or a list of mappings"),
        ("a: &x {}\nb: {<<: *x, <<: *x}\n", "f.yaml:2:13: the key `<<` is there twice; the first is on line 2"),
        ("a: &x [1]\n? *x\n: 2\n", "f.yaml:2:3: an alias of a list or mapping stands where a key is expected"),
        ("a: &x 1\n---\nb: *x\n", "f.yaml:3:4: the alias `*x` has no anchor"),
    ],
)
def test_what_an_alias_cannot_be(text: str, message: str) -> None:
    """Aliases without an anchor, inside themselves, or where they make no sense are refused in manifests, too."""
    assert message == refusal(text, MANIFEST)


# --------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1: the key `a` is there twice; the first is on line 1"),
        ("1: a\n'1': b\n", "f.yaml:2:1: the key `1` is there twice; the first is on line 1"),
        ("a: !x b\n", "f.yaml:1:4: no valid YAML: tags (`!...`) are not allowed (quote it if it is text)"),
        ("%YAML 1.1\n---\na: 1\n", "f.yaml:1:1: no valid YAML: directives (`%...`) are not allowed"),
        ("a: .NaN\n", "f.yaml:1:4: this number is not finite, or needs more than 64 bits (quote it if it is text)"),
        ("a: -.inf\n", "f.yaml:1:4: this number is not finite, or needs more than 64 bits (quote it if it is text)"),
        ("a: 1e999\n", "f.yaml:1:4: this number is not finite, or needs more than 64 bits (quote it if it is text)"),
        (f"a: {2**63}\n", "f.yaml:1:4: this number is not finite, or needs more than 64 bits (quote it if it is text)"),
        (
            f"a: {'1' * 9000}\n",
            "f.yaml:1:4: this number is not finite, or needs more than 64 bits (quote it if it is text)",
        ),
        ("a: b\0\n", "f.yaml:1:5: the character U+0000 is not printable text"),
        ("a: \u202eb\n", "f.yaml:1:4: the character U+202E is not printable text"),
        ('a:\n  "\\u202e"\n', "f.yaml:2:3: the character U+202E is not printable text"),
        ('a: "\\0"\n', "f.yaml:1:4: the character U+0000 is not printable text"),
        ('a: "\\UFFFFFFFF"\n', "f.yaml:1:1: no valid YAML: OverflowError near here"),
        ('a: "\\uD800"\n', "f.yaml:1:4: half of a surrogate pair is no character"),
        ("a: \x1b[31m\n", "f.yaml:1:4: the character U+001B is not printable text"),
        ("a: b\ufeff\n", "f.yaml:1:5: the character U+FEFF is not printable text"),
        (
            "{{ .Values.x }}: 1\n",
            "f.yaml:1:1: a mapping stands where a key is expected (a template is no YAML yet: quote `{{ ... }}`)",
        ),
        (": a\n", "f.yaml:1:1: a key is expected before `:`"),
        (
            "a: b: c\n",
            "f.yaml:1:5: no valid YAML: a `:` cannot stand here (quote a value that holds `: `; check the indentation)",
        ),
        ("a: @b\n", "f.yaml:1:4: no valid YAML: a value cannot start with this character (quote the value)"),
        ("[a\n", "f.yaml:2:1: no valid YAML: a `,` or the closing `]` is missing before this"),
        ("a: 'b\n", None),
    ],
)
@pytest.mark.parametrize("budget", [CONTRACT, MANIFEST], ids=["contract", "manifest"])
def test_what_no_file_may_hold(text: str, message: str | None, budget: Budget) -> None:
    """Refused in contracts and manifests alike, with the place."""
    told = refusal(text, budget)

    assert message in {told, None}
    assert told.startswith("f.yaml:")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xef\xbb\xbfa: 1\n", "f.yaml:1:1: the file starts with a byte order mark (save it as UTF-8 without one)"),
        (b"\xff\xfea\0", "f.yaml:1:1: the file starts with a byte order mark (save it as UTF-8 without one)"),
        ("a: 1\r\nb: \u00fc\xff".encode("latin-1"), "f.yaml:2:4: byte 0xfc is no UTF-8 (save the file as UTF-8)"),
        (b"a" * (256 * 1024 + 1), "f.yaml: the file has 262145 bytes, at most 262144 are read"),
    ],
)
def test_what_no_text_is(data: bytes, message: str) -> None:
    """Other encodings, byte order marks and files that are too large are refused before anything is parsed."""
    assert message == refusal(data)


@pytest.mark.parametrize("text", ["a: &x 1\n", "a: *x\n", "a: {<<: {b: 1}}\n", "a: 1\n---\nb: 2\n"])
def test_contracts_have_neither_aliases_nor_several_documents(text: str) -> None:
    """One document, every value written out: what is reviewed is what is meant."""
    assert "not allowed" in refusal(text) or "only one" in refusal(text)
