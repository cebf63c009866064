"""observe(environment) -> Observation: reads only.

Called by the controller before every decision. Whatever a rule of `gitslo.core.state` needs is looked up here, and what
no rule can need is not: the forge is asked only while a change of ours is about, drafts are computed only where a
source or a fail implies one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from gitslo.core.change import edited_tree, promotion_edits, revert_edits, shared_inputs_changed
from gitslo.core.discover import tree_of
from gitslo.core.render import loosened
from gitslo.core.state import change_key
from gitslo.core.steps import Draft, Head, LedgerView, Local, Observation, Proposal
from gitslo.core.windows import longest, watch
from gitslo.errors import GitsloError, Problem, Refused
from gitslo.loop.sight import Facts, Sight
from gitslo.loop.views import RevisionView
from gitslo.model import (
    Cause,
    ChangeKind,
    ChangeState,
    CommitId,
    Environment,
    EnvironmentState,
    HoldCause,
    Instant,
    Passed,
    Plan,
    Release,
    RevertScope,
    RunState,
    Seconds,
    Subject,
    Verdict,
)
from gitslo.ports import CommitInfo, Edit, Expected, Forge, MetricSource, Syncer, SyncReport

__all__ = ["Asked", "branch_of", "edits_of", "is_ours", "observe", "runs_now", "takeover_after"]

UNDONE: Final = 200
"""How many commits a revert lists at most."""
PATIENCE: Final = Seconds(60.0)
"""Seconds beyond its longest possible length after which an attempt may be taken over by another instance."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an observation needs beyond the repository.

    Attributes:
        told: natural keys of what this process has told the forge already.
        seen_for: seconds since this process first saw the ledger's tip.
        reports: as of Observation.
        sources: what metrics may be asked of; their scrape intervals say how long an attempt may take.
    """

    instance: str
    nonce: str
    now: Instant
    forge: Forge
    syncers: Mapping[str, Syncer]
    local: Local | None
    claimed_here: frozenset[str]
    told: frozenset[str]
    seen_for: Seconds
    room: bool
    sources: Mapping[str, MetricSource]
    reports: str = ""


def observe(sight: Sight, environment: Environment, asked: Asked) -> Observation:
    """Everything that one decision about one environment rests on.

    Raises:
        Refused: what the repository says cannot be understood.
        Retry: the forge or the syncer does not answer.
    """
    assert sight.pipeline is not None  # noqa: S101 - environments come from a pipeline
    facts = sight.facts(environment)
    tip = sight.ledger(environment.name)
    problem = tip.problem
    if tip.id is None and sight.lost_ledger(environment.name):
        problem = (
            "its ledger is missing, and the history shows promotions by gitslo; `gitslo resume --fresh` begins anew"
        )
    state = tip.state
    head = _head(sight, environment, facts, state)
    promotion, waiting = _promotion(sight, environment, facts, state)
    sync, run_sync = _syncs(sight, environment, state, asked)
    base = Observation(
        environment=environment,
        pipeline=sight.pipeline,
        instance=asked.instance,
        nonce=asked.nonce,
        now=asked.now,
        head=head,
        ledger=LedgerView(tip.id, state, asked.seen_for, problem),
        takeover_after=takeover_after(facts.plan, asked.sources),
        sync=sync,
        run_sync=run_sync,
        local=asked.local,
        claimed_here=asked.claimed_here,
        promotion=promotion,
        revert=_revert(sight, environment, facts, state),
        waiting=waiting,
        told=asked.told,
        room=asked.room,
        stranded=_stranded(sight, state),
        reports=asked.reports,
        issues=asked.forge.issues is not None,
        commit_comments=asked.forge.commit_comments is not None,
    )
    return _with_proposal(sight, base, asked.forge)


def branch_of(environment: Environment, kind: ChangeKind) -> str:
    """Our deterministic head branch for one kind of change into one environment, without `refs/heads/`."""
    return f"gitslo/{environment.pipeline}/{environment.name}/{kind}"


def takeover_after(plan: Plan, sources: Mapping[str, MetricSource]) -> Seconds:
    """Seconds after which an attempt of this plan cannot be at work any more: its longest length and a margin."""
    readiness = max((check.within for check in plan.readiness), default=0.0)
    load = max(
        (sum(stage.duration for stage in section.stages) + section.timeout for section in plan.load), default=0.0
    )
    metrics = longest(plan, [watch(plan, each, _interval(sources, each.source)) for each in plan.metrics])
    return Seconds(readiness + load + metrics + PATIENCE)


def _interval(sources: Mapping[str, MetricSource], name: str) -> Seconds:
    """A source's scrape interval; of one that cannot be asked the attempt says why, and takes no time."""
    try:
        return sources[name].every
    except (KeyError, GitsloError):
        return Seconds(1.0)


def is_ours(commit: CommitInfo) -> bool:
    """Whether a commit carries our trailers."""
    return any(key == "Gitslo-Action" for key, _ in commit.trailers)


