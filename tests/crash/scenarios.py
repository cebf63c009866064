"""The stories that gitslo is killed, stopped and restarted in, each in a world of its own.

Called by the tests, which play them several at a time, and by `bench/crash.py`, which plays more of them. A scenario
asserts nothing: what is wrong is in its `Ended`, as the server side shows it.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gitslo.failpoints import NAMES
from tests.crash.checker import Kind, Violation, check, cut_off, ends_at, pull_states, tip
from tests.crash.world import World, stopped, until

ELSEWHERE = ("issue", "commit-comment")
"""Effects that only a forge of that kind comes to: each of those forges' contract says that they are there once."""

POINTS = tuple(
    f"{name}:{side}"
    for name in NAMES
    for side in ("before", "after")
    if (name, side) != ("attempt", "after") and name not in ELSEWHERE
)
"""`attempt` has no `after`: what follows it is `judge:before`."""

WITHDRAWAL = ("close", "branch-delete")
"""Effects that only a change which is withdrawn comes to."""

PROVEN = {"dev": "v2", "prod": "v2"}
MOST_PASSES = 3
"""Processes that may be started after the last kill until nothing is left to do; more is a violation."""
LONGEST_LIFE = 7.0
"""Seconds: random kills fall into the whole of a promotion or a revert."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a scenario ended.

    Attributes:
        wrong: every violation; empty when all is well.
        kills, started, takeovers: processes killed, processes started, attempts that were taken over.
        passes: per kill, the processes it took until nothing was left to do.
        gave_up: whether a run was cut off three times and ended in error and a hold, as it should.
        facts: what the scenario's own test asks for.
    """

    wrong: tuple[Violation, ...]
    kills: int
    started: int
    takeovers: int
    passes: tuple[int, ...]
    seconds: float
    log: str
    gave_up: bool = False
    facts: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story by its name; `group` is its row in the bench's table, `patient` says that it mostly waits."""

    name: str
    group: str
    play: Callable[[Path], Ended] = field(compare=False, repr=False)
    patient: bool = False

    def __str__(self) -> str:
        return self.name


def ended(
    world: World,
    began: float,
    passes: Iterable[int] = (),
    *,
    tags: dict[str, str] | None = PROVEN,
    gave_up: bool = False,
    wrong: Iterable[Violation] = (),
    **facts: object,
) -> Ended:
    """What the server side shows now; `tags` is what the branch should say, None where that is open."""
    passes = tuple(passes)
    slow = [Violation(Kind.LOST, f"nothing was left only after {n} processes") for n in passes if n > MOST_PASSES]
    arrived = ends_at(world, tags) if tags is not None else ()
    return Ended(
        (*check(world), *arrived, *slow, *wrong),
        world.kills,
        world.started,
        cut_off(world),
        passes,
        time.monotonic() - began,
        "\n".join(world.log(name)[-6000:] for name in ("one", "two")),
        gave_up,
        facts,
    )


def left_at(tag: str) -> dict[str, str]:
    """Where the branch ends that was at v1 when this was released: promoted, or reverted."""
    return dict.fromkeys(PROVEN, "v1" if tag.startswith("bad") else tag)


def recovered(world: World, *, lose: bool) -> int:
    """Lose the disk or not, and start gitslo until nothing is left to do; how often that was."""
    if lose:
        world.lose_clone()
    for number in range(1, MOST_PASSES + 1):
        if world.run() == 0:
            return number
    return MOST_PASSES + 1


# --------------------------------------------------------------------------- kill -9 at every step


def promotion_and_revert(folder: Path, point: str, *, lose: bool, atomic: bool, mode: str = "pull-request") -> Ended:
    """v2 is promoted and bad3 reverted; killed at the point in both halves, the clone lost in one of them."""
    began = time.monotonic()
    with World(folder, atomic=atomic, proved=True, mode=mode) as world:
        passes = []
        halfway: tuple[Violation, ...] = ()
        for tag, without_clone in (("v2", lose), ("bad3", not lose)):
            world.release(tag)
            world.run(failpoints=f"{point}=kill")
            passes.append(recovered(world, lose=without_clone))
            halfway += ends_at(world, PROVEN)
        rejected = [no["tree"] is not None for no in tip(world, "dev")["rejected"]]
        return ended(world, began, passes, wrong=halfway, rejected=rejected)


