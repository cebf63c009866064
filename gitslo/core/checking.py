"""Everything that can be said of a repository without running anything: all of `gitslo check` but the printing.

Called by `gitslo.cli.check`. Must stay true: what the loop would refuse is an error here, in the same words; one broken
environment never hides what is wrong with the others.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TypeVar

from gitslo.core.change import release_of
from gitslo.core.discover import FOLDER_NEEDS, PIPELINE_FILE, Tree, environments, missing_folder, tree_of
from gitslo.core.lint import (
    Granted,
    Remark,
    Severity,
    extensions_of,
    lint_granted,
    lint_manifests,
    lint_pipeline,
    lint_plan,
    withdrawals_a_year,
)
from gitslo.core.lint_metrics import lint_environment
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.core.yamlsafe import CONTRACT, PIPELINE, locate, read_document
from gitslo.errors import Problem, Refused
from gitslo.model import Environment, Pipeline, Plan
from gitslo.ports import TreeView

__all__ = ["Checked", "check"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found.

    Attributes:
        environments: names, in the pipeline's order; empty where the pipeline cannot be read.
        remarks: sorted by file, line and column.
        withdrawals: (environment, how often a year at most a service at its limits loses its pass by chance), for
            those that are revalidated and whose plan can be read.
    """

    environments: tuple[str, ...]
    remarks: tuple[Remark, ...]
    withdrawals: tuple[tuple[str, float], ...] = ()

    def count(self, severity: Severity) -> int:
        """How many remarks are of this severity."""
        return sum(remark.severity is severity for remark in self.remarks)


def check(view: TreeView, granted: Granted | None = None) -> Checked:
    """Check a repository.

    Args:
        view: its root.
        granted: what the operator's file gives to it, where that is to be checked, too.
    """
    checking = _Checking(view)
    pipeline = checking.tried(lambda: _pipeline(view), PIPELINE_FILE)
    found = () if pipeline is None else checking.tried(lambda: environments(pipeline), PIPELINE_FILE) or ()
    if pipeline is not None and found:
        checking.all_of(pipeline, found, granted)
    names = tuple(environment.name for environment in found)
    return Checked(names, _sorted(view, checking.remarks), checking.withdrawals)


def _pipeline(view: TreeView) -> Pipeline:
    if view.entry(PIPELINE_FILE) is None:
        hint = "`gitslo init` writes one"
        raise Refused(Problem("there is no pipeline at the root of the repository", PIPELINE_FILE, hint=hint))
    return parse_pipeline(view.read(PIPELINE_FILE), file=PIPELINE_FILE)


class _Checking:
    """One repository being checked."""

    def __init__(self, view: TreeView) -> None:
        self.view = view
        self.remarks: list[Remark] = []
        self.withdrawals: tuple[tuple[str, float], ...] = ()

    def tried(self, what: Callable[[], T], file: str) -> T | None:
        """The result, or None and a remark for each problem; those without a file are about `file`."""
        try:
            return what()
        except Refused as refused:
            for problem in refused.problems:
                self.remarks.append(Remark(replace(problem, file=problem.file or file), Severity.ERROR))
            return None

    def all_of(self, pipeline: Pipeline, found: tuple[Environment, ...], granted: Granted | None) -> None:
        """Every environment, and then what they have in common."""
        trees: dict[str, Tree] = {}
        plans: dict[str, Plan] = {}
        for environment in found:
            tree = self.tried(partial(self._tree, pipeline, environment), environment.path)
            if tree is None:
                continue
            trees[environment.name] = tree
            self.remarks.extend(Remark(warning) for warning in tree.warnings)
            release = self.tried(partial(release_of, self.view, environment), environment.path)
            self.remarks.extend(lint_manifests(self.view, environment, tree, release))
            plan = self.tried(partial(self._plan, environment), environment.plan_path)
            if plan is not None:
                plans[environment.name] = plan
                self.remarks.extend(lint_plan(plan, environment.plan_path, extensions_of(pipeline)))
                self.remarks.extend(lint_environment(plan, environment.plan_path, environment))
        self.remarks.extend(lint_pipeline(self.view, pipeline, found, trees, plans))
        yearly = ((name, withdrawals_a_year(pipeline, plan)) for name, plan in plans.items())
        self.withdrawals = tuple((name, number) for name, number in yearly if number is not None)
        if granted is not None:
            self.remarks.extend(lint_granted(granted, pipeline, found, plans))

    def _tree(self, pipeline: Pipeline, environment: Environment) -> Tree:
        """The tree; a folder that is not there is a mistake of the pipeline, which is the file that its author has."""
        if self.view.entry(environment.path) is None:
            stage = next(index for index, each in enumerate(pipeline.stages) if each.name == environment.stage)
            pointer = f"/stages/{stage}/path"
            raise Refused(Problem(missing_folder(environment), PIPELINE_FILE, pointer=pointer, hint=FOLDER_NEEDS))
        return tree_of(self.view, environment)

    def _plan(self, environment: Environment) -> Plan:
        path = environment.plan_path
        if self.view.entry(path) is None:
            hint = f"a plan says when `{environment.name}` is good"
            raise Refused(Problem(f"there is no plan of {environment.name!r}", path, hint=hint))
        folder = posixpath.dirname(path)
        return parse_plan(
            self.view.read(path), file=path, read_file=lambda name: self.view.read(posixpath.join(folder, name))
        )


# --------------------------------------------------------------------------- places and order


def _sorted(view: TreeView, remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Each problem once, as the worse where it is both, with the line that its pointer leads to."""
    place = cache(lambda file: _Places(view, file))
    found: dict[Problem, Severity] = {}
    for remark in remarks:
        problem = place(remark.problem.file).placed(remark.problem)
        if found.get(problem) is not Severity.ERROR:
            found[problem] = remark.severity
    order = sorted(found, key=lambda each: (each.file or "", each.line or 0, each.column or 0))
    return tuple(Remark(problem, found[problem]) for problem in order)


class _Places:
    """Where the pointers of one contract file lead."""

    def __init__(self, view: TreeView, file: str | None) -> None:
        self._node = None
        if file is not None and file.endswith((".yaml", ".yml")):
            try:
                budget = PIPELINE if file == PIPELINE_FILE else CONTRACT
                self._node = read_document(view.read(file), file=file, budget=budget)
            except Refused:
                return

    def placed(self, problem: Problem) -> Problem:
        """The problem with its line and column, as near as they can be told."""
        if self._node is None or problem.line is not None or not problem.pointer:
            return problem
        mark, pointer = None, problem.pointer
        while mark is None:  # at the latest the whole document is found
            mark, pointer = locate(self._node, pointer), pointer.rpartition("/")[0]
        return replace(problem, line=mark.line, column=mark.column)
