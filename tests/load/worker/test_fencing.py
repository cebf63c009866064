"""Nobody is loaded by a process that nobody supervises; and a load can be stopped."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from gitslo.errors import Retry
from gitslo.load.cgroup import Throttled
from gitslo.load.results.health import Gate, examine
from gitslo.ports import LoadSnapshot
from tests.load.jobs import engine, faster_than, get, hold, job
from tests.load.lines import END
from tests.load.service import service
from tests.load.supervised import WITHIN, gone, watched, workers
from tests.project.source import ROOT


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "stopped"])
def test_a_worker_dies_with_its_parent(frozen):
    """SIGKILL of the parent, even where the worker is stopped and could not notice: it is gone, and so is the load."""
    with service() as target:
        parent = subprocess.Popen([sys.executable, "-m", "tests.load.parent", str(target.port), "1"], cwd=ROOT)
        try:
            target.wait(lambda s: len(s.log) > 5)
            (worker,) = workers(parent.pid)
            with watched(worker) as descriptor:
                if frozen:
                    os.kill(worker, signal.SIGSTOP)
                parent.kill()
                parent.wait(WITHIN)

                assert gone(descriptor)
        finally:
            parent.kill()
            parent.wait(WITHIN)
        target.wait(lambda s: s.connections == 0)
        ended = time.monotonic()

        assert all(entry.at <= ended for entry in target.log)
        assert len(target.log) < 60 * 100


def test_the_load_ends_before_its_deadline():
    """A schedule that is longer than the deadline is cut, drained, and says so; the process is gone in time."""
    began = time.monotonic()
    with service() as target:
        result = engine().run(job(target.port, stages=[hold(50, 30)], timeout=0.3, deadline=4.0), lambda _: True)

    assert time.monotonic() - began < 4.0 + 3.0
    assert 0.5 < result.ended_at < 4.0
    assert any("the deadline was near" in reason for reason in result.no_pass)
    assert sum(second.total for second in result.counts[0].seconds) == pytest.approx(50 * result.ended_at, abs=3)


def test_a_load_stops_when_it_is_told():
    """False from the callback: nothing more is released, what is under way is drained and counted."""
    snapshots: list[LoadSnapshot] = []
    with service(fixed=0.05) as target:

        def look(snapshot: LoadSnapshot) -> bool:
            snapshots.append(snapshot)
            return False

        result = engine().run(job(target.port, stages=[hold(100, 30)], workers=2), look)
        received = len(target.log)

    assert 0.9 < result.ended_at < 5.0
    assert received == sum(second.total for second in result.counts[0].seconds)
    assert result.no_pass == (), "a load that was stopped on purpose was delivered as far as it went"
    assert result.summaries[0].requests == received


def test_a_lost_shard_blocks_both_directions():
    """SIGKILL of one of two workers: the other is stopped, and the numbers may decide nothing."""
    killed: list[int] = []
    with service() as target:

        def look(_: LoadSnapshot) -> bool:
            if not killed:
                killed.append(workers(os.getpid())[0])
                os.kill(killed[0], signal.SIGKILL)
            return True

        result = engine().run(job(target.port, stages=[hold(100, 30)], workers=2), look)

    assert any("was lost" in reason for reason in result.no_pass)
    assert any("was lost" in reason for reason in result.no_fail)
    assert result.ended_at < 10


def test_when_all_shards_are_lost_the_load_is_retried():
    """There is no result without a worker that came to its end."""
    with service() as target:

        def look(_: LoadSnapshot) -> bool:
            for worker in workers(os.getpid()):
                os.kill(worker, signal.SIGKILL)
            return True

        with pytest.raises(Retry, match="no load worker came through"):
            engine().run(job(target.port, stages=[hold(100, 30)]), look)


def test_nothing_is_left_when_the_callback_raises():
    """An exception of the caller's own ends the workers on its way."""
    with service() as target:

        def look(_: LoadSnapshot) -> bool:
            raise RuntimeError("the caller's own")

        with pytest.raises(RuntimeError, match="the caller's own"):
            engine().run(job(target.port, stages=[hold(100, 30)], workers=2), look)

        assert workers(os.getpid()) == []


def test_our_own_standstill_is_our_own_lag():
    """SIGSTOP of the generator for half a second: what it delayed is bad, late, and no reason to fail."""
    stopped: list[float] = []
    with service() as target:

        def look(_: LoadSnapshot) -> bool:
            if not stopped:
                (worker,) = workers(os.getpid())
                stopped.append(time.monotonic())
                os.kill(worker, signal.SIGSTOP)
                # The time a standstill takes is what is tested here; nothing is waited for.
                select.select([], [], [], 0.5)
                os.kill(worker, signal.SIGCONT)
            return True

        asked = job(target.port, get("/"), stages=[hold(100, 2)], objectives=[faster_than(0.1)], timeout=2.0)
        result = engine().run(asked, look)
    seconds = result.counts[0].seconds

    assert sum(second.total for second in seconds) == 200
    assert sum(second.late for second in seconds) >= 30
    assert sum(second.bad - second.late for second in seconds) <= 2
    assert any("schedule lag" in reason for reason in result.no_fail)


def test_the_gate_says_what_it_blocks():
    """Each cause blocks the direction that it could falsify, with its figure."""
    part = replace(END.endpoints[0], requests=1000, unsent=0, hindered=0)
    good = replace(
        END,
        endpoints=(part,),
        cut="",
        exhausted=(),
        throttled=Throttled(),
        busy=0.3,
        judged_for=10.0,
        judged_took=10.0,
        ended_at=10.0,
    )

    def gate(end, lag=0.0001, lost=(), closed=False):
        return examine([end], lost, lag, 0.001, closed)

    assert gate(good) == Gate((), ())
    assert gate(replace(good, judged_took=10.05)) == Gate((), ())
    assert "98.0%" in gate(replace(good, judged_took=10.2)).no_pass[0]
    assert gate(replace(good, judged_took=10.2)).no_fail == ()
    assert "p99 of 1.5 ms" in gate(good, lag=0.0015).no_fail[0]
    assert gate(good, lag=0.0015).no_pass == ()
    assert "91%" in gate(replace(good, busy=0.91)).no_fail[0]
    assert gate(replace(good, busy=0.91), closed=True) == Gate((), ())
    assert "3 times and had to wait 0.25 s" in gate(replace(good, throttled=Throttled(3, 0.25))).no_fail[0]
    assert gate(replace(good, throttled=Throttled(3, 0.05))) == Gate((), ())
    assert "file descriptors" in gate(replace(good, exhausted=("file descriptors",))).no_fail[0]
    hindered = replace(good, endpoints=(replace(part, hindered=20),))
    assert "98.0%" in gate(hindered).no_pass[0]
    assert gate(good, lost=("gone",)) == Gate(("gone",), ("gone",))
    nothing = gate(replace(good, endpoints=(replace(part, requests=0),)))
    assert nothing == Gate(("0 requests were judged",), ("0 requests were judged",))
