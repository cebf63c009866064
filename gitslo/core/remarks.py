"""One thing to say about a repository: a problem, and how bad it is.

Called by the lints and by `gitslo.core.checking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gitslo.errors import Problem

__all__ = ["Remark", "Severity", "refused", "warned"]


class Severity(StrEnum):
    """Errors fail `gitslo check`, warnings do not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say about a repository. The problem's line is added where its pointer leads to one."""

    problem: Problem
    severity: Severity = Severity.WARNING


def warned(message: str, file: str, pointer: str, hint: str = "") -> Remark:
    """A warning at a pointer of a file."""
    return Remark(Problem(message, file, pointer=pointer, hint=hint))


def refused(message: str, file: str, pointer: str, hint: str = "") -> Remark:
    """An error at a pointer of a file."""
    return Remark(Problem(message, file, pointer=pointer, hint=hint), Severity.ERROR)
