"""One repository as a poll sees it: refs, the pipeline in force, the environments, and what HEAD says of each.

Called by the controller once per poll, and by `observe` per environment. What a revision says is computed again only
when one of its objects has another id, so a poll with news costs what changed. What many environments need is read for
many at once: a few processes for `AHEAD` environments, not a few for each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitslo.core.change import release_of
from gitslo.core.discover import Tree, environments, tree_of
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.core.wildcard import matches
from gitslo.errors import GitsloError, Problem, Refused
from gitslo.loop.ledgers import Ledgers, LedgerTip
from gitslo.loop.views import ObjectCache, RecordedView, RevisionView, in_halves
from gitslo.model import Allowed, CommitId, Environment, Pipeline, Plan, Release
from gitslo.ports import Repository, TreeView

__all__ = ["PIPELINE_FILE", "Facts", "Known", "Sight", "facts_in"]

PIPELINE_FILE: Final = "gitslo.yaml"
EARLIER_PIPELINES: Final = 50
"""How many earlier versions of a broken pipeline file are tried for the last valid one."""
TRAILERS_READ: Final = 2_000
"""How many commits are searched for trailers of an environment whose ledger is missing."""
AHEAD: Final = 250
"""For how many environments is read ahead at once."""
OTHER_VIEWS: Final = 64
"""How many revisions other than HEAD are remembered."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one revision says of one environment."""

    tree: Tree
    plan: Plan
    release: Release


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """The facts of one environment and what they were computed from; equal only to itself.

    Attributes:
        environment: as the pipeline described it.
        watched: every path that was asked for, and whether all below it counts; see `RecordedView`.
        marks: what stood there; as long as it is the same, so are the facts.
    """

    environment: Environment
    watched: tuple[tuple[str, bool], ...]
    marks: tuple[str, ...]
    facts: Facts


