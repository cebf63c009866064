"""`gitslo demo --json --keep`: the whole story once, and what its JSON says against what plain Git says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import command_lines, in_session

TRAILERS = {
    "Gitslo-Action",
    "Gitslo-Environment",
    "Gitslo-Run",
    "Gitslo-Source",
    "Gitslo-Release",
    "Gitslo-Ledger",
}


@dataclass(frozen=True, slots=True)
class Told:
    """One demo: what it printed, and where it lies."""

    folder: Path
    code: int
    out: str
    left: list[object]

    @property
    def document(self) -> dict[str, Any]:
        """What it printed on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def git(self, *arguments: str) -> str:
        """Plain Git in the repository that the JSON names."""
        argv = ["git", "-C", self.document["repository"], *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout

    def trailers(self, commit: str) -> dict[str, str]:
        """The trailers of one commit."""
        lines = self.git("log", "-1", "--format=%(trailers:only,unfold)", commit).splitlines()
        return dict(line.split(": ", 1) for line in lines if line)

    def promotions(self) -> list[dict[str, Any]]:
        """The changes that are promotions."""
        return [change for change in self.document["changes"] if change["kind"] == "promote"]


def _alive_in(folder: Path) -> list[bytes]:
    """Command lines of living processes that name the folder."""
    name = str(folder).encode()
    return [line for process, line in command_lines().items() if name in line and process != os.getpid()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The story, told once, in a session of its own."""
    base = tmp_path_factory.mktemp("demo")
    folder = base / "kept"
    variables = {"PATH": os.environ["PATH"], "HOME": str(base), "GITSLO_CACHE": str(base / "cache")}
    with (base / "stderr").open("wb") as stderr:
        child = subprocess.Popen(
            [sys.executable, "-m", "gitslo", "demo", "--json", "--keep", str(folder)],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
        out, _ = child.communicate(timeout=300)
    assert 0 == child.returncode, (base / "stderr").read_text()[-2000:]
    return Told(folder, child.returncode, out, [*_alive_in(folder), *in_session(child.pid)])


def test_it_ends_where_the_story_says(told: Told) -> None:
    """In the end dev and staging run v2 and pass; prod runs v2, its pass is withdrawn, and it is held."""
    stands = {
        name: (entry["image"], entry["verdict"], entry["held"]) for name, entry in told.document["environments"].items()
    }

    assert {
        "dev": ("example/hello:v2", "pass", False),
        "staging": ("example/hello:v2", "pass", False),
        "prod": ("example/hello:v2", "fail", True),
    } == stands


def test_standard_output_is_the_document_and_nothing_else(told: Told) -> None:
    """One JSON object with exactly the promised fields."""
    document = told.document

    assert {"repository", "environments", "runs", "changes"} == set(document)
    assert {"image", "tree", "verdict", "held"} == {key for e in document["environments"].values() for key in e}
    assert {"kind", "environment", "from", "to", "commit", "pull_request", "merged"} == {
        key for change in document["changes"] for key in change
    }


def test_what_it_says_of_the_branch_is_what_git_says(told: Told) -> None:
    """The image in each environment's manifest at main is the one in the JSON."""
    images = {}
    for name in told.document["environments"]:
        manifest = told.git("show", f"main:{name}/deployment.yaml")
        images[name] = next(line.split()[1] for line in manifest.splitlines() if "image:" in line)

    assert {name: entry["image"] for name, entry in told.document["environments"].items()} == images


def test_v2_went_from_stage_to_stage_and_v3_never_left_dev(told: Told) -> None:
    """The changes are two promotions of v2 and one revert in dev; no other manifest ever named v3."""
    moves = [(c["kind"], c["environment"], c["from"], c["to"]) for c in told.document["changes"]]
    ever = told.git("log", "--all", "--format=%H", "-S", "example/hello:v3", "--", "staging", "prod")
    tried = {run["environment"] for run in told.document["runs"] if run["image"] == "example/hello:v3"}

    assert [
        ("promote", "staging", "example/hello:v1", "example/hello:v2"),
        ("promote", "prod", "example/hello:v1", "example/hello:v2"),
        ("revert", "dev", "example/hello:v3", "example/hello:v2"),
    ] == moves
    assert "" == ever
    assert {"dev"} == tried


def test_the_verdicts_are_the_storys(told: Told) -> None:
    """v3 fails in dev; prod passes one revalidation, then fails two in a row."""
    verdicts = [(r["environment"], r["image"][-2:], r["cause"], r["verdict"]) for r in told.document["runs"]]

    assert [("dev", "v3", "sync", "fail")] == [row for row in verdicts if row[1] == "v3"]
    assert ["pass", "fail", "fail"] == [row[3] for row in verdicts if row[2] == "revalidation"]
    assert {"pass"} == {row[3] for row in verdicts if row[2] == "sync" and row[1] != "v3"}


def test_every_change_is_a_merged_pull_request(told: Told) -> None:
    """Each change's commit is on its way into main, through the commit that the JSON calls merged."""
    for change in told.document["changes"]:
        assert told.git("merge-base", change["commit"], change["merged"]).strip() == change["commit"]
        assert told.git("merge-base", change["merged"], "main").strip() == change["merged"]
        assert change["pull_request"] is not None


def test_every_promotion_carries_its_trailers(told: Told) -> None:
    """All six trailers, about this environment, on our commit and on the merge."""
    for change in told.promotions():
        trailers = told.trailers(change["commit"])
        assert TRAILERS == set(trailers)
        assert ("promote", change["environment"]) == (trailers["Gitslo-Action"], trailers["Gitslo-Environment"])
        assert trailers == told.trailers(change["merged"])


def test_every_promotion_rests_on_a_passing_entry_for_exactly_that_release(told: Told) -> None:
    """The ledger entry that the trailer names is on the source's ledger, and its pass is of this release and run."""
    for change in told.promotions():
        trailers = told.trailers(change["commit"])
        source, _, revision = trailers["Gitslo-Source"].partition("@")
        entry = trailers["Gitslo-Ledger"]
        said = json.loads(told.git("show", f"{entry}:ledger.json"))
        passed = said["last_pass"]
        ledger = told.git("rev-list", f"refs/gitslo/hello/{source}").split()

        assert entry in ledger
        assert (trailers["Gitslo-Run"], revision) == (passed["run"], passed["revision"])
        assert not passed["withdrawn"]
        assert ("pass", "judge") == (said["run"]["verdict"], said["why"])
        assert [("example/hello", change["to"].rpartition(":")[2])] == [
            (value["name"], value["value"]) for value in passed["release"]["values"]
        ]


def test_there_is_a_report_for_every_run(told: Told) -> None:
    """reports/ holds one page per judged run, with the verdict in its first line."""
    said = {
        path.name: path.read_text().split("\n", 1)[0].split("**")[1].lower()
        for path in (told.folder / "reports").iterdir()
    }

    assert {f"{run['environment']}-run-{run['run']}.md": run["verdict"] for run in told.document["runs"]} == said


def test_no_process_is_left(told: Told) -> None:
    """Syncer, services and load have ended with the story."""
    assert [] == told.left
