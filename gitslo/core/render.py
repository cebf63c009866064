"""Evidence for people: the pull request's body, the report of a run, and comments, as Markdown.

Called by the loop (which finds all texts for people here), and by the commands that print a report. Pure: the same
run always reads the same. Everything that a repository, a service or a person wrote goes through `core.escape`.

A page begins with the verdict; then whether the plan changed since the last pass and what was loosened; then what
moves, the findings, the load, and last what is needed to look it up or to do it again. It is cut from its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from gitslo.core.compare import compare_url
from gitslo.core.escape import code, markdown, quiet
from gitslo.core.figures import duration
from gitslo.core.judge import explain
from gitslo.core.messages import (
    commit_message,
    loosened,
    moved,
    pull_request_title,
    short_value,
    status_description,
    template_values,
)
from gitslo.core.pictures import pictures
from gitslo.core.tables import load_table, text_table, verdict_table, worth
from gitslo.model import (
    AttemptEvidence,
    Change,
    ChangeKind,
    Environment,
    EnvironmentState,
    Evidence,
    Finding,
    Plan,
    ReleaseValue,
    Run,
    RunState,
    Target,
    Verdict,
)
from gitslo.ports import Place, Wording, usual_wording

__all__ = [
    "BODY_BYTES",
    "PLAN_CHANGED",
    "commit_message",
    "evidence_page",
    "issue_body",
    "issue_title",
    "loosened",
    "pull_request_body",
    "pull_request_title",
    "report",
    "status_description",
    "text_table",
    "verdict_comment",
    "verdict_table",
]

BODY_BYTES = 60 * 1024
"""Forges refuse bodies above 64 KiB or cut them anywhere."""

PLAN_CHANGED = "The plan changed since the last pass."
"""The note of a run that was judged by another plan than the last pass."""
_SAME_PLAN = "The plan has not changed since the last pass."
_FIRST = "This is the first run here: there is no earlier pass to compare the plan with."

_SHOWN_UNDONE = 50
_CUT = "\n\n*The rest was cut here: this page may hold no more.* `gitslo report` *has all of it.*\n"
_WORDS = {
    Verdict.PASS: "Pass",
    Verdict.FAIL: "Fail",
    Verdict.INCONCLUSIVE: "Inconclusive",
    Verdict.ERROR: "Error",
}


# --------------------------------------------------------------------------- pages


def pull_request_body(
    change: Change,
    environment: Environment,
    run: Run | None,
    *,
    source: Environment | None = None,
    plan: Plan | None = None,
    wording: Wording = usual_wording,
) -> str:
    """The body of a change's pull request, at most 60 KiB.

    Args:
        change: what is promoted or undone.
        environment: where it goes.
        run: PROMOTE: the run that passed the release in the source; REVERT: the run that failed here. None, or for a
            promotion another run than the change names: its numbers are no longer at hand, and the page says so.
        source: PROMOTE: the environment that passed, for the command that reproduces its run.
        plan: of that run, for the names and addresses in the command; None where it is not at hand.
        wording: the operator's own words around the usual page, or instead of it.
    """
    promotes = change.kind is ChangeKind.PROMOTE
    shown = run if run is not None and (not promotes or run.id == change.source_run) else None
    parts = [_change_line(change, environment, shown)]
    if shown is None:
        parts.append(
            f"The numbers of run {code(change.source_run)} are no longer the newest of {code(change.source)}; "
            f"its ledger entry {code(change.source_ledger)} has them."
        )
    else:
        parts.append(_plan_lines(shown))
    parts.append(_moves(change, environment))
    if shown is not None:
        parts += _evidence(shown.findings, shown.evidence)
    judged_in = source if promotes else environment
    parts.append(_section("Where this comes from", _facts(_change_facts(change, environment, shown))))
    if judged_in is not None:
        revision = change.source_revision if promotes or run is None else run.revision
        parts.append(_section("Reproduce it", _reproduce(revision, judged_in.plan_path, plan)))
    usual = "\n\n".join(parts)
    own = wording(Place.BODY, {**template_values(change, environment, markdown), "page": usual})
    return _fitted([usual if own is None else own.strip() or usual])


def report(
    run: Run,
    state: EnvironmentState,
    environment: Environment | None = None,
    plan: Plan | None = None,
    *,
    charts: bool = True,
) -> str:
    """The report of one run of an environment.

    Args:
        run: of that environment; the present one or an earlier entry's.
        state: the entry that holds it.
        environment: for the command that reproduces it; None where the pipeline no longer has it.
        plan: of the run, for the names and addresses in that command; None where it is not at hand.
        charts: whether there are pictures, which a forge draws and a terminal does not.
    """
    parts = [f"{_verdict_line(run)} in {code(state.environment)}", _plan_lines(run)]
    if state.hold is not None:
        parts.append(f"**Held** by {markdown(state.hold.by)}: {markdown(state.hold.reason)}")
    parts += _evidence(run.findings, run.evidence, charts=charts)
    change = state.change
    if change is not None and run.subject.tree in (change.base_tree, change.result_tree):
        brought = "What brought it here" if run.subject.tree == change.result_tree else None
        parts.append(_moves(change, environment, brought))
    parts.append(_section("Where this comes from", _facts(_run_facts(run, state))))
    if environment is not None:
        parts.append(_section("Reproduce it", _reproduce(run.revision, environment.plan_path, plan)))
    return _fitted(parts)


def issue_title(environment: Environment) -> str:
    """The same for good: the issue is opened and closed again and again."""
    return quiet(f"{environment.name} needs a person")


def issue_body(state: EnvironmentState, environment: Environment, plan: Plan | None = None) -> str:
    """What an environment's rolling issue says, at most 60 KiB: why a person is needed, what to do, the report.

    Args:
        state: its ledger's.
        environment: of this state.
        plan: of the run, for the command that reproduces it; None where it is not at hand.
    """
    parts = []
    if state.hold is not None:
        fresh = " --fresh" if state.run is not None and state.run.verdict is Verdict.FAIL else ""
        lift = f"gitslo resume {quiet(quote(environment.name))} --config operator.yaml{fresh}"
        parts.append(f"When you have seen to it, lift the hold:\n\n    {lift}")
    elif state.run is not None and state.run.verdict is Verdict.FAIL:
        parts.append("What failed is taken back on the branch, without a pull request.")
    if state.run is None:
        reason = "" if state.hold is None else f": {markdown(state.hold.reason)}"
        return _fitted([f"**Held**: {code(environment.name)}{reason}", *parts])
    first, _, rest = report(state.run, state, environment, plan).partition("\n\n")
    return _fitted([first, *parts, rest.rstrip("\n")])


def verdict_comment(run: Run, environment: Environment, plan: Plan | None = None, *, brought: str = "merged") -> str:
    """What is added to the pull request, or to the commit, that brought a release here, once it has been judged.

    Args:
        run: that judged it.
        environment: where.
        plan: of that run, for the names and addresses in the command; None where it is not at hand.
        brought: how it came here: `merged`, or `pushed`.
    """
    parts = [f"{_verdict_line(run)} in {code(environment.name)}, after this was {brought}", _plan_lines(run)]
    parts += _evidence(run.findings, run.evidence)
    parts.append(_section("Reproduce it", _reproduce(run.revision, environment.plan_path, plan)))
    return _fitted(parts)


def evidence_page(
    verdict: Verdict, findings: Sequence[Finding], evidence: Evidence, *, subject: str, notes: Sequence[str] = ()
) -> str:
    """The same page for a run outside Git, as `gitslo test` makes one; `subject` is the plan's path."""
    parts = [f"**{_WORDS[verdict]}**: {code(subject)}"]
    if notes:
        parts.append(_list([markdown(note) for note in notes]))
    return _fitted([*parts, *_evidence(findings, evidence)])


