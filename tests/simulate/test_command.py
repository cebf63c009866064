from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli
from gitslo.core.guarantee import GUARANTEE
from gitslo.core.simulation.chart import bar
from gitslo.core.simulation.outcomes import Outcome

PLAN = """\
schema: gitslo/v1
targets: {web: {http: "http://web.dev.svc"}}
load:
  browse:
    target: web
    get: /
    timeout: 1s
    stages: [{hold: 100/s, for: 30s}]
objectives:
  - browse.errors < 2%
  - browse.latency.p95 < 250ms
judge: {min_duration: 5s, max_duration: 30s}
"""
METRICS = """\
schema: gitslo/v1
metrics:
  bad: {source: prom, ratio: {bad: "b_total", total: "t_total"}}
  cpu: {source: prom, gauge: "cpu", between: [0, 100%]}
objectives:
  - bad < 5%
  - cpu < 80%
  - {burn: bad, budget: 1%, period: 30d}
judge: {min_duration: 2m, max_duration: 10m}
"""


def run(folder: Path, *arguments: str, plan: str = PLAN):
    path = folder / "slo.yaml"
    path.write_text(plan, encoding="utf-8")
    return CliRunner().invoke(cli, ["simulate", str(path), "--runs", "100", *arguments])


def document(folder: Path, *arguments: str, plan: str = PLAN) -> dict:
    return json.loads(run(folder, "--json", *arguments, plan=plan).stdout)


def test_it_shows_a_grid_of_true_rates(tmp_path) -> None:
    """Without a truth from 0 to 5 times every limit: nobody fails a good service, everybody a bad one."""
    done = run(tmp_path)
    rates = document(tmp_path)["rates"]

    assert (0, True) == (done.exit_code, done.stdout.endswith(f"{GUARANTEE}\n"))
    assert [0, 0.2, 0.5, 0.8, 1, 1.2, 1.5, 2, 5] == [each["factor"] for each in rates]
    assert (1.0, 1.0) == (rates[0]["outcomes"][-1]["pass"], rates[-1]["outcomes"][-1]["fail"])
    assert "rate 9 of 9: 100 runs" in done.stderr


def test_the_same_seed_gives_the_same_numbers(tmp_path) -> None:
    """And another seed others."""
    one, two, other = (document(tmp_path, "--true", "errors=1%", "--seed", seed) for seed in ("3", "3", "4"))

    assert (True, False) == (one == two, one["rates"] == other["rates"])


def test_a_truth_can_be_named_in_three_ways(tmp_path) -> None:
    """By the whole sentence, by what stands before its limit, and by the end of that; the rest has no bad request."""
    names = ("browse.errors < 2%", "browse.errors", "errors")
    found = [document(tmp_path, "--true", f"{name}=1%")["rates"][0]["outcomes"] for name in names]

    assert found[0] == found[1] == found[2]
    assert (0.01, 0.0) == tuple(each["true"]["share"] for each in found[0][:2])


def test_bursts_say_how_often_they_are_missed(tmp_path) -> None:
    """At 1 % bursts of 1 s lie 99 s apart on average: of runs of 5 s 94 % have none of them."""
    said = run(tmp_path, "--true", "errors=1%", "--bursts", "1s").stdout

    assert "come every 100 s" in said
    assert "have none of them in 94.1 % of runs" in said


def test_metrics_are_simulated_and_burn_rates_are_named(tmp_path) -> None:
    """Windows as long as the scrape interval that is said; what is not simulated is said, and why."""
    found = document(
        tmp_path, "--every", "15s", "--events", "bad=100/s", "--true", "cpu=40% sd 5% phi 0.6", plan=METRICS
    )
    bad, cpu, _ = found["rates"][0]["outcomes"]

    assert (100 * 15 * 8, 1.0) == (bad["counted"]["median"], bad["pass"])
    assert {"mean": 0.4, "deviation": 0.05, "phi": 0.6} == cpu["true"]
    assert ["a burn rate is about days, and has no error control"] == [
        each["reason"] for each in found["not_simulated"]
    ]


def test_the_picture_is_an_svg(tmp_path) -> None:
    """One panel per objective and one for all together, readable without anything else."""
    picture = tmp_path / "out.svg"
    run(tmp_path, "--svg", str(picture))
    root = ET.fromstring(picture.read_text(encoding="utf-8"))  # noqa: S314 - our own file
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    assert {"browse.errors < 2%", "browse.latency.p95 < 250ms", "all together"} <= set(texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--true", "error=1%"), "did you mean `errors`?"),
        (("--true", "errors"), "is not of the form NAME=VALUE"),
        (("--true", "errors=1"), "did you mean `1%`?"),
        (("--true", "errors=1% sd 2%"), "has a share of bad ones, and nothing more"),
        (("--bursts", "0s"), "a burst takes some time"),
        (("--within", "20%"), "it needs --bursts"),
        (("--true", "errors=30%", "--bursts", "1s", "--within", "20%"), "never make"),
        (("--events", "bad=1/s"), "the plan has no metric `bad`"),
        (("--every", "0s"), "--every: a source is not scraped all the time (e.g. `15s`)"),
        (("--every", "15s"), "--every is about the sources of metrics, and the plan has none"),
        (("--runs", "1"), "--runs"),
        (("--svg", "/nowhere/at/all.svg"), "its folder does not exist"),
        (("--svg", "/proc/all.svg"), "cannot be written"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, message) -> None:
    """Exit code 2, one clear message, no traceback."""
    done = run(tmp_path, *arguments)

    assert (2, True) == (done.exit_code, message in done.output)
    assert "Traceback" not in done.output


def test_a_picture_that_has_no_place_is_refused_before_the_simulation(tmp_path) -> None:
    """Minutes of work are not thrown away for a mistyped folder."""
    assert "rate 1 of" not in run(tmp_path, "--svg", str(tmp_path / "none" / "all.svg")).output


@pytest.mark.parametrize(("arguments", "message"), [((), "--every 15s"), (("--every", "15s"), "--events bad=200/s")])
def test_what_a_metric_lacks_is_asked_for(tmp_path, arguments, message) -> None:
    """The scrape interval is the operator's, and the traffic nobody's: both have to be said."""
    done = run(tmp_path, *arguments, plan=METRICS)

    assert (2, True) == (done.exit_code, message in done.output)


def test_no_outcome_disappears_from_a_bar() -> None:
    """One run in ten thousand still has a character, and the bar its width."""
    assert ("#" * 30 + ".x", 32) == ((text := bar(Outcome(10_000, 9998, 1, (), ()), 32)), len(text))
