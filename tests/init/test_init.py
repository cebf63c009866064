from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "shop-operator.yaml",
    "shop/deploy/dev/deployment.yaml",
    "shop/deploy/dev/kustomization.yaml",
    "shop/deploy/dev/service.yaml",
    "shop/deploy/dev/slo.yaml",
    "shop/deploy/prod/deployment.yaml",
    "shop/deploy/prod/kustomization.yaml",
    "shop/deploy/prod/service.yaml",
    "shop/deploy/prod/slo.yaml",
    "shop/gitslo.yaml",
}


def gitslo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gitslo", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*.yaml") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def test_the_layout_is_written_and_what_to_do_next_is_said(tmp_path: Path) -> None:
    """A folder with two stages and the operator's file beside it; every placeholder is filled in."""
    run = gitslo(tmp_path, "init", "shop")
    written = contents(tmp_path)

    assert (0, "", FILES) == (run.returncode, run.stderr, set(written))
    assert [] == [path for path, text in written.items() if "@NAME@" in text or "@IMAGE@" in text]
    assert "gitslo check shop\n" in run.stdout


@pytest.mark.parametrize("options", [(), ("--name", "web", "--image", "registry.example.com:5000/team/web")])
def test_the_layout_passes_check(tmp_path: Path, options: tuple[str, ...]) -> None:
    """What `init` writes is valid as it stands: the static check has neither an error nor a warning."""
    assert 0 == gitslo(tmp_path, "init", "shop", *options).returncode
    checked = gitslo(tmp_path, "check", "shop")

    summary = checked.stdout.splitlines()[-1]
    assert (0, "2 environments, 0 errors, 0 warnings", "") == (checked.returncode, summary, checked.stderr)


def test_the_operators_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's file is read without a complaint."""
    from gitslo.config import load_operator

    assert 0 == gitslo(tmp_path, "init", "shop").returncode

    assert ["shop"] == [repository.name for repository in load_operator(tmp_path / "shop-operator.yaml").repositories]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Where files are in the way all of them are named, and none is written."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "gitslo.yaml").write_text("mine", encoding="utf-8")
    (tmp_path / "shop-operator.yaml").symlink_to("nowhere")
    run = gitslo(tmp_path, "init", "shop")

    assert (2, "") == (run.returncode, run.stdout)
    assert [
        "shop/gitslo.yaml: exists already; nothing was written",
        "shop-operator.yaml: exists already; nothing was written",
    ] == run.stderr.splitlines()
    assert ["shop/gitslo.yaml"] == list(contents(tmp_path))


def test_the_present_folder_is_the_default(tmp_path: Path) -> None:
    """Without DIR the layout goes where one stands, and the name is made from the folder's."""
    folder = tmp_path / "My Shop!"
    folder.mkdir()
    run = gitslo(folder, "init", "--json")
    said = json.loads(run.stdout)

    assert (str(folder), str(tmp_path / "my-shop-operator.yaml")) == (said["folder"], said["operator"])
    assert said["files"] == sorted(str(path) for path in tmp_path.rglob("*.yaml"))
    assert "name: my-shop " in (folder / "gitslo.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--name", "Shop_1"), "--name: 'Shop_1' cannot stand in ref names (expected lower-case letters"),
        (("--name", "a" * 41), "cannot stand in ref names"),
        (("--image", "shop:latest"), "--image: 'shop:latest' is no image name (expected a reference such as"),
        (("--image", "shop\nx: y"), "is no image name"),
    ],
)
def test_bad_names_are_refused(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    """A name that could not be used later is refused before anything is written."""
    run = gitslo(tmp_path, "init", "shop", *options)

    assert (2, True, {}) == (run.returncode, message in run.stderr, contents(tmp_path))


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """An error of the file system is said without a traceback."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "deploy").write_text("a file", encoding="utf-8")
    run = gitslo(tmp_path, "init", "shop")

    assert (2, 1) == (run.returncode, len(run.stderr.splitlines()))
    assert "shop/deploy/dev/deployment.yaml: cannot be written: " in run.stderr
