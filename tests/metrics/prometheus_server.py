"""Real Prometheus servers on loopback: over history that is written beforehand, and over targets that are scraped."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from tests.required import required

__all__ = ["VERSIONS", "History", "fetch", "history", "prometheus", "query", "wait_for"]

VERSIONS = ("prometheus", "prometheus-3")
"""Components: the distribution's 2.x, and 3.x."""

History = Mapping[str, Sequence[tuple[float, float]]]
"""A series as PromQL writes it -> (seconds, value)."""


def history(folder: Path, kinds: Mapping[str, str], series: History) -> Path:
    """A data folder that holds these samples and nothing else; `kinds` are OpenMetrics types by metric family."""
    lines = []
    for family, kind in kinds.items():
        lines.append(f"# TYPE {family} {kind}")
        for name, samples in series.items():
            if name.partition("{")[0].startswith(family):
                lines += [f"{name} {value!r} {at:.3f}" for at, value in samples]
    lines.append("# EOF\n")
    source, data = folder / "history.txt", folder / "data"
    source.write_text("\n".join(lines).replace(" nan ", " NaN "), encoding="utf-8")
    program = _tool()
    subprocess.run(
        (program, "tsdb", "create-blocks-from", "openmetrics", source, data),
        check=True,
        capture_output=True,
        timeout=60,
    )
    return data


def _tool() -> Path:
    """Prometheus' own tool, which the distribution's package has beside the server."""
    server = required("prometheus")
    beside = (server.parent / "promtool", server.parent / "root" / "usr" / "bin" / "promtool")
    return next(each for each in beside if each.exists())


@contextlib.contextmanager
def prometheus(
    component: str,
    folder: Path,
    *,
    data: Path | None = None,
    targets: Mapping[str, str] | None = None,
    every: str = "1s",
    itself: str = "",
) -> Iterator[str]:
    """A server; its URL.

    Args:
        component: one of VERSIONS.
        folder: for its files.
        data: what it begins with.
        targets: `job` -> `host:port`.
        every: between two scrapes.
        itself: how often it scrapes itself; empty: it does not.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    asked = {**(targets or {}), **({"itself": f"127.0.0.1:{port}"} if itself else {})}
    every = itself or every
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [at]}], "scrape_interval": every, "scrape_timeout": every}
        for job, at in asked.items()
    ]
    folder.mkdir(exist_ok=True)
    config = folder / "prometheus.yml"
    native = {"scrape_native_histograms": True} if component == "prometheus-3" else {}
    config.write_text(json.dumps({"global": native, "scrape_configs": jobs}), encoding="utf-8")
    argv = [
        str(required(component)),
        f"--config.file={config}",
        f"--storage.tsdb.path={data or folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--storage.tsdb.retention.time=30d",
        "--log.level=error",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: process.poll() is None and _ready(url), (folder / "log").read_text)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _ready(url: str) -> bool:
    try:
        return fetch(url, "GET", "/-/ready")[0] == 200
    except OSError:
        return False


def fetch(url: str, method: str, path: str, body: bytes = b"", content: str = "") -> tuple[int, bytes]:
    """One exchange: status and body."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, body or None, {"Content-Type": content} if content else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def query(url: str, text: str) -> list[object]:
    """The result of an instant query, for waiting on."""
    found: list[object] = json.loads(fetch(url, "GET", f"/api/v1/query?query={quote(text)}")[1])["data"]["result"]
    return found


def wait_for(condition, said=lambda: "", patience: float = 30.0) -> None:
    """Until it holds; AssertionError after `patience` seconds."""
    deadline, pause = time.monotonic() + patience, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, said()
        pause.wait(0.02)
