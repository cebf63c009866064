"""`gitslo demo`: the whole story on this machine."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import click

if TYPE_CHECKING:
    from gitslo.demo.story import Demo
    from gitslo.loop.sight import Sight

__all__ = ["demo", "ending"]


class _Environment(TypedDict):
    image: str
    tree: str
    verdict: str | None
    held: bool


class _Run(TypedDict):
    environment: str
    run: str
    cause: str
    attempt: int
    image: str
    tree: str
    verdict: str | None
    findings: list[dict[str, object]]


class _Change(TypedDict):
    kind: str
    environment: str
    from_: str
    to: str
    commit: str
    pull_request: int | None
    merged: str | None


@click.command()
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep everything in this empty folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON, and nothing else on standard output.")
def demo(keep: Path | None, as_json: bool) -> None:
    """The whole story on this machine, in about a minute: proven, promoted, reverted, held.

    A bare Git repository, a small service in three environments, real load, pull requests on the local forge.

    Example: gitslo demo --keep ./demo
    """
    from gitslo.cli.observing import observer
    from gitslo.cli.style import paint
    from gitslo.demo.story import tell_story
    from gitslo.errors import Problem, Refused

    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise Refused(Problem("expected an empty or missing folder", file=str(keep), hint="name another one"))
    try:
        folder = keep or Path(tempfile.mkdtemp(prefix="gitslo-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"no folder can be made there: {error.strerror}"
        raise Refused(Problem(message, file=error.filename, hint="name another one")) from None

    def say(heading: str) -> None:
        click.echo(paint(f"\n== {heading}", "heading", sys.stderr), err=True)

    with observer("live", ()) as live:
        told, sight = tell_story(folder.resolve(), say, [live])
    document = _document(told, sight)
    _write_reports(told, sight)
    if as_json:
        click.echo(json.dumps(document, indent=2))
    else:
        _print_story(told, sight, document)


def _document(told: Demo, sight: Sight) -> dict[str, object]:
    from gitslo.cli.standing import verdict_of

    environments = {}
    for environment in sight.environments:
        facts, state = sight.facts(environment), sight.ledger(environment.name).state
        environments[environment.name] = _Environment(
            image=", ".join(facts.release.images()),
            tree=facts.tree.digest,
            verdict=verdict_of(state),
            held=state.hold is not None,
        )
    runs, changes = _history(sight)
    return {
        "repository": str(told.repository),
        "environments": environments,
        "runs": runs,
        "changes": [{"from" if key == "from_" else key: value for key, value in c.items()} for c in changes],
    }


def _history(sight: Sight) -> tuple[list[_Run], list[_Change]]:
    """Every judged run and every change of all ledgers, in the order in which they ended."""
    from gitslo.core.ledger import to_json
    from gitslo.loop.reading import entries

    runs: list[tuple[float, _Run]] = []
    changes: dict[tuple[str, str], tuple[float, _Change]] = {}
    for environment in sight.environments:
        for entry in reversed(entries(sight, environment.name, 1000)):
            run, change = entry.state.run, entry.state.change
            if entry.state.why in ("judge", "give up") and run is not None:
                document = _Run(
                    environment=environment.name,
                    run=run.id,
                    cause=run.cause.value,
                    attempt=run.attempt,
                    image=", ".join(run.release.images()),
                    tree=run.subject.tree,
                    verdict=run.verdict.value if run.verdict is not None else None,
                    findings=[to_json(finding) for finding in run.findings],  # type: ignore[misc]  # objects
                )
                runs.append((entry.wall, document))
            if change is not None:
                key = (environment.name, change.id)
                wall = changes[key][0] if key in changes else entry.wall
                changes[key] = (
                    wall,
                    _Change(
                        kind=change.kind.value,
                        environment=environment.name,
                        from_=", ".join(change.from_release.images()),
                        to=", ".join(change.to_release.images()),
                        commit=change.commit,
                        pull_request=change.pull_request,
                        merged=change.merged,
                    ),
                )
    runs.sort(key=lambda item: item[0])
    ordered = sorted(changes.values(), key=lambda item: item[0])
    return [run for _, run in runs], [change for _, change in ordered]


def _write_reports(told: Demo, sight: Sight) -> None:
    from gitslo.core.render import report
    from gitslo.loop.reading import entries

    folder = told.folder / "reports"
    folder.mkdir(exist_ok=True)
    for environment in sight.environments:
        for entry in entries(sight, environment.name, 1000):
            run = entry.state.run
            if entry.state.why in ("judge", "give up") and run is not None:
                name = f"{environment.name.replace('/', '-')}-run-{run.id}.md"
                page = report(run, entry.state, environment, sight.plan_at(environment, run.revision))
                (folder / name).write_text(page, encoding="utf-8")


def _print_story(told: Demo, sight: Sight, document: dict[str, object]) -> None:
    from gitslo.cli.standing import COLUMNS, of_sight, words
    from gitslo.cli.style import plain, table

    click.echo("\nThe branch, newest first:\n")
    for commit in sight.repository.history(sight.revision, None, (), 30):
        click.echo(f"  {commit.id[:10]} {plain(commit.subject)}  [{plain(commit.author.partition(' <')[0])}]")
        for key, value in commit.trailers:
            click.echo(f"             {key}: {plain(value)}")
    click.echo("\nEvery verdict:\n")
    rows = []
    runs, _ = _history(sight)
    for run in runs:
        telling = ", ".join(_numbers(finding) for finding in run["findings"])
        rows.append(
            (run["environment"], run["image"], f"{run['cause']} run {run['run']}", run["verdict"] or "", telling)
        )
    table(("environment", "image", "run", "verdict", "findings"), rows)
    click.echo("\nWhere it stands:\n")
    table(
        COLUMNS,
        [tuple(row) for row in words([of_sight(sight, "demo", {}, {})])],
    )
    config, gitslo = told.config, _program()
    named = [(f"run {run['run']} of {run['environment']}", run["verdict"]) for run in runs]
    click.echo(f"""
Everything lies in {told.folder}: the repository, {config.name}, a report per run in reports/.
Look around:
  {gitslo} log prod --config {config}
  {gitslo} report prod --config {config}
  {gitslo} pulls list --repository {told.repository}
{ending(named)} Starting the syncer again starts its process anew, which mends it:
  {gitslo} syncer --config {config} &
  {gitslo} resume prod --fresh --config {config}
  {gitslo} once --config {config}
Remove the folder when you are done.""")
    del document


def ending(verdicts: Iterable[tuple[str, str | None]]) -> str:
    """What the story has come to. On a busy machine that is something else, and a reader is told so.

    Args:
        verdicts: a run's name and its verdict, in their order; an extended run has several, of which the last counts.
    """
    undecided = [name for name, verdict in dict(verdicts).items() if verdict not in ("pass", "fail")]
    if not undecided:
        return "prod is held because what runs there drifted."
    names = ", ".join(undecided)
    return f"""The story went otherwise than its headings say. Without a verdict, and held for that: {names}.
The reasons stand above; where it is our own lag, this machine had too much else to do: run the demo again.
What is slow in prod is its process and nothing in Git."""


def _program() -> str:
    """How a shell calls this program: `make demo` runs it from a virtual environment that is not on the PATH."""
    called = Path(sys.argv[0])
    return "gitslo" if shutil.which("gitslo") or called.name != "gitslo" else str(called)


def _numbers(finding: dict[str, object]) -> str:
    from gitslo.core.figures import quantity

    measured = finding.get("measured")
    objective = str(finding.get("objective"))
    number = measured if isinstance(measured, int | float) else None
    return f"{objective}: {quantity(number, objective)}"
