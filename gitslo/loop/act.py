"""act(step): at most one effect, and every effect has a natural key, so that doing it twice equals doing it once.

Called by the controller with the step that was decided. Failpoints stand before and after every effect: tests kill the
process there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypedDict

from gitslo.core.ledger import to_json
from gitslo.core.notice import notice
from gitslo.core.render import (
    commit_message,
    issue_body,
    issue_title,
    pull_request_body,
    pull_request_title,
    verdict_comment,
)
from gitslo.core.state import change_key, intent, report_link, status_context
from gitslo.core.steps import (
    TRIED,
    CancelAttempt,
    ClosePullRequest,
    Comment,
    CommentOnCommit,
    DeleteBranch,
    MergePullRequest,
    Observation,
    OpenPullRequest,
    Propose,
    PushChange,
    RunCommand,
    SetStatus,
    StartAttempt,
    Step,
    TellIssue,
    Write,
)
from gitslo.errors import Conflict, GitsloError, Refused, Retry
from gitslo.failpoints import failpoint
from gitslo.loop.observe import branch_of, edits_of
from gitslo.loop.sight import Sight
from gitslo.loop.telling import of_push
from gitslo.model import Change, ChangeKind, CommitId, EnvironmentState, Run
from gitslo.ports import Event, Forge, Issue, PullRequestState, RefUpdate, Wording, usual_wording

__all__ = ["Actor", "Commands"]

Commands = Callable[[str, Mapping[str, str], bytes], str]
"""Runs an operator's command by name with these variables and this standard input; returns what went wrong, or ``."""

MERGE_SUBJECT: Final = 72
MOST_TOLD: Final = 100


