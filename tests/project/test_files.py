from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.project.files import ROOT, Flaw, flaws


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True, capture_output=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other page.md").write_text("# A `good` heading, here\n", encoding="utf-8")
    return tmp_path


def test_this_checkout_has_no_flaw() -> None:
    """Every link in our pages leads somewhere, and no file names a machine."""
    assert () == flaws(ROOT)


@pytest.mark.parametrize(
    "text",
    [
        "[x](docs/other%20page.md)",
        "[x](docs)",
        "[x](docs/other%20page.md#a-good-heading-here)",
        "[x](https://example.com/missing)",
        "`[x](missing.md)`",
        "```text\n[x](missing.md)\n```",
        "# Here\n\n[x](#here)",
    ],
)
def test_links_that_lead_somewhere(checkout: Path, text: str) -> None:
    """Files, folders, headings and other sites are fine; what stands in code is no link."""
    (checkout / "page.md").write_text(text, encoding="utf-8")

    assert () == flaws(checkout)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[x](missing.md)", "the link missing.md leads nowhere"),
        ("![x](docs/missing.png)", "the link docs/missing.png leads nowhere"),
        ("[x](../../outside.md)", "the link ../../outside.md leads nowhere"),
        ("[x](docs/other%20page.md#bad)", "docs/other page.md has no heading #bad"),
        ("[x](#bad)", "this page has no heading #bad"),
    ],
)
def test_links_that_lead_nowhere(checkout: Path, text: str, message: str) -> None:
    """A missing file, one outside of the checkout and a missing heading are found, with their line."""
    (checkout / "page.md").write_text(f"first\n\n{text}\n", encoding="utf-8")

    assert (Flaw("page.md", 3, message),) == flaws(checkout)


@pytest.mark.parametrize("start", ["home", "Users", "root"])
def test_paths_of_one_machine_are_found(checkout: Path, start: str) -> None:
    """A path in somebody's home, in any kind of text file."""
    (checkout / "x.toml").write_text(f"path = '/{start}/somebody/x'\n", encoding="utf-8")

    assert [1] == [flaw.line for flaw in flaws(checkout)]


def test_ignored_and_binary_files_are_left_alone(checkout: Path) -> None:
    """What Git ignores is nobody's business; bytes that are no text hold no paths."""
    (checkout / ".gitignore").write_text("*.log\n", encoding="utf-8")
    (checkout / "x.log").write_text("/" + "home/somebody/x", encoding="utf-8")
    (checkout / "x.bin").write_bytes(b"\xff\xfe/" + b"home/somebody/x")

    assert () == flaws(checkout)
