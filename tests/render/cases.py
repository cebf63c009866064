"""The runs and changes whose pages are kept as golden files; `python -m tests.render.cases` writes those anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gitslo.core import render
from gitslo.model import (
    AttemptEvidence,
    Cause,
    Change,
    ChangeKind,
    ChangeState,
    CommitId,
    Environment,
    EnvironmentState,
    Evidence,
    Finding,
    Hold,
    HoldCause,
    LoadSummary,
    Locator,
    LocatorForm,
    Outcome,
    Percentiles,
    Phase,
    Promoted,
    PromotedKind,
    RatePerSecond,
    Release,
    ReleaseValue,
    Run,
    RunState,
    Second,
    Seconds,
    Subject,
    SyncSpec,
    Tally,
    Verdict,
    WritePolicies,
)

GOLDEN = Path(__file__).parent / "golden"

NEED = 3.6888794541139363
"""log(2 / 0.05)"""

COMPARE = "https://git.example.com/acme/hello/compare/{before}...{after}"

HOSTILE = (
    "v9 @everyone fixes #1 | <img src=x onerror=alert(1)> [a](http://evil.example) "
    "\x1b[31m\u202e `x` **b**\n\n# big\n/close"
)


def environment(stage: str, path: str | None = None) -> Environment:
    folder = path or stage
    return Environment(
        name=stage,
        pipeline="hello",
        service=None,
        stage=stage,
        path=folder,
        plan_path=f"{folder}/slo.yaml",
        after=(),
        promoted=(Promoted(PromotedKind.IMAGE, "example/hello", Locator(LocatorForm.MANIFESTS), COMPARE),),
        write=WritePolicies(),
        sync=SyncSpec("process"),
    )


def release(version: str, *more: ReleaseValue) -> Release:
    digest = (version.encode().hex() + "0" * 64)[:64]
    return Release((ReleaseValue(PromotedKind.IMAGE, "example/hello", version), *more), digest)


def finding(verdict: Verdict, measured: float | None, bad: int, fail: float, good: float) -> Finding:
    return Finding(
        objective="browse.latency.p95 < 250ms",
        phase=Phase.STEADY,
        verdict=verdict,
        decides=True,
        measured=measured,
        limit=0.25,
        total=3481,
        bad=bad,
        late=0,
        log_e_fail=fail,
        log_e_pass=good,
        need_fail=NEED,
        need_pass=NEED,
        decided_at=Seconds(17.0),
        attempt=1,
        allowed=0.05,
    )


def latency(verdict: Verdict, measured: float | None, bad: int, fail: float, good: float, **more: object) -> Finding:
    return replace(finding(verdict, measured, bad, fail, good), **more)  # type: ignore[arg-type]


def errors(verdict: Verdict, **more: object) -> Finding:
    few = replace(finding(verdict, 0.00057, 2, -12.1, 9.8), objective="browse.errors < 1%", limit=0.01, allowed=0.01)
    return replace(few, **more)  # type: ignore[arg-type]


def load(p95: float | None = 0.0123, kinds: tuple[tuple[str, int], ...] = (("status 503", 2),)) -> LoadSummary:
    return LoadSummary(
        load="browse",
        endpoint=None,
        requests=3481,
        errors=kinds,
        planned_rate=RatePerSecond(200.0),
        achieved_rate=RatePerSecond(199.6),
        latency=Percentiles(0.0051, 0.0102, p95, 0.034, None, 0.0712),
        schedule_lag_p99=Seconds(0.0004),
        distribution=((0.004, 700), (0.006, 1900), (0.012, 780), (0.035, 95), (0.072, 4)),
    )


def tally(*, shaken: bool = False) -> tuple[Tally, ...]:
    """Seventeen seconds of 200 requests, of which the last five, where `shaken`, are chaos and have bad ones."""
    steady = tuple(Second(at, 200, 1 if at % 8 == 0 else 0) for at in range(3, 15 if shaken else 20))
    chaos = tuple(Second(at, 200, 9) for at in range(15, 20)) if shaken else ()
    every = (Tally("browse.latency.p95 < 250ms", Phase.STEADY, steady),)
    return (*every, Tally("browse.latency.p95 < 250ms", Phase.CHAOS, chaos)) if shaken else every


def attempt(number: int = 1, **more: object) -> AttemptEvidence:
    judged = AttemptEvidence(
        attempt=number,
        started=1_790_000_000.0,
        judged_seconds=((Phase.STEADY, Seconds(17.4)),),
        tallies=tally(),
        loads=(load(),),
    )
    return replace(judged, **more)  # type: ignore[arg-type]


PASSED = Run(
    id="3",
    cause=Cause.SYNC,
    subject=Subject("t" * 40, "p" * 64),
    revision=CommitId("1" * 40),
    release=release("v2"),
    fingerprint="f" * 64,
    confirming=False,
    state=RunState.JUDGED,
    attempt=1,
    extensions=0,
    takeovers=0,
    cut_off=(),
    claim=None,
    evidence=Evidence((attempt(),)),
    verdict=Verdict.PASS,
    findings=(latency(Verdict.PASS, 0.0123, 9, -60.0, 14.2), errors(Verdict.PASS, decides=False)),
    judged_wall=1_790_000_017.0,
    outcome=Outcome.DONE,
    notes=(
        render.PLAN_CHANGED,
        *render.loosened(("browse.errors < 0.5%", "browse.latency.p99 < 1s"), ("browse.errors < 1%",)),
    ),
)

FAILED = replace(
    PASSED,
    id="4",
    release=release("v3"),
    verdict=Verdict.FAIL,
    notes=(),
    findings=(latency(Verdict.FAIL, 0.412, 1892, 5.2, -3.2, late=12), errors(Verdict.INCONCLUSIVE, decided_at=None)),
    evidence=Evidence((attempt(loads=(load(0.412),)),)),
)

UNDECIDED = replace(
    PASSED,
    id="5",
    cause=Cause.MANUAL,
    verdict=Verdict.INCONCLUSIVE,
    attempt=4,
    extensions=2,
    cut_off=(2,),
    notes=("asked for by Ada, on fresh evidence",),
    findings=(
        latency(Verdict.INCONCLUSIVE, None, 31, -1.2, 1.1, decided_at=None, attempt=4),
        errors(
            Verdict.INCONCLUSIVE,
            decided_at=None,
            attempt=4,
            log_e_fail=None,
            log_e_pass=None,
            measured=None,
            reason="no requests were sent",
        ),
    ),
    evidence=Evidence(
        (
            attempt(1, no_fail=("our own schedule lag reached 80 ms",)),
            attempt(3, not_ready="GET /readyz answered 503", loads=(), judged_seconds=()),
            attempt(4, no_pass=("only 61 % of the planned requests were sent",)),
        )
    ),
)

PROMOTION = Change(
    id="2",
    kind=ChangeKind.PROMOTE,
    state=ChangeState.PROPOSED,
    base=CommitId("2" * 40),
    base_tree="a" * 40,
    plan="p" * 64,
    result_tree="b" * 40,
    branch="gitslo/hello/staging/promote",
    commit=CommitId("c" * 40),
    replaces=None,
    from_release=release("v1", ReleaseValue(PromotedKind.FIELD, "replicas", "2")),
    to_release=release(f"v2@sha256:{'d' * 64}", ReleaseValue(PromotedKind.FIELD, "replicas", "3")),
    source="dev",
    source_run="3",
    source_ledger="e" * 40,
    source_revision=CommitId("1" * 40),
    undone=(),
    undone_by_people=0,
    pull_request=None,
    merged=None,
    proposed_wall=1_790_000_020.0,
)

REVERT = replace(
    PROMOTION,
    kind=ChangeKind.REVERT,
    branch="gitslo/hello/dev/revert",
    from_release=release("v3"),
    to_release=release("v2"),
    source="dev",
    base_tree="t" * 40,
    undone=("7777777777 Ada <ada@example.com>: Try v3", "8888888888 Bob <bob@example.com>: More replicas"),
    undone_by_people=2,
)


def _hostile() -> str:
    change = replace(
        REVERT,
        from_release=Release((ReleaseValue(PromotedKind.IMAGE, HOSTILE, HOSTILE),), HOSTILE),
        to_release=Release((ReleaseValue(PromotedKind.IMAGE, HOSTILE, "v2"),), HOSTILE),
        source=HOSTILE,
        source_run=HOSTILE,
        undone=(HOSTILE,),
    )
    where = environment(HOSTILE)
    run = replace(
        UNDECIDED,
        id=HOSTILE,
        notes=(HOSTILE,),
        findings=(latency(Verdict.FAIL, 0.4, 1, 5.2, 1.0, objective=HOSTILE, reason=HOSTILE),),
        evidence=Evidence(
            (
                attempt(
                    not_ready=HOSTILE, no_fail=(HOSTILE,), loads=(replace(load(kinds=((HOSTILE, 3),)), load=HOSTILE),)
                ),
            )
        ),
    )
    parts = (
        render.pull_request_title(change, where),
        render.commit_message(change, where),
        render.pull_request_body(change, where, run),
        render.status_description(run),
    )
    return "\n=====\n".join(parts) + "\n"


def _promotion() -> str:
    where = environment("staging")
    parts = (
        render.pull_request_title(PROMOTION, where),
        render.commit_message(PROMOTION, where),
        render.pull_request_body(PROMOTION, where, PASSED, source=environment("dev")),
        render.verdict_comment(replace(PASSED, id="7", notes=()), where),
        render.status_description(PASSED),
    )
    return "\n=====\n".join(parts) + "\n"


def _revert() -> str:
    where = environment("dev")
    parts = (
        render.pull_request_title(REVERT, where),
        render.commit_message(REVERT, where),
        render.pull_request_body(REVERT, where, FAILED),
        render.status_description(FAILED),
    )
    return "\n=====\n".join(parts) + "\n"


def _report() -> str:
    hold = Hold(HoldCause.VERDICT, "inconclusive after 2 extensions: more load, or `gitslo resume`", "gitslo", 1.0)
    state = EnvironmentState("hello", "dev", entry=9, run=UNDECIDED, hold=hold, change=PROMOTION, runs=5)
    return render.report(UNDECIDED, state, environment("dev", "deploy of/dev"))


def _issues() -> str:
    """Held by a verdict; taken back without a pull request; held without any run; and passing again."""
    where = environment("dev")
    hold = Hold(HoldCause.VERDICT, "run 4 (sync) failed: browse.errors < 1%", "gitslo", 1.0)
    states = (
        EnvironmentState("hello", "dev", entry=9, run=FAILED, hold=hold, runs=4),
        EnvironmentState("hello", "dev", entry=9, run=FAILED, runs=4),
        EnvironmentState("hello", "dev", entry=1, hold=replace(hold, reason=HOSTILE)),
        EnvironmentState("hello", "dev", entry=12, run=PASSED, runs=5),
    )
    return "\n=====\n".join([render.issue_title(where), *(render.issue_body(state, where) for state in states)]) + "\n"


CASES: dict[str, Callable[[], str]] = {
    "promotion.md": _promotion,
    "revert.md": _revert,
    "inconclusive-report.md": _report,
    "hostile.md": _hostile,
    "issues.md": _issues,
    "findings.txt": lambda: render.text_table(UNDECIDED.findings + FAILED.findings),
    "test-page.md": lambda: render.evidence_page(
        Verdict.PASS, PASSED.findings, PASSED.evidence, subject="dev/slo.yaml", notes=("continues evidence.json",)
    ),
}

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, make in CASES.items():
        (GOLDEN / name).write_text(make())
