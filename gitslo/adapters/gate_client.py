"""Asks a daemon for a verdict, and waits for one: the other side of `/api/v1/verdict`. Called by `gitslo verdict`.

What must stay true: only a `pass` of the daemon's is a pass. No answer, an answer that is not understood and a commit
that the daemon has not seen are none, however long they last.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from gitslo.core.addresses import parse_http_url
from gitslo.core.codec import JsonValue, from_json, load_json
from gitslo.core.escape import plain, short
from gitslo.core.gate import Answered
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import ByteCount, Seconds, Target, TargetScheme
from gitslo.ports import Clock, HttpAnswer, HttpSend

__all__ = ["GateClient", "HoldSaid", "Outcome", "Question", "RunSaid", "VerdictSaid", "wait_for"]

CAP: Final = ByteCount(1024 * 1024)
PATIENCE: Final = Seconds(15.0)
"""Seconds for one question; the daemon cuts it off after ten."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 15.0
GROWTH: Final = 1.5
AWAY: Final = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `commit` None: the branch's head."""

    repository: str
    environment: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class HoldSaid:
    """A hold, as `/api/v1` says it."""

    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class RunSaid:
    """A run, as `/api/v1` says it."""

    id: str
    report: str


@dataclass(frozen=True, slots=True)
class VerdictSaid:
    """A verdict, as `/api/v1` says it; fields as in `schemas/api.json`."""

    commit: str
    verdict: Answered
    reason: str
    since: str | None
    rejected: str | None
    held: HoldSaid | None
    run: RunSaid | None
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What waiting came to.

    Attributes:
        said: the last verdict that the daemon gave; None: it gave none.
        document: the same as it came.
        missing: why there is none that decides, one sentence; empty where there is.
        reached: whether the daemon answered at all.
    """

    said: VerdictSaid | None
    document: JsonValue
    missing: str
    reached: bool


class _NotSeenError(Exception):
    """The daemon does not know the commit, which it may not have polled yet."""


@dataclass(frozen=True, slots=True)
class GateClient:
    """One daemon.

    Attributes:
        url: where it answers, http or https; below it lies `/api/v1`.
        send: one exchange over HTTP.
        token: what it asks for, or empty.
    """

    url: str
    send: HttpSend
    token: str = field(default="", repr=False)

    def ask(self, question: Question) -> tuple[VerdictSaid, JsonValue]:
        """One question.

        Raises:
            Retry: no answer, or none now. Refused: the question, the URL or the token is wrong.
            _NotSeenError: it does not know the commit.
        """
        where = parse_http_url(self.url)
        target = Target("gitslo", TargetScheme.HTTP, where.host, where.port, tls=where.tls, path=where.path)
        query = {"repository": question.repository, "environment": question.environment}
        if question.commit is not None:
            query["commit"] = question.commit
        answer = self.send(
            "GET",
            target,
            f"/api/v1/verdict?{urlencode(query)}",
            address=(where.host, where.port),
            timeout=PATIENCE,
            headers=(("Authorization", f"Bearer {self.token}"),) if self.token else (),
            cap=CAP,
        )
        document = self._document(answer)
        if answer.status != 200:  # noqa: PLR2004 - HTTP's number
            raise _refusal(self.url, answer.status, document)
        said = from_json(VerdictSaid, document, where=self.url)
        return said, document

    def _document(self, answer: HttpAnswer) -> JsonValue:
        try:
            # What was cut off at the cap is no JSON.
            return load_json(answer.body, where=self.url, cap=CAP)
        except Refused:
            if answer.status in AWAY:
                raise Retry(f"it answered with status {answer.status}") from None
            raise _not_gitslo(self.url, answer.status) from None


def _not_gitslo(url: str, status: int) -> Refused:
    message = f"what answers at {url} is not gitslo: status {status}"
    return Refused(Problem(message, hint="expected the address of `serve` in the operator's file"))


def _refusal(url: str, status: int, document: JsonValue) -> Exception:
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return Retry(f"it answered with status {status}") if status in AWAY else _not_gitslo(url, status)
    said = {key: plain(value) for key, value in error.items() if isinstance(value, str)}
    message, hint = short(said.get("message", f"status {status}"), 1000), short(said.get("hint", ""), 1000)
    if said.get("code") == "unknown_commit":
        return _NotSeenError(message)
    if status in AWAY:
        return Retry(message)
    return Refused(Problem(message, hint=hint))


def wait_for(
    client: GateClient, question: Question, *, clock: Clock, wait: Seconds, tell: Callable[[str], None]
) -> Outcome:
    """Ask until there is a verdict, or nothing to wait for, or `wait` seconds are over; at least once.

    Args:
        client: of the daemon.
        question: what to ask.
        clock: to wait on.
        wait: seconds.
        tell: told what is waited for, whenever that changes.

    Raises:
        Refused: the question cannot be answered.
    """
    end, pause = clock.now().monotonic + wait, FIRST_PAUSE
    outcome, told = Outcome(None, None, "it was not asked", reached=False), ""
    while True:
        try:
            said, document = client.ask(question)
        except Retry as retry:
            outcome = Outcome(outcome.said, outcome.document, f"no answer from {client.url}: {retry}", outcome.reached)
        except _NotSeenError as unseen:
            outcome = Outcome(None, None, str(unseen), reached=True)
        else:
            if said.verdict is not Answered.PENDING:
                return Outcome(said, document, "", reached=True)
            outcome = Outcome(said, document, said.reason, reached=True)
        left = end - clock.now().monotonic
        if left <= 0:
            return outcome
        if outcome.missing != told:
            told = outcome.missing
            tell(told)
        clock.sleep(Seconds(min(pause, left)))
        pause = min(LONGEST_PAUSE, pause * GROWTH)
