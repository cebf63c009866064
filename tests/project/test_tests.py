from __future__ import annotations

import ast

import pytest

from tests.project.source import ROOT, imported, module_name, modules, parsed

TESTS = modules(ROOT / "tests")
SLEEPERS = {("time", "sleep"), ("asyncio", "sleep")}


@pytest.mark.parametrize("path", TESTS, ids=module_name)
def test_every_test_states_its_rule(path) -> None:
    """A test's docstring is the rule that it proves."""
    bare = [
        f"line {node.lineno}: {node.name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]

    assert [] == bare


@pytest.mark.parametrize("path", TESTS, ids=module_name)
def test_no_test_sleeps_or_mocks(path) -> None:
    """Tests wait for what happens, and use fakes that are verified; programs given as text to a child may sleep."""
    found = []
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)) if (module, name) in SLEEPERS:
                found.append(f"line {node.lineno}: {module}.{name}")
            case ast.ImportFrom(module="unittest.mock") | ast.ImportFrom(module="unittest", names=[ast.alias("mock")]):
                found.append(f"line {node.lineno}: unittest.mock")
            case ast.Import(names=names) if any(name.name.startswith("unittest.mock") for name in names):
                found.append(f"line {node.lineno}: unittest.mock")

    assert [] == found


@pytest.mark.parametrize("path", TESTS, ids=module_name)
def test_what_tests_share_is_imported_by_its_full_name(path) -> None:
    """`tests.<folder>.<module>`: two folders may then have modules of one name."""
    shared = {other.stem for other in TESTS}
    short = [name for _, name in imported(parsed(path)) if name.split(".")[0] in shared]

    assert [] == short
