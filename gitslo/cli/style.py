"""How the command line looks: colour only on a terminal, tables, Markdown. Every command prints through here.

Off a terminal everything is plain text with stable columns, and rich is not even imported.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import ClassVar, Final, TextIO

from gitslo.core.escape import plain
from gitslo.observers.terminal import colour_on, is_terminal, width

__all__ = ["colour_on", "first_word_painted", "is_terminal", "markdown", "paint", "plain", "table", "width"]

_COLOURS = {
    "pass": "32", "passing": "32", "ok": "32", "merged": "32", "settled": "32",
    "fail": "31", "error": "31", "held": "31", "rejected": "31", "refused": "31",
    "inconclusive": "33", "waiting": "33", "claimed": "36", "proposed": "36", "withdrawn": "33", "heading": "1",
}  # fmt: skip
"""Word -> SGR code; the same word has the same colour in every command."""

_ANY_WIDTH: Final = 10_000
"""Columns in which every table fits."""


def paint(text: str, word: str | None = None, stream: TextIO | None = None) -> str:
    """`text` in the colour of `word` (of itself if None), or as it is where colour is off or the word has none."""
    code = _COLOURS.get(text if word is None else word)
    return f"\x1b[{code}m{text}\x1b[0m" if code is not None and colour_on(stream) else text


def first_word_painted(text: str) -> str:
    """A result that begins with its verdict and a colon."""
    word, colon, rest = text.partition(":")
    return paint(word) + colon + rest


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
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.markdown import Markdown, TableElement
    from rich.measure import Measurement
    from rich.padding import Padding
    from rich.segment import Segment
    from rich.text import Text

    class Fitting(TableElement):
        """A table that is too wide becomes a paragraph per row: cut or narrow cells would hide which row is which."""

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            parts = list(super().__rich_console__(console, options))
            any_width = options.update(width=_ANY_WIDTH)
            needed = max(
                Measurement.get(console, any_width, part).maximum for part in parts if not isinstance(part, Segment)
            )
            if needed <= options.max_width or self.header is None or self.header.row is None or self.body is None:
                yield from parts
                return
            _, *headings = (cell.content.plain for cell in self.header.row.cells)
            for row in self.body.rows:
                first, *cells = (cell.content for cell in row.cells)
                yield Text("\n") + first
                named = (Text(f"{heading} ") + cell for heading, cell in zip(headings, cells, strict=False))
                yield Padding(Text("; ").join(named), (0, 0, 0, 2))

    class Report(Markdown):
        elements: ClassVar = {**Markdown.elements, "table_open": Fitting}

    # Indentation is Markdown; `plain` would take it away with the rest.
    lines = ((line[: len(line) - len(line.lstrip(" "))], line) for line in text.split("\n"))
    safe = "\n".join(indent + plain(line) for indent, line in lines)
    Console(file=out, no_color=not colour_on(out), width=width()).print(Report(safe, hyperlinks=False))


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
