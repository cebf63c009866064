from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.load.record.histogram import Histogram, add, exactly
from gitslo.model import Seconds

LONGEST = Seconds(60.0)


def histogram(samples: list[float]) -> Histogram:
    counts: dict[int, int] = {}
    for key in exactly(samples):
        add(counts, {key: 1})
    return Histogram.of(counts, LONGEST)


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(st.lists(st.floats(0.0001, 59.0), max_size=50), st.lists(st.floats(0.0001, 59.0), max_size=20))
def test_every_good_request_is_in_the_one_bucket_around_it(good: list[float], failed: list[float]) -> None:
    """At or below its upper edge and at most 2 % from it; failed requests are in none, however fast they failed."""
    found = histogram(good + failed).buckets(histogram(failed))
    edges = [edge for edge, _ in found]

    assert sum(number for _, number in found) == len(good)
    assert all(one < two for one, two in pairwise(edges))
    for edge, number in found:
        assert sum(1 for sample in good if edge / 1.02 - 1e-6 <= sample < edge) >= number > 0


def test_the_buckets_of_two_runs_have_the_same_edges() -> None:
    """Otherwise two runs could not be compared, nor their counts added up."""
    one = {edge for edge, _ in histogram([0.001 * 1.01**power for power in range(900)]).buckets(histogram([]))}
    two = {edge for edge, _ in histogram([0.001 * 1.013**power for power in range(700)]).buckets(histogram([]))}
    whole = one | two

    assert all(math.log(later / earlier) <= math.log(1.02) for earlier, later in pairwise(sorted(whole)) if later < 7)
