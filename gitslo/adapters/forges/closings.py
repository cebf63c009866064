"""Who closed a pull request, and whether it only went with its branch: told once all that belongs to it can be read.

Called by the forges of this package that close what has lost its branch in the name of who deleted that. Must stay
true: a closing is told as a person's no only after the branch's going would have shown, as a forge writes the two one
after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gitslo.adapters.forges.http import ForgeHttp
from gitslo.model import Seconds

__all__ = ["Closing", "settled"]

WITHIN: Final = 2.5
"""Seconds after a closing, by both sides' clocks, in which the branch's going may still be missing; a forge cuts the
moment of a closing down to a whole second."""
PAUSE: Final = Seconds(0.5)


@dataclass(frozen=True, slots=True)
class Closing:
    """Who closed a pull request, and whether it only went with its branch."""

    by: str
    with_branch: bool


def settled(http: ForgeHttp, closed: datetime, us: str, read: Callable[[], Closing]) -> Closing:
    """What `read` tells, read again while it may be too early to tell; our own closings need no second look.

    Raises:
        Retry, Refused: as `read`.
    """
    found = read()
    for _ in range(int(WITHIN / PAUSE)):
        if found.with_branch or found.by == us or not 0.0 <= http.wall() - closed.timestamp() < WITHIN:
            break
        http.sleep(PAUSE)
        found = read()
    return found
