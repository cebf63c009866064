"""Kills, pauses and races, and what came of them: nothing lost, nothing duplicated, no load overlapping.

The scenarios are those of the tests (`tests/crash`), each with a bare repository, a service and gitslo as a process of
its own; what is wrong is read from the server side alone. GITSLO_CRASH_RUNS multiplies the random kills and the
pauses; their seeds follow those of the tests. Ends with 1 if anything is wrong, and says what.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.crash import disputes, scenarios
from tests.crash.checker import Kind, Violation
from tests.crash.scenarios import Ended, Scenario

AT_ONCE = 4
RUNS = int(os.environ.get("GITSLO_CRASH_RUNS", "3"))
KILLED, PAUSED = 6, 2
"""Random kills and pauses per run; as many as the tests have."""
FIRST = 100
"""The first seed: the tests have those below."""

COLUMNS = ("scenarios", "kills", "runs", "takeovers", *Kind, "gave up", "passes", "seconds")


def played(scenario: Scenario, folder: Path) -> Ended:
    """Play it; a scenario that breaks off has lost something."""
    began = time.monotonic()
    try:
        return scenario.play(folder / scenario.name.replace(":", "-"))
    except Exception as error:  # noqa: BLE001 - the others go on, and the table says so
        wrong = (Violation(Kind.LOST, f"it broke off: {error}"),)
        return Ended(wrong, 0, 0, 0, (), time.monotonic() - began, "")


def row(group: str, those: Sequence[Ended]) -> tuple[str, ...]:
    """One line of the table: sums, and the longest of passes and seconds."""
    found = [violation.kind for one in those for violation in one.wrong]
    passes = max((number for one in those for number in one.passes), default=0)
    numbers = (
        len(those),
        sum(one.kills for one in those),
        sum(one.started for one in those),
        sum(one.takeovers for one in those),
        *(found.count(kind) for kind in Kind),
        sum(one.gave_up for one in those),
        passes,
    )
    return (group, *map(str, numbers), f"{max(one.seconds for one in those):.0f}")


def main() -> int:
    """Print the table; 1 if anything is wrong."""
    wanted = [
        *scenarios.pauses_of(range(FIRST, FIRST + PAUSED * RUNS)),
        *scenarios.matrix(),
        *scenarios.random_kills_of(range(FIRST, FIRST + KILLED * RUNS)),
        *disputes.races(),
        *disputes.rewrites(),
    ]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gitslo-crash-") as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        ended = dict(zip(wanted, pool.map(lambda one: played(one, Path(folder)), wanted), strict=True))
    groups = dict.fromkeys(scenario.group for scenario in wanted)
    rows = [row(group, [end for scenario, end in ended.items() if scenario.group == group]) for group in groups]
    rows.append(row("all", list(ended.values())))
    print(f"{'':22}" + "".join(f"{name:>12}" for name in COLUMNS))
    for name, *cells in rows:
        print(f"{name:22}" + "".join(f"{cell:>12}" for cell in cells))
    print(
        f"{time.monotonic() - began:.0f} s in all, {AT_ONCE} at once; passes and seconds are the most of one scenario"
    )
    for scenario, end in ended.items():
        for violation in end.wrong:
            print(f"{scenario}: {violation}\n{end.log[-3000:]}", file=sys.stderr)
    return 1 if any(end.wrong for end in ended.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
