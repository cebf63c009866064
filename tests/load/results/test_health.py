"""A load says of itself what its numbers must not decide; each cause by a real run that has it."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gitslo.load.cgroup import Throttled, groups, quota, throttled
from gitslo.load.engines.workers import chosen, cores
from gitslo.model import Ceilings, RatePerSecond
from tests.load.jobs import CEILINGS, bad, engine, faster_than, hold, job, late, total
from tests.load.service import service
from tests.load.supervised import workers
from tests.project.source import ROOT
from tests.required import missing


def hindered(what: str, port: int, *rest: str) -> dict[str, object]:
    """What a load in a process of its own said of itself."""
    command = [sys.executable, "-m", "tests.load.hindered", what, str(port), *rest]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


# --------------------------------------------------------------------------- through real runs


def test_a_quiet_run_may_decide_everything():
    """Nothing in the way: no reason against either verdict."""
    with service() as target:
        result = engine().run(job(target.port, stages=[hold(50, 1)], timeout=2.0), lambda _: True)

    assert (result.no_fail, result.no_pass) == ((), ())


def test_a_generator_that_stood_still_must_not_decide_a_fail():
    """SIGSTOP for 300 ms: a fail is blocked, a pass is not, and what it delayed is excused one by one."""
    stopped: list[int] = []
    with service() as target:

        def look(_: object) -> bool:
            if not stopped:
                stopped.extend(workers(os.getpid()))
                os.kill(stopped[0], signal.SIGSTOP)
                # The time that a standstill takes is what is tested here; nothing is waited for.
                select.select([], [], [], 0.3)
                os.kill(stopped[0], signal.SIGCONT)
            return True

        asked = job(target.port, stages=[hold(200, 2)], objectives=[faster_than(0.05)], timeout=2.0)
        detail = engine().measure(asked, look)

    assert any("schedule lag has a p99 of" in reason for reason in detail.result.no_fail)
    assert detail.result.no_pass == ()
    assert total(detail) == 400
    assert late(detail) >= 30
    assert bad(detail) - late(detail) <= 3


def test_a_lost_shard_ends_the_run_at_once():
    """SIGKILL of one worker of two: nothing can be decided any more, so the other one is not left to go on."""
    killed: list[float] = []
    with service() as target:

        def look(_: object) -> bool:
            if not killed:
                os.kill(workers(os.getpid())[1], signal.SIGKILL)
                killed.append(time.monotonic())
            return True

        result = engine().run(job(target.port, stages=[hold(100, 60)], workers=2, deadline=90.0), look)
        ended = time.monotonic()

    assert ended - killed[0] < 5.0
    assert result.no_fail == result.no_pass
    assert any("load worker 2 of 2 was lost: it ended with code -9" in reason for reason in result.no_pass)


def test_a_busy_neighbour_blocks_a_fail():
    """Six processes that never rest, on the one core that the worker may use: its lag is too much for the limit."""
    with service() as target:
        said = hindered("pinned", target.port)

    assert said["cores"] == 1
    assert said["requests"] > 1000
    assert any("schedule lag" in reason for reason in said["no_fail"])


def test_a_run_without_requests_decides_nothing():
    """A schedule too short for its rate to give one arrival: both directions are blocked."""
    with service() as target:
        result = engine().run(job(target.port, stages=[hold(0.2, 1)]), lambda _: True)

    assert "0 requests were judged" in result.no_fail
    assert "0 requests were judged" in result.no_pass


@pytest.mark.parametrize("rate", [1e7, 1e9])
def test_a_rate_beyond_the_machine_is_sent_and_the_gate_says_so(rate):
    """It comes to its own end, long before its deadline, with what was released beside what was planned."""
    asked = job(1, stages=[hold(rate, 0.5)], timeout=1.0, deadline=15.0)
    began = time.monotonic()
    result = engine(Ceilings(rate=RatePerSecond(1e9), connections=100)).run(asked, lambda _: True)

    assert time.monotonic() - began < 10.0
    assert any("fell behind its schedule by more than the time-out" in reason for reason in result.no_pass)
    assert any("requests/s of" in reason for reason in result.no_pass)
    assert any("schedule lag" in reason for reason in result.no_fail)
    assert result.summaries[0].requests > 1000


@contextmanager
def group():
    """A control group of this machine that allows a twentieth of a processor."""
    first, second = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    made = (first if (first / "cpu.cfs_quota_us").exists() else second) / f"gitslo-test-{os.getpid()}"
    try:
        made.mkdir()
    except OSError as error:
        missing(f"no control group can be made here: {error.strerror}")
    try:
        if made.parent == first:
            (made / "cpu.cfs_quota_us").write_text("5000")
        elif (made / "cpu.max").exists():
            (made / "cpu.max").write_text("5000 100000")
        else:
            missing("this control group has no controller of processor time")
        yield made
    finally:
        made.rmdir()


def test_a_throttled_generator_must_not_decide_a_fail():
    """A control group with a twentieth of a processor: it says how often and how long it had to wait."""
    with service() as target, group() as folder:
        said = hindered("throttled", target.port, str(folder))

    assert said["cores"] == 1
    assert any("control group had used up its processor time" in reason for reason in said["no_fail"])
    assert not any("control group" in reason for reason in said["no_pass"])


# --------------------------------------------------------------------------- what the kernel says


def kernel(folder: Path, own: str, mounts: list[str], files: dict[str, str]) -> tuple[Path, ...]:
    """The groups of a process for which /proc and the mounted groups say this."""
    (folder / "cgroup").write_text(own)
    (folder / "mountinfo").write_text("".join(f"{line}\n" for line in mounts))
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return groups(folder)


def test_limits_of_the_second_generation_count_on_every_level(tmp_path):
    """Version 2: the own group and those above it, the tightest quota, all that had to be waited."""
    found = kernel(
        tmp_path,
        "0::/pod/container\n",
        [f"31 23 0:28 / {tmp_path}/fs rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate"],
        {
            "fs/cpu.stat": "usage_usec 5\n",
            "fs/pod/cpu.max": "150000 100000\n",
            "fs/pod/cpu.stat": "usage_usec 5\nnr_periods 9\nnr_throttled 2\nthrottled_usec 1500000\n",
            "fs/pod/container/cpu.max": "max 100000\n",
            "fs/pod/container/cpu.stat": "usage_usec 5\nnr_throttled 1\nthrottled_usec 250000\n",
        },
    )

    assert found == (tmp_path / "fs/pod/container", tmp_path / "fs/pod", tmp_path / "fs")
    assert quota(found) == 1.5
    assert throttled(found) == Throttled(3, 1.75)
    assert throttled(found).since(Throttled(1, 0.5)) == Throttled(2, 1.25)


def test_limits_of_the_first_generation_in_a_container(tmp_path):
    """Version 1: nanoseconds, the hierarchy of `cpu` only, and a mount that begins at the container's own group."""
    found = kernel(
        tmp_path,
        "5:cpuset:/x\n4:cpu,cpuacct:/docker/abc\n0::/\n",
        [
            f"40 31 0:37 /docker/abc {tmp_path}/cpuset rw - cgroup cgroup rw,cpuset",
            f"41 31 0:38 /docker/abc {tmp_path}/cpu rw - cgroup cgroup rw,cpu,cpuacct",
        ],
        {
            "cpu/cpu.cfs_quota_us": "250000\n",
            "cpu/cpu.cfs_period_us": "100000\n",
            "cpu/cpu.stat": "nr_periods 4\nnr_throttled 2\nthrottled_time 1250000000\n",
        },
    )

    assert found == (tmp_path / "cpu",)
    assert quota(found) == 2.5
    assert throttled(found) == Throttled(2, 1.25)


