"""Changing single values of a YAML file and not one byte besides.

Called by `change`. A value is rewritten in its own quotes; a key that comes or goes takes only its own line or its own
place between commas.

Invariants:
    * Every edit is checked before it is handed out: the new file is read again and must equal the old one but for the
      values asked for. What cannot be done so is refused, with the place.
    * A value that several places share through an anchor changes only if all of those places are meant to change.
    * A string stays a string: what any YAML reader (1.1 or 1.2) would take for a number, a boolean, a date or nothing
      is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from typing import NoReturn

from gitslo.core.manifests import At, Path
from gitslo.core.scalars import NewValue, plain_or_quoted, quoted, rewritten
from gitslo.core.yamlsafe import MANIFEST, Mapping, Mark, Node, Scalar, Sequence, pointer_to, read_documents

__all__ = ["Address", "NewValue", "YamlFile", "edited"]


@dataclass(frozen=True, slots=True)
class Address:
    """A place in a YAML file: the number of the document, from 0, and the way down in it."""

    document: int
    path: Path

    def __str__(self) -> str:
        return pointer_to(*self.path)


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A YAML file as it stands.

    Attributes:
        path: from the repository's root.
        text: all of it.
        documents: as `yamlsafe` reads them; offsets index `text`.
    """

    path: str
    text: str
    documents: tuple[Node, ...]

    @classmethod
    def read(cls, data: bytes, path: str) -> YamlFile:
        """Read a file's bytes; Refused where they are no YAML."""
        documents = read_documents(data, file=path, budget=MANIFEST)
        return cls(path, data.decode(), documents)

    def with_text(self, text: str) -> YamlFile:
        """The same file with another text."""
        return YamlFile.read(text.encode(), self.path)

    def at(self, mark: Mark) -> At:
        """A place in it, for errors."""
        return At(self.path, mark)


def edited(file: YamlFile, wanted: Lookup[Address, NewValue | None]) -> bytes:
    """The file's bytes with the wanted values.

    Args:
        file: as it stands.
        wanted: place -> what it is to say. A key that is not there yet is added to its mapping; None takes a key and
            its value away.

    Raises:
        Refused: a place is no single value, or cannot be changed without changing another.
    """
    _refuse_shared(file, _Places(file), wanted)
    changed = _assign(file, wanted)
    parents = dict.fromkeys(Address(at.document, at.path[:-1]) for at in wanted)
    for parent in parents:
        keys = {str(at.path[-1]): new for at, new in wanted.items() if Address(at.document, at.path[:-1]) == parent}
        changed = _restructure(changed, parent, keys)
    _verify(file, changed, wanted)
    return changed.text.encode()


# --------------------------------------------------------------------------- where a node is reached


_Identity = tuple[str, int, int]


def _identity(node: Node) -> _Identity:
    return type(node).__name__, node.start.offset, node.end.offset


class _Places:
    """Every way to every node of a file, those through aliases and merge keys included."""

    def __init__(self, file: YamlFile) -> None:
        self.nodes: dict[Address, Node] = {}
        self.reached: dict[_Identity, list[Address]] = {}
        self.in_flow: set[_Identity] = set()
        for number, document in enumerate(file.documents):
            for path, node, flow in _walk(document, (), flow=False):
                address = Address(number, path)
                self.nodes[address] = node
                self.reached.setdefault(_identity(node), []).append(address)
                if flow:
                    self.in_flow.add(_identity(node))


def _walk(node: Node, path: Path, *, flow: bool) -> Iterator[tuple[Path, Node, bool]]:
    # What an alias stands for is written elsewhere, where it is met as well: its surroundings there count.
    flow = flow and node.alias is None
    yield path, node, flow
    if isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _walk(item, (*path, index), flow=flow or node.flow)
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            yield from _walk(value, (*path, key.value), flow=flow or node.flow)


def _refuse_shared(file: YamlFile, places: _Places, wanted: Lookup[Address, NewValue | None]) -> None:
    for address, new in wanted.items():
        node = places.nodes.get(address)
        if node is None:
            parent = places.nodes.get(Address(address.document, address.path[:-1]))
            if new is not None and not isinstance(parent, Mapping):
                mark = Mark(1, 1, 0) if parent is None else parent.alias or parent.start
                file.at(mark).refuse(f"there is no {address}")
            if new is not None and parent is not None:
                _refuse_other_uses(file, parent, places.reached[_identity(parent)], wanted, new)
            continue
        if not isinstance(node, Scalar):
            file.at(node.alias or node.start).refuse(f"{address} is no single value")
        if new is None or node.value != new.text:
            _refuse_other_uses(file, node, places.reached[_identity(node)], wanted, new)


