"""The result of a load has everything that people and other tools ask for, and its figures agree with each other."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import replace

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from gitslo import __version__
from gitslo.cli.root import cli
from gitslo.load.record.histogram import Histogram, pack, unpack
from gitslo.load.record.ranks import rank_interval
from gitslo.model import Percentiles, Seconds, Share
from tests.load.jobs import ERRORS, faster_than, get, hold, job, measured
from tests.load.service import service

SECONDS = 3


@pytest.fixture(scope="module")
def detail():
    """Three seconds on two endpoints by two workers, all of it traced: one in five of `shaky` fails."""
    with service() as target:
        asked = job(
            target.port,
            get("/", "steady", weight=3),
            get("/every/5/503", "shaky"),
            stages=[hold(200, SECONDS)],
            objectives=[ERRORS, faster_than(0.4), faster_than(0.25, "shaky")],
            timeout=2.0,
            workers=2,
        )
        return measured(replace(asked, section=replace(asked.section, trace=Share(1.0))))


# --------------------------------------------------------------------------- one run


def test_seconds_add_up_to_the_whole(detail):
    """Sent, done and errors of all seconds are those of the load; a second has its own middle and tail."""
    series = detail.series()

    assert [moment.at for moment in series][:SECONDS] == [0.0, 1.0, 2.0]
    assert sum(moment.sent for moment in series) == detail.sent == 200 * SECONDS
    assert sum(moment.done for moment in series) == detail.done
    assert sum(moment.errors for moment in series) == detail.errors > 0
    assert all(0 < moment.p50 <= moment.p99 for moment in series[:SECONDS])
    assert all(100 < moment.sent < 300 for moment in series[:SECONDS])


def test_endpoints_have_all_four_times(detail):
    """Response, service, schedule lag and queue of each endpoint; counts of the endpoints add up to the section's."""
    whole, steady, shaky = detail.parts

    assert [part.endpoint for part in detail.parts] == [None, "steady", "shaky"]
    assert (steady.requests, shaky.requests) == (450, 150)
    assert whole.requests == steady.requests + shaky.requests
    for part in detail.parts:
        for times in (part.response, part.service, part.schedule_lag, part.queue):
            assert times.percentiles.p50 is not None
        assert part.service.percentiles.max <= part.response.percentiles.max
        assert sum(part.counts.values()) == part.requests
    assert {value: steady.counts.get(value, 0) + shaky.counts.get(value, 0) for value in whole.counts} == whole.counts
    assert (whole.limits, steady.limits, shaky.limits) == ((0.4,), (0.4,), (0.25, 0.4))


def test_errors_come_with_an_example(detail):
    """By kind, with what one of the answers looked like, on one line that acts on nothing."""
    (error,) = detail.parts[2].errors

    assert error.kind == "status 503"
    assert error.requests == detail.errors
    assert "503" in error.example
    assert error.example.isprintable()
    assert detail.parts[1].errors == ()


def test_the_slowest_traces_can_be_looked_up(detail):
    """Ten of all workers, slowest first, the very slowest request among them."""
    times = [trace.response for trace in detail.slowest]

    assert len(times) == 10
    assert times == sorted(times, reverse=True)
    assert times[0] == pytest.approx(detail.parts[0].response.percentiles.max, rel=0.001, abs=1e-6)
    assert {trace.endpoint for trace in detail.slowest} <= {"steady", "shaky"}
    assert {len(trace.trace) for trace in detail.slowest} == {32}


def test_rates_are_what_they_are_defined_to_be(detail):
    """Planned: by the schedule. Achieved is what was sent of what was released; nothing was hindered here."""
    whole = detail.parts[0]

    assert whole.rates.planned == pytest.approx(200.0)
    assert whole.rates.released == whole.rates.achieved
    assert whole.rates.achieved <= whole.rates.planned + 1e-9
    assert sum(part.rates.planned for part in detail.parts[1:]) == pytest.approx(200.0)
    assert detail.result.summaries[0].achieved_rate == whole.rates.achieved


def test_what_the_target_left_no_connection_for_is_released_and_not_achieved():
    """One request at a time to a silent target: the generator kept its schedule, and next to nothing was sent."""
    with service() as target:
        asked = job(target.port, get("/silent"), stages=[hold(50, 1)], max_in_flight=1, timeout=0.5)
        whole = measured(asked).parts[0]

    assert whole.rates.released == pytest.approx(50.0, rel=0.05)
    assert whole.rates.achieved < 10.0
    assert whole.unsent > 40
    assert whole.hindered == 0


def test_the_result_says_what_measured(detail):
    """Versions of this program and of everything whose behaviour the figures depend on."""
    names = [name for name, _ in detail.versions]

    assert detail.versions[0] == ("gitslo", __version__)
    assert set(names) >= {"python", "uvloop", "httptools", "hdrhistogram", "openssl"}
    assert all(version for _, version in detail.versions)


# --------------------------------------------------------------------------- rank intervals


