"""Metrics through the whole loop: what a daemon asks, what follows, and what the ledger can tell again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gitslo.core.parse_plan import parse_plan
from gitslo.core.rejudge import judged_again
from gitslo.errors import Retry
from gitslo.loop.observe import PATIENCE, takeover_after
from gitslo.model import Seconds, Verdict
from gitslo.ports import MetricAnswer, MetricQuestion
from tests.rules.shop import Shop
from tests.run.scripted_metrics import Scripted, counts, each

PLAN = """\
schema: gitslo/v1
metrics:
  orders: {source: prom, ratio: {bad: 'bad_total{env="${environment}"}', total: orders_total}}
objectives:
  - orders < 1%
judge: {min_duration: 60s, max_duration: 300s}
"""


def shop_of(folder: Path, source: Scripted) -> Shop:
    """A shop whose dev has no load, and a source that answers at once."""
    shop = Shop(folder)
    shop.sources["prom"] = source
    shop.commit({"dev/slo.yaml": PLAN}, "Own traffic")
    return shop


def test_own_traffic_is_judged_and_kept(tmp_path: Path) -> None:
    """A pass by windows of metrics; the variables are the run's, and the verdict follows from the ledger alone."""
    source = Scripted(each(lambda _: counts(500, 0)))
    shop = shop_of(tmp_path, source)
    shop.settle()
    run = shop.state("dev").run
    assert run is not None

    assert run.verdict is Verdict.PASS
    assert source.questions[0].variables == {"environment": "dev", "stage": "dev", "revision": run.revision}
    assert all(question.section.name == "orders" for question in source.questions)
    again = judged_again(parse_plan(PLAN.encode(), file="slo.yaml", read_file=lambda _: b""), run.evidence)
    assert again is not None
    assert (again.verdict, again.findings) == (run.verdict, run.findings)


def test_a_release_that_only_its_metric_sees_is_reverted(tmp_path: Path) -> None:
    """The same consequences as of any fail."""
    source = Scripted(each(lambda _: counts(500, 0)))
    shop = shop_of(tmp_path, source)
    shop.settle()
    source.answer = each(lambda _: counts(500, 50 if shop.tag("dev") == "v2" else 0))
    shop.release("v2")
    shop.settle()

    assert shop.tag("dev") == "v1"
    assert [rejection.tree is not None for rejection in shop.state("dev").rejected] == [True]


def test_a_source_that_is_down_holds_and_reverts_nothing(tmp_path: Path) -> None:
    """What is not known is no fail: after the last extension a person is asked."""

    def down(question: MetricQuestion) -> MetricAnswer:
        raise Retry("connection refused")

    shop = shop_of(tmp_path, Scripted(down))
    shop.settle(2000)
    state = shop.state("dev")

    assert state.run is not None
    assert state.run.verdict is Verdict.INCONCLUSIVE
    assert state.hold is not None
    assert "could not be asked: connection refused" in state.hold.reason
    assert state.last_pass is None


def test_a_source_that_is_not_allowed_is_refused(tmp_path: Path) -> None:
    """No attempt judges anything, and the journal says which metric and which source."""
    shop = shop_of(tmp_path, Scripted(each(lambda _: counts(500, 0))))
    shop.sources.clear()
    shop.settle()

    assert any("`orders` asks for the source `prom`" in event.message for event in shop.journal.events)
    assert shop.state("dev").last_pass is None


def test_a_claim_lasts_as_long_as_its_metrics_may(tmp_path: Path) -> None:
    """Until then no other instance takes over: settling, judging, the last windows, and an answer's time."""
    plan = parse_plan(PLAN.encode(), file="slo.yaml", read_file=lambda _: b"")
    sources = {"prom": replace(Scripted(each(lambda _: None)), every=Seconds(15.0))}

    assert takeover_after(plan, sources) == 15 + 300 + (15 + 30) + 60 + PATIENCE
    assert takeover_after(plan, {}) == 1 + 300 + (1 + 2) + 60 + PATIENCE
