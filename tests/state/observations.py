"""Observations for the state machine's tests: small builders, and a world of data that steps are applied to."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from gitslo.core.state import decide, intent
from gitslo.core.steps import (
    Attempted,
    Attempting,
    CancelAttempt,
    ClosePullRequest,
    Comment,
    CommentOnCommit,
    DeleteBranch,
    Draft,
    Head,
    Interrupted,
    LedgerView,
    Local,
    MergePullRequest,
    Observation,
    OpenPullRequest,
    Proposal,
    Propose,
    PushChange,
    RunCommand,
    SetStatus,
    StartAttempt,
    Stay,
    Step,
    TellIssue,
    Write,
)
from gitslo.model import (
    Action,
    AttemptEvidence,
    Cause,
    ChangeKind,
    Environment,
    EnvironmentState,
    Finding,
    Instant,
    JudgePolicy,
    MergeMode,
    NewerCommit,
    OutcomeRule,
    Outcomes,
    Phase,
    Pipeline,
    Plan,
    PromotedKind,
    Release,
    ReleaseValue,
    Revalidation,
    RevertScope,
    Scoring,
    Seconds,
    Subject,
    SyncSpec,
    Verdict,
    WriteMode,
    WritePolicies,
    WritePolicy,
)
from gitslo.ports import PullRequest, PullRequestState, Status, SyncReport, SyncState


def commit(text: str) -> str:
    """A commit id made from a word."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def release(tag: str) -> Release:
    """A release of one image."""
    return Release((ReleaseValue(PromotedKind.IMAGE, "example/app", tag),), f"digest-{tag}")


def outcomes(**changed: OutcomeRule) -> Outcomes:
    """The default outcomes; `fail_sync=...` replaces one pair, `fail=...` a whole verdict."""
    rules: dict[tuple[str, Cause], OutcomeRule] = {}
    for cause in Cause:
        rules["pass", cause] = OutcomeRule(Action.PROMOTE)
        rules["fail", cause] = OutcomeRule(Action.REVERT if cause is Cause.SYNC else Action.HOLD)
        rules["inconclusive", cause] = OutcomeRule(Action.EXTEND, times=2, then=Action.HOLD)
        rules["error", cause] = OutcomeRule(Action.HOLD)
        for verdict in ("pass", "fail", "inconclusive", "error"):
            for key in (verdict, f"{verdict}_{cause}"):
                if key in changed:
                    rules[verdict, cause] = changed[key]
    return Outcomes(rules)


def pipeline(**changed: object) -> Pipeline:
    """A pipeline with every default."""
    base = Pipeline(
        name="shop",
        services=(),
        stages=(),
        plan="slo.yaml",
        sync=SyncSpec("process"),
        promote=(),
        revert=RevertScope.TREE,
        newer_commit=NewerCommit.FINISH,
        outcomes=outcomes(),
        revalidation=Revalidation(Seconds(3600.0), 2),
    )
    return replace(base, **changed)  # type: ignore[arg-type]


def environment(
    name: str = "staging", *, mode: WriteMode = WriteMode.PULL_REQUEST, merge: MergeMode = MergeMode.AUTO
) -> Environment:
    """An environment after dev."""
    policy = WritePolicy(mode, merge)
    return Environment(
        name=name,
        pipeline="shop",
        service=None,
        stage=name,
        path=name,
        plan_path=f"{name}/slo.yaml",
        after=("dev",),
        promoted=(),
        write=WritePolicies(policy, policy),
        sync=SyncSpec("process"),
    )


def plan(digest: str = "plan-1") -> Plan:
    """A plan; the state machine reads only its digest and objectives."""
    return Plan({}, (), (), (), JudgePolicy(), digest)


def finding(verdict: Verdict) -> Finding:
    """A deciding finding."""
    return Finding(
        "browse.errors < 1%", Phase.STEADY, verdict, True, 0.02, 0.01, 1000, 20, 0, 5.0, -3.0, 3.0, 3.0, Seconds(9), 1
    )


