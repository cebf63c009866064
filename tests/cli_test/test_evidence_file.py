from __future__ import annotations

import json

import pytest

from gitslo.core.evidence_file import EvidenceFile, decode, encode
from gitslo.errors import Refused
from gitslo.model import Evidence, Verdict
from tests.judge.plans import evidence

PLAN = "a" * 64
GATHERED = Evidence((evidence(("browse.errors < 1%", 3, 1000)), evidence(("browse.errors < 1%", 0, 500), attempt=2)))


def test_it_reads_what_it_wrote() -> None:
    """Nothing of the evidence is lost in the file."""
    content = encode(PLAN, Verdict.INCONCLUSIVE, GATHERED)

    assert decode(content, plan=PLAN, where="e.json") == EvidenceFile("gitslo/v1", PLAN, Verdict.INCONCLUSIVE, GATHERED)


def test_another_plan_does_not_go_on_with_it() -> None:
    """Both digests are named."""
    with pytest.raises(Refused, match=f"e.json: /plan: .*{PLAN}.*{'b' * 64}"):
        decode(encode(PLAN, Verdict.PASS, GATHERED), plan="b" * 64, where="e.json")


def test_what_failed_stays_failed() -> None:
    """Trying again until it passes is no test."""
    with pytest.raises(Refused, match="stays failed"):
        decode(encode(PLAN, Verdict.FAIL, GATHERED), plan=PLAN, where="e.json")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"no json",
        encode(PLAN, Verdict.PASS, GATHERED).replace(b"gitslo/v1", b"gitslo/v9"),
        encode(PLAN, Verdict.PASS, GATHERED).replace(b'"attempts"', b'"attempt"'),
        json.dumps({"schema": "gitslo/v1", "plan": PLAN, "verdict": "good", "evidence": {"attempts": []}}).encode(),
    ],
)
def test_what_is_no_evidence_is_refused(content) -> None:
    """A file of something else, of another version or cut short: a message with the file's name."""
    with pytest.raises(Refused, match=r"^e\.json"):
        decode(content, plan=PLAN, where="e.json")
