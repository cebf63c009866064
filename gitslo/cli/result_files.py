"""The files that `gitslo test` leaves for a pipeline: JUnit XML, and a summary in Markdown.

Called by `test`. Must stay true: a file that an earlier run has left is gone before this one begins. A pipeline that
collects it afterwards must not take the earlier verdict for this one, however this run ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitslo.cli.whole_file import see_that_it_can_be_written, write_whole
from gitslo.core.formats import Format, TestResult, render
from gitslo.errors import Problem, Refused

__all__ = ["ResultFiles", "result_files"]


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Where the result is written to, and how."""

    places: Mapping[Path, Format]

    def write(self, result: TestResult) -> None:
        """Write them, each whole or not at all.

        Raises:
            Refused: one cannot be written.
        """
        for path, form in self.places.items():
            write_whole(path, render(result, form).encode())


def result_files(junit: Path | None, summary: Path | None, *, beside: Mapping[str, Path | None]) -> ResultFiles:
    """See that the files can be written, and remove what stands there.

    Args:
        junit, summary: where; None: no such file.
        beside: option -> file that the command reads or writes as well, which none of these may be.

    Raises:
        Refused: one cannot be written, or two are one.
    """
    asked = {
        option: (path, form)
        for option, path, form in (("--junit", junit, Format.JUNIT), ("--summary", summary, Format.MARKDOWN))
        if path is not None
    }
    taken = {path.resolve(): option for option, path in beside.items() if path is not None}
    for option, (path, _) in asked.items():
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise Refused(Problem(f"{option} and {other} name one file", file=str(path), hint="give each its own"))
        if path.is_symlink() or (path.exists() and not path.is_file()):  # /dev/stdout is to stay where it is
            message = "is a link, or no regular file, which the result would replace"
            raise Refused(Problem(message, file=str(path), hint="`--format` writes to standard output"))
        see_that_it_can_be_written(path)
    for path, _ in asked.values():
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Refused(Problem(f"cannot be replaced: {error.strerror}", file=str(path))) from error
    return ResultFiles(dict(asked.values()))