@dataclass
class World:
    """One environment as data: what Git, forge, syncer and this process would show, and how each step changes it."""

    env: Environment = field(default_factory=environment)
    pipe: Pipeline = field(default_factory=pipeline)
    tag: str = "v1"
    plan_digest: str = "plan-1"
    scoring: Scoring | None = None
    revision: int = 1
    state: EnvironmentState = field(default_factory=lambda: EnvironmentState("shop", "staging"))
    candidate: str | None = None
    candidate_run: str = "1"
    shared_changed: str = ""
    people_undone: int = 1
    synced: SyncState = SyncState.SYNCED
    runs_tag: str | None = None
    fingerprint: str = "print"
    local: Local | None = None
    won: set[str] = field(default_factory=set)
    tip: str | None = None
    atomic: bool = False
    strict: bool = False
    lags: bool = False
    pulls: list[PullRequest] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    instance: str = "one"
    now: float = 1_000_000.0
    seen_for: float = 0.0
    room: bool = True
    commands: list[str] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    keeps_issues: bool = False
    comments_on_commits: bool = False
    reports: str = ""
    issues: list[bool] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    nonces: int = 0

    def tree(self, tag: str) -> str:
        """The tree that carries a tag."""
        return f"tree-{tag}"

    def observe(self) -> Observation:
        """What the loop would observe."""
        self.nonces += 1
        subject = Subject(self.tree(self.tag), self.plan_digest)
        running = self.runs_tag or self.tag
        state = self.synced if running == self.tag else SyncState.WAITING
        run = self.state.run
        run_sync = None
        if run is not None and run.claim is not None and run.subject.tree != subject.tree:
            same = self.tree(running) == run.subject.tree
            run_sync = SyncReport(
                SyncState.SYNCED if same else SyncState.WAITING, "another tree", self.fingerprint if same else ""
            )
        pull = None
        change = self.state.change
        if change is not None and change.branch:
            key = f"shop/{self.env.name}/{change.id}"
            pull = next((p for p in reversed(self.pulls) if p.key == key), None)
            if pull is not None and pull.state is PullRequestState.OPEN and self._behind(pull):
                pull = replace(pull, blocked="it is behind main", outdated=True)
        return Observation(
            environment=self.env,
            pipeline=self.pipe,
            instance=self.instance,
            nonce=f"nonce-{self.nonces}",
            now=Instant(self.now, self.now),
            head=Head(commit(f"rev{self.revision}"), subject, self._plan(), release(self.tag), "Ann <a@b>"),
            ledger=LedgerView(
                commit(f"entry{self.state.entry}") if self.state.entry else None, self.state, Seconds(self.seen_for)
            ),
            takeover_after=Seconds(300.0),
            sync=SyncReport(state, "rolling out", self.fingerprint if state is SyncState.SYNCED else ""),
            run_sync=run_sync,
            local=self.local,
            claimed_here=frozenset(self.won),
            promotion=self._promotion(),
            revert=self._revert(),
            proposal=Proposal(self.tip, pull),
            told=frozenset(self.told),
            room=self.room,
            issues=self.keeps_issues,
            commit_comments=self.comments_on_commits,
            reports=self.reports,
        )

    def _behind(self, pull: PullRequest) -> bool:
        """Whether a forge that asks for branches that are up to date says that this one is not."""
        change = self.state.change
        ours = change is not None and change.commit == pull.head_commit
        fresh = ours and change is not None and change.base == commit(f"rev{self.revision}")
        return self.strict and (self.lags or not fresh)

    def _plan(self) -> Plan:
        return replace(plan(self.plan_digest), scoring=self.scoring)

    def _draft(self, kind: ChangeKind, to: str, source: str, run: str) -> Draft:
        return Draft(
            kind=kind,
            base=commit(f"rev{self.revision}"),
            base_tree=self.tree(self.tag),
            result_tree=self.tree(to),
            from_release=release(self.tag),
            to_release=release(to),
            source=source,
            source_run=run,
            source_ledger=commit("ledger"),
            source_revision=commit("source"),
            empty=to == self.tag,
        )

    def _promotion(self) -> Draft | None:
        return (
            None
            if self.candidate is None
            else self._draft(ChangeKind.PROMOTE, self.candidate, "dev", self.candidate_run)
        )

    def _revert(self) -> Draft | None:
        run, passed = self.state.run, self.state.last_pass
        if run is not None and run.cause is Cause.REVALIDATION:
            passed = self.state.previous_pass
        if run is None or run.verdict is not Verdict.FAIL or passed is None:
            return None
        to = passed.release.values[0].value
        problem = self.shared_changed or ("only the plan changed" if to == self.tag else "")
        draft = self._draft(ChangeKind.REVERT, to, self.env.name, passed.run)
        return replace(draft, problem=problem, undone_by_people=self.people_undone)

    # ------------------------------------------------------------- steps

    def step(self) -> Step:
        """Decide and apply one step."""
        observation = self.observe()
        step = decide(observation)
        self.apply(observation, step)
        return step

    def settle(self, most: int = 60) -> Stay:
        """Take steps until it stays."""
        for _ in range(most):
            step = self.step()
            if isinstance(step, Stay):
                return step
        raise AssertionError(f"never stays: {self.journal[-10:]}")

    def apply(self, o: Observation, step: Step) -> None:  # noqa: C901, PLR0912, PLR0915 - one case per step
        """What the loop's `act` would have done."""
        self.journal.append(type(step).__name__ + (f":{step.event}" if isinstance(step, Write) else ""))
        match step:
            case Write():
                self.write(step)
            case StartAttempt(nonce):
                self.local = Attempting(nonce)
            case CancelAttempt(nonce, reason):
                self.local = Interrupted(nonce, reason)
            case Propose():
                branch = "" if step.direct else f"gitslo/shop/{self.env.name}/{step.draft.kind}"
                new = commit(f"{step.draft.kind}{step.draft.to_release.digest}{step.draft.base}")
                self.write(intent(o, step, branch, new))
                if self.atomic and step.direct:
                    self._bring(step.draft.to_release.values[0].value)
                elif self.atomic:
                    self.tip = new
            case PushChange(change, direct):
                self.tip = None if direct else change.commit
                if direct:
                    self._bring(change.to_release.values[0].value)
            case OpenPullRequest(change, key):
                open_ = [p for p in self.pulls if p.head == change.branch and p.state is PullRequestState.OPEN]
                if not open_:
                    number = len(self.pulls) + 1
                    pull_key = f"shop/{self.env.name}/{change.id}"
                    self.pulls.append(
                        PullRequest(
                            number, PullRequestState.OPEN, pull_key, change.branch, "main", change.commit, "", "", ""
                        )
                    )
                else:
                    index = self.pulls.index(open_[0])
                    self.pulls[index] = replace(open_[0], head_commit=change.commit)
                self.told.add(key)
            case MergePullRequest(change, number):
                self.merges.append(change.to_release.values[0].value)
                self._change_pull(number, state=PullRequestState.MERGED, merged=commit(f"merge{number}"))
                self._bring(change.to_release.values[0].value)
                self.tip = None
            case ClosePullRequest(number):
                self._change_pull(number, state=PullRequestState.CLOSED, closed_by_us=True)
            case DeleteBranch():
                self.tip = None
            case SetStatus(status, key):
                self.statuses.append(status)
                self.told.add(key)
            case Comment(_, _, key):
                self.told.add(key)
            case CommentOnCommit(_, about, key):
                self.said.append(about)
                self.told.add(key)
            case TellIssue(needed, key):
                self.issues.append(needed)
                self.told.add(key)
            case RunCommand(name):
                run = self.state.run
                self.commands.append(name)
                self.told.add(f"command/{run.id}/{run.attempt}" if run else "")
            case Stay():
                pass

    def write(self, step: Write) -> None:
        """Append to the ledger."""
        before = self.state.run
        self.state = step.state
        self.seen_for = 0.0
        run = self.state.run
        if step.claim and run is not None and run.claim is not None:
            self.won.add(run.claim.nonce)
        if before is not None and before.claim is not None and (run is None or run.claim != before.claim):
            self.won.discard(before.claim.nonce)
            self.local = None

    def _change_pull(self, number: int, **changed: object) -> None:
        self.pulls[number - 1] = replace(self.pulls[number - 1], **changed)  # type: ignore[arg-type]

    def _bring(self, tag: str) -> None:
        self.tag = tag
        self.revision += 1

    # ------------------------------------------------------------- what happens outside

    def commit_tag(self, tag: str) -> None:
        """A person commits another tag."""
        self._bring(tag)

    def end_attempt(self, verdict: Verdict) -> None:
        """The attempt under way ends."""
        assert isinstance(self.local, Attempting)
        run = self.state.run
        number = run.attempt if run is not None else 1
        self.local = Attempted(self.local.nonce, AttemptEvidence(number, self.now), verdict, (finding(verdict),))

    def crash(self, instance: str | None = None) -> None:
        """The process dies: everything that only it knew is gone."""
        self.local, self.won, self.told = None, set(), set()
        self.instance = instance or self.instance

    def judged(self, *verdicts: Verdict) -> Stay:
        """Settle, and end every attempt with the next verdict."""
        stay = self.settle()
        for verdict in verdicts:
            self.end_attempt(verdict)
            stay = self.settle()
        return stay


def passed_and_failed(**changed: object) -> World:
    """A world in which v1 has passed and v2 has just failed and stands at HEAD, before anything follows."""
    world = World(**changed)  # type: ignore[arg-type]
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.settle()
    world.end_attempt(Verdict.FAIL)
    world.step()
    return world
