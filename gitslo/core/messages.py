"""The short texts: commit messages, titles, status descriptions, and what was loosened in a plan.

Called by the loop, mostly by way of `core.render`. What must stay true: the same change always gives the same commit
message, because the change's commit id is computed from it on every machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitslo.core.compare import compare_url
from gitslo.core.escape import plain, quiet, short
from gitslo.core.figures import count, quantity
from gitslo.core.quantities import parse_amount
from gitslo.errors import Refused
from gitslo.model import Change, ChangeKind, Environment, Quantity, Release, ReleaseValue, Run, Verdict
from gitslo.ports import Place, Value, Wording, usual_wording

__all__ = [
    "SAMPLE_VALUES",
    "STATUS_LENGTH",
    "TITLE_LENGTH",
    "commit_message",
    "loosened",
    "moved",
    "pull_request_title",
    "short_value",
    "status_description",
    "template_values",
]

TITLE_LENGTH = 200
STATUS_LENGTH = 140

_LINE = 200
_SHORT_ID = 10
_SHOWN_UNDONE = 50
_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]+|\b([0-9a-f]{12})[0-9a-f]{28,}\b")


# --------------------------------------------------------------------------- changes


def commit_message(change: Change, environment: Environment, wording: Wording = usual_wording) -> str:
    """Subject, what is promoted or undone, and the trailers that name the evidence, whatever the words before them."""
    usual = _usual_message(change, environment)
    values = {**template_values(change, environment, quiet), "message": usual}
    own = wording(Place.COMMIT, values)
    # What is printed differs from letters only by what acts on a terminal; lines are the operator's.
    said = usual if own is None else "\n".join(map(_printable, own.strip().splitlines())).strip() or usual
    trailers = (
        ("Action", change.kind.value),
        ("Environment", environment.name),
        ("Run", change.source_run),
        ("Source", f"{change.source}@{change.source_revision}"),
        ("Release", change.to_release.digest),
        ("Ledger", change.source_ledger),
    )
    # Only `plain` words reach a trailer, so none can end its line and begin another.
    last = "\n".join(f"Gitslo-{name}: {quiet(value)}" for name, value in trailers)
    return f"{said}\n\n{last}\n"


def _printable(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" "))] + plain(line)


def _usual_message(change: Change, environment: Environment) -> str:
    paragraphs = [_subject(change, environment), "\n".join(_explained(change))]
    listed = [f"* {_cut(_moved_line(*pair))}" for pair in moved(change.from_release, change.to_release)]
    if listed:
        paragraphs.append("\n".join(listed))
    if change.undone:
        undone = [f"* {_cut(quiet(line))}" for line in change.undone[:_SHOWN_UNDONE]]
        more = len(change.undone) - len(undone)
        paragraphs.append("\n".join(["Undone:", *undone, *([f"* and {more} more"] if more else [])]))
    return "\n\n".join(paragraphs)


def pull_request_title(change: Change, environment: Environment, wording: Wording = usual_wording) -> str:
    """At most 200 characters: what goes where."""
    usual = _subject(change, environment)
    own = wording(Place.TITLE, {**template_values(change, environment, quiet), "title": usual})
    return short(plain(own or "") or usual, TITLE_LENGTH)


def template_values(change: Change, environment: Environment, safe: Callable[[str], str]) -> dict[str, Value]:
    """What every template of a change is given.

    Args:
        safe: makes what others wrote harmless for the place.
    """
    return {
        "kind": change.kind.value,
        "environment": safe(environment.name),
        "pipeline": safe(environment.pipeline),
        "service": safe(environment.service or ""),
        "stage": safe(environment.stage),
        "source": safe(change.source),
        "run": safe(change.source_run),
        "revision": change.source_revision,
        "release": change.to_release.digest,
        "moves": [
            {
                "kind": now.kind.value,
                "name": safe(now.name),
                "before": "" if was is None else safe(short_value(was.value)),
                "after": safe(short_value(now.value)),
                "compare": compare_url(change, environment, was, now),
            }
            for was, now in moved(change.from_release, change.to_release)
        ],
    }


def moved(old: Release, new: Release) -> tuple[tuple[ReleaseValue | None, ReleaseValue], ...]:
    """(before, after) of every value that differs, in the order of `promote`; before None: it was not there."""
    before = {(value.kind, value.name): value for value in old.values}
    pairs = [(before.get((value.kind, value.name)), value) for value in new.values]
    return tuple((was, now) for was, now in pairs if was != now)


def short_value(value: str) -> str:
    """A release's value with its digests cut to twelve digits."""
    return _DIGEST.sub(lambda match: match.group(1) or match.group(2), value)


