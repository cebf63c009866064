"""Stories in which somebody else writes: racing on the branch, rewriting its history, forging or deleting a ledger.

Called by the tests, which play them beside the scenarios of `tests.crash.scenarios`.
"""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from tests.crash.checker import entries, tip
from tests.crash.scenarios import Ended, Scenario, ended, left_at, log_lines, recovered
from tests.crash.world import World, until

MOST_COMMITS = 100
"""Commits of one writer."""
PAUSE = 0.3
"""Seconds between two commits of one writer, so that it never lets go for long."""


# --------------------------------------------------------------------------- the branch


def writers(folder: Path, tag: str, *, atomic: bool) -> Ended:
    """Two people go on committing unrelated files while a release is promoted or reverted."""
    began = time.monotonic()
    with World(folder, atomic=atomic, proved=True) as world:
        world.release(tag)
        over = threading.Event()
        people = [threading.Thread(target=_write, args=(world, name, over)) for name in ("ann", "bob")]
        for person in people:
            person.start()
        try:
            code = world.run()
        finally:
            over.set()
            for person in people:
                person.join()
        return ended(world, began, tags=left_at(tag), code=code, commits=len(world.people))


def _write(world: World, name: str, over: threading.Event) -> None:
    for number in range(MOST_COMMITS):
        if over.wait(PAUSE):
            return
        world.commit({f"notes/{name}-{number}.txt": f"{number}\n"}, f"Note {number} of {name}")


def races() -> list[Scenario]:
    """A promotion with atomic pushes, a revert without."""

    def made(tag: str, *, atomic: bool) -> Scenario:
        how = "atomic" if atomic else "one-by-one"
        return Scenario(
            f"writers-{tag}-{how}", "raced on the branch", lambda folder: writers(folder, tag, atomic=atomic)
        )

    return [made("v2", atomic=True), made("bad2", atomic=False)]


def rewritten_under_way(folder: Path) -> Ended:
    """While v2 is under load in dev, somebody forces main back to before it, and releases v4 on top of that."""
    began = time.monotonic()
    with World(folder, proved=True) as world:
        first = world.people[0]
        world.release("v2")
        child = world.start()
        until(lambda: world.loading("dev", 2), "load")
        world.rewrite(first, first, "Forget v2")
        world.release("v4")
        code = child.wait(240)
        superseded = [entry["run"]["subject"]["tree"] for entry in entries(world, "dev") if entry["why"] == "supersede"]
        passed = {entry["last_pass"]["release"]["values"][0]["value"] for entry in entries(world, "dev")}
        return ended(
            world,
            began,
            tags={"dev": "v4", "prod": "v4"},
            code=code,
            superseded=len(superseded),
            passed=passed,
            said=log_lines(world.log()),
        )


def rewritten_half_done(folder: Path, point: str, *, lose: bool, atomic: bool) -> Ended:
    """Killed on its way out with a promotion; then somebody squashes the history that the promotion stands on."""
    began = time.monotonic()
    with World(folder, atomic=atomic, proved=True) as world:
        first = world.people[0]
        world.release("v2")
        code = world.run(failpoints=f"{point}=kill")
        world.rewrite("refs/heads/main", first, "Squash")
        world.git("reflog", "expire", "--expire=now", "--all")
        passes = [recovered(world, lose=lose)]
        return ended(world, began, passes, code=code, said=log_lines(world.log()))


def rewrites() -> list[Scenario]:
    """Half done at each of the steps on which a promotion could come out on the old history."""

    def made(point: str, *, atomic: bool) -> Scenario:
        def play(folder: Path) -> Ended:
            return rewritten_half_done(folder, point, lose=atomic, atomic=atomic)

        return Scenario(f"rewritten-{point}", "history rewritten", play)

    return [
        made("publish:before", atomic=False),
        made("pull-request:before", atomic=True),
        made("merge:before", atomic=True),
    ]


# --------------------------------------------------------------------------- the ledger

KEY = "a key that only the operator knows"


def forged(folder: Path) -> Ended:
    """Somebody appends to dev's ledger, by plain Git, that v9 has passed, and writes v9 into dev."""
    began = time.monotonic()
    with World(folder, proved=True, key=KEY) as world:
        believed = world.run()
        _forge(world, "dev", "v9")
        world.release("v9")
        codes = [world.run()]
        held = (world.tags(), log_lines(world.log()))
        loads = len(world.requests)
        world.command("resume", "dev", "--fresh", "--config", str(world.config()), "--by", "Ann")
        codes.append(world.run())
        request = [entry["run"]["cause"] for entry in entries(world, "dev") if entry["run"] is not None]
        return ended(
            world,
            began,
            tags={"dev": "v9", "prod": "v9"},
            believed=believed,
            codes=codes,
            held=held,
            loads=loads,
            causes=request,
        )


def _forge(world: World, environment: str, tag: str) -> None:
    ref = f"refs/gitslo/shop/{environment}"
    old = world.git("rev-parse", ref)
    entry = json.loads(world.git("show", f"{old}:ledger.json"))
    value = entry["last_pass"]["release"]["values"][0]["value"]
    run = {**entry["run"], "id": "9"}
    text = json.dumps({**entry, "entry": entry["entry"] + 1, "run": run}).replace(f'"{value}"', f'"{tag}"')
    blob = world.git("hash-object", "-w", "--stdin", data=text.encode())
    seal = world.git("rev-parse", f"{old}:ledger.hmac")
    lines = f"100644 blob {seal}\tledger.hmac\n100644 blob {blob}\tledger.json\n"
    tree = world.git("mktree", data=lines.encode())
    new = world.git("commit-tree", tree, "-p", old, "-m", "judge: run 9 (sync): pass")
    world.git("push", "--quiet", world.repository.as_uri(), f"{new}:{ref}")


def deleted(folder: Path, *, key: str) -> Ended:
    """After a promotion somebody deletes prod's ledger: held, until a person begins anew."""
    began = time.monotonic()
    with World(folder, proved=True, key=key) as world:
        world.release("v2")
        codes = [world.run()]
        world.git("update-ref", "-d", "refs/gitslo/shop/prod")
        world.release("v3")
        codes.append(world.run())
        state = tip(world, "prod")
        held = (world.tags(), state["hold"]["reason"], state["run"])
        world.command("resume", "prod", "--fresh", "--config", str(world.config()), "--by", "Ann")
        codes.append(world.run())
        return ended(world, began, tags={"dev": "v3", "prod": "v3"}, codes=codes, held=held)
