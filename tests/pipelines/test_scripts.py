"""The examples as a pipeline runs them: real shells, a real gitslo, a real service, and the files that are left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitslo.adapters.http_server import HealthServer
from gitslo.loop.api import Api
from gitslo.model import Verdict
from tests.cli_test.test_test_command import plan, serving
from tests.gate.gates import Watched
from tests.pipelines.files import FOLDER, action_steps, gitlab_script

TOKEN = "canary-of-the-pipeline"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended."""

    code: int
    out: str
    err: str


def run(folder: Path, *argv: str, **variables: str) -> Ran:
    """Run it in a folder, with this checkout's gitslo on the PATH and nothing of our environment."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        argv,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def said(junit: Path) -> str | None:
    """The verdict in a JUnit file."""
    properties = {each.get("name"): each.get("value") for each in ET.parse(junit).iter("property")}  # noqa: S314 - ours
    return properties["verdict"]


@contextmanager
def daemon(folder: Path, token: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """A gate that is asked over a socket: its URL, and commits by what was judged of them in s00/dev."""
    watched = Watched(folder)
    first = watched.mono.head
    bad = watched.release("s00", "v2")
    watched.judge("s00/dev", Verdict.FAIL)
    watched.poll()
    api = Api({"mono": watched.gate}, (lambda: token) if token else None)
    server = HealthServer("127.0.0.1:0", lambda: (True, ""), lambda: b"", ask=api.ask)
    try:
        yield server.url, {"pass": first, "fail": bad}
    finally:
        server.stop()


# --------------------------------------------------------------------------- shell


@pytest.mark.parametrize(("limit", "code", "verdict"), [("4%", 0, "pass"), ("0.1%", 3, "inconclusive")])
def test_the_shell_example_ends_with_the_verdict(tmp_path, limit, code, verdict) -> None:
    """JUnit and a summary are left, whatever the verdict, and the exit code is that of `gitslo test`."""
    file = plan(tmp_path, limit=limit, hold="3s", least="1s")
    with serving("v2") as port:
        ran = run(tmp_path, "sh", str(FOLDER / "shell/test.sh"), file.name, f"hello=http://127.0.0.1:{port}")

    assert (code, f"{verdict}:") == (ran.code, ran.out.partition(" ")[0]), ran.err
    assert verdict == said(tmp_path / "gitslo-results" / "junit.xml")
    assert f"**{verdict.capitalize()}**" in (tmp_path / "gitslo-results" / "summary.md").read_text()


def test_the_shell_example_goes_on_with_its_evidence(tmp_path) -> None:
    """Left undecided, the next run of the pipeline judges both together."""
    file = plan(tmp_path, limit="0.1%", hold="2s", least="1s")
    with serving("v2") as port:
        argv = ("sh", str(FOLDER / "shell/test.sh"), file.name, f"hello=http://127.0.0.1:{port}")
        codes = [run(tmp_path, *argv, GITSLO_EVIDENCE="evidence.json").code for _ in range(2)]

    assert [3, 3] == codes
    assert "judged together with this one: 1" in (tmp_path / "gitslo-results" / "summary.md").read_text()


@pytest.mark.parametrize("script", ["install.sh", "test.sh", "verdict.sh"])
def test_a_shell_example_says_how_it_is_used(tmp_path, script) -> None:
    """Without its arguments each of them ends with the code of a mistake in usage."""
    ran = run(tmp_path, "sh", str(FOLDER / "shell" / script))

    assert (2, f"usage: {script}") == (ran.code, ran.err[: len(f"usage: {script}")])


@pytest.mark.parametrize(("word", "code"), [("pass", 0), ("fail", 1)])
def test_the_shell_example_asks_a_daemon(tmp_path, word, code) -> None:
    """The answer is printed, left as JUnit and Markdown, and is the exit code; the token is in none of them."""
    with daemon(tmp_path / "world", TOKEN) as (url, commits):
        argv = ("sh", str(FOLDER / "shell/verdict.sh"), "mono", "s00/dev", commits[word], "5s")
        ran = run(tmp_path, *argv, GITSLO_URL=url, GITSLO_API_TOKEN=TOKEN)
    junit = tmp_path / "gitslo-results" / "junit.xml"
    left = (tmp_path / "gitslo-results" / "summary.md").read_text()

    assert (code, f"{word}:") == (ran.code, ran.out.partition(" ")[0]), ran.err
    assert (word, f"**{word.capitalize()}**") == (said(junit), left.partition(":")[0])
    assert TOKEN not in ran.out + ran.err + left + junit.read_text()


def test_a_daemon_that_is_away_is_no_pass(tmp_path) -> None:
    """Nobody answers: the code of an error."""
    argv = ("sh", str(FOLDER / "shell/verdict.sh"), "mono", "s00/dev", "1234567", "0s")

    assert 4 == run(tmp_path, *argv, GITSLO_URL="http://127.0.0.1:9").code


# --------------------------------------------------------------------------- GitHub


def step(folder: Path, action: str, name: str, inputs: Mapping[str, str]) -> tuple[Ran, str, str]:
    """A step of a composite action as a runner starts it; with what it adds to the job's summary and its outputs."""
    wanted = action_steps(action)[name]
    script = folder / "step.sh"
    script.write_text(wanted["run"])
    files = {key: folder / key.lower() for key in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for file in files.values():
        file.touch()
    tools = folder / "temp" / "gitslo" / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    variables = {
        key: inputs[found] if (found := str(value).removeprefix("${{ inputs.").removesuffix(" }}")) in inputs else ""
        for key, value in wanted["env"].items()
    }
    argv = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(script))
    ran = run(
        folder,
        *argv,
        GITHUB_ACTION_PATH=str(FOLDER / "github" / action),
        RUNNER_TEMP=str(folder / "temp"),
        **{key: str(file) for key, file in files.items()},
        **variables,
    )
    return ran, files["GITHUB_STEP_SUMMARY"].read_text(), files["GITHUB_OUTPUT"].read_text()


