"""What people type about an environment, before anything is looked at."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gitslo.cli.person import who
from gitslo.cli.root import cli


@pytest.mark.parametrize("error", [KeyError, OSError])
@pytest.mark.parametrize("by", [None, "", " "])
def test_a_user_without_a_name_is_asked_for_one(error: type[Exception], by: str | None) -> None:
    """A container's user is often in no list of users: said in one line, with what to type."""

    def user() -> str:
        raise error

    with pytest.raises(click.UsageError, match="say who you are by --by NAME"):
        who(by, user)


def test_who_is_named_need_not_be_known() -> None:
    """What is typed counts, else the name of who runs it."""
    assert ("dana", "root") == (who("dana", lambda: "root"), who(None, lambda: "root"))


@pytest.mark.parametrize("reason", ["", " "])
def test_a_hold_needs_a_reason(reason: str) -> None:
    """An unset variable is none; nothing is held."""
    done = CliRunner().invoke(cli, ["hold", "prod", "--config", "nowhere.yaml", "--reason", reason])

    assert (2, True) == (done.exit_code, "--reason: it is empty" in done.output)


@pytest.mark.parametrize("run", ["", "#", "#2", "prod#"])
@pytest.mark.parametrize("command", [("report",), ("judge", "--run")])
def test_half_a_run_is_no_run(command: tuple[str, ...], run: str, tmp_path: Path) -> None:
    """`prod#` is what a script says whose number is missing: not the last run."""
    config = tmp_path / "operator.yaml"
    config.write_text("schema: gitslo/v1\nrepositories:\n  - {name: shop, url: 'file:///nowhere/shop.git'}\n")
    done = CliRunner().invoke(cli, [*command, run, "--config", str(config)])

    assert (2, True) == (done.exit_code, "expected ENVIRONMENT or ENVIRONMENT#NUMBER" in done.output), done.output
