"""The four errors. The type of an error is the instruction to the loop.

Foreign exceptions stop at the adapter that caused them and become one of these; messages are redacted where they
are made, never where they are printed.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Conflict", "Fatal", "GitsloError", "Problem", "Refused", "Retry"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in an input, said so that its author can mend it.

    Attributes:
        message: what is wrong and what was expected, one sentence without a final full stop.
        file: the file's path as the author knows it, or None where the input is no file.
        line: 1-based line, or None.
        column: 1-based column, or None.
        pointer: JSON pointer of the field, e.g. `/stages/0/path`; empty for the whole document.
        hint: how to mend it, e.g. the nearest valid name; empty where there is none.
    """

    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    pointer: str = ""
    hint: str = ""

    def __str__(self) -> str:
        """`file:line:column: /pointer: message (hint)`; parts that are not known are left out."""
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        parts = [part for part in (where, self.pointer, self.message) if part]
        return ": ".join(parts) + (f" ({self.hint})" if self.hint else "")


class GitsloError(Exception):
    """Every error that gitslo raises on purpose."""


class Refused(GitsloError):
    """A person must change Git or the configuration; no retry before the next commit.

    Attributes:
        problems: at least one, in the order of the input.
    """

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(p if isinstance(p, Problem) else Problem(p) for p in problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Retry(GitsloError):
    """The outside did not answer as it should; look again after `delay` seconds."""

    def __init__(self, message: str, delay: float = 5.0) -> None:
        super().__init__(message)
        self.delay = delay


class Conflict(GitsloError):
    """A compare-and-swap was lost: somebody else moved first. Look again."""


class Fatal(GitsloError):
    """The configuration cannot work; the process must not start."""
