"""A foreign file as cells that know their place, and remember which of them were read.

Every importer reads through here. Must stay true: what nobody has read is told by `Files.unread`, so that nothing of a
file is dropped without a word; a reader that has dealt with a part as a whole says so by `take`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from gitslo.core.imports.result import Place
from gitslo.core.yamlsafe import MANIFEST, Mapping, Node, Plain, Scalar, Sequence, plain, read_documents

__all__ = ["Cell", "Files", "number_of", "read_files"]


@dataclass(slots=True)
class _Read:
    """What has been read of one document: paths of values, and those read whole."""

    touched: set[tuple[str, ...]] = field(default_factory=set)
    whole: set[tuple[str, ...]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a foreign file.

    Attributes:
        node: the value.
        file: its file.
        key: the key it stands under, None for items and documents.
        path: keys and indices from the document's root.
    """

    node: Node
    file: str
    key: Scalar | None
    path: tuple[str, ...]
    _read: _Read

    @property
    def place(self) -> Place:
        """Where the value stands; its key where it is long or missing."""
        long = not isinstance(self.node, Scalar) or self.node.style in {"|", ">"} or self.node.missing
        at = self.key.start if self.key is not None and long else self.node.start
        return Place(self.file, at.line, at.column)

    @property
    def name(self) -> str:
        """The key, or the index."""
        return self.path[-1] if self.path else ""

    @property
    def shown(self) -> str:
        """`key: value` as the author would know it again; only the key of what is long."""
        value = self.text if isinstance(self.node, Scalar) else ""
        label = self.key.value if self.key is not None else ""
        if not label and not value:
            keys = [each for each in self.path if not each.isdecimal()]
            return f"`{keys[-1]}[{self.path[-1]}]`" if keys else "the document"
        if not value or "\n" in value or len(value) > _SHOWN:
            return f"`{label or value.partition(chr(10))[0][:_SHOWN]}`"
        return f"`{label}: {value}`" if label else f"`{value}`"

    @property
    def empty(self) -> bool:
        """Whether nothing is written here."""
        return isinstance(self.node, Scalar) and self.node.data() is None

    @property
    def text(self) -> str:
        """A scalar's text; empty for collections."""
        return self.node.value if isinstance(self.node, Scalar) else ""

    @property
    def number(self) -> Decimal | None:
        """A scalar as a number, quoted or not."""
        return number_of(self.text)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, Sequence)

    @property
    def is_mapping(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.node, Mapping)

    @property
    def true(self) -> bool:
        """Whether it says true, as YAML 1.1 and Go have it."""
        return self.text.lower() in {"true", "yes", "on"}

    def get(self, *keys: str) -> Cell | None:
        """What stands under the keys; None where it is missing or null."""
        cell = self
        for key in keys:
            if not isinstance(cell.node, Mapping):
                return None
            entry = next(((name, value) for name, value in cell.node.entries if name.value == key), None)
            if entry is None:
                return None
            cell = cell._below(key, entry[1], entry[0])
            self._read.touched.add(cell.path)
        return None if cell.empty else cell

    def first(self, *keys: str) -> Cell | None:
        """What stands under the first of the keys that is there."""
        return next((found for key in keys if (found := self.get(key)) is not None), None)

    def text_of(self, *keys: str) -> str:
        """A scalar's text under the keys, empty where there is none."""
        found = self.get(*keys)
        return "" if found is None else found.text

    def items(self) -> Iterator[Cell]:
        """Every item of a list; nothing for anything else."""
        for index, item in enumerate(self.node.items if isinstance(self.node, Sequence) else ()):
            cell = self._below(str(index), item, None)
            self._read.touched.add(cell.path)
            yield cell

    def entries(self) -> Iterator[Cell]:
        """Every value of a mapping; nothing for anything else."""
        for key, value in self.node.entries if isinstance(self.node, Mapping) else ():
            cell = self._below(key.value, value, key)
            self._read.touched.add(cell.path)
            yield cell

    def take(self) -> Plain:
        """The value with all that is in it, as JSON has it: all of it counts as read."""
        self._read.whole.add(self.path)
        return plain(self.node)

    def unread(self) -> Iterator[Cell]:
        """The largest parts that nobody has read."""
        if self.path in self._read.whole:
            return
        entries = self.node.entries if isinstance(self.node, Mapping) else ()
        items = self.node.items if isinstance(self.node, Sequence) else ()
        below = [self._below(key.value, value, key) for key, value in entries]
        below += [self._below(str(index), item, None) for index, item in enumerate(items)]
        for cell in below:
            if cell.path in self._read.touched:
                yield from cell.unread()
            elif cell.path not in self._read.whole and not cell.empty:
                yield cell

    def _below(self, name: str, node: Node, key: Scalar | None) -> Cell:
        return Cell(node, self.file, key, (*self.path, name), self._read)


_LEAST, _MOST = Decimal("1e-12"), Decimal("1e15")
"""Sizes of a number; what is smaller or larger would only end in another unit's overflow."""
_SHOWN = 60
"""Characters of a value that are repeated in a message."""


def number_of(text: str) -> Decimal | None:
    """A number such as people write in these files, or None."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    if not value.is_finite() or (value and not _LEAST <= abs(value) <= _MOST):
        return None
    return value


@dataclass(frozen=True, slots=True)
class Files:
    """Every document of the files, in order; empty ones are left out."""

    documents: tuple[Cell, ...]
    names: tuple[str, ...]

    def unread(self) -> Iterator[Cell]:
        """The largest parts that nobody has read."""
        for document in self.documents:
            yield from document.unread()

    @property
    def start(self) -> Place:
        """The first line of the first file."""
        return Place(self.names[0], 1, 1)


def read_files(files: tuple[tuple[str, bytes], ...]) -> Files:
    """Read names and bytes of YAML files, each with any number of documents.

    Raises:
        Refused: one is no YAML, or more than the budget of a manifest.
    """
    documents = (
        Cell(node, name, None, (), _Read())
        for name, data in files
        for node in read_documents(data, file=name, budget=MANIFEST)
    )
    return Files(tuple(each for each in documents if not each.empty), tuple(name for name, _ in files))
