"""Keptn's criteria: `<=+10%`, `<600`, `> 5000`, and what is odd about them.

Called by `keptn`. The grammar is that of Keptn's lighthouse-service, `evaluate_sli_handler.go`: blanks do not count, a
`%` makes a criterion relative always, and one without a sign means an increase.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from gitslo.core.imports.draft import digits
from gitslo.core.imports.reading import Cell, number_of

__all__ = ["Criterion", "Group", "contains", "read_criterion"]

_CRITERION = re.compile(r"(<=|<|==?|>=|>)([+-]?)([0-9]*\.?[0-9]+|[0-9]+\.)(%?)")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion.

    Attributes:
        operator: `<`, `<=`, `=`, `>=` or `>`.
        sign: `+`, `-` or empty.
        value: without its sign.
        relative: in per cent of the earlier results.
        cell: where it stands.
    """

    operator: str
    sign: str
    value: Decimal
    relative: bool
    cell: Cell

    @property
    def fixed(self) -> bool:
        """Whether the value stands for itself."""
        return not self.relative and not self.sign

    def scaled(self, factor: Decimal) -> Criterion:
        """For an indicator that is divided by `factor`; a change in per cent stays."""
        return self if self.relative else replace(self, value=self.value / factor)

    def __str__(self) -> str:
        sign = self.sign or ("+" if self.relative else "")
        return f"{self.operator}{sign}{digits(self.value)}{'%' if self.relative else ''}"


Group = tuple[Criterion, ...]


def read_criterion(cell: Cell) -> Criterion | None:
    """The criterion, or None where Keptn itself would refuse it."""
    text = re.sub(r"\s", "", cell.text)
    match = _CRITERION.fullmatch(text)
    value = number_of(match[3]) if match is not None else None
    if match is None or value is None:
        return None
    return Criterion(match[1].replace("==", "="), match[2], value, bool(match[4]), cell)


def contains(outer: Iterable[Group], inner: Iterable[Group]) -> bool | None:
    """Whether all that meets `inner` meets `outer`, too; None where changes against earlier results leave it open."""
    wide, narrow = list(outer), list(inner)
    if not wide or not narrow:
        return None
    answers = []
    for group in narrow:
        span = _span(group)
        spans = [each for each in map(_span, wide) if each is not None]
        if span is None or not spans:
            return None
        answers.append(any(_within(span, each) for each in spans))
    return all(answers)


_Span = tuple[Decimal, bool, Decimal, bool]
"""The least value and whether it belongs to it; the greatest likewise."""


def _span(group: Group) -> _Span | None:
    low, low_in, high, high_in = Decimal("-Infinity"), False, Decimal("Infinity"), False
    for each in group:
        if not each.fixed:
            return None
        if each.operator in {"<", "<=", "="} and each.value <= high:
            high_in = each.operator != "<" and (high_in or each.value < high)
            high = each.value
        if each.operator in {">", ">=", "="} and each.value >= low:
            low_in = each.operator != ">" and (low_in or each.value > low)
            low = each.value
    return low, low_in, high, high_in


def _within(inner: _Span, outer: _Span) -> bool:
    low = inner[0] > outer[0] or (inner[0] == outer[0] and (outer[1] or not inner[1]))
    high = inner[2] < outer[2] or (inner[2] == outer[2] and (outer[3] or not inner[3]))
    return low and high
