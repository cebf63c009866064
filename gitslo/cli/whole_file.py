"""A file that is written whole or not at all. Called by the commands that leave files behind.

Whoever reads it meanwhile, or after a crash, sees the old one or the new one, and never half of one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from gitslo.errors import Problem, Refused

__all__ = ["see_that_it_can_be_written", "write_whole"]


def see_that_it_can_be_written(path: Path) -> None:
    """Before the work whose result it is to hold.

    Raises:
        Refused: its folder does not exist, or is not writable.
    """
    if not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise Refused(Problem("its folder does not exist, or is not writable", file=str(path)))


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file, which keeps its mode; a new one is readable by all.

    Raises:
        Refused: it cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
            new.write(content)
            new.flush()
            os.fchmod(new.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o644)
            os.fsync(new.fileno())
        Path(new.name).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError, UnboundLocalError):
            Path(new.name).unlink()
        raise Refused(Problem(f"cannot be written: {error.strerror}", file=str(path))) from error
