"""The `${...}` of a plan: each checked where it stands, and what of the operator's a load asks for by them.

Called by the parsers of a plan's requests, by the run and by `gitslo check`. The grammar is `gitslo.core.template`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from gitslo.core.document import Field
from gitslo.core.template import ENVIRONMENT, Variable, check, parse
from gitslo.core.yamlnodes import pointer_to
from gitslo.model import LoadSection

__all__ = ["Variables", "environment_of", "variables_of"]


class Variables:
    """Notes what is wrong with the templates of one load section."""

    def __init__(self, feeders: Mapping[str, Collection[str]] | None) -> None:
        """Bind what there is.

        Args:
            feeders: name -> columns; None where they could not be read: then nothing is said about any template.
        """
        self._feeders = feeders

    def check_text(self, field: Field) -> None:
        """A scalar; on_key problems of mappings are their caller's."""
        for fault in check(field.text, self._feeders) if self._feeders is not None else ():
            field.add_inside(fault.offset, fault.message, fault.hint)

    def check_within(self, field: Field) -> None:
        """Every text in a value of any shape, and every key."""
        match field.value:
            case str():
                self.check_text(field)
            case list():
                for index, item in enumerate(field.value):
                    self.check_within(Field(field.document, field.pointer + pointer_to(index), item))
            case dict():
                for key, item in field.value.items():
                    below = Field(field.document, field.pointer + pointer_to(key), item)
                    for fault in check(key, self._feeders) if self._feeders is not None else ():
                        below.add(fault.message, fault.hint, on_key=True)
                    self.check_within(below)
            case _:
                return

    def check_file(self, field: Field, path: str, content: bytes) -> None:
        """The content of a file that `field` names; says its line."""
        for fault in check(content, self._feeders) if self._feeders is not None else ():
            line = content.count(b"\n", 0, fault.offset) + 1
            field.add(f"`{path}`, line {line}: {fault.message}", fault.hint)


def environment_of(section: LoadSection) -> tuple[str, ...]:
    """The operator's variables that the section's requests name, sorted."""
    return tuple(sorted(variable.name for variable in variables_of(section) if variable.group == ENVIRONMENT))


def variables_of(section: LoadSection) -> frozenset[Variable]:
    """Every variable that the section's requests name."""
    return frozenset(variable for text in _templates(section) for variable in parse(text).variables())


def _templates(section: LoadSection) -> Iterator[bytes]:
    for endpoint in section.endpoints:
        yield endpoint.path.encode()
        yield from (value.encode() for _, value in endpoint.headers)
        yield endpoint.body
    for call in section.calls:
        yield from (message.encode() for message in call.messages)
        yield from (value.encode() for _, value in call.metadata)