# --------------------------------------------------------------------------- first lines


def _verdict_line(run: Run) -> str:
    release = ", ".join(code(short_value(image)) for image in run.release.images()) or code(run.release.digest[:12])
    said = f"run {markdown(run.id)} ({run.cause.value}) of {release}"
    if run.state is RunState.SUPERSEDED:
        return f"**Superseded**: {said} was cut off because something else came to run; no verdict"
    if run.verdict is None:
        return f"**Running**: attempt {run.attempt} of {said}"
    return f"**{_WORDS[run.verdict]}**: {said}"


def _change_line(change: Change, environment: Environment, run: Run | None) -> str:
    if change.kind is ChangeKind.PROMOTE:
        word = "Pass" if run is None or run.verdict is None else _WORDS[run.verdict]
        where = f"in {code(change.source)} (run {markdown(change.source_run)})"
        return f"**{word}**: this release passed {where} and may go to {code(environment.name)}"
    failed = "what runs here failed" if run is None else f"run {markdown(run.id)} failed here"
    passed = f"what passed in run {markdown(change.source_run)}"
    return f"**Fail**: {failed}; this puts {code(environment.name)} back to {passed}"


def _plan_lines(run: Run) -> str:
    """Whether the plan changed, then everything else that a reader must know before the numbers."""
    lines = [] if PLAN_CHANGED in run.notes else [_FIRST if run.id == "1" else _SAME_PLAN]
    lines += [markdown(note[:1].upper() + note[1:]) for note in run.notes]
    if run.cut_off:
        numbers = ", ".join(str(number) for number in run.cut_off)
        lines.append(f"Cut off, and left no evidence: attempt {numbers}.")
    if run.extensions:
        lines.append(f"Extensions so far: {run.extensions}; all evidence is judged together.")
    if run.confirming:
        lines.append("Our own revert brought this tree back: a pass confirms the earlier one and moves nothing.")
    return _list(lines)


