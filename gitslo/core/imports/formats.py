"""The formats by name, and what a file looks like that is none of the one asked for.

Called through `gitslo.core.imports`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from gitslo.core.imports.argo import import_argo, is_argo
from gitslo.core.imports.draft import Draft
from gitslo.core.imports.flagger import import_flagger, is_flagger
from gitslo.core.imports.iter8 import import_iter8, is_iter8
from gitslo.core.imports.keptn import import_keptn, is_keptn
from gitslo.core.imports.openslo import import_openslo, is_openslo
from gitslo.core.imports.reading import Cell, Files, read_files
from gitslo.core.imports.result import Imported, Note, Options
from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Problem, Refused

__all__ = ["FORMATS", "import_files"]

_SHOWN = 80
"""Characters of a line of the plan that are repeated in a message."""


@dataclass(frozen=True, slots=True)
class _Format:
    """One format: what it is called by people, whether a document is of it, and how it is read."""

    shown: str
    known: Callable[[Cell], bool]
    read: Callable[[Draft], None]


FORMATS: Mapping[str, _Format] = {
    "keptn": _Format("Keptn", is_keptn, import_keptn),
    "openslo": _Format("OpenSLO or Sloth", is_openslo, import_openslo),
    "iter8": _Format("Iter8", is_iter8, import_iter8),
    "argo": _Format("Argo Rollouts", is_argo, import_argo),
    "flagger": _Format("Flagger", is_flagger, import_flagger),
}


def import_files(name: str, files: tuple[tuple[str, bytes], ...], options: Options) -> Imported:
    """Read files of one format.

    Args:
        name: of FORMATS.
        files: names as the caller knows them, and their bytes; at least one.
        options: what the caller adds.

    Raises:
        Refused: one is no YAML, is empty, or is of another format.
    """
    form = FORMATS[name]
    read = read_files(files)
    for file in read.names:
        if not any(each.file == file for each in read.documents):
            raise Refused(Problem("the file is empty", file=file, line=1, column=1))
    for document in read.documents:
        if not form.known(document):
            _elsewhere(name, document)
    draft = Draft(name, read, options)
    form.read(draft)
    return _accepted(draft.finish(), read)


def _accepted(imported: Imported, read: Files) -> Imported:
    """The import; refused where its plan is none after all, such as for a query that is too long."""
    if not imported.plan:
        return imported
    try:
        parse_plan(imported.plan.encode(), file="the plan", read_file=_no_file)
    except Refused as refused:
        lines = imported.plan.splitlines()
        why = tuple(
            Note(read.start, f"`{lines[(problem.line or 1) - 1].strip()[:_SHOWN]}`", problem.message, problem.hint)
            for problem in refused.problems
        )
        return replace(imported, plan="", refused=why)
    return imported


def _no_file(path: str) -> bytes:
    """Nothing stands beside a plan that is being written."""
    raise Refused(Problem("there is no such file", path))


def _elsewhere(name: str, document: Cell) -> None:
    """Refuse a document that is of another format, or of none."""
    place = document.place
    others = [(other, form) for other, form in FORMATS.items() if other != name and form.known(document)]
    kind = document.text_of("kind")
    found = f"a `{kind}`" if kind else "something else"
    message = f"expected a file of {FORMATS[name].shown} and found {found}"
    hint = "each document of the file must be of the format"
    if others:
        other, form = others[0]
        message = f"this is no file of {FORMATS[name].shown}, it looks like one of {form.shown}"
        hint = f"`gitslo import {other} {document.file}`"
    raise Refused(Problem(message, document.file, place.line, place.column, hint=hint))
