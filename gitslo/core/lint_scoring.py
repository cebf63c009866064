"""What is valid of Keptn's scoring and still a mistake, most likely. The rules come from files that people really use.

Called by `gitslo.core.lint`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from gitslo.core.remarks import Remark, warned
from gitslo.model import Comparator, Criterion, CriterionForm, Plan

__all__ = ["lint_scoring"]

_UPPER = frozenset({Comparator.LESS, Comparator.LESS_OR_EQUAL})
_LOWER = frozenset({Comparator.GREATER, Comparator.GREATER_OR_EQUAL})
_STRICT = frozenset({Comparator.LESS, Comparator.GREATER})


def lint_scoring(plan: Plan, file: str) -> Iterator[Remark]:
    """The scoring of one plan."""
    scoring = plan.scoring
    for index, objective in enumerate(scoring.objectives if scoring is not None else ()):
        pointer = f"/scoring/objectives/{index}"
        for key, groups in (("pass", objective.passes), ("warning", objective.warns)):
            for at, group in enumerate(groups):
                for criterion, text in ((each, each.text) for each in group):
                    if _meant_as_absolute(criterion):
                        sign = criterion.text.lstrip("<>=")
                        message = f"`{text}` means {sign} more than the earlier results, and not {sign}"
                        signed = f"{criterion.comparator}+{sign}"
                        hint = (
                            f"write `{signed}` if that is meant; a share of 1 per cent is `{criterion.comparator}0.01`"
                        )
                        yield warned(message, file, f"{pointer}/{key}/{at}", hint)
        for at, group in enumerate(objective.warns):
            if any(
                all(any(_implies(own, other) for own in group) for other in passing) for passing in objective.passes
            ):
                message = "whatever meets this warning passes already: it can never apply"
                yield warned(message, file, f"{pointer}/warning/{at}", "a warning is looser than `pass`")


def _meant_as_absolute(criterion: Criterion) -> bool:
    """A `%` without a sign: an increase, and hardly ever meant as one."""
    return criterion.form is CriterionForm.RELATIVE and not criterion.text.lstrip("<>=").startswith(("+", "-"))


def _implies(one: Criterion, other: Criterion) -> bool:
    """Whether whatever meets the one meets the other."""
    if one.form is not other.form:
        return False
    for side, tighter in ((_UPPER, one.value < other.value), (_LOWER, one.value > other.value)):
        if one.comparator in side and other.comparator in side:
            as_strict = one.comparator in _STRICT or other.comparator not in _STRICT
            return tighter or (one.value == other.value and as_strict)
    return one.comparator is other.comparator and one.value == other.value