def _refuse_other_uses(
    file: YamlFile,
    node: Node,
    uses: list[Address],
    wanted: Lookup[Address, NewValue | None],
    new: NewValue | None,
) -> None:
    """A value may change if each use of it changes alike; a key comes or goes only where there is one use."""
    assigned = isinstance(node, Scalar) and new is not None
    others = [use for use in uses if wanted.get(use) != new] if assigned else uses[1:]
    if others:
        message = f"an anchor shares this with {', '.join(str(use) for use in others)}, which would change as well"
        file.at(node.start).refuse(message, "write the value out in each place")


# --------------------------------------------------------------------------- values


def _assign(file: YamlFile, wanted: Lookup[Address, NewValue | None]) -> YamlFile:
    places = _Places(file)
    cuts: dict[int, tuple[int, str]] = {}
    for address, new in wanted.items():
        node = places.nodes.get(address)
        if isinstance(node, Scalar) and new is not None and node.value != new.text:
            start, end = node.start.offset, node.end.offset
            if node.missing:  # the reader says where the next thing starts
                parent = places.nodes[Address(address.document, address.path[:-1])]
                key = (
                    next((key for key, value in parent.entries if value is node), None)
                    if isinstance(parent, Mapping)
                    else None
                )
                if key is None or node.alias is not None:
                    file.at(node.alias or node.start).refuse(f"{address} is empty", "write a first value by hand")
                start = end = _end(file, key, node)
            rendered = _rendered(file, node, new, flow=_identity(node) in places.in_flow)
            cuts[start] = (end, rendered)
    text = file.text
    for start, (end, rendered) in sorted(cuts.items(), reverse=True):
        text = text[:start] + rendered + text[end:]
    return file.with_text(text) if cuts else file


def _rendered(file: YamlFile, scalar: Scalar, new: NewValue, *, flow: bool) -> str:
    text = rewritten(file.text, scalar, new, flow=flow)
    if text is None:
        hint = "write the value on one line, in quotes"
        file.at(scalar.start).refuse("this block scalar cannot be rewritten in its own form", hint)
    return f" {text}" if scalar.missing else text


# --------------------------------------------------------------------------- keys


def _restructure(file: YamlFile, parent: Address, keys: dict[str, NewValue | None]) -> YamlFile:
    """Bring the mapping's keys to what is wanted, one step at a time: each step reads the text anew."""
    mapping = _Places(file).nodes.get(parent)
    if not isinstance(mapping, Mapping):
        return file
    added = [(key, new) for key, new in keys.items() if new is not None and mapping.get(key) is None]
    removed = [key for key, new in keys.items() if new is None and mapping.get(key) is not None]
    for key, new in added:
        text = _rename(file, parent, removed.pop(0), key, new) if removed else _insert(file, parent, key, new)
        file = file.with_text(text)
    for key in removed:
        file = file.with_text(_remove(file, parent, key))
    return file


def _own(file: YamlFile, parent: Address) -> tuple[Mapping, list[tuple[Scalar, Node]]]:
    """The mapping, and those of its entries that are written in it, in the file's order."""
    mapping = _Places(file).nodes[parent]
    assert isinstance(mapping, Mapping)  # noqa: S101 - see _restructure
    inside = range(mapping.start.offset, mapping.end.offset + 1)
    own = [entry for entry in mapping.entries if entry[0].start.offset in inside]
    return mapping, sorted(own, key=lambda entry: entry[0].start.offset)


_BEHIND_KEY = re.compile(r"[ \t]*:([ \t]+&[^\s,\[\]{}]+)?")


def _end(file: YamlFile, key: Scalar, value: Node) -> int:
    """Where an entry's own text ends: an alias's text is the alias, and a value that is missing ends at the colon."""
    if value.alias is not None:
        return value.alias.offset + 1 + len(value.anchor)
    if isinstance(value, Scalar) and value.missing:
        colon = _BEHIND_KEY.match(file.text, key.end.offset)
        return value.end.offset if colon is None else colon.end()
    return len(file.text[: value.end.offset].rstrip())


def _rename(file: YamlFile, parent: Address, old: str, key: str, new: NewValue) -> str:
    """Put one entry in another's place: its line, its comment and its indentation stay."""
    mapping, own = _own(file, parent)
    name, value = next(entry for entry in own if entry[0].value == old)
    if not isinstance(value, Scalar) or value.alias is not None or value.missing:
        _refuse_form(file, name)
    rendered = _rendered(file, value, new, flow=mapping.flow)
    named = f"{name.style}{key}{name.style}"
    between = file.text[name.end.offset : value.start.offset]
    return file.text[: name.start.offset] + named + between + rendered + file.text[value.end.offset :]


