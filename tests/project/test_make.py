from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.source import ROOT

TARGETS = {
    *("help", "setup", "demo", "test", "lint", "components", "docs", "clean", "lock"),
    *("bench", "bench-crash", "bench-forge", "bench-load", "bench-races", "bench-verdict", "bench-webhooks"),
}


def test_help_lists_every_target() -> None:
    """`make` and `make help` list every target with what it does; a target without a comment cannot hide."""
    listed = []
    for argv in (["make"], ["make", "help"]):
        run = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60, env=without_make())
        listed.append({line.split()[1]: " ".join(line.split()[2:]) for line in run.stdout.splitlines()})
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())

    assert TARGETS == set(listed[0]) == phony
    assert listed[0] == listed[1]
    assert all(listed[0].values())


def test_without_a_python_make_says_what_is_missing(tmp_path: Path) -> None:
    """No suitable Python: one line that says what to install."""
    (tmp_path / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "cat", "cksum", "cut"):
        (tools / name).symlink_to(subprocess.check_output(["/bin/sh", "-c", f"command -v {name}"], text=True).strip())
    make = subprocess.check_output(["/bin/sh", "-c", "command -v make"], text=True).strip()
    run = subprocess.run(
        [make, "setup", "SHELL=" + str(tools / "bash")],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60, env={"PATH": str(tools)},
    )  # fmt: skip

    assert "gitslo needs Python 3.11 or later: install python3.11" in run.stderr
    assert run.returncode != 0


@pytest.mark.parametrize(("ci", "expected"), [("", 0), ("true", 1)])
def test_a_missing_component_is_an_error_in_ci_only(tmp_path: Path, ci: str, expected: int) -> None:
    """Locally a missing server is said with how to get it; in CI it fails."""
    run = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "components.py")],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path), "CI": ci, "PIP_NO_INDEX": "1"},
    )  # fmt: skip

    assert (expected, True) == (run.returncode, "component git: there is no git on the PATH; install git" in run.stderr)


def test_each_group_of_components_is_asked_for_alone(tmp_path: Path) -> None:
    """Tests do not wait for what only a bench compares with, and each missing one is said with how to get it."""
    said = {}
    for group in ("test", "bench"):
        run = subprocess.run(
            [sys.executable, str(ROOT / "tests" / "components.py"), group],
            capture_output=True, text=True, check=True, timeout=60,
            env={"PATH": str(tmp_path), "HOME": str(tmp_path), "CI": "", "PIP_NO_INDEX": "1"},
        )  # fmt: skip
        said[group] = dict(re.findall(r"^component (\S+): .*; (.*)$", run.stderr, re.MULTILINE))

    assert not said["test"].keys() & said["bench"].keys()
    assert "install Go and run this again, or `go install fortio.org/fortio@" in said["test"]["fortio"]
    assert "`apt-get install nghttp2-client`" in said["bench"]["h2load"]


def test_the_requirements_are_pinned_by_hash() -> None:
    """Every requirement is one version with hashes, and no index is named."""
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        entries = re.findall(r"^(?![ #])(\S+)(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)

        assert [] == [entry for entry, rest in entries if "==" not in entry or "--hash=sha256:" not in rest]
        assert "://" not in text


def without_make() -> dict[str, str]:
    """Our environment, without what a `make` that runs this test passes on."""
    return {key: value for key, value in os.environ.items() if key not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