@pytest.mark.parametrize(("version", "code", "verdict"), [("v2", 0, "pass"), ("v4", 1, "fail")])
def test_the_action_fails_unless_it_is_a_pass(tmp_path, version, code, verdict) -> None:
    """The step's exit code, its output and the job's summary say one thing."""
    plan(tmp_path, limit="4%" if verdict == "pass" else "0.2%")
    with serving(version) as port:
        inputs = {
            "plan": "slo.yaml",
            "targets": f"\nhello=http://127.0.0.1:{port}\n\n",
            "results": "left",
            "evidence": "",
        }
        ran, summary, output = step(tmp_path, "test", "Judge", inputs)

    assert (code, f"verdict={verdict}\n") == (ran.code, output), ran.err
    assert f"**{verdict.capitalize()}**" in summary
    assert verdict == said(tmp_path / "left" / "junit.xml")


def test_an_input_is_text_and_no_script(tmp_path) -> None:
    """What would be run if it stood in a script is a target that cannot be."""
    plan(tmp_path)
    evil = "hello=$(touch owned)\n--insecure\n`touch owned`; touch owned"
    inputs = {"plan": "slo.yaml", "targets": evil, "results": "left", "evidence": ""}
    ran, summary, output = step(tmp_path, "test", "Judge", inputs)

    assert (2, "verdict=usage\n", "") == (ran.code, output, summary)
    assert not (tmp_path / "owned").exists()


def test_the_action_asks_a_daemon(tmp_path) -> None:
    """With the commit of the event; what it says is in the job's summary."""
    with daemon(tmp_path / "world", TOKEN) as (url, commits):
        inputs = {
            "url": url,
            "repository": "mono",
            "environment": "s00/dev",
            "commit": commits["fail"],
            "wait": "5s",
            "results": "left",
            "token": TOKEN,
        }
        ran, summary, output = step(tmp_path, "verdict", "Ask", inputs)

    assert (1, "verdict=fail\n") == (ran.code, output), ran.err
    assert "**Fail**" in summary
    assert "fail" == said(tmp_path / "left" / "junit.xml")
    assert TOKEN not in summary + ran.out + ran.err


# --------------------------------------------------------------------------- GitLab


def job(folder: Path, name: str, inputs: Mapping[str, str], **more: str) -> Ran:
    """A component's job, with a checkout of gitslo of which only the installation is left out: it is here already."""
    source = folder / "gitslo"
    shutil.copytree(FOLDER, source / "examples" / "pipelines")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(source))
    for argv in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "gitslo")):
        assert run(folder, *git, *argv).code == 0
    revision = run(folder, *git, "rev-parse", "HEAD").out.strip()
    variables, script = gitlab_script(name, {**inputs, "checkout": source.as_uri(), "revision": revision})
    lines = [line for line in script if "install.sh" not in line]
    assert len(lines) == len(script) - 1
    project = folder / "project"
    return run(project, "sh", "-c", "\n".join(["set -e", *lines]), CI_PROJECT_DIR=str(project), **variables, **more)


def test_the_component_leaves_a_report(tmp_path) -> None:
    """The gitslo of the named revision is fetched; JUnit lies where the job's artifacts say."""
    (tmp_path / "project").mkdir()
    plan(tmp_path / "project")
    with serving("v2") as port:
        ran = job(tmp_path, "test", {"targets": f"hello=http://127.0.0.1:{port}"})

    assert 0 == ran.code, ran.err
    assert "pass" == said(tmp_path / "project" / "gitslo-results" / "junit.xml")


def test_the_component_asks_a_daemon(tmp_path) -> None:
    """A fail is the job's exit code; the token is the project's variable."""
    (tmp_path / "project").mkdir()
    with daemon(tmp_path / "world", TOKEN) as (url, commits):
        inputs = {"url": url, "repository": "mono", "environment": "s00/dev", "commit": commits["fail"], "wait": "5s"}
        ran = job(tmp_path, "verdict", inputs, GITSLO_API_TOKEN=TOKEN)

    assert 1 == ran.code, ran.err
    assert "fail" == said(tmp_path / "project" / "gitslo-results" / "junit.xml")
