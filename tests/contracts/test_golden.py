from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.reading import EXAMPLES, GOLDEN, read, said

CASES = sorted(folder for folder in GOLDEN.iterdir() if folder.is_dir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_mistake_is_told_in_these_words(case: Path) -> None:
    """A wrong file's author is told what stands in `expected.txt`: place, pointer, what was expected, a hint."""
    told = said(case.name.partition("-")[0], (case / "input.yaml").read_bytes())

    assert (case / "expected.txt").read_text(encoding="utf-8") == told


def test_there_are_enough_cases_and_each_is_wrong() -> None:
    """A golden file that says nothing would prove nothing."""
    silent = [case.name for case in CASES if not (case / "expected.txt").read_text(encoding="utf-8")]

    assert ([], True) == (silent, len(CASES) >= 40)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_message_repeats_a_password(case: Path) -> None:
    """Whatever stands where a secret might: it is not in the message (the inputs' passwords are these)."""
    told = said(case.name.partition("-")[0], (case / "input.yaml").read_bytes())

    assert ("hunter2" in told, "13372" in told) == (False, False)


EXPECTED = {
    "gitslo.yaml": """\
gitslo.yaml:13:8: /sync/argocd: the Argo CD syncer: not in this version
gitslo.yaml:19:48: /promote/0/in/prod/pin: digest pinning (`pin`): not in this version
""",
    "slo.yaml": "",
    "slo-grpc.yaml": "",
    "operator.yaml": "",
}
KINDS = {"gitslo.yaml": "pipeline", "slo.yaml": "plan", "slo-grpc.yaml": "plan", "operator.yaml": "operator"}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_target_language_is_understood(name: str) -> None:
    """The design's examples are refused only for what this version has not, each part by its name and place."""
    assert EXPECTED[name] == said(KINDS[name], (EXAMPLES / name).read_bytes(), name)


REPLACED = {
    "gitslo.yaml": [('{argocd: {application: "{service}-{stage}"}}', "process"), (", pin: digest", "")],
}


@pytest.mark.parametrize("name", REPLACED)
def test_what_is_left_of_the_examples_is_accepted(name: str) -> None:
    """Without the parts that are not in this version, the examples are valid files."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for old, new in REPLACED[name]:
        assert old in text
        text = text.replace(old, new)

    assert read(KINDS[name], text.encode()) is not None
