"""Push races: people who push to the branch all the while that gitslo pushes its promotions straight onto it.

    python bench/races.py [COMMITS] [PAUSE]

COMMITS: of each of four people, 200 unless said. PAUSE: seconds between two of one person's, 2 on average unless said:
a push every half second, for about eight minutes.

A bare repository that keeps a log of every move of its branch, four clones with real `git push`, fetch and rebase, and
`gitslo serve` in direct mode. Every few seconds a release passes in one environment and is pushed onto the branch for
the next one. What is counted: people's commits that are not on the branch in the end, moves of the branch that are no
fast-forward, and how many pushes each change of ours took, by the daemon's own log. Ends with 1 if anything was lost.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.e2e.world import World, lines, until

GIVEN = sys.argv[1:]
COMMITS = int(GIVEN[0]) if GIVEN else 200
PAUSE = float(GIVEN[1]) if GIVEN[1:] else 2.0
PEOPLE = ("ann", "ben", "eve", "kim")
DIRECT = """\
write:
  promotion: {mode: direct}
  revert: {mode: direct}
outcomes: {inconclusive: {action: extend, times: 10}}
"""
"""On a machine that is busy with pushes a run may have to be made several times until it decides."""


@dataclass
class Person:
    """A clone, and somebody who commits files of their own in it."""

    name: str
    folder: Path
    url: str
    stop: threading.Event
    refused: int = 0

    def git(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """One command in the clone."""
        environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self.folder.parent), "LC_ALL": "C"}
        who = ("-c", f"user.name={self.name}", "-c", f"user.email={self.name}@example.com")
        where = [] if words[0] == "clone" else ["-C", str(self.folder)]
        argv = ["git", *where, *who, *words]
        return subprocess.run(argv, env=environment, check=check, timeout=60, capture_output=True, text=True)

    def work(self) -> None:
        """Commit and push, again and again; a push that comes too late is rebased, as people do."""
        self.git("clone", "-q", "-b", "main", self.url, str(self.folder))
        chance = random.Random(self.name)  # noqa: S311 - no secret
        for number in range(COMMITS):
            (self.folder / f"{self.name}.txt").write_text(f"{number}\n")
            self.git("add", ".")
            self.git("commit", "-q", "-m", f"{self.name} {number}")
            while self.git("push", "-q", "origin", "main", check=False).returncode != 0:
                self.refused += 1
                self.git("pull", "-q", "--rebase", "origin", "main")
            if self.stop.wait(chance.uniform(0.0, 2.0 * PAUSE)):
                return


def lost(world: World, people: list[Person]) -> list[str]:
    """People's commits that are not on the branch."""
    subjects = set(world.repository.git("log", "--format=%s", "main").decode().splitlines())
    return [f"{each.name} {n}" for each in people for n in range(COMMITS) if f"{each.name} {n}" not in subjects]


def forced(world: World) -> int:
    """Moves of the branch that took something away."""
    moves = world.repository.git("log", "-g", "--format=%H", "refs/heads/main").decode().split()
    return sum(world.repository.git("merge-base", old, new).decode().strip() != old for new, old in pairwise(moves))


def tries(log: Path) -> Counter[int]:
    """How many pushes each of our changes took until it was on the branch."""
    found: Counter[int] = Counter()
    current = 0
    for line in lines(log):
        if line["event"] == "push.done" and "refs/heads/main:" in str(line["message"]):
            current += 1
            if line["state"] == "done":
                found[current] += 1
                current = 0
    return found


def unheld(log: Path) -> bool:
    """That nothing waits for a person, as where the machine is so busy that a good release cannot be proven."""
    held = [str(line["message"]) for line in lines(log) if line["event"] == "environment.held"]
    if held:
        sys.exit(f"nothing moves any more: {held[-1]}")
    return True


def main() -> None:
    """Play, and print the counts."""
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), policy=DIRECT, only="checkout/*") as world:
        world.repository.git("config", "core.logAllRefUpdates", "always")
        log, began = Path(folder) / "serve.jsonl", time.monotonic()
        world.serve(log)
        until(lambda: unheld(log) and world.judged("checkout/prod") == ("v1", "pass"), "v1 is proven", 120)
        stop = threading.Event()
        people = [Person(name, Path(folder) / name, world.repository.url, stop) for name in PEOPLE]
        releases = 1
        with ThreadPoolExecutor(len(people)) as pool:
            working = [pool.submit(each.work) for each in people]
            try:
                while not all(each.done() for each in working):
                    releases += 1
                    tag = f"v{releases}"
                    _release(people[0], world, tag)
                    until(
                        lambda tag=tag: unheld(log) and world.tags()["checkout/prod"] == tag, f"{tag} is promoted", 300
                    )
            except BaseException:  # nobody goes on working for nothing
                stop.set()
                raise
            for each in working:
                each.result()
        taken, missing, moves = tries(log), lost(world, people), forced(world)
        ordered = sorted(taken.elements())
        p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
        print(f"{len(PEOPLE) * COMMITS} commits of {len(PEOPLE)} people in {time.monotonic() - began:.0f} s")
        print(f"{sum(each.refused for each in people)} of their pushes came too late and were rebased")
        print(f"{len(missing)} of their commits are not on the branch; {moves} moves of it were forced")
        print(f"{sum(taken.values())} changes of ours; pushes that each took: {dict(sorted(taken.items()))}; p95 {p95}")
    if missing or moves:
        sys.exit(f"lost: {missing[:10]}, forced: {moves}")


def _release(person: Person, world: World, tag: str) -> None:
    """A release by a clone of its own, pushed like everything else."""
    releaser = Person("rel", world.folder / "releaser", person.url, person.stop)
    if not releaser.folder.exists():
        releaser.git("clone", "-q", "-b", "main", releaser.url, str(releaser.folder))
    manifest = releaser.folder / "checkout" / "dev" / "deployment.yaml"
    releaser.git("pull", "-q", "--rebase", "origin", "main")
    text = manifest.read_text()
    before = text.partition("image: example/checkout:")[2].split()[0]
    manifest.write_text(text.replace(f"checkout:{before}", f"checkout:{tag}"))
    releaser.git("commit", "-q", "-a", "-m", f"Release {tag}")
    while releaser.git("push", "-q", "origin", "main", check=False).returncode != 0:
        releaser.git("pull", "-q", "--rebase", "origin", "main")


if __name__ == "__main__":
    main()
