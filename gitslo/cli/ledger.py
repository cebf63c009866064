"""`gitslo status`, `gitslo log` and `gitslo report`: the ledger, for people."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitslo.errors import Refused

if TYPE_CHECKING:
    from gitslo.loop.sight import Sight
    from gitslo.model import Environment

__all__ = ["log", "report", "status"]

CONFIG = click.option(
    "--config", "-c", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The operator's file."
)
REPOSITORY = click.option("--repository", default=None, help="Name in the operator's file, where it has several.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@CONFIG
@REPOSITORY
@AS_JSON
def status(config: Path, repository: str | None, as_json: bool) -> None:
    """Where every environment stands.

    Example: gitslo status --config operator.yaml
    """
    from gitslo.cli.chosen import repository_of, sight_of
    from gitslo.cli.forge import forge_document, forge_lines
    from gitslo.cli.standing import COLUMNS, of_sight, words
    from gitslo.cli.style import table

    chosen = repository_of(config, repository)
    name = chosen.name
    sight = sight_of(config, repository)
    forge = forge_document(chosen, sight.repository, direct=any(map(_direct, sight.environments)))
    problems = {environment.name: text for environment in sight.environments if (text := _problem(sight, environment))}
    document = of_sight(sight, name, problems, {})
    if as_json:
        click.echo(json.dumps({**document, "forge": forge}, indent=2))
        return
    click.echo(f"{name} at {sight.revision[:12]}; pushes are {_atomicity(sight.repository.atomic)}")
    for line in forge_lines(forge):
        click.echo(line)
    table(COLUMNS, [tuple(row) for row in words([document])])
    for problem in document["problems"]:
        click.echo(problem, err=True)


def _direct(environment: Environment) -> bool:
    """Whether changes of either kind go straight onto the branch there."""
    from gitslo.model import ChangeKind, WriteMode

    return any(environment.write.of(kind).mode is WriteMode.DIRECT for kind in ChangeKind)


def _problem(sight: Sight, environment: Environment) -> str:
    """What is wrong with an environment: with its ledger, or with what the branch says of it."""
    problem = sight.ledger(environment.name).problem
    if problem:
        return problem
    try:
        sight.facts(environment)
    except Refused as refused:
        return str(refused)
    return ""


def _atomicity(atomic: bool) -> str:
    return "atomic" if atomic else "not atomic here: every step is a push of its own"


@click.command()
@click.argument("environment")
@CONFIG
@REPOSITORY
@AS_JSON
@click.option("--most", default=30, show_default=True, type=click.IntRange(1, 1000), help="Entries, newest first.")
def log(environment: str, config: Path, repository: str | None, as_json: bool, most: int) -> None:
    """The entries of one environment's ledger, newest first.

    Example: gitslo log prod --config operator.yaml
    """
    from gitslo.cli.chosen import sight_of
    from gitslo.cli.style import plain, table
    from gitslo.loop.person import find_environment
    from gitslo.loop.reading import entries

    sight = sight_of(config, repository)
    find_environment(sight, environment)
    found = entries(sight, environment, most)
    if as_json:
        rows = [
            {"ledger": e.id, "entry": e.state.entry, "at": _iso(e.wall), "why": e.state.why, "what": e.message}
            for e in found
        ]
        click.echo(json.dumps(rows, indent=2))
        return
    if not found:
        click.echo(f"{environment} has no ledger yet")
        return
    table(
        ("entry", "at", "ledger", "what"),
        [(str(e.state.entry), _iso(e.wall), e.id[:12], plain(e.message)) for e in found],
    )


@click.command()
@click.argument("run")
@CONFIG
@REPOSITORY
@AS_JSON
@click.option("--short", "briefly", is_flag=True, help="Print a few lines of plain text, for mail and chat.")
def report(run: str, config: Path, repository: str | None, as_json: bool, briefly: bool) -> None:
    """The report of one run, as Markdown: RUN is ENVIRONMENT (its last run) or ENVIRONMENT#NUMBER.

    Example: gitslo report prod#3 --config operator.yaml
    """
    from gitslo.cli.chosen import sight_of
    from gitslo.cli.parsing import run_named
    from gitslo.cli.style import is_terminal, markdown
    from gitslo.core.ledger import to_json
    from gitslo.core.notice import notice
    from gitslo.core.render import report as rendered
    from gitslo.loop.person import find_environment
    from gitslo.loop.reading import find_run

    if as_json and briefly:
        raise click.UsageError("--json and --short exclude each other")
    name, number = run_named(run)
    sight = sight_of(config, repository)
    environment = find_environment(sight, name)
    found, state = find_run(sight, name, number)
    if as_json:
        click.echo(json.dumps(to_json(found), indent=2))
        return
    if briefly:
        click.echo(notice(found, state, environment))
        return
    plan = sight.plan_at(environment, found.revision)
    markdown(rendered(found, state, environment, plan, charts=not is_terminal(sys.stdout)))


def _iso(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
