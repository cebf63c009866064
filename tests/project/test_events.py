from __future__ import annotations

import ast
import re

from tests.project.source import PACKAGE, ROOT, modules, parsed

PAGE = ROOT / "docs" / "reference" / "events.md"
FAMILIES = {"clone", "poll", "environment", "run", "change", "hold", "push", "error", "log", "sync", "webhook"}
TELLERS = ("loop", "observers", "syncer")


def told() -> set[str]:
    """Every text in the code of those who tell that looks like an event's name."""
    texts = (
        node.value
        for folder in TELLERS
        for path in modules(PACKAGE / folder)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if re.fullmatch(r"[a-z]+\.[a-z_]+", text) and text.split(".")[0] in FAMILIES}


def test_every_event_is_documented() -> None:
    """The page of events lists each name that is told; there are no others."""
    documented = set(re.findall(r"^\| `(\w+\.\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))

    assert set() == told() - documented
    assert {"run.judged", "poll.done", "log.dropped"} <= told()
