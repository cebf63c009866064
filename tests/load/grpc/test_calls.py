"""gRPC calls of all four kinds: how they go, how they end, and how long they may take."""

from __future__ import annotations

import pytest

from gitslo.model import Call, Checks, Seconds
from tests.load.grpc_calls import BUY, CHAT, CHECKED, COLLECT, WATCH, carried_out, section, target
from tests.load.grpc_server import grpc_server

# --------------------------------------------------------------------------- the four kinds


def test_constant_calls_of_one_message(shop) -> None:
    """Many at the same time on one connection; each is one call at the server."""
    done = carried_out(
        target(shop.port), section(Call("buy", BUY, ('{"name": "x", "count": 3}',))), number=50, at_once=10
    )

    assert (50, {}) == (done.good, done.kinds)
    assert 50 == len(shop.seen)
    assert {("x", 3)} == {(came[0].name, came[0].count) for came in shop.messages}
    assert 1 == done.connected


def test_the_health_check_needs_no_types(shop) -> None:
    """Every server that has it answers; what it says of itself can be checked, without reflection, too."""
    plain = Call("health", "grpc.health.v1.Health/Check")

    assert 5 == carried_out(target(shop.port), section(plain), number=5).good


def test_a_server_stream_ends_with_its_trailers(shop) -> None:
    """However many messages come before; the last one is the one that is checked."""
    call = Call("watch", WATCH, ('{"name": "x", "count": 300}',), checks=Checks(json=("total == '300'",)))
    none = Call("none", WATCH, ('{"name": "x"}',))
    done = carried_out(target(shop.port), section(call, none), number=4)

    assert (4, {}) == (done.good, done.kinds)


def test_a_client_stream_sends_its_messages_repeatedly(shop) -> None:
    """In their order, and says that it is done."""
    call = Call("collect", COLLECT, ('{"name": "a"}', '{"name": "b"}'), repeat=3, checks=Checks(json=("total == '6'",)))
    done = carried_out(target(shop.port), section(call))

    assert (1, {}) == (done.good, done.kinds)
    assert ["a", "b", "a", "b", "a", "b"] == [each.name for each in shop.messages[0]]


def test_a_client_streams_interval_lies_between_messages(shop) -> None:
    """The stream takes as long as that; the schedule of other calls does not wait for it."""
    slow = Call(
        "chat", CHAT, ('{"name": "x"}',), repeat=4, interval=Seconds(0.05), checks=Checks(json=("total == '4'",))
    )
    done = carried_out(target(shop.port), section(slow), number=3, at_once=3)

    assert (3, {}) == (done.good, done.kinds)
    assert [] == [response for response in done.responses if not 0.15 <= response < 1.0]


def test_a_stream_of_a_hundred_thousand_messages(shop) -> None:
    """More than the server's windows hold: it goes as the server takes it."""
    text = '{"name": "' + "x" * 100 + '"}'
    call = Call("collect", COLLECT, (text,), repeat=20_000, checks=Checks(json=("total == '20000'",)))
    done = carried_out(target(shop.port), section(call, timeout=15.0))

    assert (1, {}) == (done.good, done.kinds)


def test_a_large_message_goes_in_pieces(shop) -> None:
    """Frames and windows are the server's to say."""
    text = '{"name": "' + "x" * 1_000_000 + '"}'
    call = Call("buy", BUY, (text,), checks=Checks(json=("length(name) == `1000000`",)))
    done = carried_out(target(shop.port), section(call, Call("plain", BUY, (text,))), number=6, at_once=3)

    assert (6, {}) == (done.good, done.kinds)


def test_a_large_constant_message_goes_in_pieces(shop) -> None:
    """The fast path gives it to the flow control."""
    text = '{"name": "' + "x" * 1_000_000 + '"}'
    done = carried_out(target(shop.port), section(Call("buy", BUY, (text,))), number=6, at_once=3)

    assert (6, {}) == (done.good, done.kinds)
    assert {1_000_000} == {len(came[0].name) for came in shop.messages}


