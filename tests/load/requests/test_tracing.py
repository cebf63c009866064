"""Shares that are exact, ids that are valid, and the slowest requests that can be looked up."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.load.requests.sampling import Sampler
from gitslo.load.requests.tracing import Slowest, SlowTrace, merged, trace_ids
from gitslo.model import Seconds


@given(st.integers(0, 1000), st.integers(1, 8), st.integers(1, 3000), st.integers(0, 500))
def test_a_share_is_exact_in_every_stretch(permille, shards, draws, skipped):
    """Of n draws in a row, wherever and in whichever shard, n times the share are, give or take one."""
    sampler = Sampler(permille / 1000, shards - 1, shards)
    for _ in range(skipped):
        sampler.due()
    taken = sum(sampler.due() for _ in range(draws))

    assert abs(taken - draws * permille / 1000) < 1


@pytest.mark.parametrize(("share", "taken"), [(0.0, 0), (1.0, 50), (-1.0, 0), (7.0, 50)])
def test_all_or_nothing(share, taken):
    """The ends of the range are exact, and beyond them is no further."""
    sampler = Sampler(share)

    assert sum(sampler.due() for _ in range(50)) == taken


def test_shards_do_not_sample_together():
    """Four shards that sample a quarter of their draws never do so in the same round."""
    samplers = [Sampler(0.25, shard, 4) for shard in range(4)]

    assert [[sampler.due() for sampler in samplers].count(True) for _ in range(8)] == [1] * 8


def test_trace_ids_are_valid_and_differ():
    """Version 00, 16 and 8 bytes, sampled; the same stream of random bytes gives the same ids."""
    found = list(islice(trace_ids(), 300))

    assert len({trace for trace, _ in found}) == 300
    assert all(re.fullmatch(rf"00-{trace}-[0-9a-f]{{16}}-01", header) for trace, header in found)
    assert all(re.fullmatch("[0-9a-f]{32}", trace) for trace, _ in found)


def test_an_id_of_zeros_is_never_used():
    """The standard forbids them, however unlikely they are."""
    batches = iter([bytes(24 * 127) + b"\0" * 16 + b"\1" * 8, b"\2" * 24 * 128])

    assert next(trace_ids(lambda size: next(batches)[:size])) == ("02" * 16, f"00-{'02' * 16}-{'02' * 8}-01")


def test_the_slowest_are_kept():
    """However many there were, the slowest few stand in the result, slowest first."""
    slowest = Slowest(3)
    for number in (5, 1, 9, 7, 3, 8, 2):
        slowest.offer(number / 10, b"%032x" % number, number % 2)

    assert [(trace.response, trace.trace[-1], trace.endpoint) for trace in slowest.found()] == [
        (0.9, "9", 1),
        (0.8, "8", 0),
        (0.7, "7", 1),
    ]


def test_workers_are_merged():
    """The slowest of all are among the slowest of each."""
    each = [[SlowTrace(Seconds(at), "a", 0) for at in found] for found in ([3.0, 1.0], [2.0, 4.0], [])]

    assert [trace.response for trace in merged(each, 3)] == [4.0, 3.0, 2.0]