@given(n=st.integers(1, 50_000), p=st.sampled_from([0.5, 0.9, 0.95, 0.99, 0.999]))
@settings(max_examples=60, deadline=None)
def test_rank_intervals_are_the_exact_ones_of_the_binomial(n, p):
    """Against scipy: each side errs with at most 2.5 %, and one rank nearer would err with more."""
    low, high = rank_interval(n, p)

    assert 1 <= low <= high <= n
    assert low == 1 or binom.cdf(low - 1, n, p) <= 0.025 + 1e-9
    assert binom.cdf(low, n, p) > 0.025 - 1e-9
    assert high == n or binom.sf(high - 1, n, p) <= 0.025 + 1e-9
    assert high == 1 or binom.sf(high - 2, n, p) > 0.025 - 1e-9


@pytest.mark.parametrize(("n", "p"), [(5_000_000, 0.5), (200_000_000, 0.99), (3_000_000_000, 0.999)])
def test_rank_intervals_of_very_many_requests_are_near_the_exact_ones(n, p):
    """The normal distribution stands in where the binomial would take too long: a few ranks off, out of millions."""
    low, high = rank_interval(n, p)

    assert low == pytest.approx(binom.ppf(0.025, n, p), rel=1e-6)
    assert high == pytest.approx(binom.ppf(0.975, n, p), rel=1e-6)


def test_intervals_hold_the_true_quantile_as_often_as_they_say():
    """300 samples of 2000 from a known distribution, seeded: p95's interval misses the truth about 5 % of the time."""
    draw = random.Random(7).expovariate  # noqa: S311 - samples, no secrets
    true = 0.010 * 2.995732273553991
    missed = 0
    for _ in range(300):
        counts: dict[int, int] = {}
        for _ in range(2000):
            value = int(draw(100.0) * 1e6)
            counts[value] = counts.get(value, 0) + 1
        found = Histogram.of(counts, Seconds(2.0)).distribution()
        missed += not found.low.p95 <= true * 1.001 or not found.high.p95 >= true * 0.999

    assert 3 <= missed <= 30


def test_no_value_and_no_interval_where_samples_are_too_few():
    """Below 10 / (1 - p) samples: neither; the longest is known and has no interval."""
    found = Histogram.of(dict.fromkeys(range(1000, 1099), 1), Seconds(2.0)).distribution()

    assert found.percentiles == Percentiles(p50=0.001049, max=0.001098)
    assert found.low == Percentiles(p50=0.001039)
    assert found.high == Percentiles(p50=0.001059)


@given(st.dictionaries(st.integers(0, 2**40), st.integers(1, 2**40)))
def test_packed_counts_come_back(counts):
    """Packing loses nothing, and nothing packs to nothing."""
    assert unpack(pack(counts)) == counts
    assert (pack({}), unpack(b"")) == (b"", {})


@pytest.mark.parametrize("broken", [b"x", pack({1: 2})[:-3]])
def test_what_was_not_packed_is_refused(broken):
    """A line that was cut is an error with a name."""
    with pytest.raises(ValueError, match="no packed counts"):
        unpack(broken)


# --------------------------------------------------------------------------- the command


def test_the_command_shows_all_of_it(tmp_path):
    """JSON, both files, and the words for people: intervals, examples, traces."""
    hlog, metrics = tmp_path / "a.hlog", tmp_path / "a.txt"
    with service() as target:
        url = f"http://127.0.0.1:{target.port}/every/5/503"
        asked = ["load", url, "--rate", "200/s", "--duration", "1s", "--trace", "50%"]
        files = ["--hlog", str(hlog), "--openmetrics", str(metrics)]
        document = json.loads(CliRunner().invoke(cli, [*asked, *files, "--json"]).stdout)
        text = CliRunner().invoke(cli, asked).stdout

    assert sum(second["sent"] for second in document["seconds"]) == 200
    low, high = document["latency_interval"]["p50"]
    assert low <= document["latency"]["p50"] <= high
    assert document["latency_interval"]["p99"] is None
    assert list(document["rate"]) == ["planned", "released", "achieved"]
    assert "503" in document["error_examples"]["status 503"]
    assert document["versions"]["gitslo"] == __version__
    assert len(document["slowest"]) == 10
    assert document["workers"] == 1
    assert hlog.read_text().count("Tag=") >= 1
    assert metrics.read_text().endswith("# EOF\n")
    lines = text.splitlines()
    assert any(line.split()[:2] == ["95", "%"] for line in lines)
    assert any("40 status 503: " in line for line in lines)
    assert sum("trace" in line for line in lines) == 10


@pytest.mark.parametrize("option", ["--hlog", "--openmetrics"])
def test_a_file_that_cannot_be_written_is_refused_before_the_load(option, tmp_path):
    """Not one request is sent for a result that would be lost."""
    with service() as target:
        asked = ["load", f"http://127.0.0.1:{target.port}/", option, str(tmp_path / "none" / "file")]
        result = CliRunner().invoke(cli, asked)

        assert result.exit_code == 2
        assert f"Invalid value for {option}" in result.output
        assert target.log == []


def test_seconds_never_overlap(detail):
    """Rows lie one after the other, each as long as it says."""
    series = detail.series()

    assert all(a.at + a.length <= b.at for a, b in itertools.pairwise(series))
