"""Relative objectives through the whole loop: what a pass keeps, and what the next release is compared with."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.loop.reading import entries
from gitslo.model import Finding, Run, Verdict
from gitslo.testing.fake_load import Script
from tests.rules.shop import Shop

PLAN = """\
schema: gitslo/v1
targets:
  app: {http: "http://app.shop.svc:80"}
load:
  browse: {target: app, get: /, timeout: 2s, warmup: 0s, stages: [{hold: 100/s, for: 20s}]}
objectives:
  - browse.errors < 40%
  - {that: browse.errors < 400% of baseline, baseline: BASELINE}
  - browse.latency.p50 < 1s
  - {that: browse.latency.p50 < 150% of baseline, baseline: BASELINE}
judge: {min_duration: 5s, max_duration: 20s}
"""
FAST = ((0.049, 0.1), (0.05, 0.4), (0.051, 0.5))
SLOW = ((0.39, 0.1), (0.4, 0.4), (0.404, 0.5))


def failing(share: float, distribution: tuple[tuple[float, float], ...] = FAST) -> Script:
    """Answers that fail are in no range of a distribution."""
    good = tuple((edge, part * (1 - share)) for edge, part in distribution)
    return Script(bad=lambda _: share, kind="status 503", distribution=good)


def judged(shop: Shop, tag: str) -> Run:
    """The first verdict on a release in dev; what fails is reverted afterwards."""
    shop.controller.sight.look()
    for entry in reversed(entries(shop.controller.sight, "dev", 100)):
        run = entry.state.run
        if run is not None and run.verdict is not None and any(tag in image for image in run.release.images()):
            return run
    raise AssertionError(f"{tag} was not judged")


def findings(shop: Shop) -> dict[str, Finding]:
    run = shop.state("dev").run
    assert run is not None
    return {finding.objective: finding for finding in run.findings}


def started(tmp_path: Path, baseline: str = "last-pass") -> Shop:
    """A shop whose first release has passed, with 2 % of its requests failing."""
    shop = Shop(tmp_path)
    shop.engine.script = failing(0.02)
    shop.commit({"dev/slo.yaml": PLAN.replace("BASELINE", baseline)}, "Compare")
    shop.settle()
    return shop


def test_a_pass_keeps_what_the_next_run_is_compared_with(tmp_path: Path) -> None:
    """The first run has nothing to be compared with and passes by its absolute limits; it keeps its numbers."""
    shop = started(tmp_path)
    passed = shop.state("dev").last_pass
    assert passed is not None
    load = passed.loads[0]

    assert findings(shop)["browse.errors < 400% of last-pass"].reason.startswith("not applicable")
    assert (load.load, load.endpoint, load.total, load.bad) == ("browse", None, 2000, 40)
    assert load.distribution == ((0.049, 196), (0.05, 784), (0.051, 980))
    assert load.effect >= 1.0


@pytest.mark.parametrize(
    ("script", "verdict", "broken"),
    [
        (failing(0.02), Verdict.PASS, set()),
        (failing(0.2), Verdict.FAIL, {"browse.errors < 400% of last-pass"}),
        (failing(0.02, SLOW), Verdict.FAIL, {"browse.latency.p50 < 150% of last-pass"}),
    ],
)
def test_a_release_is_compared_with_the_last_pass(
    tmp_path: Path, script: Script, verdict: Verdict, broken: set[str]
) -> None:
    """As good: pass; much worse, though within every absolute limit: fail, and by which limit."""
    shop = started(tmp_path)
    before = shop.state("dev").last_pass
    assert before is not None
    shop.engine.script = script
    shop.release("v2")
    shop.settle()
    run = judged(shop, "v2")

    assert run.verdict is verdict
    assert {each.objective for each in run.findings if each.verdict is Verdict.FAIL} == broken
    origins = {each.origin for attempt in run.evidence.attempts for each in attempt.baselines}
    assert origins == {f"run {before.run} ({before.revision[:7]})"}


def test_a_release_is_compared_with_the_pass_of_a_pinned_revision(tmp_path: Path) -> None:
    """However many passes ago, and by its numbers and not by those of the last pass."""
    shop = started(tmp_path)
    pinned = shop.state("dev").last_pass
    assert pinned is not None
    for tag, share in (("v2", 0.05), ("v3", 0.1)):
        # Each is too near to the one before it to be worse than it by four times.
        shop.engine.script = failing(share)
        shop.commit({"dev/slo.yaml": PLAN.replace("BASELINE", "last-pass").replace("400%", "900%")}, "Allow more")
        shop.release(tag)
        shop.settle()
    shop.engine.script = failing(0.3)
    shop.commit({"dev/slo.yaml": PLAN.replace("BASELINE", f"pinned:{pinned.revision}")}, "Pin")
    shop.release("v4")
    shop.settle()
    run = judged(shop, "v4")

    assert run.verdict is Verdict.FAIL
    assert {each.origin for each in run.evidence.attempts[0].baselines} == {f"run {pinned.run} ({pinned.revision[:7]})"}
