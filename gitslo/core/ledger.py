"""What a ledger's commit holds: the files of one entry, written and read back.

Called by the loop, which owns the ref and the chain; this module owns the bytes. An entry is `ledger.json`, the
whole state of one environment, and with a key `ledger.hmac` beside it.

**Invariants**
* the tip alone is enough: an entry is never read together with its parents' content;
* an entry that is not this pipeline's and this environment's, of another version, out of order or (with a key) not
  verifying is refused, whatever else it says;
* an entry is at most `LEDGER_CAP` bytes. What is left out to keep that is detail for people first (histograms), then
  the fineness of counts, whose sums always stay, and of samples; an attempt that lost of what it was judged by says so.
  Verdicts, findings, rejections and holds never shrink.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from gitslo.core.codec import JsonValue, dump_json, from_json, load_json, to_json
from gitslo.errors import Problem, Refused
from gitslo.model import (
    AttemptEvidence,
    CommitId,
    EnvironmentState,
    Evidence,
    MetricSeries,
    Passed,
    PassedLoad,
    Second,
    Seconds,
)

__all__ = [
    "HMAC_FILE",
    "LEDGER_CAP",
    "LEDGER_FILE",
    "SCHEMA",
    "JsonValue",
    "decode",
    "encode",
    "environment_of",
    "from_json",
    "ledger_ref",
    "to_json",
]

SCHEMA = "gitslo/v1"
LEDGER_FILE = "ledger.json"
HMAC_FILE = "ledger.hmac"
LEDGER_CAP = 256 * 1024
"""Bytes of `ledger.json`."""

_WIDE = 32
"""Seconds: before counts become coarser than this, the distributions of response times go."""

_WIDEST = 2**20
"""Seconds: no attempt is longer, so merging neighbours up to here leaves one count per tally."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")


# --------------------------------------------------------------------------- one entry


def encode(state: EnvironmentState, *, key: bytes | None, repository: str, parent: CommitId | None) -> dict[str, bytes]:
    """The files of one ledger commit.

    Args:
        state: what is remembered; its `entry` is the number of this very entry.
        key: the operator's ledger key, or None for entries that anyone can forge.
        repository: which repository this is, in the operator's words; part of what the key seals.
        parent: the entry before, None for the first.

    Raises:
        ValueError: `entry` is 1 with a parent or not 1 without one, or a number is NaN or infinite.
        Refused: nothing is left to drop and the entry is still too large.
    """
    if _out_of_order(state.entry, parent):
        raise ValueError(f"entry {state.entry} of {state.environment} cannot follow {parent or 'nothing'}")
    content = b""
    for smaller in _ever_smaller(state):
        content = _content(smaller)
        if len(content) <= LEDGER_CAP:
            break
    else:
        raise Refused(
            Problem(
                f"the ledger of {state.environment} would be {len(content)} bytes, at most {LEDGER_CAP} are kept",
                file=LEDGER_FILE,
                hint="fewer objectives or fewer rejected trees make it smaller",
            )
        )
    files = {LEDGER_FILE: content}
    if key is not None:
        seal = _seal(key, repository, state.pipeline, state.environment, parent, content)
        files[HMAC_FILE] = (seal + "\n").encode("ascii")
    return files


