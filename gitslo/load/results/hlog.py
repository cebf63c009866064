"""A load's judged response times as an HdrHistogram log, which other HDR tools open. Called by the command line.

The format is version 1.3 of the log that HdrHistogram's own writers make: a histogram per line, with its time and a
tag, in the V2 compressed encoding. Values are microseconds; `Interval_Max` is in milliseconds, as in every such log.

Must stay true: the histograms of a log add up to the result's own, request by request. (Where a worker was lost, what
it had said until then is in the log besides.)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gitslo.load.record.histogram import Histogram
from gitslo.load.results.detail import LoadDetail

__all__ = ["write_hlog"]

_NO_TAG = re.compile(r"[,\s]+")
"""What ends a tag."""


def write_hlog(detail: LoadDetail, path: Path) -> None:
    """Write the log of a load.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text("".join(f"{line}\n" for line in _lines(detail)), encoding="utf-8")


def _lines(detail: LoadDetail) -> Iterator[str]:
    started = datetime.fromtimestamp(detail.started, UTC)
    name, version = detail.versions[0]
    yield f"#[Logged with {name} {version}]"
    yield "#[Histogram log format version 1.3]"
    yield "#[Values are response times from the intended time, in microseconds]"
    yield f"#[StartTime: {detail.started:.3f} (seconds since epoch), {started:%a %b %d %H:%M:%S UTC %Y}]"
    yield f"#[BaseTime: {detail.started:.3f} (seconds since epoch)]"
    yield '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    tags = [_NO_TAG.sub("_", part.endpoint or "") for part in detail.parts[1:]]
    for interval in detail.timeline.intervals():
        histogram = Histogram.of(dict(interval.counts), detail.longest)
        most = max(interval.counts) / 1e3
        yield (
            f"Tag={tags[interval.endpoint]},{interval.at:.3f},{interval.length:.3f},{most:.3f},{histogram.encoded()}"
        )
