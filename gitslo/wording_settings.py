"""The operator's file's `templates`: own words for pull requests and commits. Called by `gitslo.config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitslo.core.document import Field
from gitslo.errors import Problem
from gitslo.ports import Place

__all__ = ["TemplateText", "parse_templates"]


@dataclass(frozen=True, slots=True)
class TemplateText:
    """A template as it is written, and where; the message of `at` is another's to give."""

    text: str
    at: Problem


def parse_templates(field: Field | None) -> Mapping[Place, TemplateText]:
    """The templates of one repository, by place."""
    named = dict(field.fields()) if field is not None and field.sound else {}
    return {
        place: TemplateText(named[place].text, named[place].problem(""))
        for place in Place
        if place.value in named and named[place].sound
    }