def decode(
    files: Mapping[str, bytes],
    *,
    key: bytes | None,
    repository: str,
    parent: CommitId | None,
    pipeline: str,
    environment: str,
) -> EnvironmentState:
    """Read one entry back.

    Args:
        files: the entry's files by name; others than the two are ignored.
        key: as for `encode`.
        repository: as for `encode`.
        parent: the commit's one parent, None for the first entry.
        pipeline: whose ledger it has to be.
        environment: whose ledger it has to be.

    Raises:
        Refused: it does not verify, is of another version, belongs elsewhere, is out of order or is ill-formed.
    """
    content = files.get(LEDGER_FILE)
    if content is None:
        raise Refused(Problem(f"a ledger entry without {LEDGER_FILE}", file=LEDGER_FILE))
    if key is not None:
        _verify(files.get(HMAC_FILE), _seal(key, repository, pipeline, environment, parent, content))
    data = load_json(content, where=LEDGER_FILE, cap=LEDGER_CAP)
    if not isinstance(data, dict):
        raise Refused(Problem("expected an object", file=LEDGER_FILE))
    _check_version(data.get("schema"))
    state = from_json(EnvironmentState, data, where=LEDGER_FILE)
    for name, found, expected in (
        ("pipeline", state.pipeline, pipeline),
        ("environment", state.environment, environment),
    ):
        if found != expected:
            message = f"this is the ledger of the {name} {found!r}, expected {expected!r}"
            raise Refused(Problem(message, file=LEDGER_FILE, pointer=f"/{name}"))
    if _out_of_order(state.entry, parent):
        follows = "has an entry before it" if parent else "is the first of its chain"
        message = f"entry {state.entry} {follows}: the chain was cut or rewritten"
        raise Refused(Problem(message, file=LEDGER_FILE, pointer="/entry"))
    return state


def _content(state: EnvironmentState) -> bytes:
    body = to_json(state)
    assert isinstance(body, dict)  # noqa: S101 - a record that is no row becomes an object
    return dump_json({"schema": SCHEMA, **body})


def _out_of_order(entry: int, parent: CommitId | None) -> bool:
    return entry < 1 or (entry == 1) != (parent is None)


def _check_version(found: JsonValue) -> None:
    if found == SCHEMA:
        return
    if isinstance(found, str) and found.startswith("gitslo/"):
        message = f"written as {found}; this gitslo reads {SCHEMA}"
        raise Refused(Problem(message, file=LEDGER_FILE, pointer="/schema", hint="run the version that wrote it"))
    raise Refused(Problem(f"expected {SCHEMA!r}", file=LEDGER_FILE, pointer="/schema"))


# --------------------------------------------------------------------------- the seal


