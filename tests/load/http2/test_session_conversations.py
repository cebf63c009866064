"""The sans-IO HTTP/2 class against the `h2` library's server side: any conversation comes out the same."""

from __future__ import annotations

import random
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.load.http2.conversation import Operations, held

FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"a", b"b-long-name", b"etag", b"accept", b"x"]),
        st.sampled_from([b"", b"1", b"v" * 200, b"w" * 5000, b"gzip, deflate"]),
    ),
    max_size=3,
)
SIZES = st.sampled_from([0, 1, 5, 1000, 16384, 16385, 70_000])


def _does(name: str, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One operation of World, as (its name, its arguments)."""
    return st.tuples(st.just(name), st.fixed_dictionaries(values))


PIECES = st.sampled_from([0, 1, 2, 9, 100, 1 << 20])
REQUEST = _does("request", size=SIZES, extra=FIELDS, end=st.booleans(), drawn=st.booleans())
ANSWER = _does(
    "answer",
    status=st.sampled_from([200, 204, 302, 404, 503]),
    size=SIZES,
    extra=FIELDS,
    early=st.integers(0, 2),
    trailers=st.booleans(),
    pad=st.booleans(),
)
EXCHANGE = _does("exchange")
RARE = st.one_of(
    _does("cancel"),
    _does("refuse", code=st.sampled_from([ErrorCodes.REFUSED_STREAM, ErrorCodes.CANCEL, ErrorCodes.INTERNAL_ERROR])),
    _does("set", code=st.just(SettingCodes.INITIAL_WINDOW_SIZE), value=st.sampled_from([0, 1, 1000, 65535, 1 << 20])),
    _does("set", code=st.just(SettingCodes.HEADER_TABLE_SIZE), value=st.sampled_from([0, 100, 4096, 65536])),
    _does("set", code=st.just(SettingCodes.MAX_CONCURRENT_STREAMS), value=st.sampled_from([0, 1, 3, 100])),
    _does("set", code=st.just(SettingCodes.MAX_FRAME_SIZE), value=st.sampled_from([16384, 16385, 1 << 20])),
    _does("ping"),
)
MORE = _does("more", size=SIZES, end=st.booleans())
CARRY = _does("carry", up=PIECES, down=PIECES)
OPERATIONS = st.lists(
    st.one_of(REQUEST, REQUEST, MORE, CARRY, EXCHANGE, EXCHANGE, ANSWER, ANSWER, RARE), min_size=25, max_size=80
)


@given(operations=OPERATIONS, watching=st.booleans(), window=st.sampled_from([2**30, 70_000]))
@settings(deadline=None, max_examples=100)
def test_any_conversation_with_h2(operations: Operations, watching: bool, window: int) -> None:
    """Whatever the order, the pieces, the windows and the settings: both sides get exactly what the other one sent."""
    held(operations, window, watching=watching)


@pytest.mark.parametrize("seed", range(30))
def test_busy_conversations_with_h2(seed: int) -> None:
    """The same for long conversations with many streams at a time, which hypothesis seldom thinks of."""
    rng = random.Random(seed)  # noqa: S311 - the same each time
    extra = [(b"x", b"1"), (b"y", b"v" * 200), (b"z", b"w" * 5000)]
    some = {
        "request": lambda: {
            "size": rng.choice([0, 1, 1000, 70_000]), "extra": rng.sample(extra, 1), "end": rng.random() < 0.6,
            "drawn": rng.random() < 0.5,
        },
        "more": lambda: {"size": rng.choice([0, 1, 70_000]), "end": rng.random() < 0.5},
        "carry": lambda: {"up": rng.choice([0, 1, 9, 100, 5000]), "down": rng.choice([0, 1, 9, 100, 5000])},
        "exchange": dict,
        "answer": lambda: {
            "status": rng.choice([200, 204, 503]), "size": rng.choice([0, 5, 70_000, 200_000]),
            "extra": rng.sample(extra, 1), "early": rng.choice([0, 0, 1]), "trailers": rng.random() < 0.4,
            "pad": rng.random() < 0.3,
        },
        "cancel": dict,
        "refuse": lambda: {"code": rng.choice([ErrorCodes.REFUSED_STREAM, ErrorCodes.CANCEL])},
        "ping": dict,
        "set": lambda: rng.choice([
            {"code": SettingCodes.INITIAL_WINDOW_SIZE, "value": rng.choice([0, 1, 1000, 65535, 1 << 20])},
            {"code": SettingCodes.HEADER_TABLE_SIZE, "value": rng.choice([0, 100, 4096, 65536])},
            {"code": SettingCodes.MAX_CONCURRENT_STREAMS, "value": rng.choice([0, 1, 3, 100])},
            {"code": SettingCodes.MAX_FRAME_SIZE, "value": rng.choice([16384, 16385, 1 << 20])},
        ]),
    }  # fmt: skip
    weights = [8, 3, 6, 8, 8, 1, 1, 1, 2]
    operations = [(name, some[name]()) for name in rng.choices(list(some), weights, k=150)]
    client = held(operations, rng.choice([2**30, 70_000]), watching=seed % 2 == 0)
    assert len(client.ended) + len(client.lost) > 0