def withdrawal(folder: Path, point: str, *, lose: bool, atomic: bool) -> Ended:
    """v2 waits for a person in front of prod; prod's plan changes: withdrawn, proposed anew, merged by the person."""
    began = time.monotonic()
    with World(folder, atomic=atomic, proved=True, merge="manual") as world:
        world.release("v2")
        codes = [world.run()]
        waiting = (world.tags(), pull_states(world))
        world.commit({"prod/slo.yaml": world.plan("prod", limit=19)}, "Ask for more in prod")
        world.run(failpoints=f"{point}=kill")
        passes = [recovered(world, lose=lose)]
        anew = pull_states(world)
        pulls = ["--repository", world.repository.as_uri(), "--by", "Ann"]
        world.command("pulls", "merge", str(len(anew)), *pulls)
        codes.append(world.run())
        return ended(world, began, passes, codes=codes, waiting=waiting, anew=anew, pulls=pull_states(world))


def matrix() -> list[Scenario]:
    """One scenario per point and side: the clone is lost in half of them, two in three pushes are atomic."""
    made = []
    for number, point in enumerate(POINTS):
        name = point.split(":")[0]
        lose = number % 2 == 0
        # Where the branch goes out together with the intent there is no `publish`.
        atomic = number % 3 != 0 and name != "publish"
        play = withdrawal if name in WITHDRAWAL else promotion_and_revert

        def run(folder: Path, play=play, point=point, lose=lose, atomic=atomic) -> Ended:
            return play(folder, point, lose=lose, atomic=atomic)

        made.append(Scenario(point, "killed at every step", run))
    for point, atomic in (("intent", True), ("publish", False)):
        for side in ("before", "after"):

            def direct(folder: Path, at=f"{point}:{side}", lose=side == "before", atomic=atomic) -> Ended:
                return promotion_and_revert(folder, at, lose=lose, atomic=atomic, mode="direct")

            made.append(Scenario(f"direct-{point}:{side}", "killed at every step", direct))
    return made


# --------------------------------------------------------------------------- kill -9 at random


def random_kills(folder: Path, seed: int) -> Ended:
    """Killed at seeded random times during a promotion and a revert; a third takeover ends it in error and a hold."""
    began = time.monotonic()
    dice = random.Random(seed)  # noqa: S311 - a seed, so that it can be played again
    lose, atomic = seed % 2 == 0, dice.random() < 0.5
    with World(folder, atomic=atomic, proved=True) as world:
        passes = []
        for tag in ("v2", "bad3"):
            world.release(tag)
            for _ in range(dice.randint(1, 3)):
                if world.run(kill_after=dice.uniform(0.3, LONGEST_LIFE)) != -signal.SIGKILL:
                    break
                if lose:
                    world.lose_clone()
            code = world.run()
            if code == 1 and _gave_up(world):
                return ended(world, began, passes, tags=None, gave_up=True)
            passes.append(1 if code == 0 else 1 + recovered(world, lose=False))
        return ended(world, began, passes)


def _gave_up(world: World) -> bool:
    """Whether a hold stands, and a run that was cut off three times in a row is its reason."""
    for environment in ("dev", "prod"):
        state = tip(world, environment)
        if state["hold"] is not None:
            return (state["run"]["verdict"], state["run"]["takeovers"]) == ("error", 3)
    return False


def random_kills_of(seeds: Iterable[int]) -> list[Scenario]:
    """One scenario per seed."""

    def made(seed: int) -> Scenario:
        return Scenario(f"random-{seed}", "killed at random", lambda folder: random_kills(folder, seed))

    return [made(seed) for seed in seeds]


# --------------------------------------------------------------------------- pauses


