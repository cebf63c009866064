"""What the control groups of this process say about processor time: how much it may use, and when it had to wait.

Called by `workers` (the quota) and by the workers themselves, before and after a load (the throttling). Reads files of
the kernel, both generations of control groups, and nothing else; where there are none, there is no limit.

Must stay true: a limit counts wherever it is set, on the own group or on one above it, and what cannot be read is no
limit: the load's own lag says what it cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

__all__ = ["Throttled", "groups", "quota", "throttled"]

_SECOND, _FIRST = "cgroup2", "cgroup"
"""The generations, by the type of their file system; of the first, the hierarchy with the controller `cpu` counts."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """How often a group had used up its processor time before its period ended, and for how long it then waited.

    Attributes:
        times: periods.
        seconds: summed over the processors.
    """

    times: int = 0
    seconds: float = 0.0

    def since(self, before: Throttled) -> Throttled:
        """What came after an earlier look."""
        return Throttled(self.times - before.times, self.seconds - before.seconds)


def groups(process: Path = Path("/proc/self")) -> tuple[Path, ...]:
    """The folders of the groups that bound this process, its own first; none where there are no control groups."""
    try:
        own = (process / "cgroup").read_text()
        mounts = (process / "mountinfo").read_text()
    except OSError:
        return ()
    paths: dict[str, str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            paths[_SECOND] = path
        elif "cpu" in controllers.split(","):
            paths[_FIRST] = path
    found: list[Path] = []
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind in paths and (kind == _SECOND or "cpu" in options.split(",")):
            root, top = before.split()[3:5]
            found += _upwards(Path(top), root, paths.pop(kind))
    return tuple(found)


def _upwards(top: Path, root: str, path: str) -> Iterator[Path]:
    """From a group to the highest one that this mount shows. A container may see its own group as the highest."""
    inside = PurePosixPath(path)
    relative = inside.relative_to(root) if inside.is_relative_to(root) else PurePosixPath()
    if ".." in relative.parts:
        relative = PurePosixPath()
    yield top / relative
    yield from (top / parent for parent in relative.parents)


def throttled(folders: Sequence[Path]) -> Throttled:
    """All that these groups have had to wait so far."""
    times, seconds = 0, 0.0
    for folder in folders:
        said = dict(line.split(" ", 1) for line in _lines(folder / "cpu.stat"))
        times += int(said.get("nr_throttled", 0))
        seconds += int(said.get("throttled_usec", 0)) / 1e6 + int(said.get("throttled_time", 0)) / 1e9
    return Throttled(times, seconds)


def quota(folders: Sequence[Path]) -> float:
    """How many processors' time these groups allow; infinite where they do not say."""
    least = math.inf
    for folder in folders:
        for line in _lines(folder / "cpu.max"):
            allowed, period = line.split()
            if allowed != "max":
                least = min(least, int(allowed) / int(period))
        for allowed in _lines(folder / "cpu.cfs_quota_us"):
            for period in _lines(folder / "cpu.cfs_period_us"):
                if int(allowed) > 0:
                    least = min(least, int(allowed) / int(period))
    return least


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
