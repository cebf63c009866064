"""A real service, scraped by a real Prometheus, judged by the real command: beside a load, and by its own traffic."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitslo.core.evidence_file import decode
from gitslo.core.rejudge import judged_again
from tests.metrics.prometheus_server import VERSIONS, prometheus, query, wait_for

OWN_TRAFFIC = """\
schema: gitslo/v1
metrics:
  orders:
    source: prom
    ratio: {bad: 'orders_total{result="error"}', total: orders_total}
objectives:
  - orders < 2%
judge: {min_duration: 10s, max_duration: LONGEST}
"""

BESIDE_LOAD = """\
schema: gitslo/v1
targets:
  shop: {http: "http://shop.example:80"}
load:
  browse: {target: shop, get: /, timeout: 2s, warmup: 1s, stages: [{hold: 40/s, for: 90s}]}
metrics:
  orders:
    source: prom
    ratio: {bad: 'orders_total{result="error"}', total: orders_total}
objectives:
  - browse.errors < 10%
  - orders < 2%
judge: {min_duration: 10s, max_duration: 90s}
"""


@dataclass
class Service:
    """Counts an order per request, and `rate` a second of its own; `share` of them go wrong, which no caller sees."""

    share: float = 0.0
    rate: float = 0.0
    began: float = field(default_factory=time.monotonic)
    requests: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self) -> str:
        """What Prometheus scrapes."""
        with self.lock:
            total = self.requests + int(self.rate * (time.monotonic() - self.began))
        bad = int(total * self.share)
        return (
            "# TYPE orders counter\n"
            f'orders_total{{result="ok"}} {total - bad}\norders_total{{result="error"}} {bad}\n# EOF\n'
        )


@contextlib.contextmanager
def serving(service: Service) -> Iterator[str]:
    """`host:port` of it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body, kind = b"ok", "text/plain"
            if self.path == "/metrics":
                body, kind = service.page().encode(), "application/openmetrics-text; version=1.0.0; charset=utf-8"
            else:
                with service.lock:
                    service.requests += 1
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def scraped(component: str, folder: Path, service: Service) -> Iterator[tuple[str, str]]:
    """(the service, Prometheus' URL), once it has been seen."""
    with serving(service) as at, prometheus(component, folder / "prometheus", targets={"shop": at}) as url:
        wait_for(lambda: len(query(url, "orders_total")) == 2)
        yield at, url


def judged(folder: Path, plan: str, url: str, *arguments: str) -> tuple[int, dict[str, object], str]:
    """Exit code, JSON and standard error of `gitslo test`."""
    (folder / "slo.yaml").write_text(plan)
    (folder / "sources.yaml").write_text(
        f"sources:\n  prom: {{prometheus: '{url}', scrape_interval: 1s, timeout: 5s}}\n"
    )
    command = [sys.executable, "-m", "gitslo", "test", "slo.yaml", "--sources", "sources.yaml", "--json", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200, check=False)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


@pytest.mark.parametrize("component", VERSIONS)
def test_own_traffic_passes(tmp_path: Path, component: str) -> None:
    """Without load: windows of the service's own counters, until enough is known; and the verdict follows again."""
    with scraped(component, tmp_path, Service(rate=200.0)) as (_, url):
        code, document, said = judged(
            tmp_path, OWN_TRAFFIC.replace("LONGEST", "90s"), url, "--evidence", "evidence.json"
        )

    assert (code, said.count("Traceback")) == (0, 0), said
    content = (tmp_path / "evidence.json").read_bytes()
    kept = decode(content, plan=str(document["plan"]), where="evidence.json")
    tally = kept.evidence.attempts[0].tallies[0]
    assert (tally.objective, tally.every, tally.bad) == ("orders < 2%", 1.0, 0)
    assert all(150 < row.total < 250 for row in tally.seconds), "an order is counted once"
    plan = parsed(tmp_path)
    again = judged_again(plan, kept.evidence)
    assert again is not None
    assert again.verdict is kept.verdict


def parsed(folder: Path):
    from gitslo.cli.test import read_plan

    return read_plan(folder / "slo.yaml")


def test_own_traffic_fails_early(tmp_path: Path) -> None:
    """A service that loses a tenth of its orders fails long before the longest duration."""
    with scraped("prometheus", tmp_path, Service(rate=200.0, share=0.1)) as (_, url):
        began = time.monotonic()
        code, document, said = judged(tmp_path, OWN_TRAFFIC.replace("LONGEST", "600s"), url)

    assert code == 1, said
    assert time.monotonic() - began < 120
    assert document["findings"][0]["measured"] == pytest.approx(0.1, abs=0.02)


def test_errors_that_no_caller_sees_fail_a_load(tmp_path: Path) -> None:
    """Every answer is good, and the service's own metric says otherwise: the load ends early."""
    with scraped("prometheus", tmp_path, Service(share=0.2)) as (at, url):
        code, document, said = judged(tmp_path, BESIDE_LOAD, url, "--target", f"shop=http://{at}")

    assert code == 1, said
    assert [each["verdict"] for each in document["findings"]] == ["inconclusive", "fail"]
    assert document["attempts"][0]["loads"][0]["requests"] < 40 * 80


def test_a_service_that_is_gone_does_not_pass(tmp_path: Path) -> None:
    """Its scrapes fail, so nothing of it is known, and that is no good news: 3, and the finding says why."""
    service = Service(rate=200.0)
    with serving(service) as at, prometheus("prometheus", tmp_path / "prometheus", targets={"shop": at}) as url:
        wait_for(lambda: len(query(url, "orders_total")) == 2)
        timer = threading.Timer(8.0, service_stops, (service,))
        timer.start()
        code, document, said = judged(tmp_path, OWN_TRAFFIC.replace("LONGEST", "25s").replace("10s", "20s"), url)
        timer.join()

    assert code == 3, said
    assert "known" in str(document["findings"][0]["explanation"])


def service_stops(service: Service) -> None:
    """From now on no scrape comes to its end in time."""
    service.lock.acquire()
    threading.Timer(60.0, service.lock.release).start()


def test_a_source_that_is_down_is_inconclusive(tmp_path: Path) -> None:
    """3, and the finding names the source."""
    code, document, said = judged(tmp_path, OWN_TRAFFIC.replace("LONGEST", "10s"), "http://127.0.0.1:1")

    assert code == 3, said
    assert "its source could not be asked: the source `prom`: no connection" in str(
        document["findings"][0]["explanation"]
    )
