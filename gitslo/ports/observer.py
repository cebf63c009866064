"""Observers: what is told to logs, metrics and the live view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["Event", "Observer", "tell_all"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth telling: to logs, metrics and the live view.

    Attributes:
        name: dotted, from a closed list, e.g. `run.claimed`, `run.judged`, `change.proposed`, `poll.done`.
        environment: its name, or empty.
        message: one line for people, already redacted.
        fields: typed facts; keys are stable, part of the public surface.
    """

    name: str
    environment: str
    message: str
    fields: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class Observer(Protocol):
    """Is told; never answers, never blocks, never raises."""

    def tell(self, event: Event) -> None:
        """Take note."""


def tell_all(observers: Iterable[Observer], event: Event) -> None:
    """Tell every observer."""
    for observer in observers:
        observer.tell(event)
