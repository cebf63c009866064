from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gitslo.cli.root import cli

PLAN = """\
schema: gitslo/v1
metrics:
  orders: {source: prom, ratio: {bad: 'bad_total{env="${environment}"}', total: orders_total}}
objectives: [orders < 2%]
judge: {min_duration: 5s, max_duration: 5s}
"""
SOURCES = "sources:\n  SOURCE: {prometheus: 'http://127.0.0.1:1', scrape_interval: 1s, timeout: 1s}\n"


def run(folder: Path, *arguments: str, source: str = "prom", longest: str = "5s"):
    (folder / "slo.yaml").write_text(PLAN.replace("max_duration: 5s", f"max_duration: {longest}"))
    (folder / "sources.yaml").write_text(SOURCES.replace("SOURCE", source))
    return CliRunner().invoke(cli, ["test", str(folder / "slo.yaml"), *arguments])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "the metric `orders` asks for the source `prom`, which is not known or not allowed"),
        (("--sources", "missing.yaml"), "missing.yaml: the file of sources cannot be read"),
        (("--set", "environment"), "expected NAME=VALUE, with a name of environment, service, stage, revision"),
        (("--set", "start=3"), "expected NAME=VALUE, with a name of environment, service, stage, revision"),
        (("--set", "stage=a", "--set", "stage=b"), "`stage` is given twice"),
        (("--set", "stage="), "`stage` needs a value"),
        (("--set", "stage=a\nb"), "`stage` needs a value"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 2, and one line that says what to change."""
    done = run(tmp_path, *arguments)

    assert done.exit_code == 2
    assert said in done.output + str(done.exception)


def test_a_source_of_another_name_is_not_taken(tmp_path: Path) -> None:
    """A plan chooses by name, also where there is only one."""
    done = run(tmp_path, "--sources", str(tmp_path / "sources.yaml"), source="other")

    assert done.exit_code == 2
    assert "`prom`, which is not known" in done.output + str(done.exception)


def test_a_variable_that_a_query_uses_needs_a_value(tmp_path: Path) -> None:
    """A daemon knows it of the run; a person says it."""
    done = run(tmp_path, "--sources", str(tmp_path / "sources.yaml"))

    assert done.exit_code == 2
    assert "the query uses `${environment}`, and there is no environment here" in done.output + str(done.exception)


def test_how_long_metrics_are_judged_is_the_callers_own(tmp_path: Path) -> None:
    """The ceiling of a daemon, and its default, bound what a repository asks for; here only the variable is missing."""
    done = run(tmp_path, "--sources", str(tmp_path / "sources.yaml"), longest="1h")

    said = done.output + str(done.exception)

    assert (2, True, False) == (done.exit_code, "`${environment}`" in said, "ceiling" in said)
