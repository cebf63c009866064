from __future__ import annotations

import ast
import re

from tests.project.source import ROOT, parsed

PAGE = ROOT / "docs" / "explanation" / "promises.md"


def test_the_tests_beside_each_promise_exist() -> None:
    """Nine promises, and every test that is named beside one is in the file it links to."""
    page = PAGE.read_text(encoding="utf-8")
    missing = []
    for name, link in re.findall(r"\[`(test_\w+)`\]\(([^)]+)\)", page):
        functions = {node.name for node in ast.walk(parsed(PAGE.parent / link)) if isinstance(node, ast.FunctionDef)}
        if name not in functions:
            missing.append(f"{link}: {name}")

    assert [] == missing
    assert [f"P{number}" for number in range(1, 10)] == re.findall(r"^\| (P\d) \|", page, re.MULTILINE)
