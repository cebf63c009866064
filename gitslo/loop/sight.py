"""One repository as a poll sees it: refs, the pipeline in force, the environments, and what HEAD says of each.

Called by the controller once per poll, and by `observe` per environment. What a revision says is computed again only
when one of its objects has another id, so a poll with news costs what changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gitslo.core.change import release_of
from gitslo.core.discover import Tree, environments, tree_of
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused
from gitslo.loop.ledgers import Ledgers, LedgerTip
from gitslo.loop.views import ObjectCache, RevisionView
from gitslo.model import Allowed, CommitId, Environment, Pipeline, Plan, Release
from gitslo.ports import Repository

__all__ = ["PIPELINE_FILE", "Facts", "Sight"]

PIPELINE_FILE: Final = "gitslo.yaml"
EARLIER_PIPELINES: Final = 50
"""How many earlier versions of a broken pipeline file are tried for the last valid one."""
TRAILERS_READ: Final = 2_000
"""How many commits are searched for trailers of an environment whose ledger is missing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one revision says of one environment."""

    tree: Tree
    plan: Plan
    release: Release


class Sight:
    """What the last poll saw of one repository."""

    def __init__(self, repository: Repository, ledgers: Ledgers, allowed: Allowed) -> None:
        self.repository = repository
        self.ledgers = ledgers
        self._allowed = allowed
        self._cache = ObjectCache()
        self._views: dict[CommitId, RevisionView] = {}
        self._facts: dict[str, tuple[tuple[str, ...], tuple[str, ...], Facts]] = {}
        self._trailers: tuple[CommitId, frozenset[str]] | None = None
        self._parsed_at: str | None = None
        self.refs: Mapping[str, CommitId] = {}
        self.pipeline: Pipeline | None = None
        self.pipeline_problem: Refused | None = None
        self.environments: tuple[Environment, ...] = ()

    @property
    def revision(self) -> CommitId:
        """The branch's head."""
        return self.refs[self.repository.branch_ref]

    def look(self) -> bool:
        """One `ls-remote`, and a fetch of what is new; whether anything moved.

        Raises:
            Retry, Refused: as `Repository.list_refs`.
        """
        refs = dict(self.repository.list_refs())
        moved = refs != self.refs
        if moved:
            self.repository.fetch(refs)
            self.refs = refs
            self._views = {commit: view for commit, view in self._views.items() if commit == self.revision}
            self._read_pipeline()
        return moved

    def moved(self, ref: str, commit: CommitId | None) -> None:
        """Note a ref that we have just moved ourselves, so that no second `ls-remote` is needed."""
        refs = dict(self.refs)
        if commit is None:
            refs.pop(ref, None)
        else:
            refs[ref] = commit
        self.refs = refs

    def view(self, commit: CommitId) -> RevisionView:
        """The tree of a commit; objects that were read before are not read again."""
        if commit not in self._views:
            self._views[commit] = RevisionView(self.repository, commit, self._cache)
        return self._views[commit]

    def ledger(self, environment: str) -> LedgerTip:
        """The environment's ledger as the last look saw it."""
        name = self.pipeline.name if self.pipeline is not None else ""
        return self.ledgers.read(name, environment, self.refs.get(self.ledgers.ref(name, environment)))

    def lost_ledger(self, environment: str) -> bool:
        """Whether the history carries our trailers for an environment that has no ledger."""
        if self._trailers is None or self._trailers[0] != self.revision:
            commits = self.repository.history(self.revision, None, (), TRAILERS_READ)
            seen = {value for commit in commits for key, value in commit.trailers if key == "Gitslo-Environment"}
            self._trailers = (self.revision, frozenset(seen))
        return environment in self._trailers[1]

    def facts(self, environment: Environment) -> Facts:
        """What HEAD says of an environment.

        Raises:
            Refused: its plan, its manifests or its release cannot be understood.
        """
        view = self.view(self.revision)
        known = self._facts.get(environment.name)
        if known is not None and known[1] == self._ids(view, known[0]):
            return known[2]
        plan_folder = environment.plan_path.rpartition("/")[0]
        read: list[str] = []

        def read_file(path: str) -> bytes:
            full = f"{plan_folder}/{path}" if plan_folder else path
            read.append(full)
            return view.read(full)

        plan = parse_plan(view.read(environment.plan_path), file=environment.plan_path, read_file=read_file)
        tree = tree_of(view, environment)
        facts = Facts(tree, plan, release_of(view, environment))
        paths = tuple(dict.fromkeys((environment.path, environment.plan_path, *tree.inputs, *read)))
        self._facts[environment.name] = (paths, self._ids(view, paths), facts)
        return facts

    def _ids(self, view: RevisionView, paths: tuple[str, ...]) -> tuple[str, ...]:
        view.prefetch(paths)
        return tuple(entry.id if (entry := view.entry(path)) is not None else "" for path in paths)

    def _read_pipeline(self) -> None:
        """Parse the pipeline at HEAD; the last valid one stays in force while a broken one is reported."""
        view = self.view(self.revision)
        entry = view.entry(PIPELINE_FILE)
        mark = entry.id if entry is not None else ""
        if mark != self._parsed_at:
            self._parsed_at = mark
            self.pipeline_problem = None
            try:
                self._use(self._parse(self.revision))
            except Refused as refused:
                self.pipeline_problem = refused
                if self.pipeline is None:
                    self._use_earlier()
        known = [path for environment in self.environments for path in self._watched(environment)]
        if known:
            view.prefetch(known)

    def _watched(self, environment: Environment) -> tuple[str, ...]:
        known = self._facts.get(environment.name)
        return known[0] if known is not None else (environment.path, environment.plan_path)

    def _parse(self, commit: CommitId) -> Pipeline:
        view = self.view(commit)
        if view.entry(PIPELINE_FILE) is None:
            hint = "`gitslo init` writes one"
            raise Refused(Problem("there is no pipeline file at the root of the branch", PIPELINE_FILE, hint=hint))
        return parse_pipeline(view.read(PIPELINE_FILE), file=PIPELINE_FILE)

    def _use(self, pipeline: Pipeline) -> None:
        found = environments(pipeline)
        self.pipeline = pipeline
        self.environments = tuple(
            environment for environment in found if matches(self._allowed.environments, environment.name)
        )

    def _use_earlier(self) -> None:
        for commit in self.repository.history(self.revision, None, (PIPELINE_FILE,), EARLIER_PIPELINES):
            try:
                self._use(self._parse(commit.id))
            except Refused:
                continue
            return
