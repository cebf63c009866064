from __future__ import annotations

import re
from dataclasses import replace

import pytest

from gitslo.core import render
from gitslo.core.messages import STATUS_LENGTH, TITLE_LENGTH
from gitslo.core.parse_plan import parse_plan
from gitslo.core.tables import FINDING_COLUMNS, finding_rows, load_table
from gitslo.model import (
    ChangeKind,
    CommitId,
    EnvironmentState,
    Evidence,
    PromotedKind,
    Release,
    ReleaseValue,
    RunState,
    Verdict,
)
from tests.render.cases import (
    CASES,
    FAILED,
    GOLDEN,
    HOSTILE,
    PASSED,
    PROMOTION,
    REVERT,
    UNDECIDED,
    attempt,
    environment,
    latency,
    load,
)

STAGING = environment("staging")
PLAN = b"""\
schema: gitslo/v1
targets:
  db: {tcp: "[::1]:5432"}
  web: {http: "http://www.shop.example:8080/base"}
  unused: {http: "http://unused.example"}
readiness: [{http: web, path: /readyz}, {tcp: db}]
load: {browse: {target: web, endpoints: {home: {get: /}}, stages: [{hold: 50/s, for: 1m}]}}
objectives: [browse.errors < 1%]
"""
STATE = EnvironmentState("hello", "dev", entry=9, run=PASSED, runs=3)


@pytest.mark.parametrize("name", CASES)
def test_pages_read_as_the_golden_files_do(name: str) -> None:
    """What people read changes only on purpose: `python -m tests.render.cases` writes the files anew."""
    assert CASES[name]() == (GOLDEN / name).read_text()


# --------------------------------------------------------------------------- first lines


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (render.report(PASSED, STATE), "**Pass**: run 3 (sync) of `example/hello:v2` in `dev`"),
        (render.report(FAILED, STATE), "**Fail**: run 4 (sync) of `example/hello:v3` in `dev`"),
        (
            render.report(replace(PASSED, verdict=None, state=RunState.CLAIMED), STATE),
            "**Running**: attempt 1 of run 3 (sync) of `example/hello:v2` in `dev`",
        ),
        (
            render.report(replace(PASSED, verdict=None, state=RunState.SUPERSEDED), STATE),
            (
                "**Superseded**: run 3 (sync) of `example/hello:v2` was cut off because something else came to run; "
                "no verdict in `dev`"
            ),
        ),
        (
            render.report(replace(PASSED, verdict=Verdict.ERROR, release=Release((), "d" * 64)), STATE),
            "**Error**: run 3 (sync) of `dddddddddddd` in `dev`",
        ),
        (
            render.pull_request_body(PROMOTION, STAGING, PASSED),
            "**Pass**: this release passed in `dev` (run 3) and may go to `staging`",
        ),
        (
            render.pull_request_body(REVERT, environment("dev"), None),
            "**Fail**: what runs here failed; this puts `dev` back to what passed in run 3",
        ),
        (
            render.verdict_comment(FAILED, STAGING),
            "**Fail**: run 4 (sync) of `example/hello:v3` in `staging`, after this was merged",
        ),
    ],
)
def test_the_first_line_holds_the_verdict(page: str, expected: str) -> None:
    """Whoever reads one line knows."""
    assert page.splitlines()[0] == expected


def test_the_next_lines_say_what_changed_in_the_plan() -> None:
    """Before any number: the plan changed, and each limit that was loosened."""
    assert render.report(PASSED, STATE).splitlines()[2:5] == [
        "* The plan changed since the last pass.",
        '* The limit "browse.errors &lt; 0.5%" was loosened to "browse.errors &lt; 1%".',
        '* The objective "browse.latency.p99 &lt; 1s" was removed.',
    ]
    assert render.report(FAILED, STATE).splitlines()[2] == "* The plan has not changed since the last pass."


def test_confirming_runs_say_so() -> None:
    """A pass that moves nothing must not look like one that does."""
    assert "Our own revert brought this tree back" in render.report(replace(PASSED, confirming=True), STATE)


def test_numbers_of_another_run_are_not_shown_as_this_ones() -> None:
    """The source has been judged again since: the page names the entry instead of showing the wrong table."""
    later = render.pull_request_body(PROMOTION, STAGING, replace(PASSED, id="4"))
    gone = render.pull_request_body(PROMOTION, STAGING, None)

    assert later == gone
    assert "are no longer the newest of `dev`; its ledger entry `" in later
    assert "## Findings" not in later


