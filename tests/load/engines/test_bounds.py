"""What the engine refuses, and the bounds that its workers keep."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from gitslo.errors import Refused, Retry
from gitslo.load.engines.own import ProcessLoadEngine
from gitslo.model import ByteCount, Ceilings, RatePerSecond, Seconds, TargetScheme
from tests.load.jobs import engine, faster_than, get, hold, job, ramp, total
from tests.load.service import service
from tests.project.source import ROOT

LOW = Ceilings(rate=RatePerSecond(100.0), duration=Seconds(5.0), connections=10)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (job(1, stages=[hold(50, 1), ramp(101, 1)]), "rate 101/s is above the ceiling `rate` of 100/s"),
        (job(1, stages=[hold(50, 6)]), "6 s of load are above the ceiling `duration` of 5 s"),
        (job(1, stages=[hold(50, 1)], connections=11), "11 connections are above the ceiling `connections` of 10"),
        (job(1, stages=[hold(50, 1)], host="elsewhere.test"), "the host 'elsewhere.test' is not allowed"),
        (job(1, stages=[hold(50, 1)], scheme=TargetScheme.GRPC), "needs http and its target speaks grpc"),
        (job(1, stages=[hold(50, 1)], deadline=1.5), "leaves no time to drain"),
        (job(1, stages=[hold(50, 1)], objectives=[faster_than(0.1, "nowhere")]), "names no endpoint"),
        (job(1, get("/a b"), stages=[hold(50, 1)]), "must start with /"),
        (job(1, get("/", weight=0), stages=[hold(50, 1)]), "weights are positive"),
    ],
)
def test_a_job_beyond_its_bounds_is_refused(asked, said):
    """Before a process is started or a name resolved, and the sentence names the bound."""
    with pytest.raises(Refused, match=said.replace("/", r"\/")):
        engine(LOW).run(asked, lambda _: True)


def test_the_byte_ceiling_ends_the_load():
    """The worker itself stops when it has moved too much; what it cut off is nobody's fail."""
    ceilings = Ceilings(rate=RatePerSecond(100.0), bytes=ByteCount(2_000_000))
    with service() as target:
        asked = job(target.port, get("/big"), stages=[hold(100, 3)])
        result = engine(ceilings).run(asked, lambda _: True)

    assert 0.1 < result.ended_at < 1.5
    assert any("the ceiling of 2000000 bytes was reached" in reason for reason in result.no_pass)
    assert all(second.bad == second.late for second in result.counts[0].seconds)


def test_connections_are_bounded_over_all_workers():
    """Five workers under a bound of three connections are three workers with one each."""
    with service() as target:
        found = engine().measure(job(target.port, stages=[hold(120, 0.5)], workers=5, connections=3), lambda _: True)
        accepted = target.accepted

    assert accepted <= 3
    assert total(found) == 60


def test_running_out_of_descriptors_is_ours_and_no_reason_to_fail():
    """A limit of 40 descriptors and 80 wanted connections: what was not sent is counted, named, and blocks a fail."""
    with service(fixed=0.6) as target:
        command = [sys.executable, "-m", "tests.load.starved", str(target.port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=20)
        received = len(target.log)
    said = json.loads(done.stdout)

    assert said["requests"] == 80
    assert said["errors"] == {"connect: too many open files": 80 - received}
    assert 10 < received < 40
    assert any("ran out of file descriptors" in reason for reason in said["no_fail"])
    assert any("not the target that held it back" in reason for reason in said["no_pass"])


def test_a_worker_starts_light():
    """Nothing heavy is imported on the way to the first request."""
    heavy = {
        "click", "google", "grpc", "hpack", "httpx", "jmespath", "jsonschema", "numpy", "rich", "ruamel", "scipy"
    }  # fmt: skip
    program = "import sys, gitslo.load.worker.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=20)

    assert heavy.intersection(done.stdout.split()) == set()


def test_an_unknown_name_is_retried():
    """What does not resolve today may do so tomorrow."""
    asked = job(1, stages=[hold(1, 1)], host="shop.test", address="no-such-host.invalid")
    with pytest.raises(Retry, match=r"no-such-host\.invalid"):
        ProcessLoadEngine(Ceilings(), lambda _: True).run(asked, lambda _: True)
