"""A person's say at the command line: hold, resume, revalidate, and the pull requests that wait for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import Said, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The shop, v1 proven in both stages of checkout."""
    with World(tmp_path, only="checkout/*") as made:
        assert 0 == made.once().code
        yield made


def test_a_persons_hold_stops_one_environment_and_resume_goes_on(world: World) -> None:
    """While held nothing is claimed there; the standing pass stays a source; resume judges what came meanwhile."""
    assert 0 == world.gitslo("hold", "checkout/prod", "--reason", "freeze until Monday", "--by", "ann").code
    world.release("checkout/dev", "v2")
    held = world.once()

    assert 1 == held.code
    assert ("v2", "pass") == world.judged("checkout/dev")
    assert ["claim: run 1 (sync), attempt 1, of checkout:v1", "judge: run 1 (sync): pass"] == world.moves(
        "checkout/prod"
    )[:2]
    assert "hold: held by ann: freeze until Monday" == world.moves("checkout/prod")[-1]
    assert "freeze until Monday" == world.stands()["checkout/prod"]["reason"]

    again = world.gitslo("hold", "checkout/prod", "--reason", "again")
    assert (2, "checkout/prod is held already: freeze until Monday (`gitslo resume` lifts it)\n") == (
        again.code,
        again.err,
    )
    world.gitslo("hold", "checkout/dev", "--reason", "look at it", "--by", "ann")
    resumed = world.gitslo("resume", "checkout/prod")
    assert (0, "checkout/prod goes on\n") == (resumed.code, resumed.out)
    assert 1 == world.once().code  # dev is still held, and its pass still a source
    assert ("v2", "pass") == world.judged("checkout/prod")


def test_after_a_fail_resume_asks_for_fresh_evidence(tmp_path: Path) -> None:
    """What failed stays failed on its evidence: without --fresh resume is refused; with it the report says so."""
    with World(tmp_path, only="checkout/dev") as world:
        world.drifted.add("checkout/dev")
        assert 1 == world.once().code
        assert ("v1", "fail") == world.judged("checkout/dev")
        refused = world.gitslo("resume", "checkout/dev")
        world.drifted.clear()
        assert 1 == world.once().code
        lifted = world.gitslo("resume", "checkout/dev", "--fresh", "--by", "ann")
        assert 0 == world.once().code
        stands = world.stands()["checkout/dev"]
        report = world.gitslo("report", "checkout/dev").out

        assert 2 == refused.code
        assert "checkout/dev failed, and what failed stays failed on its evidence" in refused.err
        assert "`gitslo resume checkout/dev --fresh`" in refused.err
        assert (0, "checkout/dev goes on, on fresh evidence\n") == (lifted.code, lifted.out)
        assert ("pass", "manual", False) == (stands["verdict"], stands["cause"], stands["held"])
        assert "Asked for by ann, on fresh evidence" in report


def test_two_failing_revalidations_withdraw_the_pass(world: World) -> None:
    """`revalidate` judges at once; one fail is confirmed at once; the second withdraws the pass and holds."""
    assert 0 == world.gitslo("revalidate", "checkout/prod").code
    assert 0 == world.once().code
    assert "revalidation" == world.stands()["checkout/prod"]["cause"]

    before = world.repository.tip()
    world.drifted.add("checkout/prod")
    assert 0 == world.gitslo("revalidate", "checkout/prod").code
    assert 1 == world.once().code
    stands = world.stands()["checkout/prod"]

    assert ("fail", True) == (stands["verdict"], stands["held"])
    assert ["judge: run 3 (revalidation): fail", "judge: run 4 (revalidation): fail"] == [
        move for move in world.moves("checkout/prod") if "fail" in move
    ]
    assert before == world.repository.tip()  # what drifted is not the commit
    refused = world.gitslo("revalidate", "checkout/prod")
    assert (2, True) == (refused.code, "`gitslo resume checkout/prod`" in refused.err)
    assert 2 == world.gitslo("resume", "checkout/prod").code


def test_resume_and_revalidate_refuse_what_makes_no_sense(tmp_path: Path) -> None:
    """Nothing to lift, nothing to revalidate: one line, with what to do instead."""
    with World(tmp_path) as world:
        early = world.gitslo("revalidate", "checkout/dev")
        idle = world.gitslo("resume", "checkout/dev")

        assert (2, "checkout/dev has not passed yet, so there is nothing to revalidate\n") == (early.code, early.err)
        assert (2, "checkout/dev is not held (`gitslo revalidate checkout/dev` judges it again)\n") == (
            idle.code,
            idle.err,
        )


def test_pull_requests_wait_for_a_person(tmp_path: Path) -> None:
    """`merge: manual`: what a person closes is rejected there and not offered again; what a person merges is proven."""
    with World(tmp_path, policy="", only="checkout/*") as world:

        def pulls(*arguments: str) -> Said:
            return world.gitslo("pulls", *arguments, "--repository", world.repository.url, config=False)

        world.once()
        world.release("checkout/dev", "v2")
        waits = world.once()
        proposed = world.stands()["checkout/prod"]["reason"]
        assert 0 == pulls("close", "1", "--by", "ann", "--reason", "not before Monday").code
        world.release("checkout/dev", "v3")
        assert 0 == world.once().code
        listed = pulls("list", "--all")
        shown = pulls("show", "2")
        assert 0 == pulls("merge", "2", "--by", "ann").code
        assert 0 == world.once().code

        assert 0 == waits.code
        assert "pull request 1 (promote checkout:v1 -> checkout:v2) waits for a person's merge" in waits.out
        assert "promote to example/checkout:v2 is proposed on gitslo/shop/checkout/prod/promote" == proposed
        assert "reject: pull request 1 was closed unmerged by ann" in world.moves("checkout/prod")
        assert [["2", "open"], ["1", "closed"]] == [line.split()[:2] for line in listed.out.splitlines()[1:]]
        assert "**Pass**: this release passed in `checkout/dev` (run 3) and may go to `checkout/prod`" in shown.out
        assert ("v3", "pass") == world.judged("checkout/prod")
