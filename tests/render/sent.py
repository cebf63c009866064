"""What each forge is sent, letter by letter, kept as golden files; `python -m tests.render.sent` writes those anew.

A promotion is opened, commented on and merged; a revert is opened as a draft; an inconclusive revalidation opens its
issue and gives its status. Of every request that changes something the method, the path and the body are kept. What
differs from forge to forge is seen by comparing the files: the mark of a draft, the field of the body, `!1` for `#1`,
a slash at the beginning of a line, who is assigned and labelled in which request.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitslo.core import render
from gitslo.errors import Retry
from gitslo.model import Cause, EnvironmentState, Hold, HoldCause
from gitslo.ports import HttpAnswer, Issue, Place, Status, StatusState, Value
from tests.components import program
from tests.forge.gitea_world import CountingSend, GiteaWorld
from tests.forge.github_world import GithubWorld
from tests.forge.gitlab_world import GitlabWorld
from tests.gitea_server import GiteaServer
from tests.github.server import GENERAL, KNOWN, GithubServer
from tests.gitlab_server import GitlabServer
from tests.openapi import Description
from tests.render.cases import FAILED, GOLDEN, PASSED, PROMOTION, REVERT, UNDECIDED, environment

__all__ = ["WORLDS", "golden", "sent"]

WORLDS: dict[str, Callable[..., Any]] = {"github": GithubWorld, "gitlab": GitlabWorld, "gitea": GiteaWorld}

SLASH = "9999999999 Eve <eve@example.com>: /merge and closes #1, says @ada"
"""A commit of a person whose message wants something of a forge."""

_PATIENCE = 60.0
"""Seconds in which a forge finds out whether something merges."""
_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")
_PLACE = re.compile(r"/(repos/[^/]+/[^/]+|projects/[^/]+)")


class Recorded(CountingSend):
    """An `HttpSend` that keeps what was to change something."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[str, str, bytes]] = []

    def __call__(self, method: str, target: Any, path: str, *, body: bytes = b"", **more: Any) -> HttpAnswer:
        if method != "GET":
            self.kept.append((method, path, body))
        return super().__call__(method, target, path, body=body, **more)

    def told(self) -> Iterator[str]:
        """Every request as text; one that is sent again as it was is told once."""
        seen: set[tuple[str, str, bytes]] = set()
        for each in self.kept:
            if each not in seen:
                seen.add(each)
                yield _shown(*each)


def sent(forge: str, server: object) -> str:
    """Everything that this forge is sent."""
    parts = [*_promotion(WORLDS[forge](server, labels=("gitslo",), assignees=("ada",))), *_revert(forge, server)]
    return "\n".join(parts)


def golden(forge: str) -> Path:
    """Where that is kept."""
    return GOLDEN / f"sent-{forge}.md"


def _promotion(world: Any) -> Iterator[str]:
    """Opened, merged by us, told what it brought; then a revalidation of it needs a person."""
    world.send = Recorded()
    where, forge = environment("staging"), world.forge()
    tip = world.push(PROMOTION.branch, "staging/deployment.yaml", "v2")
    title = render.pull_request_title(PROMOTION, where)
    body = render.pull_request_body(PROMOTION, where, PASSED, source=environment("dev"))
    pull = forge.ensure_pull_request(key="k", head=PROMOTION.branch, base="main", title=title, body=body)
    trailers = render.commit_message(PROMOTION, where).rpartition("\n\n")[2]
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            merged = forge.merge(pull.number, tip, f"{title[:72]} (#{pull.number})\n\n{trailers}")
            break
        except Retry:
            if time.monotonic() > end:
                raise
            threading.Event().wait(0.1)
    forge.comment_once(pull.number, "result", render.verdict_comment(replace(PASSED, notes=()), where))
    run = replace(UNDECIDED, cause=Cause.REVALIDATION)
    hold = Hold(HoldCause.VERDICT, "run 5 (revalidation) was inconclusive after 2 extensions", "gitslo", 1.0)
    state = EnvironmentState("hello", "staging", entry=9, run=run, hold=hold, runs=5)
    said = render.status_description(run)
    forge.set_status(Status(merged, "gitslo/staging", StatusState.PENDING, said))
    issue = Issue("gitslo/staging", render.issue_title(where), render.issue_body(state, where), open=True)
    forge.issues.tell(issue)
    yield from world.send.told()


def _revert(forge: str, server: object) -> Iterator[str]:
    """Opened as a draft, with the words of a person and an operator in it."""
    world = WORLDS[forge](server, draft=True)
    world.send = Recorded()
    where, change = environment("dev"), replace(REVERT, undone=(*REVERT.undone, SLASH), undone_by_people=3)
    world.push(REVERT.branch, "dev/deployment.yaml", "v2")
    title = render.pull_request_title(change, where)
    body = render.pull_request_body(change, where, FAILED, wording=_own_words)
    world.forge().ensure_pull_request(key="k", head=REVERT.branch, base="main", title=title, body=body)
    yield from world.send.told()


def _own_words(place: Place, values: Mapping[str, Value]) -> str | None:
    """An operator's template whose first line is an order to GitLab, and words everywhere else."""
    return f"/cc the people on call\n\n{values['page']}" if place is Place.BODY else None


def _shown(method: str, path: str, body: bytes) -> str:
    """One request; the longest text of its body below it, as people read it."""
    content = json.loads(body) if body else {}
    texts = [key for key, value in content.items() if isinstance(value, str) and "\n" in value]
    rest = {key: _named(value) for key, value in content.items() if key not in texts}
    known = {"1" * 40, "2" * 40, "a" * 40, "b" * 40, "e" * 40, "t" * 40}
    said = json.dumps(rest, indent=2, ensure_ascii=False)
    place = _PLACE.sub("/REPOSITORY", path)
    head = _COMMIT.sub(lambda found: found[0] if found[0] in known else "COMMIT", f"===== {method} {place}\n{said}\n")
    return head + "".join(f"----- {key}\n{content[key]}\n" for key in texts)


def _named(value: object) -> object:
    """Labels and people by number: which numbers depends on what the forge has been asked before."""
    return ["ID" if type(each) is int else each for each in value] if isinstance(value, list) else value


def servers(stack: ExitStack) -> dict[str, object]:
    """One of each forge."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    described = Description.of(program("github-api"), general=GENERAL, known=KNOWN)
    return {
        "github": stack.enter_context(GithubServer(described)),
        "gitlab": stack.enter_context(GitlabServer(folder, root="/git/lab")),
        "gitea": stack.enter_context(GiteaServer(program("gitea"))),
    }


def write(forges: Sequence[str] = tuple(WORLDS)) -> None:
    """The golden files anew."""
    with ExitStack() as stack:
        for forge, server in servers(stack).items():
            if forge in forges:
                golden(forge).write_text(sent(forge, server), encoding="utf-8")


if __name__ == "__main__":
    write()
