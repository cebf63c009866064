"""Which loads take the fast path of HTTP/1.1: those whose requests are constant and whose answers a status tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.load.messages import Assignment
from gitslo.load.worker.dial import prepared, wires
from gitslo.model import (
    Checks,
    Endpoint,
    LoadSection,
    LoadStage,
    RatePerSecond,
    Seconds,
    StageForm,
    Target,
    TargetScheme,
)
from tests.load.lines import ASSIGNMENT

GET = Endpoint("a", "GET", "/")
CREATED = frozenset({201})
STAGES = (LoadStage(StageForm.HOLD, RatePerSecond(1.0), Seconds(1.0)),)
SECTION = LoadSection("load", "shop", (GET,), Seconds(1.0), Seconds(0.0), STAGES)


def wire(section: LoadSection) -> list[bytes]:
    """The bytes that are the same for every request of a section's endpoints; empty where connections make them."""
    target = Target("shop", TargetScheme.HTTP, "shop.test", 80)
    asked: Assignment = replace(ASSIGNMENT, section=section, target=target, methods=(), environment=())
    return wires(asked, prepared(asked))


@pytest.mark.parametrize(
    "section",
    [
        SECTION,
        replace(SECTION, expect=CREATED),
        replace(SECTION, endpoints=(replace(GET, expect=CREATED),), expect=CREATED),
    ],
)
def test_constant_requests_are_made_once(section):
    """Statuses that count as good for all endpoints are looked up where every answer is, however they are given."""
    assert [each[:15] for each in wire(section)] == [b"GET / HTTP/1.1\r"]


@pytest.mark.parametrize(
    "section",
    [
        replace(SECTION, endpoints=(replace(GET, expect=CREATED),)),
        replace(SECTION, endpoints=(GET, replace(GET, name="b", expect=CREATED)), expect=frozenset({200})),
        replace(SECTION, endpoints=(replace(GET, method="HEAD"),)),
        replace(SECTION, endpoints=(replace(GET, path="/${seq}"),)),
        replace(SECTION, endpoints=(replace(GET, checks=Checks(contains=("ok",))),)),
        replace(SECTION, redirects=1),
        replace(SECTION, keep_alive=False),
    ],
)
def test_what_the_fast_path_does_not_know_is_left_to_the_full_one(section):
    """An endpoint's own statuses, HEAD, variables, checks, redirects and connections for one request."""
    assert set(wire(section)) == {b""}
