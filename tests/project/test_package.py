from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.project.source import ROOT

FOLDERS = ("schemas", "examples/repo-layout", "gitslo/cli/starting_layout")
PLACES = {"schemas": "gitslo/schemas", "examples/repo-layout": "gitslo/demo/repo-layout"}


def built(target: str, folder: Path) -> Path:
    argv = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, timeout=120)
    return next(folder.iterdir())


def data() -> set[str]:
    """Where every data file of the product belongs in an installed package."""
    found = set[str]()
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.name != ".gitkeep":
                found.add(f"{PLACES.get(folder, folder)}/{path.relative_to(ROOT / folder)}")
    return found


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_what_is_shipped_has_its_data(tmp_path: Path, target: str) -> None:
    """Schemas, the demo's layout and the starting layout are in what is built, each once."""
    archive = built(target, tmp_path)
    if target == "wheel":
        with zipfile.ZipFile(archive) as wheel:
            names = wheel.namelist()
    else:
        with tarfile.open(archive) as tar:
            names = [name.partition("/")[2] for name in tar.getnames()]

    assert set() == data() - set(names)
    assert len(names) == len(set(names))
    assert "gitslo/py.typed" in names