def _seal(key: bytes, repository: str, pipeline: str, environment: str, parent: CommitId | None, content: bytes) -> str:
    """HMAC-SHA256 in hex; every part is framed by its length, so that no two entries have the same message."""
    parts = [
        b"gitslo-ledger-1",
        *(part.encode() for part in (repository, pipeline, environment, parent or "")),
        content,
    ]
    message = b"".join(b"%d:%s," % (len(part), part) for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def _verify(found: bytes | None, expected: str) -> None:
    hint = "somebody else wrote this entry, or the ledger key was changed; `gitslo log` shows the chain"
    if found is None:
        raise Refused(
            Problem("the entry is not sealed, and this repository has a ledger key", file=HMAC_FILE, hint=hint)
        )
    if not hmac.compare_digest(found.strip(), expected.encode("ascii")):
        raise Refused(Problem("the entry does not verify with the ledger key", file=HMAC_FILE, hint=hint))


# --------------------------------------------------------------------------- the cap


def _ever_smaller(state: EnvironmentState) -> Iterator[EnvironmentState]:
    """The state, then with less and less detail: what is lost first is missed least.

    Histograms, the oldest first, are for people. The response times of passes are what later runs are compared with.
    Verdicts rest on the counts and samples, and on their fineness in time: an attempt that loses of it says so.
    """
    yield state
    if state.run is not None:
        for index, attempt in enumerate(state.run.evidence.attempts):
            if any(load.histogram for load in attempt.loads):
                state = _with_attempt(state, index, _without_histograms(attempt))
                yield state
    if state.previous_pass is not None and state.previous_pass.loads:
        state = replace(state, previous_pass=replace(state.previous_pass, loads=_undistributed(state.previous_pass)))
        yield state
    width = 2
    while state.run is not None and width <= _WIDEST and any(map(_can_be_coarser, state.run.evidence.attempts)):
        for index, attempt in enumerate(state.run.evidence.attempts):
            state = _with_attempt(state, index, _coarser(attempt, width))
        yield state
        width *= 2
        if width == _WIDE:
            state = _without_distributions(state)
            yield state
    yield _without_distributions(state)


def _with_attempt(state: EnvironmentState, index: int, attempt: AttemptEvidence) -> EnvironmentState:
    assert state.run is not None  # noqa: S101 - asked for by the caller
    attempts = list(state.run.evidence.attempts)
    attempts[index] = attempt
    return replace(state, run=replace(state.run, evidence=Evidence(tuple(attempts))))


def _without_histograms(attempt: AttemptEvidence) -> AttemptEvidence:
    return replace(attempt, loads=tuple(replace(load, histogram="") for load in attempt.loads))


def _undistributed(passed: Passed) -> tuple[PassedLoad, ...]:
    return tuple(replace(load, distribution=()) for load in passed.loads)


def _without_distributions(state: EnvironmentState) -> EnvironmentState:
    if state.last_pass is not None:
        state = replace(state, last_pass=replace(state.last_pass, loads=_undistributed(state.last_pass)))
    for index, attempt in enumerate(state.run.evidence.attempts if state.run is not None else ()):
        loads = tuple(replace(load, distribution=()) for load in attempt.loads)
        baselines = tuple(replace(sample, distribution=()) for sample in attempt.baselines)
        lost = loads != attempt.loads or baselines != attempt.baselines
        less = replace(attempt, loads=loads, baselines=baselines, coarser=attempt.coarser or lost)
        state = _with_attempt(state, index, less)
    return state


def _can_be_coarser(attempt: AttemptEvidence) -> bool:
    rows = [len(tally.seconds) for tally in attempt.tallies]
    rows += [len(series.samples) for series in attempt.series]
    return max(rows, default=0) > 1


def _coarser(attempt: AttemptEvidence, width: int) -> AttemptEvidence:
    look = attempt.look
    if look is not None:
        counts = tuple(replace(seen, otherwise=_coarsened(seen.otherwise, width)) for seen in look.counts)
        look = replace(look, counts=counts, series=tuple(map(_halved, look.series)))
    return replace(
        attempt,
        tallies=tuple(replace(tally, seconds=_coarsened(tally.seconds, width)) for tally in attempt.tallies),
        series=tuple(map(_halved, attempt.series)),
        look=look,
        coarser=True,
    )


def _coarsened(seconds: tuple[Second, ...], width: int) -> tuple[Second, ...]:
    """Neighbours in the same aligned stretch of `width` seconds become one count at the first of them."""
    stretches = (tuple(group) for _, group in groupby(seconds, key=lambda second: second.at // width))
    return tuple(
        Second(
            at=stretch[0].at,
            total=sum(second.total for second in stretch),
            bad=sum(second.bad for second in stretch),
            late=sum(second.late for second in stretch),
        )
        for stretch in stretches
    )


def _halved(series: MetricSeries) -> MetricSeries:
    """Every second sample; what they are does not decide which."""
    return replace(series, every=Seconds(series.every * 2), samples=series.samples[::2])


# --------------------------------------------------------------------------- names


def ledger_ref(prefix: str, environment: str) -> str:
    """The ref of an environment's ledger.

    Args:
        prefix: where the pipeline's ledgers live, e.g. `refs/gitslo/shop/`.
        environment: e.g. `checkout/dev`.

    Raises:
        Refused: the name would be no ref.
    """
    for part in environment.split("/"):
        if not _NAME.fullmatch(part) or ".." in part or part.endswith(".lock"):
            message = f"the environment name {environment!r} cannot be part of a Git ref"
            raise Refused(Problem(message, hint="letters, digits, `.`, `_` and `-`, parts separated by `/`"))
    return f"{prefix.rstrip('/')}/{environment}"


def environment_of(prefix: str, ref: str) -> str | None:
    """The environment whose ledger `ref` is, or None where it is none of this prefix."""
    lead = prefix.rstrip("/") + "/"
    return ref.removeprefix(lead) if ref.startswith(lead) and len(ref) > len(lead) else None
