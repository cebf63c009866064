"""Plans and evidence for tests, built in one line each."""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.model import (
    AttemptEvidence,
    Endpoint,
    HttpReadiness,
    JudgePolicy,
    LoadSection,
    LoadStage,
    Metric,
    Objective,
    Phase,
    Plan,
    RatePerSecond,
    Readiness,
    Role,
    Second,
    Seconds,
    Share,
    StageForm,
    Tally,
    Target,
    TargetScheme,
)

HOLD, RAMP = StageForm.HOLD, StageForm.RAMP


def errors(
    text: str = "browse.errors < 1%", limit: float = 0.01, role: Role = Role.DECIDE, endpoint: str | None = None
) -> Objective:
    return Objective(text, text.partition(".")[0], endpoint, Metric.ERRORS, limit, None, role)


def latency(
    text: str = "browse.latency.p95 < 250ms", limit: float = 0.25, quantile: float = 0.95, role: Role = Role.DECIDE
) -> Objective:
    return Objective(text, text.partition(".")[0], None, Metric.LATENCY, limit, quantile, role)


def section(
    name: str = "browse",
    *stages: tuple[StageForm, float, float],
    warmup: float = 0.0,
    timeout: float = 2.0,
    target: str = "shop",
) -> LoadSection:
    """Stages are (form, rate, seconds); without any: 100/s held for 60 s."""
    return LoadSection(
        name=name,
        target=target,
        endpoints=(Endpoint("list", "GET", "/items"),),
        timeout=Seconds(timeout),
        warmup=Seconds(warmup),
        stages=tuple(
            LoadStage(form, RatePerSecond(rate), Seconds(long)) for form, rate, long in stages or ((HOLD, 100.0, 60.0),)
        ),
    )


def plan(
    *objectives: Objective,
    load: Sequence[LoadSection] = (),
    readiness: Sequence[Readiness] = (),
    min_duration: float = 10.0,
    max_duration: float = 600.0,
    alpha: float = 0.05,
    beta: float = 0.05,
) -> Plan:
    names = dict.fromkeys([*(each.target for each in load or (section(),)), *(check.target for check in readiness)])
    return Plan(
        targets={name: Target(name, TargetScheme.HTTP, f"{name}.dev.svc", 8080) for name in names},
        readiness=tuple(readiness),
        load=tuple(load) or (section(),),
        objectives=objectives or (errors(),),
        judge=JudgePolicy(Share(alpha), Share(beta), Seconds(min_duration), Seconds(max_duration)),
        digest="0" * 64,
    )


def ready(target: str = "shop", within: float = 30.0) -> HttpReadiness:
    return HttpReadiness(target, "/readyz", 200, None, Seconds(within))


def evidence(
    *counts: tuple[str, int, int],
    attempt: int = 1,
    seconds: float = 60.0,
    late: int = 0,
    no_fail: tuple[str, ...] = (),
    no_pass: tuple[str, ...] = (),
) -> AttemptEvidence:
    """Counts are (objective, bad, total), as even as can be over the seconds; `late` of the bad are our own."""
    return AttemptEvidence(
        attempt=attempt,
        started=1_700_000_000.0,
        judged_seconds=((Phase.STEADY, Seconds(seconds)),),
        tallies=tuple(
            Tally(text, Phase.STEADY, spread(bad, total, max(1, round(seconds)), late)) for text, bad, total in counts
        ),
        no_fail=no_fail,
        no_pass=no_pass,
    )


def spread(bad: int, total: int, seconds: int, late: int = 0) -> tuple[Second, ...]:
    """Counts over `seconds` rows, each with its even part of every number."""

    def part(number: int, at: int) -> int:
        return number * (at + 1) // seconds - number * at // seconds

    rows = (Second(at, part(total, at), part(bad, at), part(late, at)) for at in range(seconds))
    return tuple(row for row in rows if row.total)


def burst(bad: int, total: int, seconds: int, *, at: int = 20) -> tuple[Second, ...]:
    """The same total, with all that is bad in the one second `at`."""
    return tuple(Second(row.at, row.total, bad if row.at == at else 0) for row in spread(0, total, seconds))
