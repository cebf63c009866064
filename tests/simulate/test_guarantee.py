from __future__ import annotations

import pytest

from gitslo.core.guarantee import GUARANTEE
from tests.project.source import ROOT

PAGES = ("docs/explanation/verdicts.md", "docs/how-to/choose-limits.md")


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_say_what_the_product_says(page) -> None:
    """What may be said of a verdict is the same sentences everywhere."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("`", "").replace("\n> ", " ")

    assert GUARANTEE in " ".join(text.split())
