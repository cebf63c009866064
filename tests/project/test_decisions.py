from __future__ import annotations

import re

from tests.project.source import ROOT

FOLDER = ROOT / "docs" / "decisions"


def test_every_decision_is_listed_by_its_title() -> None:
    """The list of decisions has each page once, in order, with the title that the page has."""
    titles = [
        (page.name, page.read_text(encoding="utf-8").partition("\n")[0].partition(". ")[2])
        for page in sorted(FOLDER.glob("[0-9]*.md"))
    ]
    listed = re.findall(r"^\| \[\d+\]\((.+?)\) \| (.*) \|$", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)

    assert titles == listed
