"""`gitslo load URL`: the engine alone, from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from tests.closed_port import closed_port
from tests.load.service import service


def gitslo(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    result = CliRunner().invoke(cli, ["load", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_json_has_every_figure_in_seconds():
    """Requests, errors by kind, both rates, the quantiles (None where there are too few), lag, queue, CPU, health."""
    with service() as target:
        url = f"http://127.0.0.1:{target.port}/every/10/500?x=1"
        code, out, err = gitslo(url, "--rate", "200/s", "--duration", "1s", "--warmup", "500ms", "--json")
        received = len(target.log)
    document = json.loads(out)

    assert code == 0
    assert received == 300
    assert (document["requests"], document["loop"]) == (200, "open")
    assert document["errors"] == {"status 500": 20}
    assert document["rate"]["planned"] == pytest.approx(200)
    assert document["rate"]["achieved"] == pytest.approx(200, rel=0.2)
    assert list(document["latency"]) == ["p50", "p90", "p95", "p99", "p999", "max"]
    assert (document["latency"]["p99"], document["latency"]["p999"]) == (None, None)
    assert 0 < document["latency"]["p50"] < document["latency"]["max"] < 2
    assert "p99" in document["schedule_lag"]
    assert "p99" in document["queue"]
    assert document["service"]["p50"] > 0
    assert document["cpu_seconds"] > document["cpu_seconds_loading"] > 0
    assert set(document["health"]) == {"no_pass", "no_fail"}
    assert "p50" in err, "progress goes to standard error"


def test_the_request_is_what_the_flags_say():
    """Method, headers and body are sent as given; `--expect` says what is good."""
    with service() as target:
        url = f"http://127.0.0.1:{target.port}/status/201"
        flags = [
            "--header",
            "X-Shop: a: b",
            "--body",
            "{}",
            "--expect",
            "200,204",
            "--rate",
            "50/s",
            "--duration",
            "200ms",
        ]
        code, out, _ = gitslo(url, *flags)
        received = target.log[0]

    assert (code, received.method, received.body) == (1, "POST", b"{}")
    assert "X-Shop: a: b" in received.head
    assert "10 status 201" in out


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_load_of_which_nothing_succeeded_ends_with_1(form):
    """The result is printed all the same, and the last line of standard error says so."""
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}/"
        code, out, err = gitslo(url, "--rate", "50/s", "--duration", "200ms", *form)

    assert code == 1
    assert "connect: refused" in out
    assert err.splitlines()[-1] == "not one of 10 requests succeeded (connect: refused)"


def test_the_text_is_a_table():
    """For people: counts, rates, the four times, and what the numbers may not decide."""
    with service() as target:
        code, out, _ = gitslo(f"http://127.0.0.1:{target.port}/", "--rate", "100/s", "--duration", "300ms")

    assert code == 0
    assert "requests  30, " in out
    for row in ("response", "service", "queue", "schedule lag"):
        assert row in out


def test_a_closed_loop_says_so():
    """No planned rate where there was none."""
    with service(fixed=0.01) as target:
        url = f"http://127.0.0.1:{target.port}/"
        code, out, _ = gitslo(url, "--closed", "--connections", "2", "--duration", "300ms", "--json")
    document = json.loads(out)

    assert (code, document["loop"], document["rate"]["planned"]) == (0, "closed", None)
    assert document["requests"] > 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ws://127.0.0.1/"], "not in this version"),
        (["127.0.0.1:80"], "did you mean `http://127.0.0.1:80`?"),
        (["http://127.0.0.1:x/"], "is no URL"),
        (["http://me:secret@127.0.0.1/"], "no user, password or fragment"),
        (["http://127.0.0.1/", "--rate", "fast"], "--rate"),
        (["http://127.0.0.1/", "--duration", "10"], "did you mean `10s`?"),
        (["http://127.0.0.1/", "--expect", "2xx"], "no list of statuses"),
        (["http://127.0.0.1/", "--header", "nothing"], "NAME: VALUE"),
        (["http://127.0.0.1/", "--body", "@/nowhere/at/all"], "/nowhere/at/all"),
        (["http://127.0.0.1/", "--timeout", "0s"], "expected more than zero"),
        (["http://127.0.0.1/a\x01b"], "printable ASCII"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_2(arguments, said):
    """Wrong flags and what this version does not have: no traceback, nothing sent."""
    code, _, err = gitslo(*arguments)

    assert code == 2
    assert said in err
    assert "secret" not in err


def test_the_first_interrupt_still_shows_the_result():
    """Ctrl-C stops and drains; the figures of what was sent are printed, and the command has succeeded."""
    with service() as target:
        url = f"http://127.0.0.1:{target.port}/"
        command = [sys.executable, "-m", "gitslo", "load", url, "--rate", "50/s", "--duration", "60s", "--json"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        try:
            target.wait(lambda s: len(s.log) > 5)
            os.kill(process.pid, signal.SIGINT)
            out, _ = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        received = len(target.log)
    document = json.loads(out)

    assert process.returncode == 0
    assert document["requests"] == received < 1000
    assert document["health"]["no_pass"] == []
