"""From the verdict to the open pull request, on a real Gitea, beside one bare push and one bare call of its API.

    python bench/forge.py [ROUNDS]      15 unless said; Gitea is built first where it is not there

`gitslo serve` as its users run it. In every round a release passes in one environment, is pushed and offered to the
next one, and is merged by a person once it is green; then a bare `git push` of one commit from a clone and a bare
`POST` of a pull request are timed on the same repository. Moments are those of the daemon's log: the verdict
is written; the branch and the ledger's entry are pushed; the pull request is open.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.components import program
from tests.e2e.gitea_world import GiteaShop
from tests.e2e.world import POLICY, lines, until
from tests.gitea_server import BOT, OWNER, GiteaServer

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
MANUAL = POLICY.replace("promotion: {mode: pull-request, merge: auto}", "promotion: {merge: manual}")
SOURCE, TARGET = "checkout/dev", "checkout/prod"


@dataclass
class Rounds:
    """Milliseconds of every round, by what took them."""

    took: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, seconds: float) -> None:
        """One round's time for one thing."""
        self.took.setdefault(what, []).append(1000.0 * seconds)

    def line(self, what: str) -> str:
        """Its median, least and most."""
        found = sorted(self.took[what])
        return f"{what:54} {statistics.median(found):8.0f} {found[0]:8.0f} {found[-1]:8.0f}"


class Bare:
    """A clone of a person's, and the same two things by hand."""

    def __init__(self, world: GiteaShop, server: GiteaServer) -> None:
        self._world, self._folder = world, world.folder / "bare"
        self._url = server.clone_url(world.repository.name, BOT)
        self._run("clone", "-q", "-b", "main", self._url, str(self._folder))

    def _run(self, *words: str) -> None:
        environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "HOME": "/nonexistent"}
        who = ("-c", "user.name=bare", "-c", "user.email=bare@example.com")
        where = [] if words[0] == "clone" else ["-C", str(self._folder)]
        subprocess.run(["git", *where, *who, *words], env=environment, check=True, timeout=60, capture_output=True)

    def round(self, number: int, rounds: Rounds) -> None:
        """Push one commit and open its pull request; both are gone afterwards."""
        branch = f"bare-{number}"
        (self._folder / "bare.txt").write_text(f"{number}\n")
        self._run("add", "bare.txt")
        self._run("commit", "-q", "-m", branch)
        rounds.add(
            "a bare `git push` of one branch", _timed(lambda: self._run("push", "-q", "origin", f"HEAD:{branch}"))
        )
        wanted = {"head": branch, "base": "main", "title": branch, "body": "x" * 8000}

        def opened() -> None:
            while (
                self._world.api(BOT, "POST", "/pulls", wanted).status == HTTPStatus.NOT_FOUND
            ):  # the push is not worked off yet
                time.sleep(0.01)

        rounds.add("a bare `POST` of a pull request", _timed(opened))
        self._world.api(OWNER, "DELETE", f"/branches/{branch}")


def _timed(what: Callable[[], object]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began


def _moment(line: Mapping[str, object]) -> float:
    return datetime.fromisoformat(str(line["time"])).timestamp()


def told(log: Path, seen: int, rounds: Rounds) -> None:
    """What one release's way took, from the lines that came after the first `seen`."""
    found = list(lines(log))[seen:]

    def at(event: str, environment: str, after: float = 0.0) -> float:
        return next(
            _moment(line)
            for line in found
            if line["event"] == event and line.get("environment", "") == environment and _moment(line) >= after
        )

    judged = at("run.judged", SOURCE)
    proposed = at("change.proposed", TARGET, judged)
    opened = at("change.pull_request", TARGET, proposed)
    rounds.add("from the verdict to the open pull request", opened - judged)
    rounds.add("  of it until the change is pushed, and noted (Git)", proposed - judged)
    rounds.add("  of it until the pull request is open (API)", opened - proposed)


def play(world: GiteaShop, server: GiteaServer) -> Rounds:
    """All rounds."""
    rounds, log = Rounds(), world.folder / "serve.jsonl"
    world.serve(log)
    until(lambda: world.judged(TARGET) == ("v1", "pass"), "v1 is proven", 120)
    bare = Bare(world, server)
    for number in range(2, ROUNDS + 2):
        seen, tag = len(list(lines(log))), f"v{number}"
        world.release(SOURCE, tag)

        def offered(tag: str = tag) -> bool:
            pulls = [pull for pull in world.pulls() if f"-> {tag}" in str(pull["title"])]
            return bool(pulls) and world.head_state(pulls[0]) == "success"

        until(offered, f"{tag} is offered", 120)
        told(log, seen, rounds)
        bare.round(number, rounds)
        [pull] = [pull for pull in world.pulls() if f"-> {tag}" in str(pull["title"])]
        path = f"/pulls/{pull['number']}/merge"
        until(
            lambda path=path: world.api(OWNER, "POST", path, {"Do": "merge"}).status == HTTPStatus.OK,
            f"{tag} is merged",
            120,
        )
        until(lambda tag=tag: world.judged(TARGET) == (tag, "pass"), f"{tag} is proven", 120)
    return rounds


def main() -> None:
    """Play, and print the medians."""
    with (
        tempfile.TemporaryDirectory() as folder,
        GiteaServer(program("gitea")) as server,
        GiteaShop(Path(folder), policy=MANUAL, server=server) as world,
    ):
        rounds = play(world, server)
    print(f"{ROUNDS} rounds, milliseconds{'':36} median    least     most")
    for what in rounds.took:
        print(rounds.line(what))
    ratio = [
        whole / (push + post)
        for whole, push, post in zip(
            rounds.took["from the verdict to the open pull request"],
            rounds.took["a bare `git push` of one branch"],
            rounds.took["a bare `POST` of a pull request"],
            strict=True,
        )
    ]
    print(f"\nThe whole is {statistics.median(ratio):.2f} times one bare push and one bare call.")


if __name__ == "__main__":
    main()
