from __future__ import annotations

import ast

import pytest

from tests.project.source import PACKAGE, imported, module_name, modules, parsed

IMPURE = {
    "asyncio", "concurrent", "glob", "http", "importlib", "io", "logging", "multiprocessing", "os", "pathlib", "queue",
    "random", "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib.request", "uuid", "warnings",
}  # fmt: skip
"""Standard modules that touch the world. What the core needs of it is passed in."""

READING = {
    ("gitslo.core.schema", "importlib"),  # the schemas are package data
    ("gitslo.core.schema", "importlib.resources"),
    ("gitslo.core.schema", "importlib.resources.files"),
}
"""(module, import) that is allowed all the same: constants that lie in a file of the package."""

CALLS = {"open", "print", "input", "exec", "eval", "compile", "__import__", "breakpoint"}
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def impurities(source: ast.Module, module: str) -> list[str]:
    found = [
        f"line {line}: import {name}"
        for line, name in imported(source)
        if (name in IMPURE or name.split(".")[0] in IMPURE) and (module, name) not in READING
    ]
    scripts = {id(node) for block in source.body if is_script(block) for node in ast.walk(block)}
    for node in ast.walk(source):
        if not isinstance(node, ast.Call) or id(node) in scripts:
            continue
        match node.func:
            case ast.Name(id=name) if name in CALLS:
                found.append(f"line {node.lineno}: {name}()")
            case ast.Attribute(value=ast.Name(id=of), attr=name) if (of, name) in CLOCKS:
                found.append(f"line {node.lineno}: {of}.{name}()")
            case ast.Attribute(value=ast.Attribute(attr=of), attr=name) if (of, name) in CLOCKS:
                found.append(f"line {node.lineno}: {of}.{name}()")
    return found


def is_script(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, which nothing that imports the module runs."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"


@pytest.mark.parametrize("path", modules(PACKAGE / "core"), ids=module_name)
def test_the_core_is_pure(path) -> None:
    """Nothing in `gitslo.core` reads a clock, a file, the environment or chance, starts anything, or logs."""
    assert [] == impurities(parsed(path), module_name(path))


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "from time import monotonic",
        "from urllib.request import urlopen",
        "def f():\n    import random",
        "open('x')",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "import os.path",
    ],
)
def test_the_check_can_fail(line: str) -> None:
    """Each kind of impurity is seen."""
    assert impurities(ast.parse(line), "gitslo.core.x")


@pytest.mark.parametrize("line", ["from datetime import datetime", "import math", "datetime.fromtimestamp(0, UTC)"])
def test_the_check_lets_pure_code_be(line: str) -> None:
    """What does not touch the world is not complained about."""
    assert [] == impurities(ast.parse(line), "gitslo.core.x")