def edits_of(
    sight: Sight,
    environment: Environment,
    kind: ChangeKind,
    base: CommitId,
    release: Release,
    source: str,
    source_revision: CommitId,
) -> dict[str, Edit]:
    """The edits of a change on the tree of `base`; deterministic, so that any machine builds the same commit."""
    view, passed = sight.view(base), sight.view(source_revision)
    if kind is ChangeKind.PROMOTE:
        origin = next((known for known in sight.environments if known.name == source), environment)
        return dict(promotion_edits(view, environment, release, passed, origin))
    assert sight.pipeline is not None  # noqa: S101 - see observe
    if sight.pipeline.revert is RevertScope.RELEASE:
        return dict(promotion_edits(view, environment, release, passed, environment))
    return revert_edits(view, passed, environment)


# --------------------------------------------------------------------------- the branch


def _head(sight: Sight, environment: Environment, facts: Facts, state: EnvironmentState) -> Head:
    subject = Subject(facts.tree.digest, facts.plan.digest)
    written_by = ""
    if any(no.tree == subject.tree for no in state.rejected):
        newest = sight.repository.history(sight.revision, None, (environment.path,), 1)
        written_by = newest[0].author if newest else ""
    return Head(
        sight.revision, subject, facts.plan, facts.release, written_by, _plan_notes(facts.plan, state.last_pass)
    )


def _plan_notes(plan: Plan, passed: Passed | None) -> tuple[str, ...]:
    """What the report's first lines say when the plan is not the one of the last pass."""
    if passed is None or passed.subject.plan == plan.digest:
        return ()
    weaker = loosened(passed.limits, plan.limits())
    return ("The plan changed since the last pass.", *weaker)


# --------------------------------------------------------------------------- candidates


def _promotion(
    sight: Sight, environment: Environment, facts: Facts, state: EnvironmentState
) -> tuple[Draft | None, str]:
    """The draft that the sources' passes imply, and why there is none."""
    if not environment.after:
        return None, ""
    passes: list[tuple[str, CommitId, Passed]] = []
    for name in environment.after:
        tip = sight.ledger(name)
        passed = tip.state.last_pass
        if tip.id is None or tip.problem or passed is None:
            return None, f"{name} has not passed yet"
        if passed.withdrawn:
            return None, f"the pass of {name} was withdrawn"
        if not passed.promotes:
            return None, f"the pass of {name} moves nothing, as `outcomes` says"
        if tip.state.hold is not None and tip.state.hold.cause is HoldCause.VERDICT:
            return None, f"{name} is held"
        passes.append((name, tip.id, passed))
    if len({passed.release.digest for _, _, passed in passes}) > 1:
        return None, f"{', '.join(name for name, _, _ in passes)} have passed different releases"
    source, ledger, passed = passes[0]
    release = passed.release
    open_change = state.change is not None and state.change.state is ChangeState.PROPOSED
    if release.digest == facts.release.digest and not open_change:
        return None, ""
    common = Draft(
        kind=ChangeKind.PROMOTE,
        base=sight.revision,
        base_tree=facts.tree.digest,
        result_tree=facts.tree.digest,
        from_release=facts.release,
        to_release=release,
        source=source,
        source_run=passed.run,
        source_ledger=ledger,
        source_revision=passed.revision,
    )
    return _drafted(sight, environment, common), ""


def _revert(sight: Sight, environment: Environment, facts: Facts, state: EnvironmentState) -> Draft | None:
    """The draft that would bring the last passing tree back, where a fail stands."""
    run = state.run
    if run is None or run.verdict is not Verdict.FAIL or run.subject.tree != facts.tree.digest:
        return None
    passed = state.previous_pass if run.cause is Cause.REVALIDATION else state.last_pass
    if passed is None:
        return None
    tip = sight.ledger(environment.name)
    draft = Draft(
        kind=ChangeKind.REVERT,
        base=sight.revision,
        base_tree=facts.tree.digest,
        result_tree=facts.tree.digest,
        from_release=facts.release,
        to_release=passed.release,
        source=environment.name,
        source_run=passed.run,
        source_ledger=tip.id or "",
        source_revision=passed.revision,
        problem=_why_no_revert(sight, environment, facts, passed),
    )
    if draft.problem:
        return draft
    undone = _undone(sight, environment, passed)
    from_people = sum(1 for commit in undone if not is_ours(commit))
    lines = tuple(f"{commit.id[:12]} {commit.subject} ({commit.author})" for commit in undone)
    return _drafted(sight, environment, draft, undone=lines, people=from_people, must_equal=passed.subject.tree)


def _why_no_revert(sight: Sight, environment: Environment, facts: Facts, passed: Passed) -> str:
    if passed.withdrawn:
        return "the pass it would go back to was withdrawn"
    if passed.subject.tree == facts.tree.digest:
        return "the tree is the one that passed; only the plan changed"
    if not sight.repository.is_ancestor(passed.revision, sight.revision):
        return f"{passed.revision[:12]}, where it passed, is not in the branch's history any more"
    shared = shared_inputs_changed(sight.view(sight.revision), sight.view(passed.revision), environment)
    return f"shared inputs changed since the last pass: {', '.join(shared)}" if shared else ""


