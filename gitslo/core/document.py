"""One contract file being read: its data, where everything stands, and all that is wrong with it.

`parse_pipeline`, `parse_plan` and `gitslo.config` open a `Document`, read it field by field, and `finish`: then every
mistake of the file is told at once, those of the schema and those that only reading finds. A value that breaks the
schema is left out of the reading; defaults stand in for it, and nothing of that is ever returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from gitslo.core.schema import Contract, mistakes
from gitslo.core.yamlsafe import (
    Budget,
    Mark,
    Node,
    Plain,
    Scalar,
    find,
    locate,
    locate_key,
    plain,
    pointer_to,
    read_document,
)
from gitslo.errors import Problem, Refused

__all__ = ["MOST_PROBLEMS", "Document", "Field"]

T = TypeVar("T")

MOST_PROBLEMS = 100
"""Problems that are told of one file; what follows is often their echo."""


class Document:
    """A file, checked against its schema.

    With `part` it is only that definition of the contract, in a file of its own.

    Raises:
        Refused: it is no YAML within the budget; everything else waits for `finish`.
    """

    def __init__(self, contract: Contract, data: bytes, *, file: str, budget: Budget, part: str = "") -> None:
        self.file = file
        self.node: Node = read_document(data, file=file, budget=budget)
        self.data: Plain = plain(self.node)
        self._problems: list[Problem] = []
        # Twice: some come twice. Never all: a file of nothing but mistakes would take its time.
        for mistake in islice(mistakes(contract, self.data, part), 2 * MOST_PROBLEMS):
            self.add(mistake.pointer, mistake.message, mistake.hint, on_key=mistake.on_key)
        self._bad = frozenset(problem.pointer for problem in self._problems)
        parts = (pointer.split("/") for pointer in self._bad)
        self._unsound = frozenset("/".join(part[:length]) for part in parts for length in range(1, len(part) + 1))

    @property
    def root(self) -> Field:
        """The whole document."""
        return Field(self, "", self.data)

    def add(self, pointer: str, message: str, hint: str = "", *, on_key: bool = False) -> None:
        """Note a problem with the value at `pointer`, or with its key."""
        mark = (locate_key if on_key else locate)(self.node, pointer) or self.node.start
        self.add_at(mark, pointer, message, hint)

    def add_at(self, mark: Mark, pointer: str, message: str, hint: str = "") -> None:
        """Note a problem at a place inside the value at `pointer`."""
        self._problems.append(Problem(message, self.file, mark.line, mark.column, pointer, hint))

    def bad(self, pointer: str) -> bool:
        """Whether the value at `pointer` itself breaks the schema, or lacks a field."""
        return pointer in self._bad

    def sound(self, pointer: str) -> bool:
        """Whether the value at `pointer` and all that is in it follow the schema."""
        return pointer not in self._unsound

    def finish(self) -> None:
        """All is read.

        Raises:
            Refused: with every problem, by line and column.
        """
        if self._problems:
            found = sorted(dict.fromkeys(self._problems), key=lambda each: (each.line or 0, each.column or 0))
            if len(found) > MOST_PROBLEMS:
                found = [*found[:MOST_PROBLEMS], Problem("and more problems", file=self.file)]
            raise Refused(*found)


@dataclass(frozen=True, slots=True)
class Field:
    """A value in a document, and where it stands. Its accessors expect what the schema has made sure of."""

    document: Document
    pointer: str
    value: Plain

    @property
    def sound(self) -> bool:
        """See Document.sound."""
        return self.document.sound(self.pointer)

    def get(self, key: str) -> Field | None:
        """The field of a mapping; None where it is missing, is null, or breaks the schema itself."""
        if not isinstance(self.value, dict):
            return None
        value = self.value.get(key)
        field = Field(self.document, self.pointer + pointer_to(key), value)
        return None if value is None or self.document.bad(field.pointer) else field

    def fields(self) -> Iterator[tuple[str, Field]]:
        """Every key of a mapping and its value, in the file's order; without those that break the schema themselves."""
        for key in self.value if isinstance(self.value, dict) else ():
            field = self.get(key)
            if field is not None:
                yield key, field

    def items(self) -> Iterator[Field]:
        """Every item of a list, without those that break the schema themselves."""
        for index, value in enumerate(self.value if isinstance(self.value, list) else ()):
            field = Field(self.document, self.pointer + pointer_to(index), value)
            if not self.document.bad(field.pointer):
                yield field

    @property
    def text(self) -> str:
        """A scalar as text."""
        return str(self.value)

    def texts(self) -> tuple[str, ...]:
        """A list of scalars as texts."""
        return tuple(field.text for field in self.items())

    def text_of(self, key: str, default: str) -> str:
        """A field of a mapping as text."""
        field = self.get(key)
        return default if field is None else field.text

    def number_of(self, key: str, default: int) -> int:
        """A field of a mapping as a whole number."""
        field = self.get(key)
        return field.value if field is not None and isinstance(field.value, int) else default

    def flag_of(self, key: str, *, default: bool) -> bool:
        """A field of a mapping as true or false."""
        field = self.get(key)
        return field.value if field is not None and isinstance(field.value, bool) else default

    def parsed_of(self, key: str, parse: Callable[[str], T], default: T) -> T:
        """A field of a mapping, parsed."""
        field = self.get(key)
        return default if field is None else field.parsed(parse, default)

    def parsed(self, parse: Callable[[str], T], default: T) -> T:
        """The value as `parse` understands it; where it refuses, that is noted here and `default` stands in."""
        try:
            return parse(self.text)
        except Refused as refused:
            for problem in refused.problems:
                self.add(problem.message, problem.hint)
            return default

    def problem(self, message: str) -> Problem:
        """A problem with this value that is not noted: what turns out to be wrong only when the value is used."""
        mark = locate(self.document.node, self.pointer) or self.document.node.start
        return Problem(message, self.document.file, mark.line, mark.column, self.pointer)

    def add(self, message: str, hint: str = "", *, on_key: bool = False) -> None:
        """Note a problem with this value, or with its key."""
        self.document.add(self.pointer, message, hint, on_key=on_key)

    def add_inside(self, offset: int, message: str, hint: str = "") -> None:
        """Note a problem at a character of this text; at its start where its place in the file is not plain to see."""
        node = find(self.document.node, self.pointer)
        inner = _inner(node) if isinstance(node, Scalar) else None
        if node is None or inner is None:
            self.add(message, hint)
            return
        at = Mark(node.start.line, node.start.column + inner + offset, node.start.offset + inner + offset)
        self.document.add_at(at, self.pointer, message, hint)


def _inner(scalar: Scalar) -> int | None:
    """How far the text is from the scalar's start; None where quoting or folding has moved its characters."""
    if scalar.start.line != scalar.end.line:
        return None
    width = scalar.end.offset - scalar.start.offset
    return {len(scalar.value): 0, len(scalar.value) + 2: 1}.get(width)
