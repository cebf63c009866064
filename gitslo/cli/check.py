"""`gitslo check`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click

from gitslo.adapters.directory import DirectoryView
from gitslo.cli.style import plain
from gitslo.core.checking import Checked
from gitslo.core.checking import check as check_view
from gitslo.core.guarantee import GUARANTEE
from gitslo.core.lint import Granted, Remark, Severity
from gitslo.core.lint_metrics import GrantedSource
from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused

__all__ = ["check"]

FEW = 8
"""Environments that are named in one line."""


@click.command(epilog="Example: gitslo check . --operator ../operator.yaml")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--operator",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The operator's file, to say as well what it does not allow.",
)
@click.option("--repository", help="Its name in the operator's file, where that has several.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def check(folder: Path, operator: Path | None, repository: str | None, as_json: bool) -> None:
    """Say what is wrong in a repository, without running anything.

    Reads gitslo.yaml in DIR, every environment's manifests and plan, and prints one problem a line. Exit code 0 without
    errors, 1 with; warnings do not count.
    """
    if repository is not None and operator is None:
        raise click.UsageError("--repository is a name of the operator's file: it needs --operator")
    granted = None if operator is None else _granted(operator, repository)
    checked = check_view(DirectoryView(folder), granted)
    errors, warnings = checked.count(Severity.ERROR), checked.count(Severity.WARNING)
    if as_json:
        problems = [
            {
                "severity": remark.severity.value,
                "file": remark.problem.file,
                "line": remark.problem.line,
                "column": remark.problem.column,
                "pointer": remark.problem.pointer,
                "message": remark.problem.message,
                "hint": remark.problem.hint,
            }
            for remark in checked.remarks
        ]
        document = {
            "environments": list(checked.environments),
            "errors": errors,
            "warnings": warnings,
            "problems": problems,
            "withdrawals_a_year": dict(checked.withdrawals),
            "guarantee": GUARANTEE,
        }
        click.echo(json.dumps(document, indent=2))
    else:
        for remark in checked.remarks:
            click.echo(plain(_line(remark)))
        if checked.environments and not errors:
            _meaning(checked)
        click.echo(
            f"{_many(len(checked.environments), 'environment')}, {_many(errors, 'error')}, {_many(warnings, 'warning')}"
        )
    if errors:
        raise SystemExit(1)


def _meaning(checked: Checked) -> None:
    """What the verdicts of this repository will be worth."""
    if checked.remarks:
        click.echo()
    by_number: dict[str, list[str]] = {}
    for name, yearly in checked.withdrawals:
        by_number.setdefault(f"{yearly:.2g}" if yearly < 10 else f"{yearly:,.0f}", []).append(name)  # noqa: PLR2004
    for number, names in by_number.items():
        shown = ", ".join(names[:FEW]) + (f" and {len(names) - FEW} more" if len(names) > FEW else "")
        times = "once" if number == "1" else f"{number} times"
        click.echo(
            plain(f"Revalidations of {shown}: a service at its limits loses its pass by chance at most {times} a year.")
        )
    click.echo(f"{GUARANTEE}\n")


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _line(remark: Remark) -> str:
    if remark.severity is Severity.ERROR:
        return str(remark.problem)
    return str(replace(remark.problem, message=f"warning: {remark.problem.message}"))


def _granted(path: Path, name: str | None) -> Granted:
    """What the operator's file gives to the repository."""
    from gitslo.config import load_operator

    operator = load_operator(path)
    named = [each for each in operator.repositories if name in {None, each.name}]
    if len(named) != 1:
        known = ", ".join(each.name for each in operator.repositories)
        message = f"there is no repository `{name}`" if name is not None else "expected --repository"
        raise Refused(Problem(message, str(path), hint=f"the file has: {known}"))
    repository = named[0]
    return Granted(
        allowed=repository.allowed,
        ceilings=operator.ceilings,
        commands=frozenset(operator.commands),
        process=repository.process is not None,
        authorities=frozenset(name for name, files in operator.certificates.items() if files.ca is not None),
        client_certificates=frozenset(name for name, files in operator.certificates.items() if files.ca is None),
        identities={name: identity.hosts for name, identity in operator.identities.items()},
        sources={
            name: GrantedSource(source.kind, source.every, matches(repository.allowed.sources, name))
            for name, source in operator.sources.items()
        },
    )
