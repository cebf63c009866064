from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli

PLAN = """\
schema: gitslo/v1
targets:
  hello: {http: "http://hello.dev.svc:80"}
readiness:
  - {http: hello, path: /readyz, expect: 200, within: 10s}
load:
  browse:
    target: hello
    endpoints:
      list: {get: /items}
    timeout: 1s
    stages:
      - {hold: 100/s, for: %(hold)s}
objectives:
  - browse.errors < %(limit)s
  - browse.latency.p95 < 900ms
judge: {min_duration: %(least)s, max_duration: 20s}
"""


@contextmanager
def serving(version: str) -> Iterator[int]:
    """The demo's application as a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gitslo.demo.app", version],
        env={"PATH": os.environ["PATH"], "PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield int(process.stdout.readline().rpartition(":")[2])
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def plan(folder: Path, *, limit: str = "4%", hold: str = "15s", least: str = "2s") -> Path:
    file = folder / "slo.yaml"
    file.write_text(PLAN % {"limit": limit, "hold": hold, "least": least})
    return file


def gitslo(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The real command with the real engine."""
    command = [sys.executable, "-m", "gitslo", "test", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def refused(*arguments: object):
    return CliRunner().invoke(cli, ["test", *map(str, arguments)])


# --------------------------------------------------------------------------- the real thing


def test_a_good_service_passes(tmp_path) -> None:
    """Exit code 0, the result alone on standard output, progress on standard error, JUnit that is XML."""
    evidence = tmp_path / "evidence.json"
    with serving("v2") as port:
        done = gitslo(
            plan(tmp_path), "--target", f"hello=http://127.0.0.1:{port}", "--format", "junit", "--evidence", evidence
        )

    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    root = ET.fromstring(done.stdout)  # noqa: S314 - our own output
    assert [case.get("name") for case in root.iter("testcase")] == ["browse.errors < 4%", "browse.latency.p95 < 900ms"]
    assert (root.get("failures"), root.get("errors")) == ("0", "0")
    assert "sent" in done.stderr
    assert json.loads(evidence.read_text())["verdict"] == "pass"


def test_a_broken_service_fails(tmp_path) -> None:
    """Exit code 1: 5 % of the answers are errors, 0.2 % are allowed; and the evidence stays failed."""
    evidence = tmp_path / "evidence.json"
    arguments = [plan(tmp_path, limit="0.2%"), "--evidence", evidence]
    with serving("v4") as port:
        target = ("--target", f"hello=http://127.0.0.1:{port}")
        done = gitslo(*arguments, *target)
        again = gitslo(*arguments, *target)

    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0), done.stderr + done.stdout
    assert done.stdout.startswith(f"fail: {tmp_path}/slo.yaml\n")
    assert again.returncode == 2
    assert "what has failed on this evidence stays failed" in again.stderr


def test_evidence_is_continued(tmp_path) -> None:
    """Too short for a verdict is inconclusive, 3; a second test on the same evidence decides, and says so."""
    evidence = tmp_path / "evidence.json"
    arguments = [plan(tmp_path, limit="1%", hold="3s"), "--evidence", evidence, "--json"]
    with serving("v2") as port:
        target = ("--target", f"hello=http://127.0.0.1:{port}")
        first, second = gitslo(*arguments, *target), gitslo(*arguments, *target)

    assert (first.returncode, second.returncode) == (3, 0), first.stderr + second.stderr
    document = json.loads(second.stdout)
    assert [attempt["attempt"] for attempt in document["attempts"]] == [1, 2]
    assert document["notes"] == ["Earlier attempts that are judged together with this one: 1."]
    assert document["findings"][0]["total"] > 377
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_service_that_is_not_ready_fails(tmp_path) -> None:
    """Exit code 1 with the finding `readiness` and the last reason; no load is sent."""
    file = plan(tmp_path)
    file.write_text(file.read_text().replace("/readyz", "/missing").replace("within: 10s", "within: 2s"))
    with serving("v2") as port:
        done = gitslo(file, "--target", f"hello=http://127.0.0.1:{port}")

    assert done.returncode == 1, done.stderr
    assert "`hello` (/missing) was not ready within 2 s: status 404, expected 200" in done.stdout


