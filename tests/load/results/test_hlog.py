"""The log of a load is one that other HDR tools open, and it adds up to the result."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from gitslo.load.messages import Finished
from gitslo.load.record.histogram import Histogram, pack
from gitslo.load.results.hlog import write_hlog
from gitslo.load.results.timeline import Interval, Moment, Timeline
from tests.load.jobs import get, hold, job, measured
from tests.load.service import service
from tests.required import required


@pytest.fixture(scope="module")
def detail():
    """Two and a half seconds on two endpoints by two workers, the first half second of it unjudged."""
    with service() as target:
        asked = job(
            target.port,
            get("/", "a, b"),
            get("/every/5/503", "rest", weight=3),
            stages=[hold(200, 2.5)],
            judged=(0.5, 2.5),
            workers=2,
        )
        return measured(asked)


def read(path: Path) -> list[HdrHistogram]:
    """What hdrh's own reader finds."""
    reader = HistogramLogReader(str(path), HdrHistogram(1, 60_000_000, 3))
    try:
        found = []
        while (histogram := reader.get_next_interval_histogram()) is not None:
            found.append(histogram)
        return found
    finally:
        reader.input_file.close()


def test_another_reader_finds_every_judged_request_once(detail, tmp_path):
    """By hdrh's reader: the intervals add up to the result's histogram of each endpoint, value by value."""
    write_hlog(detail, tmp_path / "load.hlog")
    intervals = read(tmp_path / "load.hlog")

    assert {each.get_tag() for each in intervals} == {"a_b", "rest"}
    for part, tag in zip(detail.parts[1:], ("a_b", "rest"), strict=True):
        whole = Histogram(detail.longest)
        for each in intervals:
            if each.get_tag() == tag:
                whole.add(each.encode().decode())
        assert whole.counts() == part.counts
        assert whole.total == part.requests


def test_intervals_say_when_they_were(detail, tmp_path):
    """Each interval is a second, in order, counted from the wall-clock start of the load."""
    write_hlog(detail, tmp_path / "load.hlog")
    intervals = read(tmp_path / "load.hlog")
    starts = [round(each.get_start_time_stamp() / 1e3 - detail.started, 2) for each in intervals]

    assert starts == sorted(starts)
    assert set(starts) <= {0.0, 1.0, 2.0, 3.0}
    assert all(each.get_end_time_stamp() - each.get_start_time_stamp() == pytest.approx(1e3) for each in intervals)
    assert abs(datetime.now(UTC).timestamp() - detail.started) < 600


def test_the_format_is_that_of_version_1_3(detail, tmp_path):
    """The lines that other tools look for stand before the first interval."""
    write_hlog(detail, tmp_path / "load.hlog")
    lines = (tmp_path / "load.hlog").read_text().splitlines()
    heads = [line for line in lines if not line.startswith("Tag=")]

    assert lines[: len(heads)] == heads
    assert "#[Histogram log format version 1.3]" in heads
    assert heads[-1] == '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def test_the_java_library_opens_it(detail, tmp_path):
    """By HdrHistogram's own log processor: the same number of requests, and the same longest one."""
    processor = required("hdr-log-processor")
    write_hlog(detail, tmp_path / "load.hlog")
    for part, tag in zip(detail.parts[1:], ("a_b", "rest"), strict=True):
        command = ["-i", str(tmp_path / "load.hlog"), "-tag", tag, "-outputValueUnitRatio", "1"]
        done = subprocess.run([processor, *command], capture_output=True, text=True, check=True, timeout=60)

        assert f"Total count    = {part.requests:12d}]" in done.stdout, done.stdout


def test_a_long_load_is_told_in_longer_stretches():
    """Beyond its number of rows, two neighbours become one: nothing is lost, and there are never more rows."""
    timeline = Timeline(most=4)
    for second in range(11):
        timeline.totals(0, second + 1.0, (10 * (second + 1), 9 * (second + 1), second + 1))
        timeline.finished(Finished(float(second), (pack({100: 2}), pack({second + 200: 1})), pack({50: 1}), b""))
    moments, intervals = timeline.moments(), tuple(timeline.intervals())

    assert [moment.at for moment in moments] == [0.0, 4.0, 8.0]
    assert {moment.length for moment in moments} == {4.0}
    assert [(moment.sent, moment.done, moment.errors) for moment in moments] == [(40, 36, 4), (40, 36, 4), (30, 27, 3)]
    assert intervals[:2] == (
        Interval(0.0, 4.0, 0, {100: 8}),
        Interval(0.0, 4.0, 1, {200: 1, 201: 1, 202: 1, 203: 1}),
    )


def test_a_second_has_all_shards():
    """Two shards' words about one second are one row, also where one is told late or at its end."""
    timeline = Timeline()
    timeline.totals(0, 1.003, (5, 4, 0))
    timeline.totals(1, 1.001, (6, 6, 1))
    timeline.totals(0, None, (7, 7, 0))
    timeline.totals(1, None, (8, 8, 1))
    timeline.finished(Finished(0.0, (pack({100: 4}),), b"", b""))
    timeline.finished(Finished(0.0, (pack({100: 1, 300: 5}),), b"", b""))

    assert timeline.moments() == (
        Moment(0.0, 1.0, 11, 10, 1, 100e-6, 300e-6),
        Moment(1.0, 1.0, 4, 5, 0, None, None),
    )
