"""Processes as the kernel lists them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

__all__ = ["children"]


def children(pid: int | None = None) -> set[int]:
    """The processes that one has started, from whichever thread, and that are not gone.

    Args:
        pid: whose; this one's when left out.
    """
    found: set[int] = set()
    for task in Path(f"/proc/{pid or os.getpid()}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found |= set(map(int, (task / "children").read_text().split()))
    return found
