"""The file of `gitslo test --evidence`: what earlier tests of the same thing counted, so that the next continues it.

Pure: bytes in, bytes out. What must stay true: evidence is only continued under the plan it was gathered by, and what
has failed on its evidence stays failed: trying again until it passes is no test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gitslo.core.codec import dump_json, from_json, load_json, to_json
from gitslo.errors import Problem, Refused
from gitslo.model import ByteCount, Evidence, Verdict

__all__ = ["EVIDENCE_CAP", "EvidenceFile", "decode", "encode"]

EVIDENCE_CAP = ByteCount(16 * 1024 * 1024)
_SCHEMA = "gitslo/v1"


@dataclass(frozen=True, slots=True)
class EvidenceFile:
    """What the file holds.

    Attributes:
        schema: `gitslo/v1`.
        plan: the digest of the plan it was gathered by.
        verdict: what all of it meant when it was written.
        evidence: oldest attempt first.
    """

    schema: str
    plan: str
    verdict: Verdict
    evidence: Evidence


def encode(plan: str, verdict: Verdict, evidence: Evidence) -> bytes:
    """The file's content."""
    return dump_json(to_json(EvidenceFile(_SCHEMA, plan, verdict, evidence)))


def decode(content: bytes, *, plan: str, where: str) -> EvidenceFile:
    """Read it back.

    Args:
        content: the file's bytes.
        plan: the digest of the plan that is to go on with it.
        where: the file's name in messages.

    Raises:
        Refused: it is no such file, of another plan, or has failed already.
    """
    try:
        found = from_json(EvidenceFile, load_json(content, where=where, cap=EVIDENCE_CAP), where=where)
    except Refused as refused:
        hint = "it is no evidence file, or a damaged one: name another file"
        raise Refused(*(replace(problem, hint=problem.hint or hint) for problem in refused.problems)) from None
    if found.schema != _SCHEMA:
        raise Refused(
            Problem(f"written as {found.schema!r}; this gitslo reads {_SCHEMA}", file=where, pointer="/schema")
        )
    if found.plan != plan:
        hint = "another plan begins with evidence of its own: name another file"
        message = f"this evidence was gathered by the plan {found.plan}, the plan now is {plan}"
        raise Refused(Problem(message, file=where, pointer="/plan", hint=hint))
    if found.verdict is Verdict.FAIL:
        hint = "after a fix, name another file: what is tested then is another subject"
        raise Refused(
            Problem("what has failed on this evidence stays failed", file=where, pointer="/verdict", hint=hint)
        )
    return found
