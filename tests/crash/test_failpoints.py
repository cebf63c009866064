"""Every effect of `gitslo.loop.act` stands between two failpoints: what the crash tests kill at is all there is."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from gitslo.core.state import CHANGE_TABLE, RUN_TABLE
from gitslo.failpoints import NAMES
from gitslo.ports import Forge
from tests.project.source import ROOT, parsed

ACT = parsed(ROOT / "gitslo" / "loop" / "act.py")
HELPERS = {"_swap"}
"""Functions of the actor that are an effect of whoever calls them."""
EFFECTS = {"_swap", "_begin", "_commands"}
FORGE_READS = {"capabilities", "find", "has_comment", "has_status"}
FORGE_EFFECTS = {name for name in vars(Forge) if not name.startswith("_")} - FORGE_READS


def effects(node: ast.AST) -> Iterator[ast.Call]:
    """The calls below a node that change something outside of this process."""
    for call in ast.walk(node):
        match call:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)) if name in EFFECTS:
                yield call
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_forge"), attr=name)) if name in FORGE_EFFECTS:
                yield call
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="issues"), attr="tell")):
                yield call
            case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="commit_comments"), attr="once")):
                yield call


def functions() -> Iterator[ast.FunctionDef]:
    """Every function that is no helper."""
    for node in ast.walk(ACT):
        if isinstance(node, ast.FunctionDef) and node.name not in HELPERS:
            yield node


def blocks(function: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    """Every list of statements in a function."""
    for node in ast.walk(function):
        for field in ("body", "orelse", "finalbody"):
            found = getattr(node, field, None)
            if isinstance(found, list):
                yield found


def failpoint(statement: ast.stmt) -> tuple[ast.expr, str] | None:
    """The name (an expression) and the side of a failpoint."""
    match statement:
        case ast.Expr(ast.Call(func=ast.Name(id="failpoint"), args=[name, ast.Constant(value=str(side))])):
            return name, side
    return None


def names(function: ast.FunctionDef, name: ast.expr) -> tuple[str, ...]:
    """What a failpoint's name may be: itself, or every value of the table that it is looked up in."""
    match name:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=table), attr="get"), args=[_, ast.Constant(value=default)]):
            values = [value.value for value in lookup(function, table).values if isinstance(value, ast.Constant)]
            return (*dict.fromkeys(values), default)
    raise AssertionError(ast.dump(name))


def lookup(function: ast.FunctionDef, table: str) -> ast.Dict:
    """The literal that a local name is bound to."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as found) if name == table:
                return found
    raise AssertionError(table)


def fenced() -> Iterator[tuple[tuple[str, ...], str, ast.stmt]]:
    """Each failpoint before something: its names, which sides there are, and the one statement that it fences."""
    for function in functions():
        for block in blocks(function):
            for index, statement in enumerate(block):
                point = failpoint(statement)
                if point is None or point[1] != "before":
                    continue
                after = failpoint(block[index + 2]) if index + 2 < len(block) else None
                both = after is not None and after[1] == "after" and ast.dump(after[0]) == ast.dump(point[0])
                yield names(function, point[0]), "both" if both else "before", block[index + 1]


def test_every_effect_stands_between_its_failpoints():
    """One failpoint before, one after, and one effect between them; what follows an attempt is `judge:before`."""
    found = list(fenced())
    inside = [call for _, _, statement in found for call in effects(statement)]
    everything = [call for function in functions() for call in effects(function)]

    assert [] == [ast.unparse(call) for call in everything if call not in inside]
    assert [] == [found_names for found_names, _, statement in found if not list(effects(statement))]
    assert [("attempt",)] == [found_names for found_names, sides, _ in found if sides == "before"]


def test_the_failpoints_have_the_names_that_are_listed():
    """Each name stands at one effect, and the list has no other."""
    found = [name for found_names, _, _ in fenced() for name in found_names]
    calls = [call for call in ast.walk(ACT) if isinstance(call, ast.Call) and ast.unparse(call.func) == "failpoint"]

    assert sorted(NAMES) == sorted(found)
    assert 2 * len(list(fenced())) - 1 == len(calls)


def test_the_ledgers_failpoints_are_events_of_the_tables():
    """A ledger entry of a run has the failpoint of its event; every other entry is `ledger`."""
    table = next(lookup(function, "point") for function in functions() if function.name == "_append")
    events = {key.value for key in table.keys if isinstance(key, ast.Constant)}

    assert set() == events - {edge.event for edge in (*RUN_TABLE, *CHANGE_TABLE)}
