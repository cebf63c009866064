"""Bodies that came compressed are unpacked as far as they are looked at, and never at a cost that a target chooses."""

from __future__ import annotations

import gzip
import time

import pytest

from gitslo.load.requests.checks import LOOKED_AT
from gitslo.load.requests.unpacking import unpacked

WHOLE = gzip.compress(b"hello", mtime=0)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (WHOLE, b"hello"),
        (WHOLE * 3, b"hello" * 3),
        (WHOLE[:-1], None),
        (WHOLE + b"x", None),
        (b"hello", None),
        (b"", b""),
    ],
)
def test_a_body_is_what_its_members_hold(body, found):
    """One or a few, each of them whole; anything else is no gzip."""
    assert unpacked(body) == found


def test_a_large_body_is_unpacked_as_far_as_it_is_looked_at():
    """And one byte further, which says that there was more."""
    assert len(unpacked(gzip.compress(bytes(50 * LOOKED_AT))) or b"") == LOOKED_AT + 1


def test_a_body_of_nothing_but_empty_members_is_given_up():
    """Each costs a copy of the rest: a megabyte of them would hold the worker up for seconds."""
    body = gzip.compress(b"", mtime=0) * 50_000
    began = time.process_time()

    assert unpacked(body) is None
    assert time.process_time() - began < 1.0
