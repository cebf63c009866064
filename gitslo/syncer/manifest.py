"""One Kubernetes object as the process syncer reads it: checked access that says which field of which file is wrong.

Called by `desired`; pure. Nothing is skipped silently: a field is read, or listed as ignored (and said so in the
report), or refused by name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn

from gitslo.core.yamlsafe import Node, locate, plain
from gitslo.errors import Problem, Refused

__all__ = ["Field", "Manifest"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document of a manifest file.

    Attributes:
        file: path from the repository's root.
        node: the document, with its positions.
    """

    file: str
    node: Node


@dataclass(frozen=True, slots=True)
class Field:
    """A value in a manifest, and where it stands.

    Attributes:
        manifest: the document it stands in.
        pointer: JSON pointer within the document.
        value: plain mappings, lists and scalars; None where the field is missing.
    """

    manifest: Manifest
    pointer: str
    value: object

    @classmethod
    def root(cls, manifest: Manifest) -> Field:
        """The whole document."""
        return cls(manifest, "", plain(manifest.node))

    def refuse(self, message: str, hint: str = "") -> NoReturn:
        """Say what is wrong here.

        Raises:
            Refused: always.
        """
        raise Refused(self.problem(message, hint))

    def problem(self, message: str, hint: str = "") -> Problem:
        """What is wrong here, to be collected."""
        node, pointer = self.manifest.node, self.pointer
        mark = locate(node, pointer)
        while mark is None:  # a missing field is looked for where it should stand
            pointer = pointer.rpartition("/")[0]
            mark = locate(node, pointer)
        return Problem(message, self.manifest.file, mark.line, mark.column, self.pointer, hint)

    def mapping(self) -> Mapping[str, object]:
        """The mapping that stands here; empty where the field is missing."""
        if self.value is None:
            return {}
        if not isinstance(self.value, Mapping):
            self.refuse("expected a mapping")
        return self.value

    def at(self, *names: str) -> Field:
        """The field below, through mappings."""
        here = self
        for name in names:
            escaped = name.replace("~", "~0").replace("/", "~1")
            here = Field(here.manifest, f"{here.pointer}/{escaped}", here.mapping().get(name))
        return here

    def items(self) -> tuple[Field, ...]:
        """The entries of the list that stands here; empty where the field is missing."""
        if self.value is None:
            return ()
        if not isinstance(self.value, list | tuple):
            self.refuse("expected a list")
        return tuple(Field(self.manifest, f"{self.pointer}/{index}", value) for index, value in enumerate(self.value))

    def text(self, default: str | None = None) -> str:
        """The string that stands here, or `default` where the field is missing."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str):
            self.refuse("expected a string", "quote it" if isinstance(self.value, int | float) else "")
        return self.value

    def number(self, default: int, lowest: int, highest: int) -> int:
        """The whole number that stands here, or `default` where the field is missing."""
        if self.value is None:
            return default
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not lowest <= self.value <= highest:
            self.refuse(f"expected a whole number from {lowest} to {highest}")
        return self.value

    def texts(self) -> Mapping[str, str]:
        """The mapping of strings that stands here, such as labels."""
        return {name: self.at(name).text() for name in self.mapping()}

    def only(self, honoured: Collection[str], ignored: Collection[str] = ()) -> tuple[str, ...]:
        """Refuse every field that is in neither list; the names of the ignored ones that are set.

        Raises:
            Refused: names each of them.
        """
        fields = {name: value for name, value in self.mapping().items() if value not in (None, [], {}, False)}
        foreign = [name for name in fields if name not in honoured and name not in ignored]
        if foreign:
            raise Refused(
                *(
                    self.at(name).problem(f"the process syncer cannot honour `{name}` and does not ignore it")
                    for name in foreign
                )
            )
        return tuple(sorted(name for name in fields if name in ignored))
