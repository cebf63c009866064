"""What gRPC calls say (metadata, values, traces), and what is refused before the first byte."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest

from gitslo.errors import Refused
from gitslo.load.grpc.calls import timeout_field
from gitslo.load.messages import PreparedMethod
from gitslo.model import Call, Checks, Feeder
from tests.load.grpc_calls import BUY, EMPTY, HEALTH, WATCH, carried_out, section, target

# --------------------------------------------------------------------------- what is said


def test_metadata_goes_along(shop) -> None:
    """In text and in bytes; with an honest user agent and the run, and the operator's identity before the plan's."""
    binary = base64.b64encode(b"\0\xff\x10").decode()
    given = (("x-shop", "berlin"), ("x-key-bin", binary), ("authorization", "plan"))
    call = Call("buy", BUY, ('{"name": "x"}',), metadata=given)
    carried_out(target(shop.port), section(call), authorization="Bearer operator")
    said = shop.seen[0][1]

    assert ("berlin", b"\0\xff\x10", "Bearer operator", "7") == (
        said["x-shop"], said["x-key-bin"], said["authorization"], said["gitslo-run"],
    )  # fmt: skip
    assert str(said["user-agent"]).startswith("gitslo/")


def test_what_varies_is_drawn_for_each_call(shop) -> None:
    """One value per variable and call, in messages and metadata alike; rows are escaped for where they stand."""
    feeder = Feeder("users", ("name",), (('An "A"',), ("B\\o",)))
    call = Call(
        "buy",
        BUY,
        ('{"name": "${users.name} ${env.REGION}", "count": ${seq}}',),
        metadata=(("x-seq", "${seq}"), ("x-region", "${env.REGION}")),
    )
    load = section(call, data=(feeder,))
    done = carried_out(target(shop.port), load, number=4, environment={"REGION": "eu"})

    assert (4, {}) == (done.good, done.kinds)
    assert [('An "A" eu', 0), ("B\\o eu", 1), ('An "A" eu', 2), ("B\\o eu", 3)] == [
        (came[0].name, came[0].count) for came in shop.messages
    ]
    assert ["0", "1", "2", "3"] == [metadata["x-seq"] for _, metadata, _ in shop.seen]


def test_a_value_that_does_not_fit_its_field_is_a_failed_call(shop) -> None:
    """Where so many rows came before that nobody had looked: the load goes on."""
    rows = (*((str(number),) for number in range(1000)), ("many",))
    call = Call("buy", BUY, ('{"count": ${users.count}}',))
    done = carried_out(
        target(shop.port), section(call, data=(Feeder("users", ("count",), rows),)), number=1001, at_once=50
    )

    assert (1000, {"message: a value does not fit": 1}) == (done.good, done.kinds)


def test_traces_are_sampled(shop) -> None:
    """The share that is asked for, with an id of its own; the slowest are known."""
    done = carried_out(target(shop.port), section(Call("buy", BUY, ('{"name": "x"}',)), trace=0.5), number=10)
    traced = [metadata["traceparent"] for _, metadata, _ in shop.seen if "traceparent" in metadata]

    assert (10, 5, 5) == (done.good, len(traced), len(set(traced)))
    assert {str(each).split("-")[1] for each in traced} == {each.trace for each in done.sources[0].slowest.found()}


def test_messages_can_be_compressed_both_ways(shop) -> None:
    """A server that does not know it would say UNIMPLEMENTED; answers are unpacked where they are looked into."""
    text = '{"name": "gzip ' + "x" * 2000 + '"}'
    checked = Call("buy", BUY, (text,), gzip=True, checks=Checks(json=("length(name) == `2005`",)))
    plain = Call("watch", WATCH, ('{"name": "x", "count": 2}',), gzip=True)
    done = carried_out(target(shop.port), section(checked, plain), number=4)

    assert (4, {}) == (done.good, done.kinds)


# --------------------------------------------------------------------------- what is refused before the load


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (replace(HEALTH, expect=frozenset({"FINE"})), "`FINE` is no gRPC status"),
        (replace(HEALTH, metadata=(("X-Up", "1"),)), "the metadata `X-Up` has a name of more than a-z"),
        (replace(HEALTH, metadata=(("grpc-timeout", "1S"),)), "the metadata `grpc-timeout` is the engine's own"),
        (replace(HEALTH, metadata=(("te", "x"),)), "the metadata `te` is the engine's own"),
        (replace(HEALTH, metadata=(("x", "a\r\nb"),)), "the metadata `x` holds more than printable ASCII"),
        (replace(HEALTH, metadata=(("x-bin", "a b"),)), "the metadata `x-bin` is no base64"),
        (replace(HEALTH, metadata=(("x", "${nobody}"),)), "there is no variable `nobody`"),
        (replace(HEALTH, metadata=(("x", "${rows.evil}"),)), "the metadata `x` holds more than printable ASCII"),
        (replace(HEALTH, checks=Checks(matches=("(",))), "is no regular expression"),
    ],
)
def test_what_cannot_be_sent_is_refused(call, said) -> None:
    """All of it, before the first byte."""
    rows = Feeder("rows", ("evil",), (("fine",), ("not\nfine",)))
    with pytest.raises(Refused) as refused:
        carried_out(target(1), section(call, data=(rows,)), methods=(PreparedMethod("/x", messages=(EMPTY,)),))

    assert refused.value.problems[0].message.startswith("call `health`: ")
    assert said in refused.value.problems[0].message


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1.0, "1000000u"), (0.25, "250000u"), (30.0, "30000000u"), (100.0, "100000m"), (1e-10, "1n"),
        (2e5, "200000S"), (1e12, "99999999S"), (0.000001, "1000n"),
    ],
)  # fmt: skip
def test_a_deadline_has_at_most_eight_digits(seconds, said) -> None:
    """In the finest unit that allows it; never zero, which some servers take for none."""
    assert said == timeout_field(seconds)


def test_an_authorization_ends_no_field() -> None:
    """Whoever issued it."""
    with pytest.raises(Refused, match="the Authorization holds what no field may"):
        carried_out(target(1), section(HEALTH), authorization="Bearer a\r\nb")
