"""`gitslo verdict` before it is a command: asking, waiting, and what is a pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gitslo.adapters.gate_client import GateClient, Outcome, Question, wait_for
from gitslo.core.gate import Answered, counts_as
from gitslo.errors import Refused, Retry
from gitslo.model import Seconds, Target, Verdict
from gitslo.ports import HttpAnswer
from gitslo.testing.manual_clock import ManualClock

URL = "http://gitslo.example.com:8080/base"
QUESTION = Question("shop", "checkout/dev", "a" * 40)
TOKEN = "canary-99aa12"


def verdict(word: str, reason: str = "for a reason", **more: object) -> HttpAnswer:
    """What a daemon says, with a field that this version does not know."""
    rest = {"since": None, "rejected": None, "held": None, "run": None, "findings": [], "new": [1], **more}
    said = {"schema": "gitslo/v1", "commit": "a" * 40, "verdict": word, "reason": reason, **rest}
    return HttpAnswer(200, (), json.dumps(said).encode(), whole=True)


def error(status: int, code: str) -> HttpAnswer:
    said = {"schema": "gitslo/v1", "error": {"code": code, "message": f"about {code}", "hint": "a hint"}}
    return HttpAnswer(status, (), json.dumps(said).encode(), whole=True)


def page(status: int) -> HttpAnswer:
    """What stands in front of a daemon says in its place."""
    return HttpAnswer(status, (), b"<html>nginx</html>", whole=True)


AWAY = Retry("connection refused")


class Daemon:
    """Says one thing after the other, and the last one for ever."""

    def __init__(self, *says: HttpAnswer | Retry) -> None:
        self._says = list(says)
        self.asked: list[tuple[str, Target, str, Sequence[tuple[str, str]]]] = []

    def send(self, method: str, target: Target, path: str, **named: Any) -> HttpAnswer:
        self.asked.append((method, target, path, named["headers"]))
        said = self._says.pop(0) if len(self._says) > 1 else self._says[0]
        if isinstance(said, Retry):
            raise said
        return said


def waited(daemon: Daemon, wait: float = 0.0, tell: Callable[[str], None] = lambda _: None) -> tuple[Outcome, float]:
    """The outcome, and how many seconds it took."""
    clock = ManualClock()
    outcome = wait_for(GateClient(URL, daemon.send), QUESTION, clock=clock, wait=Seconds(wait), tell=tell)
    return outcome, sum(clock.slept)


def test_what_is_asked_is_encoded_once() -> None:
    """The path below the URL's own; the token in a header and nowhere else."""
    daemon = Daemon(verdict("pass"))
    client = GateClient(URL, daemon.send, TOKEN)
    client.ask(Question("shop", "checkout/dev", None))
    [(method, target, path, headers)] = daemon.asked

    assert ("GET", "gitslo.example.com", 8080, "/base", False) == (
        method,
        target.host,
        target.port,
        target.path,
        target.tls,
    )
    assert "/api/v1/verdict?repository=shop&environment=checkout%2Fdev" == path
    assert ((("Authorization", f"Bearer {TOKEN}"),), False) == (headers, TOKEN in repr(client))


@pytest.mark.parametrize("word", ["pass", "fail", "inconclusive", "error", "unknown"])
def test_a_verdict_ends_the_waiting(word: str) -> None:
    """At once, however long one would have waited."""
    outcome, took = waited(Daemon(verdict(word)), 600.0)

    assert (Answered(word), "", True, 0.0) == (
        outcome.said.verdict if outcome.said else None,
        outcome.missing,
        outcome.reached,
        took,
    )


def test_what_is_not_decided_is_asked_about_again() -> None:
    """A commit that was not polled yet, a daemon that is away for a moment, a sync, a run: then there is a verdict."""
    told: list[str] = []
    daemon = Daemon(
        error(404, "unknown_commit"),
        AWAY,
        page(502),
        error(503, "not_ready"),
        verdict("pending", "waiting for the sync"),
        verdict("pending", "waiting for the sync"),
        verdict("pending", "run 3 is under way"),
        verdict("pass"),
    )
    outcome, _ = waited(daemon, 600.0, told.append)

    assert Answered.PASS is (outcome.said.verdict if outcome.said else None)
    assert told == [
        "about unknown_commit",
        f"no answer from {URL}: connection refused",
        f"no answer from {URL}: it answered with status 502",
        f"no answer from {URL}: about not_ready",
        "waiting for the sync",
        "run 3 is under way",
    ]


@pytest.mark.parametrize(
    ("says", "reached"),
    [
        ([verdict("pending")], True),
        ([error(404, "unknown_commit")], True),
        ([verdict("pending"), AWAY], True),
        ([AWAY], False),
        ([page(503)], False),
        ([error(503, "busy")], False),
    ],
)
def test_when_the_time_is_over_it_ends(says: list[HttpAnswer | Retry], reached: bool) -> None:
    """On time, saying what was missing; whether the daemon spoke at all is another matter than what it said."""
    outcome, took = waited(Daemon(*says), 100.0)

    assert (100.0, reached, True) == (took, outcome.reached, outcome.missing != "")


def test_without_waiting_it_is_asked_once() -> None:
    """`--wait 0s` is one question."""
    daemon = Daemon(verdict("pending"))
    waited(daemon)

    assert 1 == len(daemon.asked)


def test_pauses_grow_to_a_bound() -> None:
    """Twenty minutes are some eighty questions, the first ones soon."""
    daemon = Daemon(verdict("pending"))
    clock = ManualClock()
    wait_for(GateClient(URL, daemon.send), QUESTION, clock=clock, wait=Seconds(1200.0), tell=lambda _: None)

    assert (1.0, 15.0, True) == (clock.slept[0], max(clock.slept), len(daemon.asked) < 100)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(404, "unknown_repository"), "about unknown_repository (a hint)"),
        (error(404, "unknown_environment"), "about unknown_environment (a hint)"),
        (error(400, "ambiguous_commit"), "about ambiguous_commit (a hint)"),
        (error(401, "unauthorized"), "about unauthorized (a hint)"),
        (page(200), f"what answers at {URL} is not gitslo: status 200"),
        (page(404), f"what answers at {URL} is not gitslo: status 404"),
        (page(302), f"what answers at {URL} is not gitslo: status 302"),
        (HttpAnswer(200, (), b'{"verdict": "pass"', whole=False), "is not gitslo"),
        (HttpAnswer(200, (), b'{"verdict": "pass"}', whole=True), "commit"),
        (HttpAnswer(200, (), b'["pass"]', whole=True), URL),
        (HttpAnswer(403, (), b"{}", whole=True), "is not gitslo: status 403 (expected the address"),
        (verdict("PASS"), "/verdict: expected one of pass,"),
        (verdict("promoted"), "/verdict: expected one of pass,"),
    ],
)
def test_a_question_that_cannot_be_answered_ends_at_once(answer: HttpAnswer, expected: str) -> None:
    """A mistake in the arguments, something else at the URL, a word that is not known: nothing to wait for, no pass."""
    with pytest.raises(Refused) as refused:
        waited(Daemon(answer), 600.0)

    assert expected in str(refused.value)


def test_exit_codes_are_those_of_test() -> None:
    """The same verdicts for the same words, and nothing that is not decided is a pass or a fail."""
    assert {each.value: each for each in Verdict} == {each.value: counts_as(Answered(each.value)) for each in Verdict}
    assert [Verdict.INCONCLUSIVE] * 2 == [counts_as(Answered.PENDING), counts_as(Answered.UNKNOWN)]
