"""What makes a good answer bad: every check, and what a check can cost."""

from __future__ import annotations

import json
import signal
import time

import pytest

from gitslo.errors import Refused
from gitslo.load.requests.checks import LONGEST_PATTERN, LOOKED_AT, PATIENCE, CompiledChecks, compiled
from gitslo.model import ByteCount, Checks, Share

BODY = json.dumps({"state": "ok", "items": [1, 2], "none": None, "empty": [], "zero": 0, "no": False}).encode()
HEADERS = [(b"Content-Type", b"application/json"), (b"X-Cache", b" hit "), (b"x-cache", b"stale")]


@pytest.mark.parametrize(
    "checks",
    [
        Checks(contains=('"state"', "ok")),
        Checks(matches=('"state": *"(ok|fine)"', r"\[\d")),
        Checks(json=("state == 'ok'", "length(items) > `1`", "items", "zero")),
        Checks(headers=(("content-type", None), ("x-cache", "hit"), ("x-cache", "stale"))),
        Checks(graphql=True),
        Checks(max_size=ByteCount(10)),
    ],
)
def test_what_holds(checks):
    """An answer that holds everything is good."""
    assert CompiledChecks(checks, "a").verify(HEADERS, BODY) == ""


@pytest.mark.parametrize(
    ("checks", "body", "kind", "example"),
    [
        (Checks(contains=("ok", "später")), BODY, "check: body does not contain", "später".encode()),
        (Checks(matches=("^ok$",)), BODY, "check: body does not match", b"^ok$"),
        (Checks(json=("state == 'ko'",)), BODY, "check: json", b"state == 'ko'"),
        (Checks(json=("missing",)), BODY, "check: json", b"missing"),
        (Checks(json=("none",)), BODY, "check: json", b"none"),
        (Checks(json=("empty",)), BODY, "check: json", b"empty"),
        (Checks(json=("no",)), BODY, "check: json", b"no in"),
        (Checks(json=("length(zero) > `1`",)), BODY, "check: json", b"length(zero)"),
        (Checks(json=("state",)), b"<html>", "check: json", b"no JSON: <html>"),
        (Checks(json=("state",)), b"", "check: json", b"no JSON"),
        (Checks(json=("state",)), b"[" * 100_000, "check: json", b"no JSON"),
        (Checks(json=("state",)), b'"' + b"a" * LOOKED_AT + b'"', "check: json", b"the body is longer than"),
        (Checks(graphql=True), b'{"data": null, "errors": [{"message": "boom"}]}', "check: graphql", b"boom"),
        (Checks(graphql=True), b"[]", "check: graphql", b"no GraphQL answer"),
        (Checks(headers=(("X-Miss", None),)), BODY, "check: header is missing", b"x-miss"),
        (Checks(headers=(("x-cache", "HIT"),)), BODY, "check: header has another value", b"x-cache: hit, stale"),
    ],
)
def test_what_does_not(checks, body, kind, example):
    """The kind says which check it was and nothing that varies; the example says the rest, and is short."""
    made = CompiledChecks(checks, "a")

    assert made.verify(HEADERS, body) == kind
    assert made.example.startswith(example) or example in made.example
    assert len(made.example) <= 240


def test_graphql_without_errors_is_good():
    """An empty list of errors is none, and `data: null` is no error by itself."""
    made = CompiledChecks(Checks(graphql=True), "a")

    assert [made.verify((), body) for body in (b'{"data": {}}', b'{"data": null, "errors": []}')] == ["", ""]


def test_text_is_read_as_utf_8():
    """A pattern counts letters, not bytes, and what is no UTF-8 is no reason to stop."""
    made = CompiledChecks(Checks(matches=("^.ä[é-ö]$",)), "a")

    assert made.verify((), "xäé".encode()) == ""
    assert CompiledChecks(Checks(matches=("b",)), "a").verify((), b"\xff\xfeb") == ""


def test_only_the_beginning_is_looked_at():
    """What stands behind the bound is not there."""
    body = b"a" * LOOKED_AT + b"needle"

    for checks in (Checks(contains=("needle",)), Checks(matches=("needle",))):
        assert CompiledChecks(checks, "a").verify((), body).startswith("check: body does not")


def test_a_share_of_the_bodies_is_looked_at():
    """The sampled share is exact; headers are looked at in any case."""
    made = CompiledChecks(Checks(contains=("x",), headers=(("a", None),), sample=Share(0.25)), "a")

    assert sum(made.wants_body() for _ in range(100)) == 25
    assert made.verify((), None) == "check: header is missing"
    assert made.verify([(b"a", b"")], None) == ""
    assert not CompiledChecks(Checks(headers=(("a", None),)), "a").wants_body()


def test_nothing_to_check_costs_nothing():
    """A request without checks has no checker; a size alone needs no body."""
    sized = compiled(Checks(max_size=ByteCount(5)), "a")

    assert compiled(Checks(), "a") is None
    assert sized is not None
    assert (sized.max_size, sized.body, sized.headers) == (5, False, False)


@pytest.mark.parametrize(
    "checks",
    [
        Checks(matches=("(",)),
        Checks(matches=("a" * (LONGEST_PATTERN + 1),)),
        Checks(matches=("a{99999999999}",)),
        Checks(json=("a[",)),
        Checks(json=("a" * 2000,)),
    ],
)
def test_what_cannot_be_compiled_is_refused(checks):
    """Before a worker starts, in words."""
    with pytest.raises(Refused):
        compiled(checks, "a")


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)*b", "(.*)*,(.*)*,x", "(x+x+)+y|a*a*a*a*a*b"])
def test_a_catastrophic_pattern_is_given_up(pattern):
    """It costs its patience once, then nothing, and what it should have judged is not good."""
    made = CompiledChecks(Checks(matches=(pattern,)), "a")
    body = b"a" * 50_000 + b"c"
    before = signal.getsignal(signal.SIGVTALRM)
    began = time.process_time()
    first = made.verify((), body)
    once = time.process_time() - began
    kinds = {made.verify((), body) for _ in range(1000)}
    all_the_rest = time.process_time() - began - once

    assert (first, kinds) == ("check: pattern takes too long", {"check: pattern takes too long"})
    assert once < PATIENCE + 0.2
    assert all_the_rest < 0.5
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before


def test_a_quick_pattern_leaves_no_clock_running():
    """The timer is off again, and the handler is what it was."""
    before = signal.getsignal(signal.SIGVTALRM)
    CompiledChecks(Checks(matches=("a",)), "a").verify((), b"a")

    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGVTALRM) == before
