"""One of each line that carries much between engine and worker, for tests that need any."""

from __future__ import annotations

from gitslo.load.cgroup import Throttled
from gitslo.load.messages import (
    Assignment,
    Counted,
    End,
    EndpointEnd,
    Finished,
    Limit,
    PreparedMethod,
)
from gitslo.load.record.histogram import pack
from gitslo.load.requests.tracing import SlowTrace
from gitslo.model import Checks, Endpoint, Feeder, LoadSection, Second, Seconds, Target, TargetScheme
from gitslo.ports import TlsMaterial
from tests.load.jobs import hold, ramp

__all__ = ["ASSIGNMENT", "COUNTS", "END", "FINISHED"]

ASSIGNMENT = Assignment(
    shard=1,
    shards=2,
    parent=42,
    run_id="7",
    section=LoadSection(
        "load",
        "t",
        (Endpoint("a", "POST", "/", (("X", "y"),), b"\x00\xff", 3, Checks(headers=(("etag", None),))),),
        Seconds(1.5),
        Seconds(0.0),
        (ramp(5, 1), hold(5, 2)),
        frozenset({200, 204}),
        data=(Feeder("users", ("id",), (("1",),)),),
    ),
    target=Target("t", TargetScheme.HTTP, "shop.test", 80, path="/x", resolve=("127.0.0.1", 81)),
    tls=TlsMaterial(ca=b"PEM"),
    authorization="Bearer x",
    environment=(("A", "b"),),
    methods=(PreparedMethod("/a.B/C", messages=(b"\x00",)),),
    addresses=(("127.0.0.1", 80), ("::1", 80)),
    name=("shop.test", 80),
    unix="",
    judged=((1.0, 3.0),),
    limits=(Limit(None, None), Limit(0, 0.25)),
    closed=False,
    count=None,
    seed=3,
    warm=1,
    connections=3,
    max_in_flight=10,
    max_bytes=100,
    deadline=9.0,
    expires=12.5,
)
COUNTS = (Counted(0, (Second(0, 5, 1, 1), Second(2, 5, 0))),)
PART = EndpointEnd(5, 1, 0, (("timeout", 1),), (("timeout", b""),), "a", "b", "c", "d")
FINISHED = Finished(1.0, (pack({100: 3}), b""), pack({7: 1}), b"")
SLOW = SlowTrace(Seconds(0.5), "0af7651916cd43dd8448eb211c80319c", 1)
END = End(
    3.0, 3.0, 2.0, 2.1, 0.5, 0.4, 0.2, 5, 5, 1, "", ("ports",), Throttled(3, 0.25), (FINISHED, FINISHED), (SLOW,),
    COUNTS, (PART, PART),
)  # fmt: skip
