"""Ledger states made from the model's own type hints: a field that is added is generated at once."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st

from gitslo.model import (
    AttemptEvidence,
    Cause,
    CommitId,
    EnvironmentState,
    Evidence,
    Finding,
    LoadSummary,
    Outcome,
    Percentiles,
    Phase,
    RatePerSecond,
    Release,
    Run,
    RunState,
    Second,
    Seconds,
    Subject,
    Tally,
    Verdict,
)

_TEXT = st.text(max_size=12)
_NUMBER = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
_WHOLE = st.integers(min_value=0, max_value=2**63)


def of(hint: Any) -> st.SearchStrategy[Any]:
    """A strategy for one type hint of the model."""
    while isinstance(hint, typing.NewType):
        hint = hint.__supertype__
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(st.none() if each is type(None) else of(each) for each in arguments))
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return st.lists(of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*map(of, arguments))
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        return st.builds(hint, **{item.name: of(hints[item.name]) for item in dataclasses.fields(hint)})
    if issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    return {str: _TEXT, bool: st.booleans(), int: _WHOLE, float: _NUMBER}[hint]


def states() -> st.SearchStrategy[EnvironmentState]:
    """Any state that could be a first entry."""
    return of(EnvironmentState).map(lambda state: dataclasses.replace(state, entry=1, run=_counted(state.run)))


def _counted(run: Run | None) -> Run | None:
    """Attempts are numbered from 1."""
    if run is None:
        return None
    attempts = tuple(
        dataclasses.replace(attempt, attempt=number) for number, attempt in enumerate(run.evidence.attempts, 1)
    )
    return dataclasses.replace(run, evidence=Evidence(attempts))


def large(attempts: int, objectives: int, seconds: int, histogram: str = "") -> EnvironmentState:
    """A state with as much evidence as asked for, and one finding per objective."""
    names = [f"browse.endpoint{index}.latency.p95 < 250ms" for index in range(objectives)]
    evidence = tuple(
        AttemptEvidence(
            attempt=number,
            started=1.5,
            judged_seconds=((Phase.STEADY, Seconds(float(seconds))),),
            tallies=tuple(
                Tally(name, Phase.STEADY, tuple(Second(at, 200 + at % 7, at % 3, at % 2) for at in range(seconds)))
                for name in names
            ),
            loads=(
                LoadSummary(
                    load="browse",
                    endpoint=None,
                    requests=1,
                    errors=(),
                    planned_rate=RatePerSecond(200.0),
                    achieved_rate=RatePerSecond(199.5),
                    latency=Percentiles(),
                    schedule_lag_p99=Seconds(0.001),
                    histogram=histogram,
                ),
            ),
        )
        for number in range(1, attempts + 1)
    )
    findings = tuple(
        Finding(name, Phase.STEADY, Verdict.PASS, True, 0.1, 0.25, 200, 1, 0, -3.5, 4.25, 3.0, 3.0, 42.0, attempts)
        for name in names
    )
    run = Run(
        id="1",
        cause=Cause.SYNC,
        subject=Subject("tree", "plan"),
        revision=CommitId("a" * 40),
        release=Release((), "digest"),
        fingerprint="",
        confirming=False,
        state=RunState.JUDGED,
        attempt=attempts,
        extensions=0,
        takeovers=0,
        cut_off=(),
        claim=None,
        evidence=Evidence(evidence),
        verdict=Verdict.PASS,
        findings=findings,
        judged_wall=2.5,
        outcome=Outcome.DONE,
    )
    return EnvironmentState("shop", "checkout/dev", entry=1, why="judge", run=run, runs=1)