def _subject(change: Change, environment: Environment) -> str:
    pairs = moved(change.from_release, change.to_release)
    name = quiet(environment.name)
    if not pairs:
        verb = "Revert" if change.kind is ChangeKind.REVERT else "Promote"
        return f"{verb} {name} to the tree that passed"
    more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
    if change.kind is ChangeKind.REVERT:
        return f"Revert {_moved_line(*pairs[0])}{more} in {name}"
    return f"Promote {_moved_line(*pairs[0])}{more} to {name}"


def _moved_line(was: ReleaseValue | None, now: ReleaseValue) -> str:
    before = "nothing" if was is None else quiet(short_value(was.value))
    return f"{quiet(now.name)} {before} -> {quiet(short_value(now.value))}"


def _explained(change: Change) -> list[str]:
    at = f"run {quiet(change.source_run)} at {quiet(change.source_revision[:_SHORT_ID])}"
    if change.kind is ChangeKind.PROMOTE:
        return [f"{quiet(change.source)} passed this release in {at}."]
    return [f"This puts back what passed in {at};", "what came after it failed here."]


def _cut(line: str) -> str:
    return short(line, _LINE)


_SAMPLE: Final = {
    "kind": "promote", "environment": "staging", "pipeline": "shop", "service": "checkout", "stage": "staging",
    "source": "dev", "run": "12", "revision": "3" * 40, "release": "5" * 64,
}  # fmt: skip
_MOVES: Final = ({"kind": "image", "name": "example/checkout", "before": "v1", "after": "v2", "compare": ""},)

SAMPLE_VALUES: Final[Mapping[Place, Sequence[Mapping[str, Value]]]] = {
    place: tuple({**_SAMPLE, "moves": moves, name: f"the usual {name}"} for moves in (_MOVES, (_MOVES * 2), ()))
    for place, name in ((Place.TITLE, "title"), (Place.BODY, "page"), (Place.COMMIT, "message"))
}
"""Values to try a template with: those of a change of one value, of several, and of none."""


# --------------------------------------------------------------------------- statuses


def status_description(run: Run) -> str:
    """One line of at most 140 characters: the verdict, and the finding that decided it or how much was judged."""
    if run.verdict is None:
        return f"running: attempt {run.attempt}"
    decisive = [finding for finding in run.findings if finding.decides]
    worst = next((finding for finding in decisive if finding.verdict is run.verdict), None)
    if run.verdict is Verdict.PASS or worst is None:
        passed = sum(finding.verdict is Verdict.PASS for finding in decisive)
        said = f"{run.verdict.value}: {passed} of {len(decisive)} objectives"
    elif worst.limit is None:
        said = f"{run.verdict.value}: {worst.objective}" + (f": {worst.reason}" if worst.reason else "")
    else:
        measured = quantity(worst.measured, worst.objective)
        said = f"{run.verdict.value}: {worst.objective}, measured {measured} on {count(worst.total)} requests"
    return short(quiet(said), STATUS_LENGTH)


# --------------------------------------------------------------------------- plans


@dataclass(frozen=True, slots=True)
class _Limit:
    about: tuple[str, str, str, Quantity]
    upper: bool
    value: float
    text: str


_SENTENCE = re.compile(r"(\S+) ?(<=?|>=?) ?([^\s<>=]+)((?: .*)?)")
"""Subject, operator, limit, and what is said beside it, e.g. ` of last-pass`."""


def loosened(old: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """What of the old objectives no longer binds, one sentence each (not escaped), in the old order.

    Args:
        old: objective sentences before.
        new: objective sentences now. An objective that is gone, or whose limit allows more, was loosened.
    """
    now: dict[tuple[str, str, str, Quantity], _Limit] = {}
    for limit in filter(None, map(_parsed, new)):
        standing = now.get(limit.about)
        if standing is None or _allows_more(standing, limit):
            now[limit.about] = limit
    said = []
    for text in old:
        before = _parsed(text)
        after = None if before is None else now.get(before.about)
        if text in new:
            continue
        if before is None or after is None:
            said.append(f'The objective "{text}" was removed.')
        elif _allows_more(after, before):
            said.append(f'The limit "{text}" was loosened to "{after.text}".')
    return tuple(said)


def _parsed(text: str) -> _Limit | None:
    match = _SENTENCE.fullmatch(text.strip())
    if match is None:
        return None
    subject, operator, limit, beside = match.groups()
    try:
        amount = parse_amount(limit)
    except Refused:
        return None
    return _Limit((subject, operator[0], beside, amount.quantity), operator.startswith("<"), amount.value, text)


def _allows_more(one: _Limit, other: _Limit) -> bool:
    return one.value > other.value if one.upper else one.value < other.value