def test_an_interrupt_leaves_no_evidence(tmp_path) -> None:
    """Ctrl-C ends the load in good order: exit code 4, nothing written, no worker left."""
    evidence = tmp_path / "evidence.json"
    file = plan(tmp_path, least="10s")
    with serving("v2") as port:
        command = [sys.executable, "-m", "gitslo", "test", str(file), "--target", f"hello=http://127.0.0.1:{port}"]
        with subprocess.Popen(
            [*command, "--evidence", str(evidence)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert "sent" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)

    assert process.returncode == 4, errors
    assert "cut off: stopped by SIGINT" in output
    assert not evidence.exists()


# --------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ((), "slo.yaml: the plan uses the target `hello` (say where it is: --target hello=URL)"),
        (("helo=http://127.0.0.1:1",), "--target helo: the plan has no such target (did you mean `hello`?)"),
        (("hello",), "--target 'hello' is not of the form NAME=URL"),
        (("hello=http://a:1", "hello=http://b:1"), "--target hello is given twice"),
        (("hello=grpc://127.0.0.1:1",), "the plan's target is http (expected http:// or https://)"),
        (("hello=http://127.0.0.1:x",), "no URL"),
        (("hello=http://:80",), "expected a host and a port"),
        (("hello=http://*:80",), "expected a host and a port"),
        (("hello=http://me:secret@127.0.0.1",), "a target has no user"),
        (("hello=http://127.0.0.1/?a=1",), "a target has no user, query or fragment"),
    ],
)
def test_targets_are_checked(tmp_path, targets, message) -> None:
    """Every used target is named by the caller, and nothing else is."""
    done = refused(plan(tmp_path), *(part for target in targets for part in ("--target", target)))

    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_a_missing_file_is_named(tmp_path) -> None:
    """The plan's file that does not exist."""
    done = refused(tmp_path / "none.yaml")

    assert (done.exit_code, "none.yaml: there is no such file" in done.output) == (2, True)


def test_a_folder_is_no_plan(tmp_path) -> None:
    """It is there, and is said to be what it is."""
    done = refused(tmp_path)

    assert (done.exit_code, "is a folder, and no plan" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ("fortio", "--engine fortio: the plan asks for no engine `fortio` (its engines: k6)"),
        ("=x", "the plan asks for no engine ``"),
        ("k6=/nowhere/k6", "/nowhere/k6: --engine k6: there is no such program"),
    ],
)
def test_an_engine_that_cannot_be_is_told_before_the_run(tmp_path, engine, message) -> None:
    """Neither one that nothing would use, nor a program that is not there, once readiness holds."""
    file = plan(tmp_path)
    file.write_text(file.read_text().replace("    target: hello\n", "    target: hello\n    engine: k6\n"))
    done = refused(file, "--target", "hello=http://127.0.0.1:1", "--engine", engine)

    assert (done.exit_code, message in done.output) == (2, True), done.output


def test_a_broken_plan_says_where(tmp_path) -> None:
    """Line and column of the plan's mistake."""
    file = plan(tmp_path)
    file.write_text(file.read_text().replace("target: hello", "target: helo"))
    done = refused(file, "--target", "hello=http://127.0.0.1:1")

    assert done.exit_code == 2
    assert "slo.yaml:8:" in done.output


def test_json_and_another_format_exclude_each_other(tmp_path) -> None:
    """Two formats are a mistake, not a choice."""
    done = refused(plan(tmp_path), "--json", "--format", "junit")

    assert (done.exit_code, "exclude each other" in done.output) == (2, True)


def test_the_evidence_file_is_checked_before_the_load(tmp_path) -> None:
    """Minutes of load are not spent on a file that cannot be used."""
    target = ("--target", "hello=http://127.0.0.1:1")
    (tmp_path / "other.json").write_text("{}")
    absent = refused(plan(tmp_path), *target, "--evidence", tmp_path / "none" / "e.json")
    other = refused(plan(tmp_path), *target, "--evidence", tmp_path / "other.json")

    assert (absent.exit_code, "its folder does not exist" in absent.output) == (2, True)
    assert (other.exit_code, "other.json" in other.output) == (2, True)
