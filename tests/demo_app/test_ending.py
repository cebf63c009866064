"""What the demo says at its end."""

from __future__ import annotations

import pytest

from gitslo.cli.demo import ending

TOLD = "prod is held because what runs there drifted."


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([("run 1 of dev", "pass"), ("run 3 of dev", "fail"), ("run 5 of prod", "fail")], []),
        ([("run 3 of dev", "inconclusive"), ("run 3 of dev", "fail"), ("run 5 of prod", "fail")], []),
        ([("run 3 of dev", "inconclusive"), ("run 5 of prod", "fail")], ["run 3 of dev"]),
        ([("run 3 of dev", "error"), ("run 5 of prod", None)], ["run 3 of dev", "run 5 of prod"]),
    ],
)
def test_a_story_that_went_otherwise_is_not_told_as_if_it_had_not(verdicts, expected: list[str]) -> None:
    """A run that came to no verdict is named; one that was extended and decided then is not."""
    said = ending(verdicts)

    assert (said == TOLD, True) == (not expected, all(name in said for name in expected))
    assert expected == [] or f"held for that: {', '.join(expected)}." in said