# --------------------------------------------------------------------------- sections


def _moves(change: Change, environment: Environment | None, title: str | None = None) -> str:
    rows = [_move(change, environment, *pair) for pair in moved(change.from_release, change.to_release)]
    if not rows:
        rows = ["* No promoted value: other parts of the manifests only."]
    if change.undone:
        people = change.undone_by_people
        rows.append(f"\nCommits undone: {len(change.undone)}, of which {people} by people." + _merge_rule(people))
        rows += [f"* {markdown(line)}" for line in change.undone[:_SHOWN_UNDONE]]
        if len(change.undone) > _SHOWN_UNDONE:
            rows.append(f"* and {len(change.undone) - _SHOWN_UNDONE} more")
    usual = "What is promoted" if change.kind is ChangeKind.PROMOTE else "What is undone"
    return _section(title or usual, "\n".join(rows))


def _move(change: Change, environment: Environment | None, was: ReleaseValue | None, now: ReleaseValue) -> str:
    before = "nothing" if was is None else code(was.value)
    link = "" if environment is None else compare_url(change, environment, was, now)
    return f"* {now.kind.value} {code(now.name)}: {before} -> {code(now.value)}" + (
        f" ([compare]({link}))" if link else ""
    )


def _merge_rule(people: int) -> str:
    return " It is not merged automatically: more than one of them is a person's." if people > 1 else ""


def _evidence(findings: Sequence[Finding], evidence: Evidence, *, charts: bool = True) -> list[str]:
    said_of_each = _list([f"{code(finding.objective)}: {markdown(explain(finding))}" for finding in findings])
    parts = [_section("Findings", "\n\n".join(filter(None, (verdict_table(findings).rstrip("\n"), said_of_each))))]
    loads = load_table(evidence.attempts)
    if loads:
        measured = dict.fromkeys(load.fidelity for attempt in evidence.attempts for load in attempt.loads)
        said_of = _list([f"Measured by {markdown(worth(each))}." for each in measured])
        parts.append(_section("Load", f"{loads}\n{said_of}"))
    drawn = pictures(evidence.attempts, findings) if charts else ""
    if drawn:
        parts.append(_section("Pictures", drawn))
    said = [line for attempt in evidence.attempts for line in _attempt_lines(attempt)]
    if said:
        parts.append(_section("Attempts", _list(said)))
    return parts