class Sight:
    """What the last poll saw of one repository."""

    def __init__(self, repository: Repository, ledgers: Ledgers, allowed: Allowed) -> None:
        self.repository = repository
        self.ledgers = ledgers
        self._allowed = allowed
        self._cache = ObjectCache()
        self._head: RevisionView | None = None
        self._others: OrderedDict[CommitId, RevisionView] = OrderedDict()
        self._known: dict[str, Known] = {}
        self._verified: dict[str, CommitId] = {}
        self._read: tuple[str, set[str]] = ("", set())
        self._trailers: tuple[CommitId, frozenset[str]] | None = None
        self._parsed_at: str | None = None
        self._pipeline_at: CommitId | None = None
        self._index: dict[str, int] = {}
        self.generation = 0
        """Counts the moves of refs: as long as it is the same, no ref has moved."""
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
        refs = self.repository.list_refs()
        moved = refs != self.refs
        if moved:
            self.repository.fetch({ref: tip for ref, tip in refs.items() if self.refs.get(ref) != tip})
            self.refs = refs
            self.generation += 1
        if self._pipeline_at != self.revision:
            self._read_pipeline()
            self._pipeline_at = self.revision
        return moved

    def moved(self, ref: str, commit: CommitId | None) -> None:
        """Note a ref that we have just moved ourselves, so that no second `ls-remote` is needed."""
        refs = dict(self.refs)
        if commit is None:
            refs.pop(ref, None)
        else:
            refs[ref] = commit
        self.refs = refs
        self.generation += 1

    def view(self, commit: CommitId) -> RevisionView:
        """The tree of a commit; objects that were read before are not read again."""
        if commit == self.revision:
            return self._head_view()
        view = self._others.get(commit)
        if view is None:
            view = self._others[commit] = RevisionView(self.repository, commit, self._cache)
            if len(self._others) > OTHER_VIEWS:
                self._others.popitem(last=False)
        return view

    def _head_view(self) -> RevisionView:
        if self._head is None:
            self._head = RevisionView(self.repository, self.revision, self._cache)
        elif self._head.commit != self.revision:
            watched = {path for known in self._known.values() for path, _ in known.watched}
            self._head = self._head.after(self.revision, {PIPELINE_FILE, *watched})
            self._head.prefetch(watched)
        return self._head

    def ledger(self, environment: str) -> LedgerTip:
        """The environment's ledger as the last look saw it."""
        name = self.pipeline.name if self.pipeline is not None else ""
        tip = self.refs.get(self.ledgers.ref(name, environment))
        if tip is not None and not self.ledgers.known(tip):
            near = (self.refs.get(self.ledgers.ref(name, other.name)) for other in self._from(environment))
            unknown = [other for other in near if other is not None and not self.ledgers.known(other)]
            in_halves(unknown, self.ledgers.ahead)
        return self.ledgers.read(name, environment, tip)

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
        known = self.known(environment)
        if known is None:
            self._read_ahead(environment)
            known = self._known[environment.name] = self._compute(environment)
            self._verified[environment.name] = self.revision
        return known.facts

    def plan_at(self, environment: Environment, commit: CommitId) -> Plan | None:
        """The environment's plan as `commit` has it, for texts; None where it cannot be read (any more)."""
        try:
            return _plan(self.view(commit), environment)
        except GitsloError:  # a page for people is worth less than the step that it belongs to
            return None

    def verified(self) -> dict[str, Facts]:
        """The facts by environment, where it is known already that HEAD says the same; reads nothing."""
        at = self.revision
        return {name: known.facts for name, known in self._known.items() if self._verified.get(name) == at}

    def known(self, environment: Environment) -> Known | None:
        """The facts that were computed before, if HEAD still says the same."""
        known = self._known.get(environment.name)
        if known is None or known.environment != environment:
            return None
        if self._verified[environment.name] != self.revision:
            if known.marks != self._head_view().marks(known.watched):
                return None
            self._verified[environment.name] = self.revision
        return known

    def _compute(self, environment: Environment) -> Known:
        view = RecordedView(self._head_view())
        facts = facts_in(view, environment)
        watched = view.watched()
        return Known(environment, watched, self._head_view().marks(watched), facts)

    def _from(self, environment: str) -> tuple[Environment, ...]:
        """The environment and those that come after it, as many as are read at once."""
        at = self._index.get(environment, 0)
        return self.environments[at : at + AHEAD]

    def _read_ahead(self, environment: Environment) -> None:
        """Read for the next environments, too, of which nothing is known yet or something has changed."""
        revision, done = self._read if self._read[0] == self.revision else (self.revision, set[str]())
        self._read = (revision, done)
        if environment.name in done:
            return
        news = [other for other in self._from(environment.name) if other.name not in done and self.known(other) is None]
        done.update(other.name for other in news)

        def ahead(some: Sequence[Environment]) -> None:
            self._head_view().ahead([other.path for other in some], [other.plan_path for other in some])

        in_halves(news, ahead)

    def _read_pipeline(self) -> None:
        """Parse the pipeline at HEAD; the last valid one stays in force while a broken one is reported."""
        view = self.view(self.revision)
        entry = view.entry(PIPELINE_FILE)
        mark = entry.id if entry is not None else ""
        if mark != self._parsed_at:
            problem = None
            try:
                self._use(self._parse(self.revision))
            except Refused as refused:
                problem = refused
                if self.pipeline is None:
                    self._use_earlier()
            self._parsed_at, self.pipeline_problem = mark, problem

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
        self._index = {environment.name: index for index, environment in enumerate(self.environments)}
        self._known = {name: known for name, known in self._known.items() if name in self._index}

    def _use_earlier(self) -> None:
        for commit in self.repository.history(self.revision, None, (PIPELINE_FILE,), EARLIER_PIPELINES):
            try:
                self._use(self._parse(commit.id))
            except Refused:
                continue
            return


def facts_in(view: TreeView, environment: Environment) -> Facts:
    """What one tree says of an environment.

    Raises:
        Refused: its plan, its manifests or its release cannot be understood, or it has none.
    """
    plan = _plan(view, environment)
    return Facts(tree_of(view, environment), plan, release_of(view, environment))


def _plan(view: TreeView, environment: Environment) -> Plan:
    plan_folder = environment.plan_path.rpartition("/")[0]

    def read_file(path: str) -> bytes:
        return view.read(f"{plan_folder}/{path}" if plan_folder else path)

    return parse_plan(view.read(environment.plan_path), file=environment.plan_path, read_file=read_file)
