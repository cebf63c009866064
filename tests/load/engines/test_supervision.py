"""Foreign programs under supervision: nobody is loaded by one that nobody supervises."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gitslo.errors import Retry
from gitslo.load.engines import guard
from gitslo.load.engines.fortio import FortioEngine
from gitslo.load.engines.k6 import K6Engine
from gitslo.load.engines.program import Command, Files, Program
from gitslo.model import (
    ByteCount,
)
from tests.load.foreign_engines import FOREIGN, allowed, changed
from tests.load.jobs import CEILINGS, get, hold, job
from tests.load.service import service
from tests.load.supervised import WITHIN, gone, watched
from tests.project.source import ROOT
from tests.required import required


def program(tmp_path, text):
    """A program that stands for k6 or Fortio."""
    path = tmp_path / "program"
    path.write_text(f'#!/bin/sh\n[ "$1" = version ] && echo v9.9.9 9.9.9 && exit\n{text}\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("made", [K6Engine, FortioEngine])
def test_a_program_that_tells_nothing_is_retried(made, tmp_path):
    """With its version and its last words."""
    engine = made(CEILINGS, allowed, path=program(tmp_path, "echo something >&2; echo out of order >&2; exit 7"))

    with pytest.raises(Retry, match=r"9\.9\.9 told of no request: out of order"):
        engine.run(changed(), lambda _: True)


def test_a_program_that_breaks_off_decides_nothing(tmp_path):
    """What it told is kept; what it did not is counted as failed; both directions are blocked."""
    line = '{"latency":0.001,"timestamp":%s000000000,"thread":0,"iter":0,"ok":true,"details":"200"}'
    engine = FortioEngine(CEILINGS, allowed, path=program(tmp_path, f"printf '{line}\\n' $(date +%s); exit 9"))
    found = engine.run(job(1, stages=[hold(20, 1)], timeout=1.0), lambda _: True)

    assert sum(second.total for second in found.counts[0].seconds) == 20
    assert sum(second.bad for second in found.counts[0].seconds) == 19
    assert "fortio 9.9.9 was lost: it ended with code 9" in found.no_pass
    assert "fortio 9.9.9 was lost: it ended with code 9" in found.no_fail


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (FortioEngine, '{"latency":0.001,"timestamp":'),
        (FortioEngine, '{"latency":0.001,"time":1}'),
        (FortioEngine, '{"latency":0.001,"timestamp":1,"thread":0,"iter":[],"details":200}'),
        (K6Engine, '{"metric":"gitslo_told","type":"Point","data":{"value":1,"tags":{}}}'),
        (K6Engine, '{"metric":"gitslo_told","type":'),
    ],
)
def test_a_line_that_cannot_be_read_decides_nothing(made, line, tmp_path):
    """Of a program that broke off within it, or of another version: what was understood is kept, and blocks both."""
    whole = {
        FortioEngine: '{"latency":0.001,"timestamp":%s000000000,"thread":0,"iter":0,"ok":true,"details":"200"}',
        K6Engine: (
            '{"metric":"gitslo_start","type":"Point","data":{"value":%s000,"tags":{"stage":"0"}}}\\n'
            '{"metric":"gitslo_told","type":"Point","data":{"value":1,"metadata":{"gitslo":"0 0 0"},'
            '"tags":{"endpoint":"0","status":"200","error":"0","contains":"yes"}}}'
        ),
    }[made]
    now = "$(date +%s)"
    text = f"printf '{whole}\\n' {now}; printf '%s' '{line}'"
    engine = made(CEILINGS, allowed, path=program(tmp_path, text))
    found = engine.run(job(1, stages=[hold(20, 1)], timeout=1.0), lambda _: True)

    assert sum(second.total for second in found.counts[0].seconds) == 20
    assert any("told of a request in words that are not known" in reason for reason in found.no_pass)
    assert any("told of a request in words that are not known" in reason for reason in found.no_fail)


def test_a_program_sees_nothing_of_ours(monkeypatch, tmp_path):
    """No credential of ours is in its environment, and no configuration of a person's own in its home."""
    monkeypatch.setenv("GITSLO_TEST_SECRET", "hunter2")
    monkeypatch.setenv("K6_OUT", "cloud")
    run = Program(Path("/usr/bin/env"), Command((), environment={"MINE": "1"}), Files(), 10.0)
    lines = []
    while not run.ended:
        lines += run.lines(WITHIN)
    run.kill()
    names = {line.partition(b"=")[0].decode() for line in lines if line}

    assert names <= {
        "PATH",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "HOME",
        "XDG_CONFIG_HOME",
        "MINE",
    }
    assert b"HOME=/nonexistent" in lines


def test_output_without_end_is_bounded():
    """A program that writes faster than it is heard waits; one line without an end is dropped."""
    run = Program(Path("/usr/bin/yes"), Command(("x" * 100,)), Files(), 30.0)
    heard = sum(len(run.lines(WITHIN)) for _ in range(10))
    read = run.read
    run.kill()

    assert heard > 0
    assert read < 100 << 20
    assert run.code != 0


@pytest.mark.parametrize("name", FOREIGN)
def test_the_ceiling_of_bytes_ends_a_program(name):
    """What the kernel says that it read and wrote is held against the operator's ceiling."""
    ceilings = replace(CEILINGS, bytes=ByteCount(3_000_000))
    engine = FOREIGN[name](ceilings, allowed, path=required(name))
    with service() as target:
        found = engine.run(job(target.port, get("/big"), stages=[hold(50, 20)], connections=10), lambda _: True)
        received = len(target.log)

    assert any("the ceiling of 3000000 bytes was reached" in reason for reason in found.no_pass)
    assert found.ended_at < 10
    assert 20 <= received <= 200


@pytest.mark.parametrize("frozen", [False, True], ids=["running", "stopped"])
def test_a_program_dies_with_its_guard(frozen):
    """SIGKILL of the guard, even where the program is stopped and could not notice."""
    argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "60", "/usr/bin/yes"]
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert select.select([started.stdout], [], [], WITHIN)[0]
        (child,) = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        with watched(int(child)) as descriptor:
            if frozen:
                os.kill(int(child), signal.SIGSTOP)
            started.kill()
            assert gone(descriptor)
    finally:
        started.kill()
        started.wait(WITHIN)
        started.stdout.close()


def test_a_guard_ends_its_program_at_the_deadline_whatever_we_do():
    """Nobody asks it to, nobody reads what it writes: after its time the whole group is gone."""
    argv = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), "0.3", "/usr/bin/yes"]
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True)
    with watched(started.pid) as descriptor:
        assert gone(descriptor)
    assert started.wait(WITHIN) == -signal.SIGKILL
    started.stdout.close()


@pytest.mark.parametrize("name", FOREIGN)
def test_a_program_dies_with_us(name):
    """SIGKILL of the process that asked for a load: the program is gone, and so is the load."""
    path = required(name)
    with service() as target:
        argv = [sys.executable, "-m", "tests.load.parent", str(target.port), "1", name, str(path)]
        parent = subprocess.Popen(argv, cwd=ROOT)
        try:
            target.wait(lambda s: len(s.log) > 5)
            guards = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
            descendants = [
                child
                for each in guards
                for child in (each, *Path(f"/proc/{each}/task/{each}/children").read_text().split())
            ]
            assert len(descendants) == 2
            parent.kill()
            parent.wait(WITHIN)
        finally:
            parent.kill()
            parent.wait(WITHIN)
        target.wait(lambda s: s.connections == 0)

    assert [each for each in descendants if Path(f"/proc/{each}/exe").exists()] == []
