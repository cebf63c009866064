"""The lines between engine and worker carry everything and nothing else."""

from __future__ import annotations

import pytest

from gitslo.load.messages import (
    Assignment,
    Counted,
    End,
    EndpointEnd,
    Limit,
    Ready,
    Report,
    Start,
    decode,
    encode,
)
from gitslo.model import Endpoint, Second, Target, TargetScheme
from tests.load.jobs import hold, ramp

ASSIGNMENT = Assignment(
    shard=1,
    shards=2,
    parent=42,
    run_id="7",
    target=Target("t", TargetScheme.HTTP, "shop.test", 80, path="/x"),
    addresses=(("127.0.0.1", 80), ("::1", 80)),
    endpoints=(Endpoint("a", "POST", "/", (("X", "y"),), b"\x00\xff", 3),),
    stages=(ramp(5, 1), hold(5, 2)),
    expect=(200, 204),
    timeout=1.5,
    judged=((1.0, 3.0),),
    limits=(Limit(None, None), Limit(0, 0.25)),
    closed=False,
    warm=1,
    connections=3,
    max_in_flight=10,
    max_bytes=100,
    deadline=9.0,
)
COUNTS = (Counted(0, (Second(0, 5, 1, 1), Second(2, 5, 0))),)
PART = EndpointEnd(5, 1, 0, (("timeout", 1),), "a", "b", "c", "d")
END = End(3.0, 3.0, 2.0, 2.1, 0.5, 0.2, 5, 5, 1, "", ("ports",), COUNTS, (PART, PART))


@pytest.mark.parametrize(
    "line",
    [ASSIGNMENT, Start(1.25), Ready(3, ""), Report(1.0, 5, 4, 1, 1, ((100, 4),), ((2, 4),), COUNTS), END],
)
def test_a_line_comes_back_as_it_went(line):
    """Encoding and decoding is the identity, and one message is one line."""
    text = encode(line)

    assert text.count(b"\n") == 1
    assert decode(text) == line


@pytest.mark.parametrize(
    "text", [b"", b"warning: x\n", b"[]\n", b"{}\n", b'{"is":"Start"}\n', b'{"is":"Popen","a":1}\n']
)
def test_anything_else_is_no_message(text):
    """Noise on the pipe is told apart from a message."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)