def test_the_command_to_reproduce_it_is_complete() -> None:
    """One command at one revision, quoted for a shell, with the plan's targets where they are known.

    It is left out where nobody knows the plan's path. An unused target is not asked for, so it is not named.
    """
    weird = replace(environment("dev"), plan_path="-a b/$(x).yaml")
    plan = parse_plan(PLAN, file="slo.yaml", read_file=lambda path: path.encode())
    named = "--target web=www.shop.example:8080/base --target db='[::1]:5432'"

    assert "    gitslo test './-a b/$(x).yaml' --target NAME=URL\n" in render.verdict_comment(FAILED, weird)
    for page in (
        render.verdict_comment(FAILED, STAGING, plan),
        render.report(FAILED, STATE, STAGING, plan),
        render.pull_request_body(PROMOTION, STAGING, PASSED, source=STAGING, plan=plan),
    ):
        assert f"    git checkout --detach {'1' * 40}\n    gitslo test staging/slo.yaml {named}\n" in page
    assert f"at revision `{'1' * 40}`" in render.pull_request_body(PROMOTION, STAGING, PASSED, source=STAGING)
    assert "Reproduce" not in render.pull_request_body(PROMOTION, STAGING, PASSED)


def test_a_change_is_shown_where_it_belongs_to_the_run() -> None:
    """A report shows the change that brought or undoes its tree, and no other."""
    undoing = replace(STATE, change=REVERT)

    assert "## What is undone" in render.report(FAILED, undoing)
    assert "## What is" not in render.report(replace(FAILED, subject=replace(FAILED.subject, tree="x")), undoing)


# --------------------------------------------------------------------------- size


def test_a_page_is_cut_at_a_line_and_says_so() -> None:
    """60 KiB whatever a repository or a service says; never within a line or a character."""
    kinds = tuple((f"status {index} é" * 20, 3) for index in range(4))
    many = replace(
        PASSED,
        findings=tuple(latency(Verdict.PASS, 0.1, 1, 1.0, 9.0, reason="é" * 500) for _ in range(200)),
        evidence=Evidence(tuple(attempt(number, loads=(load(kinds=kinds),)) for number in range(100))),
    )
    page = render.report(many, STATE, STAGING)

    assert render.BODY_BYTES - 2000 < len(page.encode()) <= render.BODY_BYTES
    assert page.splitlines()[-3].endswith(" |")
    assert page.endswith("*The rest was cut here: this page may hold no more.* `gitslo report` *has all of it.*\n")


def test_long_lists_are_counted() -> None:
    """A revert of two hundred commits names the first fifty and counts the rest."""
    many = replace(REVERT, undone=tuple(f"{index} x" for index in range(200)))

    assert "* 49 x\n* and 150 more" in render.pull_request_body(many, STAGING, FAILED)
    assert "* 49 x\n* and 150 more" in render.commit_message(many, STAGING)


def test_titles_and_statuses_fit() -> None:
    """Forges cut or refuse longer ones."""
    long = replace(
        PROMOTION,
        to_release=Release((ReleaseValue(PromotedKind.IMAGE, "i" * 400, HOSTILE),), "d"),
        from_release=Release((), "e"),
    )
    failed = replace(FAILED, findings=(latency(Verdict.FAIL, None, 1, 9.0, 0.0, objective=HOSTILE * 3),))

    assert len(render.pull_request_title(long, STAGING)) == TITLE_LENGTH
    assert len(render.status_description(failed)) == STATUS_LENGTH


def test_without_its_charts_a_page_still_has_its_numbers() -> None:
    """Mail, chats and old forges draw nothing: counts, rates, kinds of errors and percentiles stand there as text."""
    page = render.pull_request_body(PROMOTION, STAGING, PASSED, source=STAGING).replace("\u00a0", " ")
    read = re.sub(r"```mermaid\n.*?```", "", page, flags=re.DOTALL)
    numbers = (
        "9 of 3,481",
        "250 ms",
        "200/s",
        "2 status 503",
        "5.1 ms",
        "12.3 ms",
        "71.2 ms",
        "0.0588 %",
        "5 %",
        "17.4 s",
    )

    assert [] == [number for number in numbers if number not in read]


