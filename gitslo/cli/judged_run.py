"""`gitslo judge --run`: a recorded verdict beside the one that its evidence gives again.

Called by `gitslo.cli.judge`. Nothing is asked and nothing is run: the ledger's entry and the plan of the run's own
revision are enough. What must stay true: a verdict that does not follow from what was recorded is said, and is no
success.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitslo.errors import Problem, Refused
from gitslo.model import Finding, Plan, Run, Verdict

if TYPE_CHECKING:
    from gitslo.core.judge import Judgement

__all__ = ["judge_run"]


def judge_run(context: click.Context, text: str, config: Path, repository: str | None, *, as_json: bool) -> None:
    """Judge a run again.

    Args:
        context: whose exit code says the verdict.
        text: ENVIRONMENT (its last run) or ENVIRONMENT#NUMBER.
        config, repository: whose ledger it is in.
        as_json: print JSON.

    Raises:
        Refused: there is no such run, or it was not judged by numbers, or its plan cannot be read any more.
    """
    from gitslo.cli.chosen import sight_of
    from gitslo.cli.parsing import run_named
    from gitslo.cli.test import exit_code
    from gitslo.core.rejudge import judged_again
    from gitslo.core.scoring import earlier_scores
    from gitslo.loop.person import find_environment
    from gitslo.loop.reading import find_run

    name, number = run_named(text)
    sight = sight_of(config, repository)
    environment = find_environment(sight, name)
    run, state = find_run(sight, name, number)
    plan = _plan(name, run, sight.plan_at(environment, run.revision))
    again = judged_again(plan, run.evidence, earlier_scores(state.scores, run.id))
    if run.verdict in {None, Verdict.ERROR} or again is None or again.verdict is None:
        what = "was given up without numbers" if run.verdict is Verdict.ERROR else "has not been judged"
        raise Refused(Problem(f"run {run.id} of {name} {what}", hint=f"`gitslo log {name}` lists its entries"))
    differences = tuple(_differences(run, again))
    coarser = any(attempt.coarser for attempt in run.evidence.attempts)
    if as_json:
        click.echo(json.dumps(_document(name, run, again, differences, coarser=coarser), indent=2))
    else:
        _print(name, run, again, differences, coarser=coarser)
    context.exit(exit_code(Verdict.ERROR if differences else again.verdict))


def _plan(name: str, run: Run, plan: Plan | None) -> Plan:
    if plan is None:
        raise Refused(Problem(f"the plan of {name} at {run.revision[:12]} cannot be read"))
    if plan.digest != run.subject.plan:
        message = f"the plan of {name} at {run.revision[:12]} is not the one that run {run.id} was judged by"
        hint = "another version of gitslo reads it otherwise: judge it with the version that ran it"
        raise Refused(Problem(message, hint=hint))
    return plan


def _differences(run: Run, again: Judgement) -> Iterator[str]:
    """What does not follow from what was recorded, one sentence each."""
    assert run.verdict is not None  # noqa: S101 - asked for by the caller
    assert again.verdict is not None  # noqa: S101 - likewise
    if again.verdict is not run.verdict:
        yield f"recorded {run.verdict.value}, judged again {again.verdict.value}"
    recorded = {(each.objective, each.phase): each for each in run.findings}
    anew = {(each.objective, each.phase): each for each in again.findings}
    for key in dict.fromkeys((*recorded, *anew)):
        before, after = (_word(found.get(key)) for found in (recorded, anew))
        if before != after:
            yield f"{key[0]}: recorded {before}, judged again {after}"


def _word(finding: Finding | None) -> str:
    return finding.verdict.value if finding is not None else "nothing"


def _print(name: str, run: Run, again: Judgement, differences: tuple[str, ...], *, coarser: bool) -> None:
    from gitslo.cli.style import paint, plain
    from gitslo.core.tables import text_table

    assert run.verdict is not None  # noqa: S101 - asked for by the caller
    assert again.verdict is not None  # noqa: S101 - likewise
    attempts = len(run.evidence.attempts)
    on = f"on {attempts} attempts" if attempts != 1 else "on one attempt"
    click.echo(f"{plain(name)}#{run.id} at {run.revision[:12]}, {on}")
    click.echo(f"recorded      {paint(run.verdict.value)}")
    click.echo(f"judged again  {paint(again.verdict.value)}")
    click.echo()
    click.echo(text_table(again.findings), nl=False)
    click.echo()
    for line in differences:
        click.echo(f"differs: {plain(line)}")
    if not differences:
        click.echo("The verdict follows from what the ledger holds.")
    if coarser:
        click.echo("Detail was left out of this evidence after it had been judged, to fit into the ledger.")


def _document(
    name: str, run: Run, again: Judgement, differences: tuple[str, ...], *, coarser: bool
) -> dict[str, object]:
    from gitslo.core.formats import finding_document

    assert run.verdict is not None  # noqa: S101 - asked for by the caller
    assert again.verdict is not None  # noqa: S101 - likewise
    return {
        "environment": name,
        "run": run.id,
        "revision": run.revision,
        "plan": run.subject.plan,
        "recorded": {"verdict": run.verdict.value, "findings": [finding_document(each) for each in run.findings]},
        "again": {"verdict": again.verdict.value, "findings": [finding_document(each) for each in again.findings]},
        "same": not differences,
        "differences": list(differences),
        "coarser": coarser,
    }