def _undone(sight: Sight, environment: Environment, passed: Passed) -> list[CommitInfo]:
    """The commits since the pass that touched the manifests; those that touched only the plan are not undone."""
    commits = sight.repository.history(sight.revision, passed.revision, (environment.path,), UNDONE)
    return [commit for commit in commits if _touches_manifests(sight, environment, commit)]


def _touches_manifests(sight: Sight, environment: Environment, commit: CommitInfo) -> bool:
    if not commit.parents:
        return True

    def files(view: RevisionView) -> set[tuple[str, str]]:
        return {(file.path, file.id) for file in view.walk(environment.path) if file.path != environment.plan_path}

    return files(sight.view(commit.id)) != files(sight.view(commit.parents[0]))


def _drafted(
    sight: Sight,
    environment: Environment,
    draft: Draft,
    *,
    undone: Iterable[str] = (),
    people: int = 0,
    must_equal: str | None = None,
) -> Draft:
    """Fill in what the edits give on the branch's head."""
    view = sight.view(sight.revision)
    problem, result, edits = "", draft.base_tree, {}
    try:
        edits = edits_of(
            sight, environment, draft.kind, draft.base, draft.to_release, draft.source, draft.source_revision
        )
        result = tree_of(edited_tree(view, edits), environment).digest if edits else draft.base_tree
    except Refused as refused:
        problem = str(refused)
    whole = sight.pipeline is not None and sight.pipeline.revert is RevertScope.TREE
    if not problem and draft.kind is ChangeKind.REVERT and whole and must_equal is not None and result != must_equal:
        problem = "the restored folder would not equal the tree that passed"
    return replace(
        draft,
        result_tree=result,
        undone=tuple(undone),
        undone_by_people=people,
        empty=not edits and not problem,
        problem=problem,
    )


def _stranded(sight: Sight, state: EnvironmentState) -> bool:
    change = state.change
    if change is None or change.state is not ChangeState.PROPOSED or change.base == sight.revision:
        return False
    return not sight.repository.is_ancestor(change.base, sight.revision)


# --------------------------------------------------------------------------- the syncer and the forge


def runs_now(sight: Sight, environment: Environment, syncers: Mapping[str, Syncer]) -> SyncReport:
    """What the syncer says, compared with the head.

    Raises:
        Refused: there is no such syncer.
        Retry: it does not answer.
    """
    facts = sight.facts(environment)
    tree = facts.tree.digest
    expected = Expected(sight.revision, tree, facts.release, _carries(sight, environment, tree))
    return _syncer(environment, syncers).report(environment, expected)


def _syncer(environment: Environment, syncers: Mapping[str, Syncer]) -> Syncer:
    syncer = syncers.get(environment.sync.syncer)
    if syncer is None:
        hint = f"`{environment.sync.syncer}:` of the repository in the operator's file"
        raise Refused(Problem(f"{environment.name} is deployed by a syncer that is not configured", hint=hint))
    return syncer


def _syncs(
    sight: Sight, environment: Environment, state: EnvironmentState, asked: Asked
) -> tuple[SyncReport | None, SyncReport | None]:
    """What runs, compared with the head, and with the tree of the run under way where that is another."""
    syncer = _syncer(environment, asked.syncers)
    run = state.run
    claimed = run if run is not None and run.state is RunState.CLAIMED else None
    if state.hold is not None and claimed is None:
        return None, None
    report = runs_now(sight, environment, asked.syncers)
    if claimed is None or claimed.subject.tree == sight.facts(environment).tree.digest:
        return report, None
    tree = claimed.subject.tree
    then = Expected(claimed.revision, tree, claimed.release, _carries(sight, environment, tree))
    return report, syncer.report(environment, then)


def _carries(sight: Sight, environment: Environment, tree: str) -> Callable[[CommitId], bool]:
    """Asks whether a commit of the branch carries a tree; a commit that is not on the branch does not."""

    def carries(commit: CommitId) -> bool:
        try:
            if not sight.repository.is_ancestor(commit, sight.revision):
                return False
            return tree_of(sight.view(commit), environment).digest == tree
        except GitsloError:
            return False  # what answers is not a commit that we know

    return carries


def _with_proposal(sight: Sight, o: Observation, forge: Forge) -> Observation:
    """Our branch and pull request, asked for only while there is something of ours to see."""
    change = o.ledger.state.change
    branch = branch_of(o.environment, ChangeKind.REVERT if _reverting(o) else ChangeKind.PROMOTE)
    pull = None
    if change is not None and change.branch:
        tip = sight.refs.get(f"refs/heads/{change.branch}")
        is_open = change.state is ChangeState.PROPOSED
        left_over = tip is not None and tip in (change.commit, change.replaces)
        if is_open or left_over:
            branch, key = change.branch, change_key(o, change)
            pull = next((known for known in forge.find(branch) if known.key == key), None)
    return replace(o, proposal=Proposal(sight.refs.get(f"refs/heads/{branch}"), pull))


def _reverting(o: Observation) -> bool:
    run = o.ledger.state.run
    return run is not None and run.verdict is Verdict.FAIL