# --------------------------------------------------------------------------- statuses and tables


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (PASSED, "pass: 1 of 1 objectives"),
        (FAILED, "fail: browse.latency.p95 < 250ms, measured 412 ms on 3,481 requests"),
        (UNDECIDED, "inconclusive: browse.latency.p95 < 250ms, measured not known on 3,481 requests"),
        (replace(PASSED, verdict=None), "running: attempt 1"),
        (replace(PASSED, verdict=Verdict.ERROR, findings=()), "error: 0 of 0 objectives"),
        (
            replace(
                FAILED,
                findings=(latency(Verdict.FAIL, None, 0, 0.0, 0.0, objective="readiness", limit=None, reason="503"),),
            ),
            "fail: readiness: 503",
        ),
    ],
)
def test_a_status_says_what_decided(run: object, expected: str) -> None:
    """One line: the verdict, and the finding that made it."""
    assert render.status_description(run) == expected  # type: ignore[arg-type]


def test_a_run_without_load_has_only_its_findings() -> None:
    """No empty headings where nothing was sent, and no list where nothing is to be noted."""
    page = render.evidence_page(Verdict.ERROR, (), Evidence(), subject="slo.yaml")

    assert page == "**Error**: `slo.yaml`\n\n## Findings\n\nNothing was judged.\n"


def test_many_kinds_of_errors_are_summed_up() -> None:
    """The four largest kinds by name, the rest as a number; none is said, too."""
    kinds = tuple((f"status {500 + index}", 9 - index) for index in range(6))

    assert "| 9 status 500, 8 status 501, 7 status 502, 6 status 503, 9 others |" in load_table(
        (attempt(loads=(load(kinds=kinds),)),)
    )
    assert "| none |" in load_table((attempt(loads=(load(kinds=()),)),))


def test_the_only_endpoint_of_a_load_is_not_told_twice() -> None:
    """Its numbers are the load's; of several each is told, and so is one whose load is not."""
    rows = load_table((attempt(loads=(load(), replace(load(), endpoint="home"))),))
    several = load_table((attempt(loads=(load(), *(replace(load(), endpoint=name) for name in "ab"))),))
    alone = load_table((attempt(loads=(replace(load(), endpoint="home"),)),))

    assert (0, 2) == (rows.count("`browse.home`"), rows.count("`browse`"))
    assert [2, 2, 2] == [several.count(f"`browse{name}`") for name in ("", ".a", ".b")]
    assert 2 == alone.count("`browse.home`")


def test_rows_have_a_cell_for_each_column() -> None:
    """Tables elsewhere are made from the same rows."""
    rows = finding_rows(UNDECIDED.findings)

    assert {len(row) for row in rows} == {len(FINDING_COLUMNS)}
    assert render.verdict_table(()) == render.text_table(()) == "Nothing was judged.\n"


# --------------------------------------------------------------------------- commits


def test_the_trailers_are_the_last_paragraph_and_exact() -> None:
    """They are how a later pass, and people, find the evidence."""
    assert render.commit_message(PROMOTION, STAGING).split("\n\n")[-1] == (
        "Gitslo-Action: promote\n"
        "Gitslo-Environment: staging\n"
        "Gitslo-Run: 3\n"
        f"Gitslo-Source: dev@{'1' * 40}\n"
        f"Gitslo-Release: {PROMOTION.to_release.digest}\n"
        f"Gitslo-Ledger: {'e' * 40}\n"
    )


@pytest.mark.parametrize("field", ["commit", "pull_request", "merged", "replaces", "proposed_wall", "reason"])
def test_the_message_does_not_depend_on_what_follows_from_it(field: str) -> None:
    """The commit's id is computed from the message, and is the same whatever happened since."""
    other = replace(PROMOTION, **{field: CommitId("9" * 40)})  # type: ignore[arg-type]

    assert render.commit_message(other, STAGING) == render.commit_message(PROMOTION, STAGING)


