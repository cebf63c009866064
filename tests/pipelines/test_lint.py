from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.pipelines.files import FOLDER, documents, scripts
from tests.required import required

SCHEMAS = {
    "github/test/action.yml": "github-actions",
    "github/verdict/action.yml": "github-actions",
    "github/workflow.yml": "github-workflows",
    "gitlab/gitlab-ci.yml": "gitlab-ci",
    "gitlab/templates/test.yml": "gitlab-ci",
    "gitlab/templates/verdict.yml": "gitlab-ci",
}


def schema_says(schema: str, files: list[Path]) -> tuple[int, str]:
    """The published schema's word on files."""
    python = required("check-jsonschema")
    argv = [str(python), "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, files)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def test_every_example_is_linted() -> None:
    """No YAML file of the examples is without a schema."""
    assert sorted(SCHEMAS) == sorted(str(file.relative_to(FOLDER)) for file in FOLDER.rglob("*.yml"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_example_follows_the_published_schema(tmp_path: Path, name: str) -> None:
    """Each document of a file, by the schema that its own system publishes."""
    parts = []
    for number, document in enumerate(documents(FOLDER / name)):
        part = tmp_path / f"{number}.yml"
        YAML(typ="safe").dump(document, part)
        parts.append(part)

    assert (0, "ok -- validation done") == schema_says(SCHEMAS[name], parts)


def test_the_schemas_would_say_something(tmp_path: Path) -> None:
    """A step without a shell and a job's word that does not exist are found: the lint is no formality."""
    action, job = tmp_path / "action.yml", tmp_path / "ci.yml"
    action.write_text("name: x\ndescription: x\nruns: {using: composite, steps: [{run: 'true', shel: sh}]}\n")
    job.write_text("x: {script: ['true'], artifacts: {reports: {junit: {a: b}}}}\n")

    assert [1, 1] == [schema_says("github-actions", [action])[0], schema_says("gitlab-ci", [job])[0]]


@pytest.mark.parametrize(("name", "shell", "text"), [pytest.param(*each, id=each[0]) for each in scripts()])
def test_a_shell_finds_nothing_to_complain_about(name: str, shell: str, text: str) -> None:
    """ShellCheck, on the scripts, on the steps of the actions, and on the components' lines."""
    argv = [str(required("shellcheck")), "--shell", shell, "--norc", "-"]
    # SC2086 stands in YAML beside its line; there a comment for ShellCheck is no part of the script
    argv[1:1] = ["--exclude", "SC2086"] if name == "gitlab test" else []
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False)

    assert (0, "") == (done.returncode, done.stdout)


def test_everything_that_is_fetched_is_pinned() -> None:
    """Actions by a full commit id, images by a whole version, packages by their hashes, gitslo by a commit."""
    used, images = [], []
    for file in FOLDER.rglob("*.yml"):
        text = file.read_text(encoding="utf-8")
        used += re.findall(r"uses: (\S+)", text)
        images += re.findall(r"default: (python:\S+)", text)
    install = (FOLDER / "shell" / "install.sh").read_text(encoding="utf-8")

    assert used
    assert [] == [each for each in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", each)]
    assert ["python:3.12.8-bookworm"] * 2 == images
    assert "--require-hashes --no-deps --requirement" in install


def test_no_input_is_pasted_into_a_script() -> None:
    """Text of an input that stands in a script would be run: it comes through the environment."""
    assert [] == [name for name, _, text in scripts() if "${{" in text or "$[[" in text]