def test_without_control_groups_there_is_no_limit(tmp_path):
    """Nothing to read, or a quota of -1: no limit, and nothing that had to be waited."""
    assert groups(tmp_path) == ()
    assert (quota(()), throttled(())) == (math.inf, Throttled())
    (tmp_path / "cpu.cfs_quota_us").write_text("-1\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    assert quota((tmp_path,)) == math.inf


@pytest.mark.parametrize(
    ("peak", "allowed", "closed", "expected"),
    [
        (100.0, 8, False, 1),
        (5000.0, 8, False, 1),
        (5001.0, 8, False, 2),
        (40_000.0, 8, False, 8),
        (1e9, 8, False, 8),
        (1e9, 1, False, 1),
        (0.0, 8, False, 1),
        (1e9, 8, True, 1),
    ],
)
def test_workers_by_the_rate_and_the_processors(peak, allowed, closed, expected):
    """One for every 5000 requests per second, never more than there are processors for; one for a closed loop."""
    assert chosen(peak, allowed, closed=closed) == expected


def test_a_job_may_leave_the_workers_to_the_engine():
    """0 workers are as many as the rate asks for, on the processors that this process may use."""
    with service() as target:
        asked = replace(job(target.port, stages=[hold(6000, 0.2)], timeout=2.0), workers=0)
        detail = engine(replace(CEILINGS, rate=RatePerSecond(6000.0))).measure(asked, lambda _: True)

    assert detail.workers == min(2, cores())
    assert detail.result.summaries[0].requests == 1200
