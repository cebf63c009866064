"""Reads only the server side (refs, the post-receive log, the service's own access log) and says what is wrong.

Called by the scenarios when their story is over. What gitslo says of itself, in a log or by an exit code, is no
evidence here. A run that was cut off three times may end in error and a hold: that is no violation.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from tests.crash.files import ENVIRONMENTS
from tests.crash.world import World

ZERO = "0" * 40


class Kind(StrEnum):
    """What is wrong."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    OVERLAPPING = "overlapping"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not be, in words."""

    kind: Kind
    words: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


def check(world: World) -> tuple[Violation, ...]:
    """Every violation of the invariants; empty when all hold."""
    return (
        *_one_verdict_per_attempt(world),
        *_promotions_rest_on_a_pass(world),
        *_one_pull_request_per_change(world),
        *_history_only_grows(world),
        *_nothing_dropped_comes_back(world),
        *_load_never_overlaps(world),
    )


def ends_at(world: World, expected: dict[str, str]) -> tuple[Violation, ...]:
    """What the branch does not say that it should say in the end: lost on the way."""
    found = world.tags()
    return () if found == expected else (Violation(Kind.LOST, f"the branch ends at {found}, expected {expected}"),)


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


def cut_off(world: World) -> int:
    """How many attempts were taken over, in every environment."""
    return sum(e["why"] in ("take over", "give up") for name in ENVIRONMENTS for e in entries(world, name))


def pull_states(world: World) -> list[str]:
    """The states of all pull requests, oldest first."""
    refs = world.git("for-each-ref", "--format=%(refname)", "refs/gitslo-forge/pulls").split()
    return [_pull(world, ref)["state"] for ref in sorted(refs, key=lambda ref: int(ref.rpartition("/")[2]))]


def _pull(world: World, ref: str) -> dict:
    return json.loads(world.git("show", f"{ref}:pull.json"))


def _one_verdict_per_attempt(world: World) -> Iterator[Violation]:
    """I1: one terminal verdict per run and attempt in the ledger, and each entry's number is the next."""
    for environment in ENVIRONMENTS:
        chain = entries(world, environment)
        judged = [e["run"]["id"] + "/" + str(e["run"]["attempt"]) for e in chain if e["why"] in ("judge", "give up")]
        for key in set(judged):
            if judged.count(key) > 1:
                yield Violation(Kind.DUPLICATED, f"{environment}: run/attempt {key} was judged twice")
        numbers = [e["entry"] for e in chain]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Violation(Kind.LOST, f"{environment}: ledger entries are numbered {numbers}")


def _trailers(world: World, commit: str) -> dict[str, str]:
    text = world.git("show", "-s", "--format=%(trailers:only,unfold)", commit)
    return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)


def _promotions_rest_on_a_pass(world: World) -> Iterator[Violation]:
    """I2, I3, I6: every promotion on the branch names a passing ledger entry of exactly its release."""
    for commit in world.git("rev-list", "refs/heads/main").split():
        trailers = _trailers(world, commit)
        if trailers.get("Gitslo-Action") != "promote":
            continue
        entry = json.loads(world.git("show", f"{trailers['Gitslo-Ledger']}:ledger.json"))
        passed = entry["last_pass"]
        if passed is None or passed["withdrawn"]:
            yield Violation(Kind.UNPROVEN, f"{commit[:10]} promotes on an entry without a pass")
        elif passed["release"]["digest"] != trailers["Gitslo-Release"]:
            words = f"{commit[:10]} promotes another release than {trailers['Gitslo-Ledger'][:10]} passed"
            yield Violation(Kind.UNPROVEN, words)


def _one_pull_request_per_change(world: World) -> Iterator[Violation]:
    """I4: at most one pull request per change, and one commit on the branch per change."""
    keys, heads, subjects = defaultdict(list), defaultdict(list), defaultdict(list)
    for ref in world.git("for-each-ref", "--format=%(refname)", "refs/gitslo-forge/pulls").split():
        pull = _pull(world, ref)
        keys[pull["key"]].append(ref)
        if pull["state"] == "open":
            heads[pull["head"]].append(ref)
        markers = [comment["marker"] for comment in pull["comments"] if comment["marker"]]
        for marker in set(markers):
            if markers.count(marker) > 1:
                yield Violation(Kind.DUPLICATED, f"{ref}: the comment {marker} is there twice")
    log = world.git("log", "--no-merges", "--format=%H%x00%(trailers:only,unfold,separator=%x01)", "main")
    for commit, _, trailers in (line.partition("\0") for line in log.splitlines()):
        if "Gitslo-Action" in trailers:
            subjects[trailers].append(commit)
    for name, found in (
        ("pull requests for", keys),
        ("open pull requests of", heads),
        ("commits on main for", subjects),
    ):
        for key, several in found.items():
            if len(several) > 1:
                yield Violation(Kind.DUPLICATED, f"{len(several)} {name} {key}")


def _history_only_grows(world: World) -> Iterator[Violation]:
    """I5, P3: nobody's commit is overwritten, and no branch that is not ours is force-pushed."""
    on_main = set(world.git("rev-list", "refs/heads/main").split())
    for commit in world.people:
        if commit not in on_main:
            yield Violation(Kind.LOST, f"the person's commit {commit[:10]} is lost")
    for old, new, ref in world.pushes():
        if ref == "refs/heads/main" or ref.startswith("refs/gitslo/"):
            if new == ZERO:
                yield Violation(Kind.LOST, f"{ref} was deleted")
            elif old != ZERO and world.git("merge-base", old, new) != old:
                yield Violation(Kind.LOST, f"{ref} was forced from {old[:10]} to {new[:10]}")
        elif not ref.startswith(("refs/heads/gitslo/", "refs/gitslo-")):
            yield Violation(Kind.LOST, f"{ref} was written")


def _nothing_dropped_comes_back(world: World) -> Iterator[Violation]:
    """F6: after a person has rewritten the branch nothing is published on what was dropped."""
    if not world.dropped:
        return
    before = max(world.dropped.values())
    published = {new for _, new, ref in world.pushes()[before:] if ref.startswith("refs/heads/") and new != ZERO}
    for commit in sorted(published | {world.git("rev-parse", "refs/heads/main")}):
        back = world.dropped.keys() & set(world.git("rev-list", commit).split())
        if back:
            words = f"{commit[:10]} was published on {len(back)} commits that were dropped"
            yield Violation(Kind.UNPROVEN, words)


def _load_never_overlaps(world: World) -> Iterator[Violation]:
    """I7: the load of two attempts never overlaps on one target, as the service itself saw it."""
    spans: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    for request in list(world.requests):
        first, _ = spans[request.environment].get(request.run, (request.at, request.at))
        spans[request.environment][request.run] = (first, request.at)
    for environment, runs in spans.items():
        ordered = sorted(runs.items(), key=lambda item: item[1])
        for (one, (_, end)), (other, (start, _)) in pairwise(ordered):
            if start < end:
                words = f"{environment}: load of {other} began {end - start:.3f} s before that of {one} ended"
                yield Violation(Kind.OVERLAPPING, words)
