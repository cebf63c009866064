"""`gitslo hold`, `gitslo resume` and `gitslo revalidate`: a person's say."""

from __future__ import annotations

import getpass
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitslo.model import EnvironmentState

__all__ = ["hold", "resume", "revalidate", "who"]


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that the three share."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print the new state as JSON."),
        click.option("--by", default=None, help="Who says so; the user's name by default."),
        click.option("--repository", default=None, help="Name in the operator's file, where it has several."),
        click.option(
            "--config",
            "-c",
            required=True,
            type=click.Path(dir_okay=False, path_type=Path),
            help="The operator's file.",
        ),
        click.argument("environment"),
    ):
        command = option(command)
    return command


def who(by: str | None, user: Callable[[], str] = getpass.getuser) -> str:
    """Who says so.

    Args:
        by: what was typed.
        user: the name of who runs this.

    Raises:
        click.UsageError: nobody knows: a container's user often has no name.
    """
    if by is not None and by.strip():
        return by
    try:
        return user()
    except (KeyError, OSError):  # the one until Python 3.12, the other one since
        raise click.UsageError("the user that runs this has no name here: say who you are by --by NAME") from None


def _say(text: str, state: EnvironmentState, *, as_json: bool) -> None:
    if as_json:
        held = state.hold.reason if state.hold is not None else None
        request = state.request.cause.value if state.request is not None else None
        click.echo(json.dumps({"environment": state.environment, "entry": state.entry, "held": held, "asked": request}))
    else:
        click.echo(text)


@click.command()
@_options
@click.option("--reason", required=True, help="Why; it stands in status and reports.")
def hold(config: Path, repository: str | None, environment: str, by: str | None, as_json: bool, reason: str) -> None:
    """Stop an environment: nothing is judged, proposed, merged or reverted in it until `gitslo resume`.

    Its standing pass stays a source for later stages.

    Example: gitslo hold prod --config operator.yaml --reason "freeze until Monday"
    """
    from gitslo.cli.chosen import sight_of
    from gitslo.cli.parsing import not_empty
    from gitslo.loop import person

    not_empty(reason, "--reason")
    state = person.hold(sight_of(config, repository), environment, reason=reason, by=who(by), wall=time.time())
    _say(f"{environment} is held: {reason}", state, as_json=as_json)


@click.command()
@_options
@click.option("--fresh", is_flag=True, help="Do not continue the evidence there is; the report will say so.")
def resume(config: Path, repository: str | None, environment: str, by: str | None, as_json: bool, fresh: bool) -> None:
    """Lift the hold and go on, with the evidence there is or on fresh evidence.

    What failed stays failed on its evidence, so after a fail `--fresh` is needed.

    Example: gitslo resume prod --config operator.yaml --fresh
    """
    from gitslo.cli.chosen import sight_of
    from gitslo.loop import person

    state = person.resume(sight_of(config, repository), environment, fresh=fresh, by=who(by), wall=time.time())
    _say(f"{environment} goes on{', on fresh evidence' if fresh else ''}", state, as_json=as_json)


@click.command()
@_options
def revalidate(config: Path, repository: str | None, environment: str, by: str | None, as_json: bool) -> None:
    """Judge again, on fresh evidence, what runs and has passed.

    Example: gitslo revalidate staging --config operator.yaml
    """
    from gitslo.cli.chosen import sight_of
    from gitslo.loop import person

    state = person.revalidate(sight_of(config, repository), environment, by=who(by), wall=time.time())
    _say(f"{environment} will be judged again", state, as_json=as_json)
