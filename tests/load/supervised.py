"""Processes that send load, and whether they are gone: what tests of supervision share."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["WITHIN", "gone", "watched", "workers"]

WITHIN = 10.0
"""Seconds that a process has to end."""


def workers(parent: int) -> list[int]:
    """The load workers that `parent` started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [
        child for child in map(int, children) if b"gitslo.load.worker" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


@contextmanager
def watched(process: int) -> Iterator[int]:
    """A descriptor that becomes readable when the process has ended."""
    descriptor = os.pidfd_open(process)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def gone(descriptor: int) -> bool:
    """Whether the process ends in time."""
    return bool(select.select([descriptor], [], [], WITHIN)[0])
