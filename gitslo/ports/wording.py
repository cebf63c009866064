"""An operator's own words for what people read: titles and bodies of pull requests, and commit messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

__all__ = ["Place", "Value", "Wording", "usual_wording"]

Value = str | Sequence[Mapping[str, str]]
"""What a template is given under a name: text, or a list of records of text."""


class Place(StrEnum):
    """Where the words stand."""

    TITLE = "title"
    BODY = "body"
    COMMIT = "commit"


class Wording(Protocol):
    """Renders the operator's template of a place."""

    def __call__(self, place: Place, values: Mapping[str, Value]) -> str | None:
        """The words; None where the usual ones are wanted.

        The same values give the same words on every machine and at any time: a commit's id is computed from them.

        Args:
            values: as `gitslo.core.messages.template_values` makes them: harmless already for that place.

        Raises:
            Refused: the template cannot be rendered with them.
        """


def usual_wording(place: Place, values: Mapping[str, Value]) -> str | None:
    """No words of the operator's own."""
    del place, values
    return None