class Actor:
    """Carries steps out on one repository and its forge."""

    def __init__(
        self,
        sight: Sight,
        forge: Forge,
        *,
        begin: Callable[[Observation], None],
        cancel: Callable[[str, str, str], None],
        commands: Commands,
        tell: Callable[[Event], None],
        wording: Wording = usual_wording,
    ) -> None:
        """Args: begin: starts the claimed attempt; cancel: (environment, nonce, reason)."""
        self._tell = tell
        self._sight = sight
        self._forge = forge
        self._begin = begin
        self._cancel = cancel
        self._commands = commands
        self._wording = wording
        self.told: dict[str, dict[str, None]] = {}
        """By environment, oldest first: keys of what stands on the forge; one that is forgotten is looked up again."""

    def stands(self, o: Observation, step: Step) -> bool:
        """Whether what a step would tell the forge stands there already: then it is noted, and costs no push.

        A process that has just started knows of nothing that it has told, of as many environments as there are. A step
        that is tried once has been tried when the look went wrong.

        Raises:
            Retry: no answer.
        """
        self.skips(o.environment.name, step)
        match step:
            case SetStatus(status):
                there = self._forge.has_status(status)
            case Comment(number):
                there = self._forge.has_comment(number, step.key)
            case CommentOnCommit(commit) if self._forge.commit_comments is not None:
                there = self._forge.commit_comments.has(commit, step.key)
            case OpenPullRequest():
                there = self._is_open(o, step)
            case TellIssue() if self._forge.issues is not None:
                there = self._forge.issues.stands(self._issue(o, step))
            case _:
                return False
        if there:
            self._note(o.environment.name, step)
        return there

    def skips(self, environment: str, step: Step) -> bool:
        """Whether a step is left out where it cannot be done now: others wait for it, and are worth more."""
        if not isinstance(step, SetStatus | Comment | CommentOnCommit | TellIssue) or not step.once:
            return False
        self._keep(environment, f"{TRIED}{step.key}")
        return True

    def act(self, o: Observation, step: Step) -> None:  # noqa: C901, PLR0912, PLR0915 - one case per step
        """Carry one step out.

        Raises:
            Conflict: somebody else moved first. Retry: no answer. Refused: a rule of the remote or the forge.
        """
        name = o.environment.name
        self.skips(name, step)
        match step:
            case Write():
                self._append(o, step.state, step.message, step.event, claim=step.claim)
            case StartAttempt():
                failpoint("attempt", "before")
                self._begin(o)
            case CancelAttempt():
                self._cancel(name, step.nonce, step.reason)
            case Propose():
                self._propose(o, step)
            case PushChange():
                self._push(o, step)
            case OpenPullRequest():
                failpoint("pull-request", "before")
                self._forge.ensure_pull_request(**self._wanted(o, step.change))
                failpoint("pull-request", "after")
                self._note(name, step)
            case MergePullRequest():
                self._merge(o, step)
            case ClosePullRequest():
                failpoint("close", "before")
                self._forge.close(step.number, f"gitslo withdraws this: {step.reason}")
                failpoint("close", "after")
            case DeleteBranch():
                self._delete(name, step)
            case SetStatus():
                failpoint("status", "before")
                self._forge.set_status(step.status)
                failpoint("status", "after")
                self._note(name, step)
            case Comment():
                self._comment(o, step)
                self._note(name, step)
            case CommentOnCommit(commit) if self._forge.commit_comments is not None:
                body = self._said_on_commit(o, step)
                failpoint("commit-comment", "before")
                self._forge.commit_comments.once(commit, step.key, body)
                failpoint("commit-comment", "after")
                self._note(name, step)
            case TellIssue() if self._forge.issues is not None:
                failpoint("issue", "before")
                self._forge.issues.tell(self._issue(o, step))
                failpoint("issue", "after")
                self._note(name, step)
            case RunCommand():
                self._command(o, step)
            case _:  # Stay has no effect; the controller does not come here with it
                pass

    # ----------------------------------------------------------------- the ledger

    def _append(self, o: Observation, state: EnvironmentState, message: str, event: str, *, claim: bool) -> None:
        update = self._sight.ledgers.build(o.ledger.id, state, message, o.now.wall)
        point = {"claim": "claim", "take over": "claim", "extend": "claim", "judge": "judge", "give up": "judge"}
        failpoint(point.get(event, "ledger"), "before")
        self._swap(update)
        failpoint(point.get(event, "ledger"), "after")
        if claim:
            self._won(update)

    def _won(self, update: RefUpdate) -> None:
        """A claim is won only if a re-read shows our own entry: two replicas may both believe that their push went in.

        Raises:
            Conflict: it shows another's.
        """
        shown = self._sight.repository.list_refs().get(update.ref)
        if shown != update.new:
            raise Conflict(f"the claim in {update.ref} was won by somebody else")

    def _swap(self, *updates: RefUpdate) -> None:
        """One push, told whatever comes of it: its outcomes are the first thing to look at when nothing moves."""
        try:
            self._sight.repository.swap(updates)
        except GitsloError as error:
            self._tell(of_push(updates, type(error).__name__.lower()))
            raise
        self._tell(of_push(updates, "done"))
        for update in updates:
            self._sight.moved(update.ref, update.new)

    # ----------------------------------------------------------------- the change

    def _propose(self, o: Observation, step: Propose) -> None:
        """Record the intent; where the remote is known to be atomic, publish the change in the same push.

        In direct mode nothing is written of a race that was lost: the next try costs one push again.
        """
        branch = "" if step.direct else branch_of(o.environment, step.draft.kind)
        draft = intent(o, step, branch, CommitId(""))
        assert draft.state.change is not None  # noqa: S101 - `intent` puts it there
        commit = self._build(o, draft.state.change)
        write = intent(o, step, branch, commit)
        entry = self._sight.ledgers.build(o.ledger.id, write.state, write.message, o.now.wall)
        target = self._sight.repository.branch_ref if step.direct else f"refs/heads/{branch}"
        tip = step.draft.base if step.direct else step.replaces
        failpoint("intent", "before")
        if self._sight.repository.atomic and tip != commit:
            self._swap(entry, RefUpdate(target, tip, commit))
        else:
            self._swap(entry)
        failpoint("intent", "after")

    def _build(self, o: Observation, change: Change) -> CommitId:
        """The change's commit in the local object database: the same id on every machine."""
        edits = edits_of(
            self._sight,
            o.environment,
            change.kind,
            change.base,
            change.to_release,
            change.source,
            change.source_revision,
        )
        message = commit_message(change, o.environment, self._wording)
        return self._sight.repository.commit([change.base], change.base, edits, message, change.proposed_wall)

    def _push(self, o: Observation, step: PushChange) -> None:
        change = step.change
        commit = self._build(o, change)
        if commit != change.commit:
            # Another version, or one with another signing key, wrote the intent: write it again as we build it. That
            # other may be pushing it this moment: then it is ours, too.
            ours = o.proposal.tip or change.commit
            again = replace(o.ledger.state, change=replace(change, commit=commit, replaces=ours))
            state = replace(again, entry=again.entry + 1, why="propose again")
            self._append(o, state, f"change {change.id} is built again", "propose again", claim=False)
            return
        failpoint("publish", "before")
        if step.direct:
            self._swap(RefUpdate(self._sight.repository.branch_ref, change.base, commit))
        else:
            self._swap(RefUpdate(f"refs/heads/{change.branch}", o.proposal.tip, commit))
        failpoint("publish", "after")

    def _delete(self, name: str, step: DeleteBranch) -> None:
        failpoint("branch-delete", "before")
        try:
            self._swap(RefUpdate(f"refs/heads/{step.branch}", step.tip, None))
        except Refused:  # a server may keep branches (receive.denyDeletes); nothing rests on their going
            self._note(name, step)
        failpoint("branch-delete", "after")

    def _is_open(self, o: Observation, step: OpenPullRequest) -> bool:
        """Whether the pull request is as it should be; one whose branch has moved is always brought up to date."""
        pull = o.proposal.pull_request
        if pull is None or step.change.replaces is not None or pull.head_commit != step.change.commit:
            return False
        shown = _Wanted(key=pull.key, head=pull.head, base=pull.base, title=pull.title, body=pull.body)
        return pull.state is PullRequestState.OPEN and shown == self._wanted(o, step.change)

    def _wanted(self, o: Observation, change: Change) -> _Wanted:
        run = o.ledger.state.run
        promotes = change.kind is ChangeKind.PROMOTE
        if promotes:  # the entry that the change names, not the tip: it has the run's numbers
            pipeline = o.environment.pipeline
            run = self._sight.ledgers.read(pipeline, change.source, CommitId(change.source_ledger)).state.run
        elif run is not None and run.subject.tree != change.base_tree:
            run = None  # the revert is through, and what it has put away is not what ran last
        origin = next((known for known in self._sight.environments if known.name == change.source), None)
        revision = change.source_revision if promotes or run is None else run.revision
        plan = None if origin is None else self._sight.plan_at(origin, revision)
        return _Wanted(
            key=change_key(o, change),
            head=change.branch,
            base=self._sight.repository.branch_ref.removeprefix("refs/heads/"),
            title=pull_request_title(change, o.environment, self._wording),
            body=pull_request_body(change, o.environment, run, source=origin, plan=plan, wording=self._wording),
        )

    def _merge(self, o: Observation, step: MergePullRequest) -> None:
        """Merge; the controller has just looked again, and this is the last check of what the change rests on."""
        change = step.change
        if not self._sight.repository.is_ancestor(change.base, self._sight.revision):
            raise Conflict(f"{change.base[:12]}, which change {change.id} builds on, has left the branch's history")
        if change.kind is ChangeKind.PROMOTE:
            passed = self._sight.ledger(change.source).state.last_pass
            if passed is None or passed.withdrawn or passed.release.digest != change.to_release.digest:
                raise Conflict(f"the pass of {change.source} no longer stands")
        title = pull_request_title(change, o.environment, self._wording)[:MERGE_SUBJECT]
        trailers = commit_message(change, o.environment).rpartition("\n\n")[2]
        failpoint("merge", "before")
        self._forge.merge(step.number, change.commit, f"{title} (#{step.number})\n\n{trailers}")
        failpoint("merge", "after")
        self._sight.look()

    def _comment(self, o: Observation, step: Comment) -> None:
        run = o.ledger.state.run
        if step.about == "result" and run is not None:
            body = verdict_comment(run, o.environment, self._sight.plan_at(o.environment, run.revision))
        else:
            body = (
                "Somebody else's commit is on this branch. gitslo leaves it alone and will not merge it; a person may "
                "merge it, close it, or remove the commit."
            )
        failpoint("comment", "before")
        self._forge.comment_once(step.number, step.key, body)
        failpoint("comment", "after")

    def _said_on_commit(self, o: Observation, step: CommentOnCommit) -> str:
        change, run = o.ledger.state.change, o.ledger.state.run
        assert change is not None  # noqa: S101 - the rule that decided this looked at both
        assert run is not None  # noqa: S101
        if step.about == "change":
            return self._wanted(o, change)["body"]
        plan = self._sight.plan_at(o.environment, run.revision)
        return verdict_comment(run, o.environment, plan, brought="pushed")

    def _issue(self, o: Observation, step: TellIssue) -> Issue:
        run = o.ledger.state.run
        plan = None if run is None else self._sight.plan_at(o.environment, run.revision)
        body = issue_body(o.ledger.state, o.environment, plan)
        return Issue(status_context(o.environment.name), issue_title(o.environment), body, step.open)

    # ----------------------------------------------------------------- the rest

    def _command(self, o: Observation, step: RunCommand) -> None:
        run = o.ledger.state.run
        assert run is not None  # noqa: S101 - the rule that decided this looked at it
        variables = {
            "GITSLO_ENVIRONMENT": o.environment.name,
            "GITSLO_PIPELINE": o.environment.pipeline,
            "GITSLO_RUN": run.id,
            "GITSLO_CAUSE": run.cause.value,
            "GITSLO_VERDICT": run.verdict.value if run.verdict is not None else "",
            "GITSLO_REVISION": run.revision,
            "GITSLO_TEXT": notice(run, o.ledger.state, o.environment, report_link(o, o.environment.name, run.id)),
        }
        document = {"environment": o.environment.name, "pipeline": o.environment.pipeline, "run": to_json(_light(run))}
        failpoint("command", "before")
        problem = self._commands(step.command, variables, json.dumps(document).encode())
        failpoint("command", "after")
        self._keep(o.environment.name, f"command/{run.id}/{run.attempt}")
        if problem:
            raise Retry(f"the command {step.command} of the outcome {run.verdict} went wrong: {problem}")

    def _note(
        self,
        environment: str,
        step: SetStatus | Comment | CommentOnCommit | OpenPullRequest | DeleteBranch | TellIssue,
    ) -> None:
        if isinstance(step, SetStatus):  # of a commit and context only the newest stands: an older one may be due again
            told = self.told.get(environment, {})
            same = f"status/{step.status.commit}/{step.status.context}/"
            for key in [key for key in told if key.startswith(same)]:
                del told[key]
        self._keep(environment, step.key)

    def _keep(self, environment: str, key: str) -> None:
        told = self.told.setdefault(environment, {})
        told[key] = None
        if len(told) > MOST_TOLD:
            del told[next(iter(told))]


class _Wanted(TypedDict):
    """What `Forge.ensure_pull_request` is given."""

    key: str
    head: str
    base: str
    title: str
    body: str


def _light(run: Run) -> Run:
    """A run without its raw per-second counts, for a command's standard input."""
    return replace(run, evidence=type(run.evidence)())
