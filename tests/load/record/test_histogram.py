"""Histograms: exact counts, exact merges, honest quantiles."""

from __future__ import annotations

import math

from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.load.record.histogram import Histogram, Samples, needed, quantile
from gitslo.model import Percentiles, Seconds

PROPERTY = settings(derandomize=True, database=None, deadline=None, max_examples=200)
LONGEST = Seconds(60.0)
samples = st.lists(st.floats(0.0, 59.0), max_size=200)


def histogram(values: list[float]) -> Histogram:
    """The histogram of some seconds."""
    counted = Samples()
    counted.add(values)
    counted.turn()
    counted.turn()
    return Histogram.of(counted.exact, LONGEST)


@PROPERTY
@given(samples)
def test_samples_are_what_the_library_would_record(values):
    """Our rounding is HDR's own: the same histogram as recording one by one."""
    direct = HdrHistogram(1, 60_000_000, 3)
    for value in values:
        direct.record_value(int(value * 1e6))

    assert histogram(values).encoded() == direct.encode().decode()


@PROPERTY
@given(st.lists(samples, max_size=5))
def test_merging_shards_is_recording_at_once(shards):
    """The merge of N encoded shards holds the same counts as one histogram of everything."""
    merged = Histogram(LONGEST)
    for shard in shards:
        merged.add(histogram(shard).encoded())
    whole = histogram([value for shard in shards for value in shard])

    assert (merged.counts(), merged.total) == (whole.counts(), whole.total)


@PROPERTY
@given(st.lists(st.floats(0.0, 59.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_a_quantile_is_the_value_of_its_rank(values, p):
    """Rank ceil(p * n), within the 0.1 % (or 1 us) that three digits leave."""
    exact = sorted(values)[max(1, math.ceil(round(p * len(values), 9))) - 1]
    found = histogram(values).quantile(p)

    assert found is not None
    assert exact - max(1e-6, exact / 1000) <= found <= exact + 1e-9


def test_too_few_samples_print_no_quantile():
    """Below 10 / (1 - p) samples there is None; the maximum needs but one."""
    assert [needed(p) for p in (0.5, 0.9, 0.95, 0.99, 0.999)] == [20, 100, 200, 1000, 10000]
    assert histogram([0.001] * 19).distribution().percentiles == Percentiles(max=0.001)
    assert histogram([0.001] * 100).distribution().percentiles == Percentiles(p50=0.001, p90=0.001, max=0.001)
    assert histogram([]).distribution().percentiles == Percentiles()


def test_values_beyond_the_range_count_at_its_end():
    """A stall longer than the histogram never loses a sample."""
    found = histogram([1e6, 0.5])

    assert found.total == 2
    assert (found.quantile(1.0) or 0) > 59.9


def test_the_live_view_is_coarse_and_complete():
    """One per cent, and every sample."""
    counted = Samples(keeps=False)
    counted.add([0.1234, 0.1234, 0.5])
    counted.turn()
    live = counted.turn()

    assert sum(live.values()) == 3
    assert abs((quantile(live, 0.5) or 0) - 0.1234) < 0.0124 / 8


@PROPERTY
@given(st.lists(samples, max_size=5), st.lists(st.integers(0, 50), max_size=20))
def test_rounding_in_slices_is_rounding_at_once(seconds, slices):
    """However the work is cut, every sample is counted once: in the histogram, and in one live view."""
    sliced, live = Samples(), 0
    for values in seconds:
        sliced.add(values)
        for most in slices:
            sliced.round(most)
        live += sum(sliced.turn().values())
    live += sum(sliced.turn().values())

    assert Histogram.of(sliced.exact, LONGEST).counts() == histogram([v for values in seconds for v in values]).counts()
    assert live == sum(map(len, seconds))
