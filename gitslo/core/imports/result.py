"""What an import hands back: the plan's text, what could not be carried over, and what was wrong in the file already.

Made by the importers through `gitslo.core.imports.draft`, printed by `gitslo import`. Must stay true: everything has
its place in the file that was read, and a refusal carries the notes and findings, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Imported", "Note", "Options", "Place", "Rule", "SourceNeed"]


class Rule(StrEnum):
    """What a finding is about: mistakes that were seen in real files."""

    UNREACHABLE_FAILURE = "unreachable-failure"
    """A failure limit that the number of measurements cannot exceed."""
    MISSING_READS_AS_ZERO = "missing-reads-as-zero"
    """`or vector(0)`: no data looks like no errors."""
    SHORT_RANGE = "short-range"
    """A range that holds fewer than two scrapes."""
    NO_TRAFFIC = "no-traffic"
    """A division that is NaN without traffic."""
    NO_GREY_ZONE = "no-grey-zone"
    """A failure condition that is the exact opposite of the success condition."""
    UNREACHABLE_WARNING = "unreachable-warning"
    """A warning that is stricter than the pass."""
    RELATIVE_PERCENT = "relative-percent"
    """A `%` criterion, which is a change and never a share."""
    NOT_PRODUCED = "not-produced"
    """An objective on a metric that nothing measures."""
    TOO_FEW_REQUESTS = "too-few-requests"
    """A load that is too small for its limit."""
    UNOBSERVED_LOAD = "unobserved-load"
    """A load test whose failure nobody sees."""
    UNBOUND_METRIC = "unbound-metric"
    """A metric without a query or a template."""
    ZERO_TOLERANCE = "zero-tolerance"
    """A limit of nothing at all, which no sample proves."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: 1-based line and column."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing that a person must know of an import.

    Attributes:
        place: in the file that was read.
        what: the part of the file, e.g. `failureLimit: 3`.
        why: what becomes of it, or what is wrong with it, and why.
        todo: what to do about it; empty: nothing.
        rule: what a finding is about; None: it says what was not carried over.
    """

    place: Place
    what: str
    why: str
    todo: str = ""
    rule: Rule | None = None

    def __str__(self) -> str:
        rule = f"{self.rule}: " if self.rule is not None else ""
        return f"{self.place}: {rule}{self.what}: {self.why}" + (f" ({self.todo})" if self.todo else "")


@dataclass(frozen=True, slots=True)
class SourceNeed:
    """A source that the plan names and the operator's file must have.

    Attributes:
        name: as the plan has it.
        snippet: YAML for `sources` of the operator's file.
        place: where the file that was read speaks of it.
    """

    name: str
    snippet: str
    place: Place


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller adds to the files.

    Attributes:
        sources: kind of source, e.g. `prometheus` -> its name in the operator's file.
        targets: name of a target in the plan -> its URL.
        values: placeholder of the file, e.g. an argument's name -> its value.
    """

    sources: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """An import.

    Attributes:
        plan: `slo.yaml`, empty where it was refused.
        notes: what was not carried over, by place.
        findings: what the rules found, by place.
        sources: what the operator's file needs.
        refused: why there is no plan; empty where there is one.
    """

    plan: str
    notes: tuple[Note, ...]
    findings: tuple[Note, ...]
    sources: tuple[SourceNeed, ...] = ()
    refused: tuple[Note, ...] = ()
