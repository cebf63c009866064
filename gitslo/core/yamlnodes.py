"""The nodes of a YAML document, each with its exact place in the file, and how to find one by JSON pointer.

`gitslo.core.yamlsafe` makes them and gives them to everybody else; nothing here reads or fails.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import assert_never

__all__ = [
    "DECIMAL",
    "INTEGER",
    "LONGEST_NUMBER",
    "NUMBER_STARTS",
    "Mapping",
    "Mark",
    "Node",
    "Plain",
    "Scalar",
    "Sequence",
    "find",
    "locate",
    "locate_key",
    "plain",
    "pointer_to",
    "resolve",
]

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
"""A document as JSON would carry it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file: 1-based line and column, and the index into the decoded text."""

    line: int
    column: int
    offset: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value.

    Attributes:
        value: its text after YAML's own unquoting and folding.
        style: `` (plain), `'`, `"`, `|` or `>`.
        start, end: [start, end) covers the quotes and the block header, not the anchor. A value that is not there has
            start == end.
        anchor: the name it was given with `&`, or empty.
        alias: where the `*` stood through which this node was reached, or None where it was written in place. Nodes
            inside it have none: an editor must look at every node on its way down.
    """

    value: str
    style: str
    start: Mark
    end: Mark
    anchor: str = ""
    alias: Mark | None = None

    @property
    def missing(self) -> bool:
        """Whether nothing at all is written here (`key:`)."""
        return not self.value and not self.style

    def data(self) -> str | int | float | bool | None:
        """The value by the YAML 1.2 core schema; everything quoted is text."""
        return self.value if self.style else resolve(self.value)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list; `flow` for `[...]`. See Scalar for the other attributes; a block's end is where the next token starts."""

    items: tuple[Node, ...]
    start: Mark
    end: Mark
    flow: bool
    anchor: str = ""
    alias: Mark | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the file's order; `flow` for `{...}`. Keys are unique by their text.

    Merge keys are resolved: what `<<` brought stands behind the mapping's own entries, its values with `alias` set.
    """

    entries: tuple[tuple[Scalar, Node], ...]
    start: Mark
    end: Mark
    flow: bool
    anchor: str = ""
    alias: Mark | None = None

    def get(self, key: str) -> Node | None:
        """The value of a key, or None where there is no such key."""
        return next((value for name, value in self.entries if name.value == key), None)


Node = Scalar | Sequence | Mapping


_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
DECIMAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
LONGEST_NUMBER = 64
NUMBER_STARTS = frozenset("+-.0123456789")


def resolve(value: str) -> str | int | float | bool | None:
    """A plain scalar's value by the YAML 1.2 core schema; not finite and oversized numbers stay text."""
    if value in _NULL:
        return None
    if value in _BOOL:
        return _BOOL[value]
    if value[0] not in NUMBER_STARTS or len(value) > LONGEST_NUMBER:
        return value
    if INTEGER.fullmatch(value):
        return int(value, 0) if value[:2] in {"0o", "0x"} else int(value)
    if DECIMAL.fullmatch(value):
        return float(value)
    return value


def plain(node: Node) -> Plain:
    """The node as JSON would carry it; keys are text. As deep as the budget allowed, never deeper."""
    match node:
        case Scalar():
            return node.data()
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key.value: plain(value) for key, value in node.entries}
        case _:
            assert_never(node)


def pointer_to(*parts: str | int) -> str:
    """The JSON pointer (RFC 6901) of a path of keys and indices."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def find(node: Node, pointer: str) -> Node | None:
    """The node at a JSON pointer, or None where there is none."""
    found = _walk(node, pointer)
    return None if found is None else found[1]


def locate(node: Node, pointer: str) -> Mark | None:
    """Where the value at a JSON pointer starts, or its key where the value is missing; None: there is no such value."""
    found = _walk(node, pointer)
    if found is None:
        return None
    key, value = found
    missing = isinstance(value, Scalar) and value.missing
    return key.start if missing and key is not None else value.start


def locate_key(node: Node, pointer: str) -> Mark | None:
    """Where the key at a JSON pointer starts (list items: the item); None: there is no such key."""
    found = _walk(node, pointer)
    if found is None:
        return None
    key, value = found
    return value.start if key is None else key.start


def _walk(node: Node, pointer: str) -> tuple[Scalar | None, Node] | None:
    key: Scalar | None = None
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        match node:
            case Mapping():
                entry = next((entry for entry in node.entries if entry[0].value == name), None)
                if entry is None:
                    return None
                key, node = entry
            case Sequence():
                if not (name.isascii() and name.isdigit()) or len(name) > LONGEST_NUMBER:
                    return None
                index = int(name)
                if index >= len(node.items):
                    return None
                key, node = None, node.items[index]
            case Scalar():
                return None
            case _:
                assert_never(node)
    return key, node
