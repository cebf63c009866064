"""The documentation's diagram is the table."""

from __future__ import annotations

from pathlib import Path

from gitslo.core.diagram import page
from gitslo.core.state import RULES

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "state-machine.md"


def test_the_documented_diagram_is_the_table():
    """`docs/reference/state-machine.md` is what `python -m gitslo.core.diagram` prints."""
    assert DOCUMENT.read_text(encoding="utf-8") == page()


def test_every_rule_is_a_sentence():
    """A rule's docstring is the sentence of the specification that it is."""
    sentences = [(rule.__doc__ or "").splitlines()[0] for rule in RULES]

    assert all(sentence.endswith(".") for sentence in sentences)
