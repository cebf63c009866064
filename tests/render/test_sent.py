"""Titles, bodies, comments, issues and statuses as each forge is sent them."""

from __future__ import annotations

import pytest

from tests.render.sent import WORLDS, golden, sent


@pytest.mark.parametrize("forge", WORLDS)
def test_what_a_forge_is_sent_changes_only_on_purpose(forge: str, request: pytest.FixtureRequest) -> None:
    """Every request that changes something, to the letter; `python -m tests.render.sent` writes the files anew."""
    assert golden(forge).read_text(encoding="utf-8") == sent(forge, request.getfixturevalue(forge))
