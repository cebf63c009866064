"""What becomes of a test whose machine lacks something."""

import pytest

from tests.required import missing, required


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_what_is_missing_skips_a_test_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    """A skipped test may be somebody's machine; in CI it would be a check that nobody made."""
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match="no control group"):
        missing("no control group")


def test_a_missing_component_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """The one line of a skipped test is enough to run it."""
    for name in ("PATH", "HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("CI", "")

    with pytest.raises(pytest.skip.Exception, match=r"component fortio: .*go install"):
        required("fortio")
