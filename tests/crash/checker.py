"""Reads only the server side (refs, the post-receive log, the service's own access log) and says what is wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise

from tests.crash.world import ENVIRONMENTS, World

ZERO = "0" * 40


def check(world: World) -> list[str]:
    """Every violation of the invariants, in words; empty when all hold."""
    return [
        *_one_verdict_per_attempt(world),
        *_promotions_rest_on_a_pass(world),
        *_one_pull_request_per_change(world),
        *_history_only_grows(world),
        *_load_never_overlaps(world),
    ]


def entries(world: World, environment: str) -> list[dict]:
    """An environment's ledger, oldest first."""
    ref = f"refs/gitslo/shop/{environment}"
    if not world.git("for-each-ref", ref):
        return []
    commits = world.git("rev-list", "--reverse", "--first-parent", ref).split()
    return [{"id": c, **json.loads(world.git("show", f"{c}:ledger.json"))} for c in commits]


def tip(world: World, environment: str) -> dict:
    """The newest entry."""
    return entries(world, environment)[-1]


def _one_verdict_per_attempt(world: World) -> list[str]:
    """I1: one terminal verdict per run and attempt in the ledger, and each entry's number is the next."""
    wrong = []
    for environment in ENVIRONMENTS:
        chain = entries(world, environment)
        judged = [e["run"]["id"] + "/" + str(e["run"]["attempt"]) for e in chain if e["why"] in ("judge", "give up")]
        wrong += [f"{environment}: run/attempt {key} was judged twice" for key in set(judged) if judged.count(key) > 1]
        numbers = [e["entry"] for e in chain]
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append(f"{environment}: ledger entries are numbered {numbers}")
    return wrong


def _promotions_rest_on_a_pass(world: World) -> list[str]:
    """I2, I3, I6: every promotion on the branch names a passing ledger entry of exactly its release."""
    wrong = []
    for commit in world.git("rev-list", "refs/heads/main").split():
        trailers = dict(
            line.split(": ", 1)
            for line in world.git("show", "-s", "--format=%(trailers:only,unfold)", commit).splitlines()
            if ": " in line
        )
        if trailers.get("Gitslo-Action") != "promote":
            continue
        entry = json.loads(world.git("show", f"{trailers['Gitslo-Ledger']}:ledger.json"))
        passed = entry["last_pass"]
        if passed is None or passed["withdrawn"]:
            wrong.append(f"{commit[:10]} promotes on an entry without a pass")
        elif passed["release"]["digest"] != trailers["Gitslo-Release"]:
            wrong.append(f"{commit[:10]} promotes another release than {trailers['Gitslo-Ledger'][:10]} passed")
    return wrong


def _one_pull_request_per_change(world: World) -> list[str]:
    """I4: at most one pull request per change, and one promotion commit on the branch per change."""
    wrong, keys, open_heads = [], defaultdict(list), defaultdict(list)
    for ref in world.git("for-each-ref", "--format=%(refname)", "refs/gitslo-forge/pulls").split():
        pull = json.loads(world.git("show", f"{ref}:pull.json"))
        keys[pull["key"]].append(ref)
        if pull["state"] == "open":
            open_heads[pull["head"]].append(ref)
        markers = [comment["marker"] for comment in pull["comments"] if comment["marker"]]
        wrong += [f"{ref}: the comment {m} is there twice" for m in set(markers) if markers.count(m) > 1]
    wrong += [f"{len(refs)} pull requests for the change {key}" for key, refs in keys.items() if len(refs) > 1]
    wrong += [f"{len(refs)} open pull requests of {head}" for head, refs in open_heads.items() if len(refs) > 1]
    subjects = defaultdict(list)
    for line in world.git(
        "log", "--no-merges", "--format=%H%x00%(trailers:only,unfold,separator=%x01)", "main"
    ).splitlines():
        commit, _, trailers = line.partition("\0")
        if "Gitslo-Action" in trailers:
            subjects[trailers].append(commit)
    wrong += [f"the same change is on the branch {len(c)} times: {t}" for t, c in subjects.items() if len(c) > 1]
    return wrong


def _history_only_grows(world: World) -> list[str]:
    """I5, P3: nobody's commit is overwritten, and no branch that is not ours is force-pushed."""
    wrong = []
    on_main = set(world.git("rev-list", "refs/heads/main").split())
    wrong += [f"the person's commit {commit[:10]} is lost" for commit in world.people if commit not in on_main]
    log = world.repository / "pushes.log"
    for line in log.read_text().splitlines() if log.exists() else ():
        old, new, ref = line.split(" ", 2)
        ledger = ref.startswith("refs/gitslo/")
        if ref == "refs/heads/main" or ledger:
            if new == ZERO:
                wrong.append(f"{ref} was deleted")
            elif old != ZERO and world.git("merge-base", old, new) != old:
                wrong.append(f"{ref} was forced from {old[:10]} to {new[:10]}")
        elif not ref.startswith(("refs/heads/gitslo/", "refs/gitslo-")):
            wrong.append(f"{ref} was written")
    return wrong


def _load_never_overlaps(world: World) -> list[str]:
    """I7: the load of two attempts never overlaps on one target, as the service itself saw it."""
    spans: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for request in world.requests:
        first, _ = spans[request.environment].get(request.run, (request.at, request.at))
        spans[request.environment][request.run] = (first, request.at)
    wrong = []
    for environment, runs in spans.items():
        ordered = sorted(runs.items(), key=lambda item: item[1])
        for (one, (_, end)), (other, (start, _)) in pairwise(ordered):
            if start < end:
                wrong.append(f"{environment}: load of {other} began {end - start:.3f} s before that of {one} ended")
    return wrong