def pause(folder: Path, point: str, tag: str, *, wakes_early: bool) -> Ended:
    """SIGSTOP at the point, another instance goes on, SIGCONT: when it has ended, or as soon as it writes."""
    began = time.monotonic()
    with World(folder, proved=True) as world:
        world.release(tag)
        paused = world.start(failpoints=f"{point}#1=pause")
        until(lambda: paused.poll() is not None or stopped(paused.pid), f"{point} of {tag}")
        was_stopped = paused.poll() is None
        entry = _ledgers(world)
        other = world.start(instance="two", cache="two")
        if wakes_early and was_stopped:
            until(lambda: other.poll() is not None or _ledgers(world) != entry, "an entry by the other", 150)
        else:
            other.wait(240)
        if was_stopped:
            paused.send_signal(signal.SIGCONT)
        codes = (paused.wait(240), other.wait(240))
        return ended(world, began, tags=left_at(tag), codes=codes, was_stopped=was_stopped)


def _ledgers(world: World) -> str:
    return world.git("for-each-ref", "refs/gitslo/shop/")


def pauses_of(seeds: Iterable[int]) -> list[Scenario]:
    """One scenario per seed: where, in which half of the story, and when it wakes."""
    on_the_way = [point for point in POINTS if point.split(":")[0] not in (*WITHDRAWAL, "publish")]

    def made(seed: int) -> Scenario:
        dice = random.Random(seed)  # noqa: S311 - a seed, so that it can be played again
        point, tag, early = dice.choice(on_the_way), dice.choice(("v2", "bad2")), seed % 2 == 0

        def play(folder: Path) -> Ended:
            return pause(folder, point, tag, wakes_early=early)

        when = "early" if early else "late"
        return Scenario(f"pause-{seed}-{point}-{tag}-{when}", "paused", play, patient=True)

    return [made(seed) for seed in seeds]


def paused_before_its_load(folder: Path) -> Ended:
    """Stopped between its claim and its load until another instance has taken over and loads the same target."""
    began = time.monotonic()
    with World(folder, proved=True) as world:
        world.release("v2")
        paused = world.start(failpoints="attempt:before#1=pause")
        until(lambda: stopped(paused.pid), "the pause")
        other = world.start(instance="two", cache="two")
        until(lambda: world.loading("dev", 2), "load by the other", 150)
        paused.send_signal(signal.SIGCONT)
        codes = (paused.wait(240), other.wait(240))
        runs = sorted({request.run for request in world.requests})
        return ended(world, began, codes=codes, runs=runs)


# --------------------------------------------------------------------------- the daemon


def serve_killed(folder: Path) -> Ended:
    """`gitslo serve` is killed under load, its clone lost, and restarted; then told to stop."""
    began = time.monotonic()
    with World(folder, proved=True) as world:
        world.release("v2")
        first = world.start(command="serve")
        until(lambda: world.loading("dev", 2), "load")
        world.kill(first)
        world.kills += 1
        world.lose_clone()
        second = world.start(command="serve")
        until(lambda: _passed(world, "prod", "2"), "the pass of v2 in prod")
        second.send_signal(signal.SIGTERM)
        return ended(world, began, code=second.wait(60), left=world.processes())


def serve_drained(folder: Path) -> Ended:
    """SIGTERM under load: the load stops, no child is left, the claim stays, and the next process takes over."""
    began = time.monotonic()
    with World(folder, proved=True) as world:
        world.release("v2")
        daemon = world.start(command="serve")
        until(lambda: world.loading("dev", 2), "load")
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(60)
        at, left = time.monotonic(), world.processes()
        claim = tip(world, "dev")["run"]["state"]
        again = world.run()
        late = sum(request.at > at for request in world.requests if request.run == "shop/dev/2/1")
        return ended(
            world, began, [1] if again == 0 else [MOST_PASSES + 1], code=code, left=left, claim=claim, late=late
        )


def _passed(world: World, environment: str, run: str) -> bool:
    judged = tip(world, environment)["run"]
    return (judged["id"], judged["verdict"]) == (run, "pass")


def log_lines(text: str) -> list[str]:
    """The messages of a log of ours."""
    said = []
    for line in text.splitlines():
        try:
            said.append(str(json.loads(line).get("message", "")))
        except ValueError:
            said.append(line)
    return said
