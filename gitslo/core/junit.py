"""JUnit XML, as pipelines read it: Jenkins's schema, GitLab's and GitHub's readers.

Called by `core.formats` for a run's result and by `core.answer_formats` for a daemon's answer. Pure. Must stay true:
every text is made harmless here, whoever it came from, and the counts are those of the cases.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, assert_never

from gitslo.core.escape import plain
from gitslo.model import Seconds, Verdict

__all__ = ["Case", "Outcome", "Suite", "junit", "outcome"]

NOTHING: Final = Seconds(0.0)


class Outcome(StrEnum):
    """What a test case came to; but for `PASSED` the name of the element that says so."""

    PASSED = "passed"
    FAILURE = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Case:
    """One test case.

    Attributes:
        group, name: what it is known by from run to run.
        kind: the verdict's word, for a failure or an error.
        message: one line, for all but what passed.
        text: what stands below it; nothing is shown of what was skipped.
        took: seconds.
    """

    group: str
    name: str
    outcome: Outcome
    kind: str = ""
    message: str = ""
    text: str = ""
    took: Seconds = NOTHING


@dataclass(frozen=True, slots=True)
class Suite:
    """What is written: one suite of at least one case.

    Attributes:
        properties: name and value.
        took: seconds.
        started: wall-clock seconds since the epoch, where that is known.
        output: lines.
    """

    name: str
    properties: tuple[tuple[str, str], ...]
    cases: tuple[Case, ...]
    took: Seconds = NOTHING
    started: float | None = None
    output: tuple[str, ...] = ()


def outcome(verdict: Verdict, *, decides: bool, failed: bool) -> Outcome:
    """What a finding is there: what is not decided is an error, and a pipeline that reads it must not go green.

    Args:
        verdict: the finding's.
        decides: False: it is only reported, and turns nothing red.
        failed: the whole has failed, which is where the load ended: what was left open by that is only skipped.
    """
    match verdict:
        case Verdict.PASS:
            return Outcome.PASSED
        case _ if not decides:
            return Outcome.SKIPPED
        case Verdict.FAIL:
            return Outcome.FAILURE
        case Verdict.INCONCLUSIVE if failed:
            return Outcome.SKIPPED
        case Verdict.INCONCLUSIVE | Verdict.ERROR:
            return Outcome.ERROR
        case _:
            assert_never(verdict)


def junit(suite: Suite) -> str:
    """The document, ending with a line break."""
    counts = Counter(case.outcome for case in suite.cases)
    whole = {
        "tests": str(len(suite.cases)),
        "failures": str(counts[Outcome.FAILURE]),
        "errors": str(counts[Outcome.ERROR]),
    }
    time = f"{suite.took:.3f}"
    # the schema that Jenkins reads it by counts what was skipped of a suite only
    skipped = {"skipped": str(counts[Outcome.SKIPPED])}
    root = ET.Element("testsuites", {"name": "gitslo", **whole, "time": time})
    element = ET.SubElement(root, "testsuite", {"name": plain(suite.name), **whole, **skipped, "time": time})
    if suite.started is not None:
        element.set("timestamp", datetime.fromtimestamp(suite.started, UTC).strftime("%Y-%m-%dT%H:%M:%S"))
    properties = ET.SubElement(element, "properties")
    for name, value in suite.properties:
        ET.SubElement(properties, "property", {"name": name, "value": plain(value)})
    element.extend(map(_case, suite.cases))
    said = "\n".join(map(plain, suite.output))
    if said:
        ET.SubElement(element, "system-out").text = said
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(case: Case) -> ET.Element:
    attributes = {"classname": plain(case.group), "name": plain(case.name), "time": f"{case.took:.3f}"}
    element = ET.Element("testcase", attributes)
    message, text = plain(case.message), "\n".join(map(plain, case.text.splitlines()))
    match case.outcome:
        case Outcome.PASSED:
            if text:
                ET.SubElement(element, "system-out").text = text
        case Outcome.SKIPPED:
            ET.SubElement(element, "skipped", {"message": message})
        case Outcome.FAILURE | Outcome.ERROR:
            ET.SubElement(element, case.outcome.value, {"type": case.kind, "message": message}).text = text or None
    return element