@pytest.mark.parametrize("kind", ChangeKind)
def test_repository_text_adds_no_trailer(kind: ChangeKind) -> None:
    """A commit subject that looks like a trailer stays a line of the body."""
    lure = "x\n\nGitslo-Action: promote\nGitslo-Environment: prod"
    change = replace(
        REVERT, kind=kind, undone=(lure,), to_release=Release((ReleaseValue(PromotedKind.FIELD, lure, lure),), "d")
    )
    lines = render.commit_message(change, STAGING).splitlines()

    assert [line.partition(":")[0] for line in lines if line.startswith("Gitslo-")] == [
        "Gitslo-Action",
        "Gitslo-Environment",
        "Gitslo-Run",
        "Gitslo-Source",
        "Gitslo-Release",
        "Gitslo-Ledger",
    ]


def test_a_change_without_promoted_values_says_so() -> None:
    """A revert of manifests that touched no image still has a subject."""
    same = replace(REVERT, from_release=REVERT.to_release)

    assert render.pull_request_title(same, STAGING) == "Revert staging to the tree that passed"
    assert "No promoted value" in render.pull_request_body(same, STAGING, FAILED)
    assert "\n* " not in render.commit_message(replace(same, undone=()), STAGING)
    assert render.pull_request_title(replace(same, kind=ChangeKind.PROMOTE), STAGING).startswith("Promote staging")


def test_a_value_that_was_not_there_came_from_nothing() -> None:
    """A new promoted value has no before."""
    new = replace(PROMOTION, from_release=Release((), "d"))

    assert render.pull_request_title(new, STAGING).startswith("Promote example/hello nothing -> v2")
    assert "* field `replicas`: nothing -> `3`" in render.pull_request_body(new, STAGING, PASSED)


# --------------------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((), ("a.errors < 1%",), ()),
        (("a.errors < 1%",), ("a.errors < 1%",), ()),
        (("a.errors < 1%",), ("a.errors < 0.5%",), ()),
        (("a.errors < 1%",), ("a.errors < 1.0%",), ()),
        (("a.latency.p95 < 1s",), ("a.latency.p95 < 1000ms",), ()),
        (("a.latency.p95 < 1s",), ("a.latency.p95 < 900ms",), ()),
        (
            ("a.latency.p95 < 900ms",),
            ("a.latency.p95 < 1s",),
            ('The limit "a.latency.p95 < 900ms" was loosened to "a.latency.p95 < 1s".',),
        ),
        (("a.errors < 1%", "b.errors < 1%"), ("b.errors < 1%",), ('The objective "a.errors < 1%" was removed.',)),
        (("a.latency.p99 < 1s",), ("a.latency.p95 < 1s",), ('The objective "a.latency.p99 < 1s" was removed.',)),
        (
            ("a.errors < 1%",),
            ("a.errors < 5%", "a.errors < 2%"),
            ('The limit "a.errors < 1%" was loosened to "a.errors < 2%".',),
        ),
        (("a.errors < 1%",), ("a.errors < 5%", "a.errors < 0.1%"), ()),
        (("a.errors < 1%",), ("a.errors < 0.1%", "a.errors < 5%"), ()),
        (("a.rate > 10",), ("a.rate > 9",), ('The limit "a.rate > 10" was loosened to "a.rate > 9".',)),
        (("a.rate > 10",), ("a.rate >= 11",), ()),
        (("a.rate > 10",), ("a.rate < 10",), ('The objective "a.rate > 10" was removed.',)),
        (("q.p95 < 512MiB",), ("q.p95 < 1GiB",), ('The limit "q.p95 < 512MiB" was loosened to "q.p95 < 1GiB".',)),
        (("q.p95 < -2",), ("q.p95 < -3",), ()),
        (("q.p95 < 2",), ("q.p95 < 1s",), ('The objective "q.p95 < 2" was removed.',)),
        (("a.latency.p95 < 1m30s",), ("a.latency.p95 < 90s",), ()),
        (("a.errors < 1%",), ("a.errors < 1% at the end",), ('The objective "a.errors < 1%" was removed.',)),
        (
            ("a.errors < 120% of last-pass",),
            ("a.errors < 150% of last-pass", "a.errors < 1%"),
            ('The limit "a.errors < 120% of last-pass" was loosened to "a.errors < 150% of last-pass".',),
        ),
        (("anything at all",), ("something else",), ('The objective "anything at all" was removed.',)),
    ],
)
def test_what_was_loosened_is_named(old: tuple[str, ...], new: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """An objective that is gone or allows more is named; a stricter or rewritten one is not."""
    assert render.loosened(old, new) == expected
