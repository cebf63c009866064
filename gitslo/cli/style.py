"""How the command line looks: colour only on a terminal, tables, Markdown. Every command prints through here.

`NO_COLOR` (not empty) and `TERM=dumb` switch colour off. Off a terminal everything is plain text with stable columns,
and rich is not even imported.
"""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

__all__ = ["colour_on", "is_terminal", "markdown", "paint", "plain", "table", "width"]

_COLOURS = {
    "pass": "32", "passing": "32", "ok": "32", "merged": "32", "settled": "32",
    "fail": "31", "error": "31", "held": "31", "rejected": "31", "refused": "31",
    "inconclusive": "33", "waiting": "33", "claimed": "36", "proposed": "36", "withdrawn": "33",
}  # fmt: skip
"""Word -> SGR code; the same word has the same colour in every command."""

_ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories that act on a terminal or break a line."""


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person looks at `stream` (standard output if None)."""
    return (stream or sys.stdout).isatty()


def colour_on(stream: TextIO | None = None) -> bool:
    """Whether to paint: a terminal, and nobody said no."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def plain(text: str) -> str:
    """`text` from a repository, safe to print: one line, nothing in it acts on the terminal."""
    return "".join(
        character.encode("unicode_escape").decode("ascii") if unicodedata.category(character) in _ACTING else character
        for character in text
    )


def paint(text: str, word: str | None = None, stream: TextIO | None = None) -> str:
    """`text` in the colour of `word` (of itself if None), or as it is where colour is off or the word has none."""
    code = _COLOURS.get(text if word is None else word)
    return f"\x1b[{code}m{text}\x1b[0m" if code is not None and colour_on(stream) else text


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO | None = None) -> None:
    """Print a table; cells that are a word with a colour are painted.

    Args:
        columns: headings.
        rows: as many cells each as there are headings; they are made `plain` here.
        stream: standard output if None.
    """
    out = stream or sys.stdout
    cells = [[plain(cell) for cell in row] for row in rows]
    if is_terminal(out):
        _rich_table(columns, cells, out)
        return
    widths = [max(len(cell) for cell in column) for column in zip(columns, *cells, strict=True)]
    for row in ([column.upper() for column in columns], *cells):
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        out.write(f"{line.rstrip()}\n")


def markdown(text: str, stream: TextIO | None = None) -> None:
    """Print a report: laid out on a terminal, the Markdown itself anywhere else."""
    out = stream or sys.stdout
    if not is_terminal(out):
        out.write(text if text.endswith("\n") else f"{text}\n")
        return
    from rich.console import Console
    from rich.markdown import Markdown

    safe = "\n".join(plain(line) for line in text.splitlines())
    Console(file=out, no_color=not colour_on(out), width=width()).print(Markdown(safe, hyperlinks=False))


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text.from_ansi(paint(cell, stream=out)) for cell in row))
    Console(file=out, no_color=not colour_on(out), width=width()).print(shown)
