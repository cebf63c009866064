from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gitslo.cli.root import cli
from tests.imports.files import CASES

CANARY = CASES / "flagger-loads" / "canary.yaml"
EXPERIMENT = CASES / "iter8-experiment" / "experiment.yaml"
SLO = CASES / "keptn-load" / "slo.yaml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["import", *map(str, arguments)])


def test_the_plan_alone_is_on_standard_output() -> None:
    """So that `>` writes a plan; everything said about it goes to standard error."""
    done = run("flagger", CANARY)

    assert (0, True, True) == (
        done.exit_code,
        done.stdout.startswith("# Written by `gitslo import flagger` from "),
        done.stdout.endswith("judge: {max_duration: 1m, min_duration: 20s}\n"),
    )


def test_each_thing_said_is_a_line_with_its_place() -> None:
    """`FILE:LINE:COLUMN: what: why (what to do)`, findings marked as warnings, then the operator's part and the sum."""
    lines = run("flagger", CANARY).stderr.splitlines()

    warning = next(line for line in lines if "warning" in line)

    assert (True, "the plan is on standard output; 20 notes, 4 warnings") == (
        warning.startswith(f"{CANARY}:13:58: warning: `min: 99.9`: 800 requests never prove it"),
        lines[-1],
    )
    assert ["  sources:", "    prometheus: {prometheus: https://...}"] == lines[-4:-2]


def test_a_plan_is_written_to_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    """`--output` writes the same text, and says where; nothing is overwritten."""
    plan = tmp_path / "slo.yaml"
    first, again = run("iter8", EXPERIMENT, "--output", plan), run("iter8", EXPERIMENT, "--output", plan)

    assert (0, "", 2, f"{plan}: exists already; nothing was written\n") == (
        first.exit_code,
        first.stdout,
        again.exit_code,
        again.stderr,
    )
    assert run("iter8", EXPERIMENT).stdout == plan.read_text(encoding="utf-8")


def test_json_has_the_plan_the_notes_the_findings_and_the_sources() -> None:
    """For programs: one document, and nothing on standard error."""
    done = run("flagger", CANARY, "--json")
    document = json.loads(done.stdout)

    assert ("", ["plan", "refused", "notes", "findings", "sources"]) == (done.stderr, list(document))
    assert document["plan"] == run("flagger", CANARY).stdout
    assert document["findings"][0] == {
        "rule": "too-few-requests",
        "file": str(CANARY),
        "line": 13,
        "column": 58,
        "what": "`min: 99.9`",
        "why": "800 requests never prove it: 3787 clean ones are needed at least",
        "todo": "at 25/s hold for 2m32s, and longer where some are bad",
    }
    assert [{"name": "prometheus", "snippet": "sources:\n  prometheus: {prometheus: https://...}"}] == document[
        "sources"
    ]


def test_a_refusal_has_exit_code_2_and_the_reason() -> None:
    """No plan, the reason last, and what was found on the way."""
    done = run("keptn", SLO)

    assert (2, "", True, True) == (
        done.exit_code,
        done.stdout,
        "warning: `sli: throughput`: no sli.yaml was given" in done.stderr,
        done.stderr.splitlines()[-1].startswith(f"refused: {SLO}:1:1: the plan: nothing in it becomes an objective"),
    )


def test_a_refusal_in_json() -> None:
    """The plan is null, and `refused` says why."""
    done = run("keptn", SLO, "--json")
    document = json.loads(done.stdout)

    assert (2, None, "the plan") == (done.exit_code, document["plan"], document["refused"][0]["what"])


def test_what_no_plan_may_have_is_refused_and_not_written(tmp_path: Path) -> None:
    """A query that is longer than a plan's: the reader's own words, and the line cut to a readable length."""
    template, plan = tmp_path / "template.yaml", tmp_path / "slo.yaml"
    template.write_text(
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nspec:\n  metrics:\n"
        f"  - {{name: a, successCondition: 'result[0] < 5', provider: {{prometheus: {{query: '{'a' * 9000}'}}}}}}\n",
        encoding="utf-8",
    )
    done = run("argo", template, "--output", plan)

    assert (
        2,
        False,
        f"refused: {template}:1:1: `gauge: {'a' * 73}`: expected at most 8192 characters, found 9000",
    ) == (
        done.exit_code,
        plan.exists(),
        done.stderr.splitlines()[-1],
    )


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--source", "prom-eu"), "    source: prom-eu"),
        (("--source", "prometheus=prom-us"), "    source: prom-us"),
        (("--target", "shop=https://shop.example.com:8443"), "  shop: {http: https://shop.example.com:8443}"),
    ],
)
def test_what_the_file_does_not_say_is_said_by_options(options: tuple[str, ...], line: str) -> None:
    """A source's name and a target's URL."""
    assert line in run("flagger", CANARY, *options).stdout.splitlines()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x01\x02", "1:1: the character U+0000 is not printable text"),
        (b"\xff\xfe", "1:1: the file starts with a byte order mark (save it as UTF-8 without one)"),
        (b"a" * 300_000, " the file has more than 262144 bytes, which are read at most"),
        (b"a: [" * 200, "1:65: nested deeper than 32 levels"),
    ],
)
def test_what_is_no_such_file_at_all_is_refused_in_one_line(tmp_path: Path, content: bytes, told: str) -> None:
    """Binary, another encoding, huge, deep: never a traceback, never a hang."""
    path = tmp_path / "input.yaml"
    path.write_bytes(content)
    done = run("argo", path)

    assert (2, f"{path}:{told}\n") == (done.exit_code, done.stderr)


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("flagger", (CANARY,)),
        ("iter8", (EXPERIMENT,)),
        ("keptn", (SLO, "--target", "web=http://shop.example.com")),
        ("openslo", (CASES / "openslo-occurrences" / "slo.yaml",)),
        ("argo", (CASES / "argo-prometheus" / "templates.yaml", "--set", "service-name=shop")),
    ],
)
def test_a_plan_that_was_written_is_accepted_by_check(tmp_path: Path, form: str, files: tuple[str | Path, ...]) -> None:
    """Put beside an environment's manifests it is no error in `gitslo check`."""
    CliRunner().invoke(cli, ["init", str(tmp_path / "shop")])
    plan = tmp_path / "shop" / "deploy" / "dev" / "slo.yaml"
    plan.unlink()
    written = run(form, *files, "--output", plan)
    checked = CliRunner().invoke(cli, ["check", str(tmp_path / "shop")])

    assert (0, 0) == (written.exit_code, checked.exit_code), checked.output