def _insert(file: YamlFile, parent: Address, key: str, new: NewValue) -> str:
    """Add an entry behind the mapping's last single value."""
    mapping, own = _own(file, parent)
    last = next((e for e in reversed(own) if isinstance(e[1], Scalar) and e[1].style not in {"|", ">"}), None)
    if last is None:
        file.at(mapping.alias or mapping.start).refuse(f"{key!r} cannot be added here", "write it by hand once")
    name, value = last
    quote = '"' if name.style == '"' else ""
    entry = f"{quote}{key}{quote}: {quoted(new.text) if quote else plain_or_quoted(new, flow=mapping.flow)}"
    text, end = file.text, _end(file, name, value)
    if mapping.flow:
        return f"{text[:end]}, {entry}{text[end:]}"
    rest = re.compile(r"[^\r\n]*").match(text, end)
    line_end = end if rest is None else rest.end()
    newline = "\r\n" if text.startswith("\r\n", line_end if line_end < len(text) else text.find("\r\n")) else "\n"
    return f"{text[:line_end]}{newline}{' ' * (name.start.column - 1)}{entry}{text[line_end:]}"


def _remove(file: YamlFile, parent: Address, key: str) -> str:
    """Take an entry away: its whole line, or its place between commas."""
    mapping, own = _own(file, parent)
    number = next(index for index, (name, _) in enumerate(own) if name.value == key)
    name, value = own[number]
    text = file.text
    if mapping.flow:
        after = number + 1 < len(own)
        start, end = (
            (_end(file, *own[number - 1]), _end(file, name, value))
            if number
            else (name.start.offset, own[1][0].start.offset if after else _end(file, name, value))
        )
        if "#" in text[start:end]:  # a comment would go with it
            _refuse_form(file, name)
        return text[:start] + text[end:]
    start = text.rfind("\n", 0, name.start.offset) + 1
    if text[start : name.start.offset].strip(" "):
        return _remove_first(file, own, number)
    end = text.find("\n", _end(file, name, value)) + 1
    if end:
        return text[:start] + text[end:]
    return text[:start].removesuffix("\n").removesuffix("\r")  # the file still has no final line end


def _remove_first(file: YamlFile, own: list[tuple[Scalar, Node]], number: int) -> str:
    """Behind the dash of a list item the next entry moves up, and its own line goes."""
    text = file.text
    name, value = own[number]
    if number + 1 == len(own):
        _refuse_form(file, name)
    following, successor = own[number + 1]
    line = text.rfind("\n", 0, following.start.offset) + 1
    if text[line : following.start.offset].strip(" ") or not isinstance(successor, Scalar):
        _refuse_form(file, name)
    end = text.find("\n", _end(file, following, successor)) + 1
    moved, rest = (text[following.start.offset : end], text[end:]) if end else (text[following.start.offset :], "")
    # Comments on lines of their own stay; the one behind the entry that goes is about that entry.
    between = text[text.find("\n", _end(file, name, value)) + 1 : line]
    if not end and between:
        newline = "\r\n" if between.endswith("\r\n") else "\n"
        moved, between = moved + newline, between.removesuffix(newline)
    return text[: name.start.offset] + moved + between + rest


def _refuse_form(file: YamlFile, name: Scalar) -> NoReturn:
    hint = "write the entry on lines of its own, or make this change by hand"
    file.at(name.start).refuse(f"{name.value!r} cannot be taken away without touching what is around it", hint)


# --------------------------------------------------------------------------- checking


def _verify(before: YamlFile, after: YamlFile, wanted: Lookup[Address, NewValue | None]) -> None:
    """The new text, read again, is the old one but for what was wanted."""
    expected, found = _content(before), _content(after)
    right = True
    for address, new in wanted.items():
        old, now = expected.pop(address, None), found.pop(address, None)
        if new is None:
            right &= now is None
        elif old is not None and old[0] == new.text:
            right &= now == old
        else:
            right &= now is not None and now[0] == new.text and (new.verbatim or now[1] != "" or now[2])
    if not right or found != expected:
        first = next(iter(wanted))
        place = _Places(before).nodes.get(first) or before.documents[first.document]
        hint = "write it on a line of its own, in quotes"
        before.at(place.start).refuse(f"{first} cannot be changed without touching what is around it", hint)


def _content(file: YamlFile) -> dict[Address, tuple[str, str, bool]]:
    """Every place's text, style (or kind) and whether it is a string."""
    return {
        address: (node.value, node.style, isinstance(node.data(), str))
        if isinstance(node, Scalar)
        else ("", type(node).__name__, False)
        for address, node in _Places(file).nodes.items()
    }
