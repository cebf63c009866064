from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli


def run(*arguments: str):
    return CliRunner().invoke(cli, ["judge", *arguments])


@pytest.mark.parametrize(
    ("bad", "total", "verdict", "code"),
    [(0, 400, "pass", 0), (40, 1000, "fail", 1), (3, 1000, "inconclusive", 3), (0, 0, "inconclusive", 3)],
)
def test_the_exit_code_is_the_verdict(bad, total, verdict, code) -> None:
    """As `gitslo test`: pass 0, fail 1, inconclusive 3."""
    done = run("--limit", "1%", "--bad", str(bad), "--total", str(total))

    assert done.exit_code == code
    assert done.output.startswith(f"{verdict}: ")


def test_json_has_every_number() -> None:
    """For pipelines: shares and logarithms, no text."""
    document = json.loads(run("--limit", "1%", "--bad", "3", "--total", "1000", "--json").output)

    assert document["verdict"] == "inconclusive"
    assert (document["limit"], document["measured"], document["confidence"]) == (0.01, 0.003, 0.95)
    assert document["log_e_pass"] == pytest.approx(2.467, abs=0.01)
    assert [math.log(document[side]) for side in ("e_fail", "e_pass")] == pytest.approx(
        [document["log_e_fail"], document["log_e_pass"]]
    )
    assert document["need"] == pytest.approx(2.9957, abs=1e-4)
    assert document["clean_requests_to_pass"] == 79
    assert document["interval"][0] < 0.003 < document["interval"][1]


def test_confidence_moves_the_verdict() -> None:
    """The same counts pass at 90 % and not at 99 %."""
    counts = ("--limit", "1%", "--bad", "0", "--total", "400")

    assert [run(*counts, "--confidence", level).exit_code for level in ("90%", "99%")] == [0, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--limit", "1%", "--bad", "3"), "Missing option '--total'"),
        (("--limit", "1", "--bad", "3", "--total", "9"), "did you mean `1%`?"),
        (("--limit", "0%", "--bad", "3", "--total", "9"), "--limit: expected more than 0%"),
        (("--limit", "1%", "--bad", "3", "--total", "9", "--confidence", "100%"), "--confidence: expected"),
        (("--limit", "1%", "--bad", "10", "--total", "9"), "--bad 10 is more than --total 9"),
        (("--limit", "1%", "--bad", "-1", "--total", "9"), "--bad"),
    ],
)
def test_mistakes_are_named(arguments, message) -> None:
    """Exit code 2, one clear message, no traceback."""
    done = run(*arguments)

    assert done.exit_code == 2
    assert message in done.output
    assert "Traceback" not in done.output


def test_an_overwhelming_e_value_is_a_number() -> None:
    """All of a million bad: the e-value is far beyond what a double holds, and JSON has no infinity."""
    document = json.loads(run("--limit", "1%", "--bad", "1000000", "--total", "1000000", "--json").output)

    assert document["e_fail"] > 1e300
    assert document["log_e_fail"] > 1e6
