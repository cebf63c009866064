from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.core.imports import Imported, Rule
from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Refused
from tests.imports.files import EXPECTED, FOREIGN, RUNS, cases, run_case, run_foreign, shown
from tests.required import missing

FOLDERS = cases()


def accepted(result: Imported) -> tuple[str, bool]:
    """What a reader of the plan says, empty where it accepts it, and whether there is one or else a reason."""
    if not result.plan:
        return "", bool(result.refused)
    try:
        parse_plan(result.plan.encode(), file="slo.yaml", read_file=lambda _: b"")
    except Refused as refused:
        return str(refused), True
    return "", not result.refused


@pytest.fixture
def foreign() -> Path:
    if not FOREIGN.is_dir():
        missing("the other tools' own files are not beside the checkout, in `../shared/foreign`")
    return FOREIGN


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_file_becomes_this_plan_with_these_words(folder: Path) -> None:
    """The plan, what it could not carry over and what was wrong in the file stand in `expected.txt`."""
    assert (folder / "expected.txt").read_text(encoding="utf-8") == shown(run_case(folder))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_plan_that_is_written_is_accepted(folder: Path) -> None:
    """What an import writes is read without a word; what it refuses has a reason."""
    assert ("", True) == accepted(run_case(folder))


def test_every_rule_has_a_file_that_breaks_it() -> None:
    """A rule that no test file breaks would be believed, not known."""
    found = {each.rule for folder in FOLDERS for each in run_case(folder).findings}

    assert set(Rule) == found


@pytest.mark.parametrize("name", RUNS)
def test_a_real_file_of_another_tool_becomes_this_plan(foreign: Path, name: str) -> None:
    """Its plan, its notes and its findings stand in `foreign/NAME.txt`."""
    assert (EXPECTED / f"{name}.txt").read_text(encoding="utf-8") == shown(run_foreign(RUNS[name]))


@pytest.mark.parametrize("name", RUNS)
def test_a_real_file_of_another_tool_is_accepted_or_refused_with_the_reason(foreign: Path, name: str) -> None:
    """What an import writes is read without a word; what it refuses has a reason."""
    assert ("", True) == accepted(run_foreign(RUNS[name]))


def test_no_real_file_is_forgotten(foreign: Path) -> None:
    """Every file that lies there is imported, alone or with the one it belongs to."""
    there = {str(path.relative_to(foreign)) for path in foreign.glob("*/*.yaml")}

    assert set() == there - {name for run in RUNS.values() for name in run.files}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_everything_said_has_its_place(folder: Path) -> None:
    """File, line and column of each thing that is said, inside the file."""
    result = run_case(folder)
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in folder.glob("*.yaml")}
    off = [
        str(each)
        for each in (*result.notes, *result.findings, *result.refused)
        if not 0 < each.place.line <= len(lines[each.place.file])
        or each.place.column > len(lines[each.place.file][each.place.line - 1]) + 1
    ]

    assert [] == off
