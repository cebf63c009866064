from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.imports import Imported
from gitslo.core.parse_plan import parse_plan
from gitslo.core.yamlsafe import MANIFEST, Plain, plain, read_documents
from gitslo.errors import Refused
from tests.imports.files import cases, imported

ODD: tuple[Plain, ...] = (
    None, -1, 0, 1.5, 1e300, True, "", "x", "é", "0", "-5s", "10s", "1000000h", "99999999999", "result[0] < ",
    "sum(rate(x[5m]", "${x}", "{{ args.z }}", "http://", "\n", [], {}, [1], [[]], {"a": 1}, "a" * 9000,
)  # fmt: skip


@cache
def documents(name: str) -> tuple[tuple[str, tuple[Plain, ...]], ...]:
    folder = next(each for each in cases() if each.name == name)
    return tuple(
        (path.name, tuple(plain(node) for node in read_documents(path.read_bytes(), file=path.name, budget=MANIFEST)))
        for path in sorted(folder.glob("*.yaml"))
    )


def mutated(value: Plain, number: int, odd: Plain) -> tuple[Plain, int]:
    """The value with its `number`-th part replaced, and how many parts are left to count."""
    if number == 0:
        return odd, -1
    number -= 1
    if isinstance(value, dict):
        found: dict[str, Plain] = {}
        for key, each in value.items():
            found[key], number = (each, number) if number < 0 else mutated(each, number, odd)
        return found, number
    if isinstance(value, list):
        items: list[Plain] = []
        for each in value:
            item, number = (each, number) if number < 0 else mutated(each, number, odd)
            items.append(item)
        return items, number
    return value, number


@pytest.mark.heavy
@given(
    name=st.sampled_from([folder.name for folder in cases()]),
    number=st.integers(1, 150),
    odd=st.sampled_from(ODD),
)
@settings(derandomize=True, database=None, deadline=None, max_examples=150)
def test_whatever_stands_in_a_file_it_is_a_plan_or_a_reason(name: str, number: int, odd: Plain) -> None:
    """One part of a good file is something else: no other error, and a plan that is written is accepted."""
    files = []
    for file, parts in documents(name):
        changed = [mutated(part, number, odd)[0] for part in parts]
        files.append((file, "---\n".join(json.dumps(part) + "\n" for part in changed).encode()))
    folder = next(each for each in cases() if each.name == name)
    arguments = folder / "arguments.txt"
    result: Imported | None
    try:
        result = imported(
            name.partition("-")[0],
            tuple(files),
            arguments.read_text(encoding="utf-8") if arguments.exists() else "",
        )
    except Refused:
        result = None
    if result is not None and result.plan:
        parse_plan(result.plan.encode(), file="slo.yaml", read_file=lambda _: b"")

    assert result is None or bool(result.plan) != bool(result.refused)