@pytest.mark.parametrize("checks", [Checks(), CHECKED], ids=["fast", "full"])
def test_an_answer_may_come_before_the_call_is_sent(checks) -> None:
    """The rest is not sent, and the connection goes on."""
    large = Call("buy", BUY, ('{"name": "' + "x" * 1_000_000 + '"}',), checks=checks)
    stream = Call("collect", COLLECT, large.messages, repeat=50 if checks.body else 1, checks=checks)
    small = Call("buy", BUY, ('{"name": "x"}',), checks=checks)
    with grpc_server(options=(("grpc.max_receive_message_length", 1000),)) as server:
        done = carried_out(target(server.port), section(large, small, stream, small), number=8)

    assert (4, {"grpc RESOURCE_EXHAUSTED": 4}, 1) == (done.good, done.kinds, done.connected)


# --------------------------------------------------------------------------- statuses


@pytest.mark.parametrize("checks", [Checks(), CHECKED], ids=["fast", "full"])
def test_a_status_that_is_not_expected_is_an_error_with_the_servers_words(shop, checks) -> None:
    """The message is percent-decoded; a call whose status is expected is good."""
    fails = Call("buy", BUY, ('{"name": "fail NOT_FOUND käse ☃ is out"}',), checks=checks)
    wanted = Call("buy", BUY, ('{"name": "fail NOT_FOUND"}',), expect=frozenset({"NOT_FOUND"}))
    strict = Call("buy", BUY, ('{"name": "x"}',), expect=frozenset({"NOT_FOUND"}), checks=checks)
    failed = carried_out(target(shop.port), section(fails), number=3)

    assert {"grpc NOT_FOUND": 3} == failed.kinds
    assert "käse ☃ is out" == failed.examples["grpc NOT_FOUND"].decode()
    assert 3 == carried_out(target(shop.port), section(wanted), number=3).good
    assert {"grpc OK": 2} == carried_out(target(shop.port), section(strict), number=2).kinds


def test_every_call_of_a_section_has_its_own_expectations(shop) -> None:
    """They are counted apart, on the same connection."""
    fails = Call("a", BUY, ('{"name": "fail ABORTED"}',), expect=frozenset({"ABORTED", "OK"}))
    works = Call("b", BUY, ('{"name": "x"}',))
    also = Call("c", BUY, ('{"name": "fail ABORTED"}',))
    done = carried_out(target(shop.port), section(fails, works, also), number=6)

    assert (4, {"grpc ABORTED": 2}) == (done.good, done.kinds)


def test_a_status_after_messages_counts(shop) -> None:
    """A stream that fails half-way has failed."""
    call = Call("watch", WATCH, ('{"name": "fail INTERNAL", "count": 3}',))

    assert {"grpc INTERNAL": 1} == carried_out(target(shop.port), section(call)).kinds


def test_a_method_that_is_not_there(shop) -> None:
    """Trailers-only: header and status in one block."""
    for call in (
        Call("x", "acme.shop.v1.Shop/Sell"),
        Call("y", "acme.Nobody/There", checks=Checks(headers=(("x", None),))),
    ):
        assert {"grpc UNIMPLEMENTED": 2} == carried_out(target(shop.port), section(call), number=2).kinds


# --------------------------------------------------------------------------- time


@pytest.mark.parametrize("checks", [Checks(), CHECKED], ids=["fast", "full"])
def test_a_deadline_is_kept_even_by_a_server_that_does_not(shop, checks) -> None:
    """The server is told; where it does not answer in time, the call is over on our side. The connection stays."""
    slow = Call("buy", BUY, ('{"name": "slow"}',), deadline=Seconds(0.2), checks=checks)
    wanted = Call("buy", BUY, ('{"name": "slow"}',), deadline=Seconds(0.2), expect=frozenset({"DEADLINE_EXCEEDED"}))
    done = carried_out(target(shop.port), section(slow), number=2, at_once=2)

    assert ({"grpc DEADLINE_EXCEEDED": 2}, 1) == (done.kinds, done.connected)
    assert all(0.19 <= response < 2.0 for response in done.responses)
    assert 1 == carried_out(target(shop.port), section(wanted)).good


def test_a_time_out_is_a_time_out(shop) -> None:
    """It stands in the distribution at the time-out, whoever noticed first, and costs its stream alone."""
    slow = Call("buy", BUY, ('{"name": "slow"}',))
    done = carried_out(target(shop.port), section(slow, timeout=0.3), number=2, at_once=2)

    assert ({"timeout": 2}, [0.3, 0.3], 1) == (done.kinds, done.responses, done.connected)
