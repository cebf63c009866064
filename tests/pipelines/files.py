"""The examples for pipelines, read as the systems they are written for read them. Called by the tests beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

__all__ = ["FOLDER", "action_steps", "documents", "gitlab_script", "scripts"]

FOLDER = Path(__file__).parents[2] / "examples" / "pipelines"


def documents(file: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file, as plain data."""
    return list(YAML(typ="safe").load_all(file.read_text(encoding="utf-8")))


def action_steps(name: str) -> dict[str, dict[str, Any]]:
    """The steps of a composite action that run something, by name."""
    [action] = documents(FOLDER / "github" / name / "action.yml")
    return {step["name"]: step for step in action["runs"]["steps"] if "run" in step}


def gitlab_script(name: str, inputs: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables and the script of a component's job, with inputs in their places; defaults where none is given."""
    spec, jobs = documents(FOLDER / "gitlab" / "templates" / f"{name}.yml")
    [job] = jobs.values()
    declared = spec["spec"]["inputs"]
    given = {key: inputs.get(key, (field or {}).get("default")) for key, field in declared.items()}
    assert None not in given.values(), given
    assert set(inputs) <= set(declared)
    for key, field in declared.items():
        assert re.search((field or {}).get("regex", ""), str(given[key])), key

    def filled(text: object) -> str:
        return re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda match: str(given[match[1]]), str(text))

    return {key: filled(value) for key, value in job["variables"].items()}, [filled(line) for line in job["script"]]


def scripts() -> Iterator[tuple[str, str, str]]:
    """(name, shell, text) of everything that a shell runs."""
    for file in sorted((FOLDER / "shell").glob("*.sh")):
        yield file.name, "sh", file.read_text(encoding="utf-8")
    for name in ("test", "verdict"):
        for title, step in action_steps(name).items():
            yield f"github {name}: {title}", step["shell"], step["run"]
        _, jobs = documents(FOLDER / "gitlab" / "templates" / f"{name}.yml")
        [job] = jobs.values()
        # GitLab joins the lines in one shell, which ends at the first that fails
        yield f"gitlab {name}", "sh", "\n".join(["set -e", *job["script"]]) + "\n"
