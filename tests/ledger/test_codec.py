from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gitslo.core.codec import dump_json, from_json, load_json, to_json
from gitslo.errors import Refused
from gitslo.model import Endpoint, LoadSection, LoadStage, RatePerSecond, Second, Seconds, StageForm, Verdict
from tests.ledger.states import of

ONE_LINE = settings(derandomize=True, database=None, deadline=None)


@dataclass(frozen=True, slots=True)
class Inner:
    word: Verdict
    pair: tuple[str, int]


@dataclass(frozen=True, slots=True)
class Outer:
    number: float
    items: tuple[Inner, ...]
    by_name: Mapping[str, Inner]
    codes: frozenset[int]
    body: bytes
    maybe: str | None
    flag: bool


@dataclass(frozen=True, slots=True)
class Grown:
    old: int
    new: tuple[str, ...] = field(default=("unset",), metadata={"since": "0.2"})
    newer: Mapping[str, int] = field(default_factory=dict, metadata={"since": "0.2"})
    always: int = 3


@dataclass(frozen=True, slots=True)
class Undecided:
    either: Inner | Grown


OUTER = Outer(
    number=1.5,
    items=(Inner(Verdict.PASS, ("a", 1)),),
    by_name={"b": Inner(Verdict.FAIL, ("", 0))},
    codes=frozenset({404, 9}),
    body=b"\0",
    maybe=None,
    flag=True,
)


def read(cls: type, value: object) -> object:
    return from_json(cls, load_json(dump_json(to_json(value)), where="f", cap=10**7), where="f")


def message(cls: type, data: object) -> str:
    with pytest.raises(Refused) as caught:
        from_json(cls, data, where="f.json")
    return str(caught.value)


def test_every_shape_comes_back() -> None:
    """Nested records, enums, tuples of both kinds, mappings, sets, bytes and optionals are read back equal."""
    assert read(Outer, OUTER) == OUTER


def test_a_load_section_comes_back() -> None:
    """What is handed to worker processes survives the same way."""
    section = LoadSection(
        "browse",
        "checkout",
        (Endpoint("pay", "POST", "/pay", (("A", "b"),), b"\xff"),),
        Seconds(2.0),
        Seconds(1),
        (LoadStage(StageForm.HOLD, RatePerSecond(200.0), Seconds(60.0)),),
        frozenset({200, 201}),
    )

    assert read(LoadSection, section) == section


@ONE_LINE
@given(of(float))
@example(0.1 + 0.2)
@example(5e-324)
@example(1.7976931348623157e308)
def test_numbers_are_exact(number: float) -> None:
    """Not the last bit of a float is lost."""
    assert read(Inner, Inner(Verdict.PASS, ("", 2**70))) == Inner(Verdict.PASS, ("", 2**70))
    assert load_json(dump_json(to_json(number)), where="f", cap=100) == number


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_written(number: float) -> None:
    """NaN would be read as nothing or break a reader; unknown is None."""
    with pytest.raises(ValueError, match="not known is None"):
        to_json((1, number))


@pytest.mark.parametrize("value", [object(), {1: 2}, {3, 4}.__iter__(), Verdict])
def test_what_has_no_json_is_a_mistake_of_ours(value: object) -> None:
    """A type that cannot be read back is not written."""
    with pytest.raises(TypeError):
        to_json(value)


@pytest.mark.parametrize("cls", [Undecided, complex, Literal["a"]])
def test_what_has_no_reader_is_a_mistake_of_ours(cls: type) -> None:
    """Alternatives that nothing tells apart, and foreign types, are found the first time."""
    with pytest.raises(TypeError):
        from_json(cls, {"either": {}}, where="f")


@ONE_LINE
@given(st.text(alphabet=st.characters(), max_size=20))
@example("\ud800\udfff")
@example("\x1b[31m\u202e</script>\N{PILE OF POO}")
def test_text_comes_back_and_steers_no_terminal(text: str) -> None:
    """The file is ASCII; half a surrogate pair, which nothing could encode later, becomes a replacement character."""
    written = dump_json(to_json(text))
    whole = "".join("\N{REPLACEMENT CHARACTER}" if "\ud800" <= each <= "\udfff" else each for each in text)

    assert written.isascii()
    assert b"\x1b" not in written
    assert load_json(written, where="f", cap=10**6) == whole


def test_unknown_keys_are_ignored() -> None:
    """What a newer version added does not stop this one."""
    data = json.loads(dump_json(to_json(OUTER)))
    data["added"] = {"deep": [1]}
    data["items"][0]["added"] = None

    assert from_json(Outer, data, where="f") == OUTER
    assert from_json(Second, [1, 2, 3, 4, "added"], where="f") == Second(1, 2, 3, 4)


