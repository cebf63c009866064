"""How people read findings."""

from __future__ import annotations

import re

from gitslo.core.judge import explain
from gitslo.model import Method, Verdict
from tests.judge.explained import GOLDEN, cases, page


def test_every_kind_of_finding_reads_as_it_did() -> None:
    """The golden file has every kind, as the terminal shows it and as one sentence."""
    assert page() == GOLDEN.read_text(encoding="utf-8")


def test_every_method_and_verdict_is_among_them() -> None:
    """A kind that is added is explained."""
    shown = {(finding.method, finding.verdict) for _, finding in cases()}
    tested = [Method.SEQUENTIAL, Method.MEAN, Method.BASELINE, Method.THRESHOLD, Method.SCORE, Method.BURN]

    assert {(method, verdict) for method in tested for verdict in (Verdict.PASS, Verdict.FAIL)} <= shown


def test_a_sentence_is_one_and_has_no_jargon() -> None:
    """It begins with a capital, a number or a name, ends with one full stop, and speaks no statistician's language."""
    sentences = [explain(finding) for _, finding in cases()]
    jargon = re.compile(r"e-value|e-process|null|likelihood|martingale|bernoulli|beta|alpha|e\^|log ", re.IGNORECASE)

    assert [each for each in sentences if jargon.search(each)] == []
    assert [each for each in sentences if not re.fullmatch(r"[A-Z0-9`].*[^.]\.", each)] == []
