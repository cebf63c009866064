"""A service with known rates, judged again and again through the real engine; and one that becomes bad late.

Everything is on loopback, several runs at a time, each bounded by its plan: at most twelve seconds of load at 80/s.
"""

from __future__ import annotations

import contextlib
import secrets
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.verdict.figures import Figures, Judged
from gitslo.core.parse_plan import parse_plan
from gitslo.core.simulation.draws import generator
from gitslo.core.simulation.lanes import timeline
from gitslo.core.simulation.outcomes import WHOLE, simulate
from gitslo.core.simulation.truth import ShareTruth
from gitslo.errors import Retry
from gitslo.model import Allowed, Ceilings, Evidence, Plan, Share, Verdict
from gitslo.run import AttemptOrder, AttemptOutcome, attempt
from gitslo.wiring_run import SystemClock, load_engine, readiness_probe, target_access

__all__ = ["expected", "play"]

LIMIT = 0.2
ROWS = (("half the limit", 0.5), ("at the limit", 1.0), ("twice the limit", 2.0))
AT_ONCE = 10
CLEAN, CLEAN_RATE = 100_000, 1000
JUMPED = 3
PLAN = """\
schema: gitslo/v1
targets:
  shop: {{http: "http://127.0.0.1:{port}"}}
load:
  shop:
    target: shop
    endpoints:
      pay: {{post: /pay}}
      list: {{get: /items}}
    timeout: 2s
    stages:
      - {{hold: 80/s, for: 12s}}
objectives:
  - shop.pay.errors < 20%
  - shop.list.latency.p80 < 800ms
judge: {{min_duration: 6s, max_duration: 12s}}
"""
JUMP_PLAN = """\
schema: gitslo/v1
targets:
  shop: {{http: "http://127.0.0.1:{port}"}}
load:
  shop:
    target: shop
    endpoints:
      pay: {{post: /pay}}
    timeout: 1s
    stages:
      - {{hold: {rate}/s, for: {seconds}s}}
objectives:
  - shop.errors < 1%
judge: {{min_duration: {least}s, max_duration: {seconds}s}}
"""


@dataclass
class Running:
    """A service under way: where it listens, and what changes its rates."""

    port: int
    process: subprocess.Popen[str]

    def inject(self, errors: float, slowness: float) -> None:
        """From now on."""
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.write(f"{errors} {slowness}\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def service(errors: float, slowness: float, seed: int) -> Iterator[Running]:
    command = [sys.executable, "-m", "bench.verdict.service", str(errors), str(slowness), str(seed)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        said = process.stdout.readline()
        yield Running(int(said.rpartition(":")[2]), process)
    finally:
        process.terminate()
        process.wait(10)


def play(figures: Figures, runs: int) -> None:
    """Every row, then the jump."""
    figures.real.clear()
    for number, (name, factor) in enumerate(ROWS):
        outcomes = _judged_often(factor * LIMIT, runs, seed=100 * number)
        figures.real.append(_row(name, factor, outcomes))
        last = figures.real[-1]
        print(f"real service, {name}: {last.failed} fails, {last.passed} passes of {last.runs}", file=sys.stderr)
    figures.jump[:] = _jump()


def _judged_often(rate: float, runs: int, seed: int) -> list[AttemptOutcome]:
    done = 0
    lock = threading.Lock()

    def one(number: int) -> AttemptOutcome:
        nonlocal done
        plan = _plan(PLAN.format(port=running.port))
        try:
            outcome = _attempt(plan, Evidence(), seed + number)
        except Retry:  # as the loop does: a load that could not be carried out is no evidence
            outcome = _attempt(plan, Evidence(), seed + number)
        with lock:
            done += 1
            if done % 20 == 0:
                print(f"  {done} of {runs}", file=sys.stderr, flush=True)
        return outcome

    with service(rate, rate, seed) as running, ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(runs)))


def _plan(text: str) -> Plan:
    return parse_plan(text.encode(), file="slo.yaml", read_file=lambda path: path.encode())


def _attempt(plan: Plan, earlier: Evidence, seed: int) -> AttemptOutcome:
    allowed, ceilings = Allowed(targets=tuple(target.host for target in plan.targets.values())), Ceilings()
    access = target_access({}, {}, allowed)
    order = AttemptOrder(
        plan=plan,
        number=len(earlier.attempts) + 1,
        earlier=earlier,
        extension=0,
        addresses={},
        allowed=allowed,
        ceilings=ceilings,
        run_id=f"bench-{secrets.token_hex(4)}",
        seed=seed,
    )
    return attempt(
        order,
        clock=SystemClock(),
        readiness=readiness_probe(access),
        engine=load_engine(ceilings, allowed, access),
        stop=lambda: None,
        tell=lambda _message, _fields: None,
    )


def expected(factor: float) -> tuple[float, float]:
    """The shares of fails and of passes that the simulation says of the same plan."""
    line = timeline(_plan(PLAN.format(port=80)))
    truths = {lane.text: ShareTruth(Share(factor * LIMIT)) for lane in line.lanes}
    found = [batch[WHOLE] for batch in simulate(line, truths, generator(1), 2000)]
    runs = sum(each.runs for each in found)
    return sum(each.failed for each in found) / runs, sum(each.passed for each in found) / runs


def _row(name: str, factor: float, outcomes: list[AttemptOutcome]) -> Judged:
    sums = [[0, 0], [0, 0]]
    sent, blocked = [], 0
    for outcome in outcomes:
        for tally, pair in zip(outcome.evidence.tallies, sums, strict=True):
            pair[0] += tally.bad
            pair[1] += tally.total
        sent.append(sum(tally.total for tally in outcome.evidence.tallies))
        blocked += bool(outcome.evidence.no_fail or outcome.evidence.no_pass)
    verdicts = [outcome.verdict for outcome in outcomes]
    return Judged(
        name=f"{name}: {factor * LIMIT:.0%} fail, {factor * LIMIT:.0%} are slow".replace("%", " %"),
        runs=len(outcomes),
        passed=verdicts.count(Verdict.PASS),
        failed=verdicts.count(Verdict.FAIL),
        rates=(sums[0][0] / max(1, sums[0][1]), sums[1][0] / max(1, sums[1][1])),
        requests=statistics.median(sent),
        remark=f"in {blocked} runs our own lag or under-delivery blocked one direction" if blocked else "nothing",
        expected=expected(factor),
    )


def _jump() -> Iterator[tuple[str, str, int, str]]:
    """A hundred thousand clean requests, then three times the limit: with the old evidence, and afresh."""
    seconds = CLEAN // CLEAN_RATE
    with service(0.0, 0.0, 7) as running:
        # No pass before everything has been sent: the last look is the first that may say so.
        clean = _plan(JUMP_PLAN.format(port=running.port, rate=CLEAN_RATE, seconds=seconds, least=seconds))
        before = _attempt(clean, Evidence(), 1)
        yield "none: the clean service", *_told(before)
        running.inject(JUMPED * 0.01, 0.0)
        plan = _plan(JUMP_PLAN.format(port=running.port, rate=200, seconds=30, least=20))
        yield (
            "continued: that of the 100,000 and of this attempt",
            *_told(_attempt(plan, Evidence((before.evidence,)), 2)),
        )
        yield "fresh, as a revalidation's", *_told(_attempt(plan, Evidence(), 3))


def _told(outcome: AttemptOutcome) -> tuple[str, int, str]:
    from gitslo.core.judge import explain  # noqa: PLC0415 - beside its one use

    (finding,) = outcome.findings
    return outcome.verdict.value, sum(tally.total for tally in outcome.evidence.tallies), explain(finding)
