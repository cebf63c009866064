"""A daemon's answer about a commit as text, JUnit XML and Markdown.

Called by `gitslo verdict`. Pure; what the daemon says is made harmless for the place where it is shown. Must stay true:
JUnit is green for a pass that the daemon has said, and for nothing else. The findings are those of the run that the
answer is about: all of them may have passed, and the answer be another one all the same, e.g. while a hold stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gitslo.core.escape import code, markdown, plain
from gitslo.core.gate import FindingSaid, finding_said
from gitslo.core.junit import Case, Outcome, Suite, junit, outcome
from gitslo.model import Verdict

__all__ = ["AnswerResult", "answer_junit", "answer_markdown", "answer_text"]

_GROUP = "gitslo.verdict"
_LINKED = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,300}(?:/[A-Za-z0-9._~/%-]{0,500})?\?[A-Za-z0-9=&%._~-]{1,1000}")
"""A URL in which nothing is Markdown."""


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """What `gitslo verdict` came to.

    Attributes:
        where: the repository and the environment.
        commit: its id as far as it is known, or empty.
        word: the daemon's, or `no verdict`.
        verdict: what it counts as; INCONCLUSIVE where nothing is decided, ERROR where nobody answered.
        lines: why, the most important first; at least one.
        report: the URL of the run's report, or empty.
        findings: of the run that it is about, a line each, as `core.gate` makes them.
    """

    where: str
    commit: str
    word: str
    verdict: Verdict
    lines: tuple[str, ...]
    report: str = ""
    findings: tuple[str, ...] = ()

    @property
    def said(self) -> tuple[str, ...]:
        """All but the findings."""
        return (*self.lines, f"report: {self.report}") if self.report else self.lines

    @property
    def about(self) -> str:
        """What was asked about."""
        return f"{self.where} {self.commit[:12]}".rstrip()


def answer_text(result: AnswerResult) -> str:
    """For a terminal: the word and what it is about, then a line for each thing said."""
    said = (f"{result.word}: {result.about}", *result.said, *result.findings)
    return "".join(f"{plain(line)}\n" for line in said)


def answer_markdown(result: AnswerResult) -> str:
    """For a job's page."""
    # A page of a daemon is what its readers want to open; whatever else stands there is shown letter by letter.
    linked = _LINKED.fullmatch(result.report) is not None
    lines = [markdown(line) for line in (result.lines if linked else result.said)]
    lines += [f"[report]({result.report})"] if linked else []
    parts = [f"**{result.word.capitalize()}**: {code(result.about)}", _list(lines)]
    if result.findings:
        parts += ["## Findings", _list(map(_finding_line, result.findings))]
    return "\n\n".join(parts) + "\n"


def _finding_line(line: str) -> str:
    said = finding_said(line)
    if said is None:
        return markdown(line)
    return f"{code(said.name)}: {_word(said)}: {markdown(said.why)}"


def _word(said: FindingSaid) -> str:
    return f"**{said.verdict.value}**" if said.decides else f"{said.verdict.value} (report only)"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


# --------------------------------------------------------------------------- JUnit


def answer_junit(result: AnswerResult) -> str:
    """One test case per finding, and one for the answer itself where they do not say it already."""
    found = tuple(_case(said, result.verdict) for line in result.findings if (said := finding_said(line)) is not None)
    whole = _whole(result)
    red = whole.outcome is not Outcome.PASSED
    # One broken limit is one failure.
    said_by_them = red and any(case.outcome is whole.outcome for case in found)
    properties = (("verdict", result.verdict.value), ("answer", result.word), ("commit", result.commit))
    output = (*result.said, *result.findings)
    return junit(Suite(result.where, properties, found if said_by_them else (whole, *found), output=output))


def _whole(result: AnswerResult) -> Case:
    came_to = outcome(result.verdict, decides=True, failed=False)
    return Case(_GROUP, "verdict", came_to, result.verdict.value, result.lines[0], "\n".join(result.said))


def _case(said: FindingSaid, verdict: Verdict) -> Case:
    decides = said.decides and verdict is not Verdict.PASS
    came_to = outcome(said.verdict, decides=decides, failed=verdict is Verdict.FAIL)
    return Case(_GROUP, said.name, came_to, said.verdict.value, said.why, said.why)