def _attempt_lines(attempt: AttemptEvidence) -> list[str]:
    judged = ", ".join(f"{phase.value} {duration(seconds)}" for phase, seconds in attempt.judged_seconds)
    lines = [f"Attempt {attempt.attempt} judged: {judged or 'nothing'}."]
    if attempt.not_ready is not None:
        lines.append(f"Attempt {attempt.attempt} was not ready: {markdown(attempt.not_ready)}")
    lines += [f"Attempt {attempt.attempt} cannot decide a fail: {markdown(why)}" for why in attempt.no_fail]
    lines += [f"Attempt {attempt.attempt} cannot decide a pass: {markdown(why)}" for why in attempt.no_pass]
    return lines


def _change_facts(change: Change, environment: Environment, run: Run | None) -> list[tuple[str, str]]:
    judged = [("plan of the run", run.subject.plan), ("fingerprint of the run", run.fingerprint)] if run else []
    return [
        ("environment", environment.name),
        ("source", change.source),
        ("source run", change.source_run),
        ("source revision", change.source_revision),
        ("source ledger entry", change.source_ledger),
        ("release", change.to_release.digest),
        ("computed on", change.base),
        ("tree before", change.base_tree),
        ("tree after", change.result_tree),
        *judged,
    ]


def _run_facts(run: Run, state: EnvironmentState) -> list[tuple[str, str]]:
    return [
        ("environment", state.environment),
        ("run", run.id),
        ("attempt", str(run.attempt)),
        ("cause", run.cause.value),
        ("revision", run.revision),
        ("tree", run.subject.tree),
        ("plan", run.subject.plan),
        ("release", run.release.digest),
        ("fingerprint", run.fingerprint),
        ("ledger entry number", str(state.entry)),
    ]


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    return _list([f"{name}: {code(value) if value else 'not known'}" for name, value in facts])


def _reproduce(revision: str, plan_path: str, plan: Plan | None) -> str:
    """What a shell takes as it is, in an indented block: that one needs no end and survives being cut."""
    path = f"./{plan_path}" if plan_path.startswith("-") else plan_path
    if plan is None:
        targets, said = "--target NAME=URL", "with every target of the plan, and where it answers you."
    else:
        used = dict.fromkeys([*(check.target for check in plan.readiness), *(load.target for load in plan.load)])
        targets = " ".join(f"--target {_address(plan.targets[name])}" for name in used)
        said = "The addresses are the plan's: put others there where it answers you elsewhere."
    command = f"gitslo test {quiet(quote(path))} {targets}"
    return f"In a clone, at revision {code(revision)}:\n\n    git checkout --detach {revision}\n    {command}\n\n{said}"


def _address(target: Target) -> str:
    """`NAME=HOST:PORT`, without a scheme: the plan says it, and no forge makes a link of it."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    # A host has been checked letter by letter; a zero-width space in it would be another host.
    path = quiet(quote(target.path)) if target.path else ""
    return f"{quiet(quote(target.name))}={quote(f'{host}:{target.port}')}{path}"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _fitted(parts: Sequence[str]) -> str:
    """The parts as one page; one that is too large is cut after a whole line, and says so."""
    page = "\n\n".join(parts) + "\n"
    content = page.encode()
    if len(content) <= BODY_BYTES:
        return page
    kept = content[: BODY_BYTES - len(_CUT.encode())]
    return kept[: kept.rfind(b"\n")].decode() + _CUT
