"""One HTTP/1.1 connection by itself, fed by hand: however answers are cut into reads, they mean the same."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.load.http1.request import request_bytes
from gitslo.load.http2 import frames
from gitslo.load.requests.content import authority
from gitslo.model import ByteCount, Checks, Endpoint, Share
from tests.load.http1.by_hand import TARGET, world
from tests.load.service import ANSWERS, CLOSING

CHECKS = Checks(contains=("o",), json=("state",), headers=(("x-cache", None),), max_size=ByteCount(5000))


def answered(pieces: list[bytes], *, closing: bool, head: bool) -> tuple[dict[str, int], int, bool]:
    """What becomes of a request whose answer comes in these pieces."""
    found = world(Endpoint("a", "HEAD" if head else "GET", "/", checks=CHECKS), redirects=1, cookies=True)
    connection, wire = found.connect()
    found.send()
    for piece in pieces:
        if not wire.cut:
            connection.data_received(piece)
    if closing and not wire.cut:
        connection.connection_lost(None)
    return *found.outcome(), wire.cut


@given(st.sampled_from(sorted(ANSWERS)), st.lists(st.floats(0, 1), max_size=6), st.booleans())
def test_pieces_mean_the_same_as_the_whole(name, cuts, head):
    """An answer that comes in many reads is settled once, and as if it had come in one."""
    answer = ANSWERS[name]
    at = [0, *sorted(int(cut * len(answer)) for cut in cuts), len(answer)]
    pieces = [answer[a:b] for a, b in pairwise(at) if b > a]
    closing = name in CLOSING or name == "half-close"
    found = answered(pieces, closing=closing, head=head)

    whole = answered([answer] if answer else [], closing=closing, head=head)

    assert found[1] <= 1
    if name != "twice":  # where the first of two answers comes in a read of its own it was a good one
        assert found[:2] == whole[:2]
    if not head:  # what may not follow an answer to HEAD is noticed where it comes in a read of its own
        assert name == "twice" or found[2] == whole[2]


@pytest.mark.parametrize("name", sorted(set(ANSWERS) - {"big", "gzip-bomb", "headers", "announced", "twice"}))
def test_byte_by_byte(name):
    """The smallest reads there are."""
    answer, closing = ANSWERS[name], name in CLOSING or name == "half-close"
    pieces = [answer[at : at + 1] for at in range(len(answer))]

    assert answered(pieces, closing=closing, head=False) == answered(
        [answer] if answer else [], closing=closing, head=False
    )


@given(st.binary(max_size=200), st.integers(0, 60))
def test_whatever_comes_is_counted_once(garbage, kept):
    """No bytes make a connection raise, and a request is settled at most once whatever follows."""
    answer = ANSWERS["json"][:kept] + garbage

    assert answered([answer, answer], closing=True, head=False)[1] == 1


def test_the_slowest_traces_are_found():
    """A traced request is found again by its id; a failed one, too."""
    found = world(Endpoint("a", "GET", "/"), Endpoint("b", "GET", "/${seq}"), trace=Share(1.0))
    connection, wire = found.connect()
    found.send(0, ago=1.0)
    connection.data_received(ANSWERS["json"])
    found.send(1, ago=5.0)
    connection.fail("timeout")
    headers = [line for request in wire.written for line in request.decode().split("\r\n")]
    sent = [line.split("-")[1] for line in headers if line.startswith("traceparent: ")]
    slowest = found.made[0].slowest.found()

    assert [(trace.trace, trace.endpoint) for trace in slowest] == [(sent[1], 1), (sent[0], 0)]
    assert [round(trace.response) for trace in slowest] == [5, 1]


def test_the_rest_of_a_chain_keeps_its_time_its_trace_and_its_cookies():
    """Where an answer closes the connection, the next one goes on with all that the request has."""

    async def scenario() -> None:
        found = world(
            Endpoint("a", "GET", "/set", checks=Checks(contains=("ok",))), redirects=1, cookies=True, trace=1.0
        )
        first, before = found.connect()
        second, after = found.connect()
        intended = found.send()
        if not before.written:
            first, before, second, after = second, after, first, before
        first.data_received(ANSWERS["set"].replace(b"302 Found\r\n", b"302 Found\r\nConnection: close\r\n"))
        [request], [rest] = before.written, after.written

        assert before.cut
        assert rest.startswith(b"GET /jar HTTP/1.1\r\n")
        assert b"\r\nCookie: a=1\r\n" in rest
        assert request.partition(b"traceparent")[2].split()[1] == rest.partition(b"traceparent")[2].split()[1]
        assert [(cell.endpoint, at) for cell, at, _ in second.unfinished()] == [(0, intended)]
        second.data_received(ANSWERS["early"])
        assert found.outcome() == ({}, 1)
        found.pool.close("over")

    asyncio.run(scenario())


def test_constant_requests_are_made_once():
    """All connections write the same bytes, and those are what the fast path would send."""
    found = world(Endpoint("a", "GET", "/", checks=CHECKS))
    wires = []
    for _ in range(2):
        connection, wire = found.connect()
        found.send()
        wires.append(wire)
        connection.data_received(ANSWERS["json"])
        connection.drop()

    assert wires[0].written[0] is wires[1].written[0]
    assert wires[0].written[0] == request_bytes(found.made[0].content, authority(TARGET))
    assert found.pool.sent == 2 * len(wires[0].written[0])


def test_a_server_of_http2_is_named():
    """It greets with its settings, which are no answer in HTTP/1.1; anything else that is none has no name."""
    kinds = []
    for greeting in (frames.settings(((3, 128), (4, 65536))), b"\0" * 9, b"SSH-2.0-OpenSSH\r\n"):
        made = world(Endpoint("a", "GET", "/"))
        connection, wire = made.connect()
        made.send()
        connection.data_received(greeting)
        kinds += made.outcome()[0]
        assert wire.cut

    assert kinds == ["protocol: the server speaks HTTP/2", "protocol error", "protocol error"]
