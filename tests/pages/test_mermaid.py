"""Our charts in the Mermaids that forges are known to run: docs/how-to/forges.md says which, and where that is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitslo.core.pictures import pictures
from gitslo.model import AttemptEvidence, Phase, Second, Seconds, Tally
from tests.components import MERMAIDS
from tests.pages.browser import Browser
from tests.render.cases import PASSED, attempt, tally
from tests.required import required

OBJECTIVE = PASSED.findings[0].objective
HOUR = (
    Tally(OBJECTIVE, Phase.STEADY, tuple(Second(at, 1100 + at % 97, at % 13) for at in range(30, 2430))),
    Tally(OBJECTIVE, Phase.CHAOS, tuple(Second(at, 1100, at % 101) for at in range(2430, 3030))),
    Tally(OBJECTIVE, Phase.RECOVERY, tuple(Second(at, 1100, 0) for at in range(3030, 3630))),
)
ATTEMPTS = {
    "a short load": attempt(),
    "with chaos": attempt(
        tallies=tally(shaken=True), judged_seconds=((Phase.STEADY, Seconds(12.0)), (Phase.CHAOS, Seconds(5.0)))
    ),
    "an hour": attempt(tallies=HOUR, judged_seconds=(), loads=()),
    "one second": attempt(tallies=(Tally(OBJECTIVE, Phase.STEADY, (Second(4, 120, 3),)),), loads=()),
}

PAGE = """<html><head><meta charset="utf-8"></head><body><script src="mermaid.min.js"></script><script>
window.told = [];
mermaid.initialize({startOnLoad: false, theme: "neutral", securityLevel: "strict", suppressErrorRendering: true});
(async () => {
  for (const [index, chart] of CHARTS.entries()) {
    try {
      const drawn = await mermaid.render(`chart${index}`, chart);
      const place = document.createElement("div");
      place.innerHTML = drawn.svg;
      document.body.append(place);
      const bars = [...place.querySelectorAll(".plot rect")];
      const lines = [...place.querySelectorAll(".plot path")].map(line => line.getAttribute("d").split("L").length);
      told.push([bars.filter(bar => Number(bar.getAttribute("height")) > 0).length, lines]);
    } catch (error) {
      told.push(String(error));
    }
  }
})();
</script></body></html>
"""


def charts(evidence: AttemptEvidence) -> list[str]:
    """What a page of this attempt has."""
    page = pictures((evidence,), (replace(PASSED.findings[0], allowed=0.05),))
    return re.findall(r"```mermaid\n(.*?)\n```", page, re.DOTALL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all versions."""
    with Browser(required("chromium")) as running:
        yield running


@pytest.mark.parametrize("version", MERMAIDS)
def test_every_point_of_every_chart_is_drawn(version: str, browser: Browser, tmp_path: Path) -> None:
    """For each chart the bars that are seen, and the points of each line: none is lost, and nothing is no bar."""
    (tmp_path / "mermaid.min.js").write_bytes(required(f"mermaid-{version}").read_bytes())
    drawn = [chart for evidence in ATTEMPTS.values() for chart in charts(evidence)]
    (tmp_path / "page.html").write_text(PAGE.replace("CHARTS", json.dumps(drawn)), encoding="utf-8")
    page = browser.page((tmp_path / "page.html").as_uri())
    page.until(f"window.told && told.length === {len(drawn)}", "all charts were tried")

    assert [
        *([0, [17]], [0, [17, 17]], [5, []]),
        *([5, [17]], [5, [17, 17]], [5, []]),
        *([4, [20]], [4, [20, 20]]),
        *([1, []], [2, []]),
    ] == page.evaluate("told")
