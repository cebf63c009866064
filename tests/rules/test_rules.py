"""The twelve rules of promotion and revert, each through the whole loop on a real repository."""

from __future__ import annotations

import threading

import pytest

from gitslo.core.render import report
from gitslo.errors import Retry
from gitslo.loop import person
from gitslo.model import ChangeState, CommitId, RunState, Verdict
from gitslo.ports import PullRequestState, RefUpdate
from gitslo.testing.fake_load import Script
from tests.rules.shop import MANIFEST, PLAN, Shop


@pytest.fixture
def shop(tmp_path):
    """A shop in which v1 has passed everywhere."""
    made = Shop(tmp_path)
    made.settle()
    return made


def test_rule_1_not_synced_waits_and_an_unreachable_syncer_is_no_verdict(tmp_path):
    """Not synced: wait. Unreachable before the claim: retry, no verdict, nothing written."""
    shop = Shop(tmp_path)
    shop.syncer.follows = False
    waiting = shop.controller.poll()

    shop.syncer.fake.go_away()
    away = shop.controller.poll()

    assert [standing.stay.syncing for standing in waiting.standings] == [True, True]
    assert [type(standing.problem) for standing in away.standings] == [Retry, Retry]
    assert shop.git("for-each-ref", "refs/gitslo") == ""


def test_rule_1_applied_but_failing_to_roll_out_is_a_fail(shop):
    """Image pull, crash loop, progress deadline: fail, finding `readiness`, with the last reason; reverted."""
    shop.syncer.failing = "hello: exited with 1: no such file"
    shop.release("v2")
    shop.controller.poll()
    shop.woken.wait(10)
    shop.controller.poll()

    run = shop.state("dev").run
    assert (run.verdict, run.findings[0].objective, run.findings[0].reason) == (
        Verdict.FAIL,
        "readiness",
        "hello: exited with 1: no such file",
    )


def test_rule_2_only_the_bytes_that_change_change(shop):
    """A promotion moves the tag: comments, quoting and spacing of the target's manifest survive."""
    shop.release("v2")
    shop.settle()

    assert shop.git("show", "main:prod/app.yaml") == MANIFEST.format(stage="prod", tag="v2").strip()


def test_rule_3_a_revert_restores_exactly_the_passing_tree_and_leaves_the_plan(shop):
    """A new commit on HEAD, never a force push; the plan that came with the failing tree stays."""
    passed = shop.state("dev").last_pass
    shop.commit(
        {
            "dev/app.yaml": MANIFEST.format(stage="dev", tag="bad2"),
            "dev/extra.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: extra}\n",
            "dev/slo.yaml": PLAN.replace("LIMIT", "5%"),
        },
        "Release bad2",
    )
    before = shop.git("rev-parse", "main")
    shop.settle()

    assert shop.tag("dev") == "v1"
    assert shop.state("dev").run.subject.tree == passed.subject.tree
    assert "5%" in shop.git("show", "main:dev/slo.yaml")
    assert shop.git("merge-base", before, "main") == before


def test_rule_4_a_rejected_tree_written_again_is_held_and_the_committer_named(shop):
    """No test and no second revert."""
    shop.release("bad2")
    shop.settle()
    runs = shop.state("dev").runs

    shop.release("bad2")
    shop.settle()

    state = shop.state("dev")
    assert (state.runs, state.hold is not None and "Ann <ann@example.com>" in state.hold.reason) == (runs, True)


def test_rule_5_a_withdrawn_pass_withdraws_the_promotions_that_rest_on_it(tmp_path):
    """Two failing revalidations: the pass is withdrawn, dev held, prod's open promotion closed with the reason."""
    shop = Shop(tmp_path, prod_merge="manual")
    shop.settle()
    shop.release("v2")
    shop.settle()
    proposed = shop.state("prod").change

    shop.engine.drifted = {"dev"}
    person.revalidate(shop.controller.sight, "dev", by="ann", wall=1.0)
    shop.settle()

    dev, prod = shop.state("dev"), shop.state("prod")
    pull = shop.controller._forge.find(proposed.branch)[0]
    assert (dev.last_pass.withdrawn, dev.hold is not None, shop.tag("dev")) == (True, True, "v2")
    assert (prod.change.state, prod.change.reason) == (ChangeState.WITHDRAWN, "the pass of dev was withdrawn")
    assert (pull.state, pull.closed_by_us) == (PullRequestState.CLOSED, True)


def test_rule_6_our_commits_carry_their_trailers_and_cause_no_second_change(shop):
    """A bot's commit is verified like any other, and never causes a second identical change."""
    shop.release("v2")
    shop.settle()
    commits = shop.bot_commits()
    shop.clock.advance(60)
    shop.settle()

    trailers = dict(
        line.split(": ", 1) for line in shop.git("show", "-s", "--format=%(trailers:only)", commits[0]).splitlines()
    )
    assert commits == shop.bot_commits()
    assert sorted(trailers) == [
        "Gitslo-Action",
        "Gitslo-Environment",
        "Gitslo-Ledger",
        "Gitslo-Release",
        "Gitslo-Run",
        "Gitslo-Source",
    ]
    assert (trailers["Gitslo-Action"], trailers["Gitslo-Environment"]) == ("promote", "prod")
    assert trailers["Gitslo-Release"] == shop.state("dev").last_pass.release.digest
    assert shop.state("prod").run.verdict is Verdict.PASS


def test_rule_7_a_foreign_commit_on_our_branch_stops_automatic_merging(tmp_path):
    """It stays open with one comment, is never merged by us, and never overwritten."""
    shop = Shop(tmp_path, prod_merge="manual")
    shop.settle()
    shop.release("v2")
    shop.settle()
    branch = f"refs/heads/{shop.state('prod').change.branch}"
    shop.person.fetch(shop.person.list_refs())
    ours = CommitId(shop.git("rev-parse", branch))
    foreign = shop.person.commit([ours], ours, {"prod/note.yaml": b"# by hand\n"}, "By hand\n", 5.0)
    shop.person.swap([RefUpdate(branch, ours, foreign)])

    pipeline = shop.git("show", "main:gitslo.yaml")
    shop.commit({"gitslo.yaml": pipeline.replace("merge: manual", "merge: auto") + "\n"}, "Merge by itself")
    shop.settle()
    shop.clock.advance(60)
    shop.settle()

    record = shop.controller._forge.pull(1)
    assert (shop.git("rev-parse", branch), shop.tag("prod")) == (foreign, "v1")
    assert (record.state, len(record.comments)) == (PullRequestState.OPEN, 1)


@pytest.mark.parametrize(("newer", "first"), [("finish", RunState.JUDGED), ("supersede", RunState.SUPERSEDED)])
def test_rule_8_a_newer_commit_finishes_or_supersedes_the_run_in_flight(tmp_path, newer, first):
    """`finish` lets the run end while its tree still runs, then tests the latest; `supersede` cuts it off."""
    shop = Shop(tmp_path, newer=newer)
    shop.engine.gate = threading.Event()
    shop.controller.poll()
    shop.engine.began.wait(10)
    shop.syncer.follows = False

    shop.release("v2")
    shop.controller.poll()
    shop.engine.gate.set()
    shop.woken.wait(10)
    shop.controller.poll()
    run = shop.state("dev").run
    shop.syncer.follows = True
    shop.settle()

    assert (run.id, run.state) == ("1", first)
    assert (shop.state("dev").run.id, shop.state("dev").run.verdict) == ("2", Verdict.PASS)


class Racing:
    """A repository before every swap of which somebody else is faster on the branch, three times."""

    def __init__(self, inner, shop):
        self._inner, self._shop, self.left = inner, shop, 3

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def swap(self, updates):
        """Commit something else first."""
        if self.left and any(update.ref == "refs/heads/main" for update in updates):
            self.left -= 1
            self._shop.commit({f"notes/{self.left}.txt": "a person's\n"}, f"Note {self.left}")
        self._inner.swap(updates)


def test_rule_9_a_rejected_push_is_tried_again_on_what_is_there(shop):
    """Nobody else's commit is overwritten: fetch, compute again, swap again."""
    shop.through(lambda repository: Racing(repository, shop))
    shop.release("v2")
    shop.settle()

    notes = shop.git("ls-tree", "--name-only", "main:notes").split()
    assert (notes, shop.tag("prod"), len(shop.bot_commits())) == (["0.txt", "1.txt", "2.txt"], "v2", 1)


@pytest.mark.parametrize(
    "script",
    [
        Script(no_pass=("only 40 % of the planned rate was sent",)),
        Script(no_pass=("0 requests were judged",), no_fail=("0 requests were judged",)),
        Script(bad=lambda _: 0.09),
    ],
    ids=["under-delivery", "no requests", "too close to the limit"],
)
def test_rule_10_missing_data_never_passes(tmp_path, script):
    """Inconclusive extends the run with the same evidence and then holds; it neither promotes nor reverts."""
    shop = Shop(tmp_path)
    shop.engine.script = script
    shop.settle()

    run = shop.state("dev").run
    assert (run.verdict, run.extensions, len(run.evidence.attempts)) == (Verdict.INCONCLUSIVE, 2, 3)
    assert (shop.state("dev").last_pass, shop.state("dev").hold is not None, shop.bot_commits()) == (None, True, [])


def test_rule_11_writes_stay_inside_one_folder(shop):
    """Every commit of ours touches files of its own environment only."""
    shop.release("v2")
    shop.settle()
    shop.release("bad3")
    shop.settle()

    touched = [
        {path.split("/")[0] for path in shop.git("show", "--name-only", "--format=", commit).split()}
        for commit in shop.bot_commits()
    ]
    assert touched == [{"prod"}, {"dev"}]


def test_rule_12_the_report_says_when_the_plan_was_loosened(shop):
    """The report's first lines say that the plan changed since the last pass, and which limits were loosened."""
    shop.plan("20%")
    shop.release("v2")
    shop.settle()

    state = shop.state("dev")
    lines = report(state.run, state).splitlines()[:6]
    assert "**Pass**" in lines[0]
    assert any("plan changed since the last pass" in line for line in lines)
    assert any("10%" in line and "20%" in line for line in lines)


def test_a_fix_that_lands_while_its_predecessor_fails_is_not_reverted(shop):
    """The failing tree still runs when the verdict falls, but is no longer at HEAD: no revert, the fix is tested."""
    shop.engine.began.clear()
    shop.engine.gate = threading.Event()
    shop.release("bad2")
    shop.controller.poll()
    shop.engine.began.wait(10)
    shop.syncer.follows = False
    shop.release("v3")
    shop.engine.gate.set()
    shop.woken.wait(10)
    shop.controller.poll()
    failed = shop.state("dev")
    shop.syncer.follows = True
    shop.settle()

    assert (failed.run.verdict, failed.change) == (Verdict.FAIL, None)
    assert (shop.tag("dev"), shop.tag("prod"), shop.state("dev").change) == ("v3", "v3", None)
