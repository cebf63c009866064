"""The files that a verdict leaves for a pipeline: JUnit XML, and a summary in Markdown.

Called by `gitslo test` and `gitslo verdict`. Must stay true: a file that an earlier run has left is gone before this
one begins. A pipeline that collects it afterwards must not take the earlier verdict for this one, however this ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import click

from gitslo.cli.whole_file import see_that_it_can_be_written, write_whole
from gitslo.errors import Problem, Refused

__all__ = ["FILE", "ResultFiles", "result_file_options", "result_files"]

FILE: Final = click.Path(dir_okay=False, path_type=Path)
"""An option's file, which need not be there yet."""

C = TypeVar("C", bound=Callable[..., object])


def result_file_options(command: C) -> C:
    """`--junit` and `--summary`: the command's `junit_path` and `summary_path`."""
    for name, what in (("summary", "Markdown"), ("junit", "JUnit XML")):
        option = click.option(
            f"--{name}", f"{name}_path", metavar="FILE", type=FILE, help=f"Write the result as {what}, too."
        )
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class ResultFiles:
    """Where the result is written to; None: no such file."""

    junit: Path | None
    summary: Path | None

    def write(self, *, junit: Callable[[], str], summary: Callable[[], str]) -> None:
        """Write them, each whole or not at all.

        Args:
            junit, summary: the content, which is asked for only where there is a file for it.

        Raises:
            Refused: one cannot be written.
        """
        for path, content in ((self.junit, junit), (self.summary, summary)):
            if path is not None:
                write_whole(path, content().encode())


def result_files(junit: Path | None, summary: Path | None, *, beside: Mapping[str, Path | None]) -> ResultFiles:
    """See that the files can be written, and remove what stands there.

    Args:
        junit, summary: where; None: no such file.
        beside: option -> file that the command reads or writes as well, which none of these may be.

    Raises:
        Refused: one cannot be written, or two are one.
    """
    asked = {option: path for option, path in (("--junit", junit), ("--summary", summary)) if path is not None}
    taken = {path.resolve(): option for option, path in beside.items() if path is not None}
    for option, path in asked.items():
        if path == Path():  # of an empty text
            raise Refused(Problem(f"{option} is empty; is the variable set that should hold the file's name?"))
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise Refused(Problem(f"{option} and {other} name one file", file=str(path), hint="give each its own"))
        if path.is_symlink() or (path.exists() and not path.is_file()):  # /dev/stdout is to stay where it is
            message = "is a link, or no regular file, which the result would replace"
            raise Refused(Problem(message, file=str(path), hint="give the name of a file"))
        see_that_it_can_be_written(path)
    for path in asked.values():
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Refused(Problem(f"cannot be replaced: {error.strerror}", file=str(path))) from error
    return ResultFiles(junit, summary)
