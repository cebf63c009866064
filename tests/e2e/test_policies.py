"""The policies of gitslo.yaml that change how a change is made, each once through the whole loop."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.world import World, lines, until

DIRECT = """\
write:
  promotion: {mode: direct}
  revert: {mode: direct}
"""
RELEASE = """\
revert: release
write: {revert: {mode: pull-request, merge: auto}}
outcomes: {fail: {sync: {action: revert, run: note}}}
"""
SILENT = """\
write: {promotion: {mode: direct}}
outcomes: {pass: nothing}
"""
SUPERSEDE = """\
newer_commit: supersede
write: {promotion: {mode: pull-request, merge: auto}}
"""


def test_mode_direct_writes_to_the_branch_without_a_pull_request(tmp_path: Path) -> None:
    """`mode: direct`: promotions and reverts are commits on the branch, with trailers; no branch, no pull request."""
    with World(tmp_path, policy=DIRECT, only="checkout/*") as world:
        world.once()
        world.release("checkout/dev", "v2")
        assert 0 == world.once().code
        assert ("v2", "pass") == world.judged("checkout/prod")

        good = world.manifest("checkout/dev")
        world.release("checkout/dev", "bad1")
        assert 0 == world.once().code
        log = world.repository.git("log", "--format=%(trailers:key=Gitslo-Action,valueonly,separator=%x2C)", "main")
        heads = [ref for ref in world.repository.refs() if ref.startswith("refs/heads/")]
        shown = " ".join(world.gitslo("status").out.split())

        assert "It has no comments on commits: with `mode: direct` the statuses of commits are all" in shown
        assert good == world.manifest("checkout/dev")
        assert ["revert", "", "promote", "", ""] == log.decode().split("\n")[:5]
        assert ["refs/heads/main"] == heads
        assert [] == [ref for ref in world.repository.refs() if "pull" in ref]


def test_a_pass_that_moves_nothing_promotes_nothing(tmp_path: Path) -> None:
    """`outcomes: {pass: nothing}`: the pass is recorded, the next stage keeps what it has, and it is said why."""
    with World(tmp_path, policy=SILENT, only="checkout/*") as world:
        world.once()
        world.release("checkout/dev", "v2")
        said = world.once()

        assert (0, ("v2", "pass"), "v1") == (said.code, world.judged("checkout/dev"), world.tags()["checkout/prod"])
        assert "the pass of checkout/dev moves nothing, as `outcomes` says" in said.err


def test_revert_release_keeps_what_else_the_commit_changed(tmp_path: Path) -> None:
    """`revert: release` restores the promoted value alone; `outcomes.fail.run` gets the verdict, once."""
    with World(tmp_path, policy=RELEASE, only="checkout/dev") as world:
        world.once()
        world.release("checkout/dev", "bad1", extra="workingDir: /srv")
        said = world.once()
        manifest = world.manifest("checkout/dev").decode()

        assert ("v1", "pass") == world.judged("checkout/dev")
        assert "image: example/checkout:v1  # the release\n          workingDir: /srv" in manifest
        document, verdict, rest = (tmp_path / "notes").read_text().rpartition(" fail")
        told = json.loads(document)
        assert (0, " fail", "\n") == (said.code, verdict, rest)
        assert ("shop", "checkout/dev", "2") == (told["pipeline"], told["environment"], told["run"]["id"])
        assert "the command note has been run" in said.err
        assert "checkout/dev: fail in run 2 (sync) of example/checkout:bad1\n" in (tmp_path / "text").read_text()
        assert (tmp_path / "text").read_text() == world.gitslo("report", "checkout/dev#2", "--short").out


def test_a_newer_commit_supersedes_the_run_under_way(tmp_path: Path) -> None:
    """`newer_commit: supersede`: the run in flight ends without a verdict, and the newest is judged."""
    log = tmp_path / "serve.jsonl"
    with World(tmp_path, policy=SUPERSEDE, only="checkout/*") as world:
        world.once()
        slow = world.plan("checkout/dev", seconds=50, judged="40s")
        world.commit({"checkout/dev/slo.yaml": slow}, "Judge for longer")
        world.serve(log)
        until(lambda: any(line["event"] == "run.progress" for line in lines(log)) or _claimed(world), "a run begins")
        world.commit({"checkout/dev/slo.yaml": world.plan("checkout/dev")}, "Judge as before")
        world.release("checkout/dev", "v2")
        until(lambda: world.judged("checkout/prod") == ("v2", "pass"), "the newest goes through")

        assert ["run.superseded"] == sorted({str(e["event"]) for e in lines(log) if e["event"] == "run.superseded"})
        assert [] == [line for line in world.moves("checkout/dev") if line == "judge: run 2 (sync): pass"]


def _claimed(world: World) -> bool:
    return world.judged("checkout/dev") == ("v1", None)
