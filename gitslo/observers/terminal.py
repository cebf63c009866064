"""Whether a person looks at a stream, and what it can show. Used by the command line and by the wiring.

`NO_COLOR` (not empty) and `TERM=dumb` switch colour off.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

__all__ = ["colour_on", "is_terminal", "width"]


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a person looks at `stream` (standard output if None)."""
    return (stream or sys.stdout).isatty()


def colour_on(stream: TextIO | None = None) -> bool:
    """Whether to paint: a terminal, and nobody said no."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns
