"""Promises that no single rule covers, through the whole loop on a real repository."""

from __future__ import annotations

import shutil

from gitslo.errors import Refused, Retry
from gitslo.model import Verdict
from tests.rules.shop import PLAN, Shop


def test_p5_a_broken_plan_stops_only_its_own_environment(tmp_path):
    """What one environment's author broke is said by its name; the others are judged as ever."""
    shop = Shop(tmp_path)
    shop.commit({"dev/slo.yaml": PLAN.replace("objectives", "objektives")}, "Break dev's plan")

    poll = shop.settle()

    dev = next(standing for standing in poll.standings if standing.environment == "dev")
    assert isinstance(dev.problem, Refused)
    assert "dev/slo.yaml" in str(dev.problem)
    assert (shop.state("dev").run, shop.state("prod").run.verdict) == (None, Verdict.PASS)


def test_p5_a_fault_of_our_own_stops_only_its_own_environment(tmp_path):
    """Whatever a step raises in one environment, the next one has its turn, and the poll ends."""
    shop = Shop(tmp_path)
    report = shop.syncer.report

    def broken_for_dev(environment, expected):
        if environment.name == "dev":
            raise ZeroDivisionError
        return report(environment, expected)

    shop.syncer.report = broken_for_dev
    shop.settle()

    assert (shop.state("dev").run, shop.state("prod").run.verdict) == (None, Verdict.PASS)


def test_p5_a_broken_pipeline_leaves_the_last_valid_one_in_force(tmp_path):
    """A broken gitslo.yaml is reported, and what runs goes on being judged by the last one that could be read."""
    shop = Shop(tmp_path)
    shop.settle()

    shop.commit({"gitslo.yaml": "schema: gitslo/v1\nname: [\n"}, "Break the pipeline")
    shop.release("v2")
    shop.settle()

    reported = [event for event in shop.journal.events if event.name == "error.refused"]
    assert (shop.tag("prod"), len(reported), "gitslo.yaml" in reported[0].message) == ("v2", 1, True)


def test_p8_losing_the_clone_between_two_polls_loses_nothing(tmp_path):
    """The clone is a cache: deleted in the middle of a promotion it is made again."""
    shop = Shop(tmp_path)
    shop.settle()
    shop.release("v2")
    for _ in range(60):
        shop.controller.poll()
        shutil.rmtree(tmp_path / "daemon", ignore_errors=True)
        shop.clock.advance(2.0)
        if shop.tag("prod") == "v2":
            break
        shop.woken.wait(0.05)

    shop.settle()
    assert (shop.tag("prod"), shop.state("prod").run.verdict, shop.state("prod").changes) == ("v2", Verdict.PASS, 1)


def test_p9_after_a_fault_the_next_polls_go_on(tmp_path):
    """While the remote or the syncer is away nothing is decided; when they are back, a few polls end every run."""
    shop = Shop(tmp_path)
    shop.settle()
    shop.release("v2")
    shop.syncer.fake.go_away()
    away = shop.controller.poll()
    hidden = shop.bare.rename(tmp_path / "hidden.git")
    gone = shop.controller.poll()

    hidden.rename(shop.bare)
    shop.syncer.fake.come_back()
    shop.clock.advance(60.0)
    shop.settle()

    assert isinstance(away.standings[0].problem, Retry)
    assert gone.problem is not None
    assert (shop.tag("prod"), shop.state("prod").run.verdict) == ("v2", Verdict.PASS)
