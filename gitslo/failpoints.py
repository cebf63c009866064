"""Named points before and after every effect at which a test can make the process die, stop or fail.

A no-op unless the environment variable GITSLO_FAILPOINTS names the point, e.g. `publish:after=kill` (several separated
by commas; `=kill` sends SIGKILL to ourselves, `=pause` sends SIGSTOP, `=raise` raises Retry). `publish:after#2=kill`
acts on the second passage. The list of names is closed: `act` and these names are compared by a test.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from gitslo.errors import Fatal, Retry

__all__ = ["NAMES", "VARIABLE", "failpoint"]

VARIABLE: Final = "GITSLO_FAILPOINTS"

NAMES: Final = (
    "attempt",
    "branch-delete",
    "claim",
    "close",
    "command",
    "comment",
    "commit-comment",
    "intent",
    "issue",
    "judge",
    "ledger",
    "merge",
    "publish",
    "pull-request",
    "status",
)
"""Every effect of `gitslo.loop.act`."""

_passages: dict[str, int] = {}


def failpoint(name: str, side: str) -> None:
    """Mark a passage; `side` is `before` or `after` the effect."""
    asked = os.environ.get(VARIABLE)
    if not asked:
        return
    if name not in NAMES:
        raise Fatal(f"{name} is not a failpoint")
    point = f"{name}:{side}"
    _passages[point] = _passages.get(point, 0) + 1
    for entry in asked.split(","):
        where, _, what = entry.strip().partition("=")
        place, _, number = where.partition("#")
        if place == point and (not number or int(number) == _passages[point]):
            _fail(what or "kill", point)


def _fail(what: str, point: str) -> None:
    match what:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "pause":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise":
            raise Retry(f"failpoint {point}", 0.0)
        case _:
            raise Fatal(f"{VARIABLE}: {what} is not kill, pause or raise")
