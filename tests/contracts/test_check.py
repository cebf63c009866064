from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitslo.adapters.directory import DirectoryView
from gitslo.core.checking import check
from gitslo.core.guarantee import GUARANTEE
from tests.contracts.checked import change, flawless, found, lines, run, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return flawless(tmp_path)


def test_a_repository_without_a_flaw(folder: Path) -> None:
    """Exit code 0, what its verdicts will mean in the same sentence as everywhere, and last the summary."""
    result = run(folder)
    meaning, _, summary = result.stdout.partition("\n\n")

    assert (0, "2 environments, 0 errors, 0 warnings\n", "") == (result.exit_code, summary, result.stderr)
    assert meaning.endswith(GUARANTEE)


def test_errors_end_with_one_and_warnings_with_zero(folder: Path) -> None:
    """One problem a line by file and line, warnings marked, and a summary; the exit code counts errors only."""
    change(folder, "prod/slo.yaml", "web: {", "spare: {tcp: 'x.svc:1'}\n  web: {")
    warned = run(folder)
    change(folder, "prod/slo.yaml", "browse.errors < 1%", "brows.errors < 1%")
    change(folder, "dev/slo.yaml", "hold: 50/s", "hold: 50")
    failed = run(folder)

    assert (0, 1) == (warned.exit_code, failed.exit_code)
    assert [
        "prod/slo.yaml:3:10: /targets/spare: warning: nothing uses the target `spare` (remove it)",
        "2 environments, 0 errors, 1 warning",
    ] == found(warned.stdout)
    assert [
        (
            "dev/slo.yaml:11:16: /load/browse/stages/0/hold: expected a rate, e.g. `200/s` or `30/m`,"
            " found the number `50` (did you mean `50/s`?)"
        ),
        "prod/slo.yaml:14:5: /objectives/0: there is no load `brows` (did you mean `browse`?)",
        "2 environments, 2 errors, 0 warnings",
    ] == failed.stdout.splitlines()


def test_the_same_as_json(folder: Path) -> None:
    """`--json` prints a document and nothing else."""
    change(folder, "dev/slo.yaml", "browse.errors < 1%", "browse.error < 1%")
    result = run(folder, "--json")

    assert {
        "environments": ["dev", "prod"],
        "errors": 1,
        "warnings": 0,
        "problems": [
            {
                "severity": "error",
                "file": "dev/slo.yaml",
                "line": 13,
                "column": 12,
                "pointer": "/objectives/0",
                "message": "there is no metric or endpoint `error`",
                "hint": "did you mean `errors`?",
            }
        ],
        "withdrawals_a_year": {"prod": pytest.approx(365.25 * 4 * 0.05**2)},
        "guarantee": GUARANTEE,
    } == json.loads(result.stdout)
    assert 1 == result.exit_code


def test_a_folder_without_a_pipeline(tmp_path: Path) -> None:
    """Said with what to do."""
    assert [
        "gitslo.yaml: there is no pipeline at the root of the repository (`gitslo init` writes one)",
        "0 environments, 1 error, 0 warnings",
    ] == lines(tmp_path)


def test_a_repositorys_name_needs_the_operators_file(folder: Path) -> None:
    """A name that nothing is looked up by is a mistake, not a wish."""
    result = run(folder, "--repository", "shop")

    assert (2, True) == (result.exit_code, "it needs --operator" in result.stderr)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A usage error."""
    assert 2 == run(tmp_path / "nowhere").exit_code


# --------------------------------------------------------------------------- environments


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (
            "gitslo.yaml",
            "path: prod",
            "path: dev",
            (
                "gitslo.yaml:5:24: /stages/1/path: the environments 'dev' and 'prod' share the folder 'dev'"
                " (give each environment a folder of its own)"
            ),
        ),
        (
            "gitslo.yaml",
            "after: [dev]",
            "after: [dve]",
            "gitslo.yaml:5:38: /stages/1/after/0: there is no stage 'dve' (did you mean `dev`?)",
        ),
        (
            "gitslo.yaml",
            "path: prod",
            "path: production",
            (
                "gitslo.yaml:5:24: /stages/1/path: the folder `production` of `prod` is missing"
                " (it needs at least the manifests and a plan)"
            ),
        ),
        (
            "gitslo.yaml",
            "image: example/shop",
            "image: example/web",
            "dev:",
        ),
        (
            "prod/deployment.yaml",
            "metadata:",
            "\tmetadata:",
            (
                "prod/deployment.yaml:3:1: no valid YAML: a tab cannot start anything here"
                " (indent with spaces, YAML knows no tabs)"
            ),
        ),
    ],
)
def test_what_the_loop_would_refuse_is_an_error(folder: Path, path: str, old: str, new: str, expected: str) -> None:
    """Overlapping environments, unknown stages, missing folders and images, broken manifests: each with its place."""
    change(folder, path, old, new)
    result = run(folder)

    assert (1, True) == (result.exit_code, any(line.startswith(expected) for line in result.stdout.splitlines()))


def test_one_broken_environment_does_not_hide_the_other(folder: Path) -> None:
    """A missing plan here, a wrong one there: both are told."""
    (folder / "dev" / "slo.yaml").unlink()
    change(folder, "prod/slo.yaml", "schema: gitslo/v1", "schema: gitslo/v2")

    assert [
        "dev/slo.yaml: there is no plan of 'dev' (a plan says when `dev` is good)",
        "prod/slo.yaml:1:9: /schema: expected `gitslo/v1`, found `gitslo/v2`",
        "2 environments, 2 errors, 0 warnings",
    ] == lines(folder)


def test_a_place_that_is_not_written_is_shown_where_it_is_missing(folder: Path) -> None:
    """What should stand in the file and does not is told at the nearest thing that does."""
    change(
        folder,
        "gitslo.yaml",
        "  - image: example/shop\n",
        "  - {field: x, in: {dev: {yaml: deployment.yaml, at: kind}}}\n",
    )

    assert ["gitslo.yaml:8:20: /promote/0/in: it is not said where 'x' lives in 'prod'"] == lines(folder)[:-1]


# --------------------------------------------------------------------------- hostile


def test_text_from_the_repository_cannot_act_on_the_terminal(folder: Path) -> None:
    """A file's name is shown, not carried out."""
    write(folder, "dev/\x1b[2J.yaml", "a: [")

    assert "\x1b" not in run(folder).stdout


def test_links_out_of_the_repository_are_not_followed(folder: Path) -> None:
    """A symbolic link is refused by name, wherever it points."""
    (folder.parent / "secret.yaml").write_text("a: hunter2: x", encoding="utf-8")
    (folder / "dev" / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    result = run(folder)

    assert (1, True, False) == (
        result.exit_code,
        "dev/link.yaml: a symbolic link" in result.stdout,
        "hunter2" in result.stdout,
    )


def test_the_shipped_layout_is_clean() -> None:
    """What users start from has neither errors nor warnings."""
    layout = Path(__file__).parents[2] / "examples" / "repo-layout"

    assert ((), ("dev", "staging", "prod")) == ((found := check(DirectoryView(layout))).remarks, found.environments)
