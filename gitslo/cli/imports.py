"""`gitslo import`: files of other tools become a plan; what could not be carried over is told line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitslo.cli.result_files import FILE
from gitslo.cli.style import plain
from gitslo.errors import Problem, Refused

if TYPE_CHECKING:
    from gitslo.core.imports import Imported, Note

__all__ = ["import_command"]

_FORMATS = ("keptn", "openslo", "iter8", "argo", "flagger")
_LARGEST = 256 * 1024
"""Bytes of one file, as of a manifest."""
_REFUSED = 2


@click.command("import", epilog="Example: gitslo import keptn slo.yaml sli.yaml --output deploy/checkout/slo.yaml")
@click.argument("form", metavar="FORMAT", type=click.Choice(_FORMATS))
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    metavar="FILE",
    type=FILE,
    help="Where the plan is written; nothing is overwritten.  [default: standard output]",
)
@click.option(
    "--source",
    "sources",
    multiple=True,
    metavar="[KIND=]NAME",
    help="What a source is called in the operator's file; without KIND: Prometheus. Repeat it.  [default: the kind]",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME=URL",
    help="Where a target of the plan is, where the file does not say it, or says another; repeat it.",
)
@click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="What an argument or a placeholder of the file stands for; repeat it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan, the notes and the findings as JSON.")
@click.pass_context
def import_command(
    context: click.Context,
    form: str,
    files: tuple[Path, ...],
    output: Path | None,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    values: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write a plan from FILEs of another tool: keptn, openslo, iter8, argo or flagger.

    The plan goes to standard output. What it could not carry over, and what is wrong in the files already, is told on
    standard error, one thing a line with its place. Exit code: 0 written, 2 refused.
    """
    from gitslo.core.imports import Options, import_files

    if output is not None and output.exists():
        raise Refused(Problem("exists already; nothing was written", file=str(output)))
    named = {kind or "prometheus": name for kind, name in (_source(each) for each in sources)}
    options = Options(named, _pairs(targets, "--target"), _pairs(values, "--set"))
    imported = import_files(form, tuple((str(path), _read(path)) for path in files), options)
    if imported.plan and output is not None:
        _write(output, imported.plan)
    if as_json:
        click.echo(json.dumps(_document(imported), indent=2))
    else:
        _tell(imported, output)
    context.exit(_REFUSED if imported.refused else 0)


def _tell(imported: Imported, output: Path | None) -> None:
    if imported.plan and output is None:
        click.echo(imported.plan, nl=False)
    for note in sorted((*imported.notes, *imported.findings), key=_order):
        click.echo(plain(str(note) if note.rule is None else _warning(note)), err=True)
    for need in imported.sources if imported.plan else ():
        click.echo(f"\nThe operator's file needs the source `{plain(need.name)}`:\n", err=True)
        for line in need.snippet.splitlines():
            click.echo(f"  {line[: len(line) - len(line.lstrip())]}{plain(line)}", err=True)
    if not imported.plan:
        click.echo("", err=True)
        for note in imported.refused:
            click.echo(plain(f"refused: {note}"), err=True)
        return
    written = f"wrote {output}" if output is not None else "the plan is on standard output"
    counted = f"{_many(len(imported.notes), 'note')}, {_many(len(imported.findings), 'warning')}"
    click.echo(f"\n{plain(written)}; {counted}", err=True)


def _order(note: Note) -> tuple[str, int, int]:
    return note.place.file, note.place.line, note.place.column


def _warning(note: Note) -> str:
    text = f"{note.place}: warning: {note.what}: {note.why}"
    return f"{text} ({note.todo}) [{note.rule}]" if note.todo else f"{text} [{note.rule}]"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _document(imported: Imported) -> dict[str, object]:
    return {
        "plan": imported.plan or None,
        "refused": [_note(each) for each in imported.refused],
        "notes": [_note(each) for each in imported.notes],
        "findings": [_note(each) for each in imported.findings],
        "sources": [{"name": each.name, "snippet": each.snippet} for each in imported.sources],
    }


def _note(note: Note) -> dict[str, object]:
    document: dict[str, object] = {
        "file": note.place.file,
        "line": note.place.line,
        "column": note.place.column,
        "what": note.what,
        "why": note.why,
        "todo": note.todo,
    }
    return document if note.rule is None else {"rule": note.rule.value, **document}


# --------------------------------------------------------------------------- arguments and files


def _source(text: str) -> tuple[str, str]:
    kind, equals, name = text.partition("=")
    if not (name if equals else kind):
        raise click.BadParameter(f"expected NAME or KIND=NAME, found `{text}`", param_hint="--source")
    return (kind, name) if equals else ("", kind)


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"expected NAME=..., found `{text}`", param_hint=option)
        if name in found:
            raise click.BadParameter(f"`{name}` is there twice", param_hint=option)
        found[name] = value
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except IsADirectoryError:
        raise Refused(Problem("this is a folder", file=str(path), hint="name the files in it")) from None
    except OSError as error:
        raise Refused(Problem(f"cannot be read: {error.strerror}", file=str(path))) from None
    if len(data) > _LARGEST:
        raise Refused(Problem(f"the file has more than {_LARGEST} bytes, which are read at most", file=str(path)))
    return data


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise Refused(Problem(f"cannot be written: {error.strerror}", file=str(path))) from None