def test_a_field_that_came_later_has_a_stand_in() -> None:
    """Older files lack it: its default counts. A default alone is no stand-in: what has always been there must be."""
    assert from_json(Grown, {"old": 1, "always": 2}, where="f") == Grown(1, ("unset",), {}, 2)
    assert message(Grown, {"old": 1}) == "f.json: /always: `always` is missing"


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["number"], "1", "/number: expected a number, found text"),
        (["number"], True, "/number: expected a number, found true or false"),
        (["number"], 2**53 + 1, "/number: expected a finite number of double precision"),
        (["number"], 10**400, "/number: expected a finite number of double precision"),
        (["flag"], 1, "/flag: expected true or false, found a number"),
        (["maybe"], [], "/maybe: expected text, found a list"),
        (["maybe"], "\ud800", "/maybe: expected text, found half of a surrogate pair"),
        (["items"], {}, "/items: expected a list, found an object"),
        (["items", 0], [], "/items/0: expected an object, found a list"),
        (["items", 0, "word"], "PASS", "/items/0/word: expected one of pass, fail, inconclusive, error, found text"),
        (["items", 0, "pair"], ["a"], "/items/0/pair: expected a list of 2, found a list"),
        (["items", 0, "pair", 1], 1.0, "/items/0/pair/1: expected a whole number, found a number"),
        (["items", 0, "pair", 1], False, "/items/0/pair/1: expected a whole number, found true or false"),
        (["by_name"], None, "/by_name: expected an object, found null"),
        (["by_name", "b/~"], 1, "/by_name/b~1~0: expected an object, found a number"),
        (["body"], "*", "/body: expected base64"),
        (["body"], "\u00e9", "/body: expected base64"),
    ],
)
def test_a_wrong_type_is_named_by_its_pointer(path: list[str | int], value: object, expected: str) -> None:
    """Whoever mends the file finds the field."""
    data = json.loads(dump_json(to_json(OUTER)))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert message(Outer, data) == f"f.json: {expected}"


@pytest.mark.parametrize("data", [[1, 2, 3], {"at": 1}, [1, 2, None, 4]])
def test_a_row_has_all_its_columns(data: object) -> None:
    """A short or ill-typed row is refused like any record."""
    assert message(Second, data).startswith("f.json: ")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "f:1:1: no JSON: Expecting value"),
        (b'{"a": 1,\n "b" 2}', "f:2:6: no JSON: Expecting ':' delimiter"),
        (b'{"a": 1, "a": 1}', 'f: no JSON that is read here: the key "a" stands twice in one object'),
        (b'[{"a": {"b": 1, "b": 2}}]', 'f: no JSON that is read here: the key "b" stands twice in one object'),
        (b"[NaN]", "f: no JSON that is read here: NaN is no number"),
        (b"[-Infinity]", "f: no JSON that is read here: -Infinity is no number"),
        (b'["\xff"]', "f: byte 2 is no UTF-8"),
        (b"[" * 100_000, "f: nested too deeply"),
        (b'{"a":' * 100_000, "f: nested too deeply"),
        (b" " * 1_000_001, "f: 1000001 bytes are more than the 1000000 that are read"),
    ],
)
def test_hostile_documents_are_refused(content: bytes, expected: str) -> None:
    """Size, nesting, twins and words that are no numbers are refused before anything is believed."""
    with pytest.raises(Refused) as caught:
        load_json(content, where="f", cap=1_000_000)

    assert str(caught.value) == expected


def test_huge_whole_numbers_are_refused() -> None:
    """A million digits would take seconds to convert."""
    with pytest.raises(Refused, match="no JSON that is read here"):
        load_json(b"[" + b"9" * 100_000 + b"]", where="f", cap=1_000_000)


def test_an_overflowing_float_is_refused_where_it_is_read() -> None:
    """1e999 is an infinity in disguise."""
    data = json.loads(dump_json(to_json(OUTER)))
    data["number"] = load_json(b"1e999", where="f", cap=10)

    assert message(Outer, data) == "f.json: /number: expected a finite number of double precision"


def test_the_pretty_form_is_stable_and_narrow() -> None:
    """Keys are sorted, small things stay on one line, rows of numbers fill lines; any order gives the same bytes."""
    rows = [[index, 200, 0, 0] for index in range(100)]
    one = dump_json({"b": rows, "a": {"y": 1, "x": []}, "c": ["t" * 80, "u" * 80]})
    other = dump_json({"c": ["t" * 80, "u" * 80], "a": {"x": [], "y": 1}, "b": rows})
    lines = one.decode().splitlines()

    assert one == other
    assert max(map(len, lines)) <= 120
    assert lines[:3] == ["{", ' "a": {"x": [], "y": 1},', ' "b": [']
    assert len(lines) < 25
    assert json.loads(one)["b"] == rows
