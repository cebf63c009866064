from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.yamlsafe import (
    CONTRACT,
    MANIFEST,
    PIPELINE,
    Budget,
    Mapping,
    Node,
    Scalar,
    Sequence,
    plain,
    read_document,
    read_documents,
)
from gitslo.errors import Problem, Refused
from tests.contracts.test_yamlsafe import refusal, value

pytestmark = pytest.mark.heavy
SECONDS = 1.0
"""What one file may take (fault F16) on a machine that does nothing else."""


def outcome(data: bytes, budget: Budget) -> tuple[tuple[Node, ...], tuple[Problem, ...]]:
    """What is read, or why nothing is; any other exception is a failure."""
    try:
        return read_documents(data, file="f", budget=budget), ()
    except Refused as refused:
        return (), refused.problems


FULL = 256 * 1024
HOSTILE = {
    "flow nesting": "[" * 100_000,
    "flow mappings": "{a: " * 50_000,
    "block nesting": "- " * 100_000,
    "explicit keys": "? " * 100_000,
    "indented nesting": "".join(f"{' ' * i}a:\n" for i in range(500)),
    "many items": "[" + "1," * 100_000 + "]",
    "many keys": "".join(f"k{i}:\n" for i in range(25_000)),
    "many documents": "---\n" * 60_000,
    "many anchors": "- &a x\n" * 30_000,
    "anchors far off": ("- &a" + " " * 40 + "x\n") * 5_000,
    "alias bomb": "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20)),
    "text bomb": 'a: &a "' + "x" * 100_000 + '"\nb: [' + "*a," * 1000 + "]",
    "merge bomb": "a: &a {" + ",".join(f"k{i}: 1" for i in range(500)) + "}\nb:\n" + "- <<: *a\n" * 100,
    "merge chain": "m0: &m0 {x: 1}\n" + "".join(f"m{i}: &m{i}\n  <<: *m{i - 1}\n  y{i}: 1\n" for i in range(1, 2000)),
    "a tag": "!" + "a" * 200_000,
    "an anchor": "&" + "a" * 200_000,
    "digits": "a: " + "1" * 200_000,
    "almost digits": "a: " + "1" * 200_000 + "x",
    "quotes": '"a\n' * 80_000,
    "colons": ":" * 200_000,
    "words": "a " * 130_000,
    "lines": "a\n" * 130_000,
    "blanks": " " * FULL,
    "line breaks": "\n" * FULL,
    "returns": "\r" * FULL,
    "comments": "#\n" * 130_000,
    "literal": "a: |\n" + " x\n\n" * 60_000,
    "escapes": '"' + "\\U00010000" * 20_000 + '"',
}


def spent(data: str, budget: Budget) -> float:
    """Seconds of this thread's own time."""
    data_bytes, before = data.encode(), time.thread_time()
    outcome(data_bytes, budget)
    return time.thread_time() - before


@pytest.fixture(scope="module")
def patience() -> float:
    """Twice what may be taken; more where an ordinary full file takes longer (a slow machine, a tracer)."""
    ordinary = "".join(f"- {{name: item-{i}, value: {i}}}\n" for i in range(3_900))
    return max(2 * SECONDS, 4 * spent(ordinary, MANIFEST))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("budget", [CONTRACT, MANIFEST], ids=["contract", "manifest"])
def test_hostile_files_end_soon(name: str, budget: Budget, patience: float) -> None:
    """Whatever the bytes, there is an answer or a refusal within the time, and no other exception."""
    assert spent(HOSTILE[name], budget) < patience


def test_depth_is_refused_before_it_is_built() -> None:
    """The thirty-third level is where reading ends, a hundred thousand brackets or not; aliases add theirs."""
    allowed, alias = "[" * 32 + "]" * 32, "a: &a " + "[" * 20 + "]" * 20 + "\nb: " + "[" * 12 + "*a" + "]" * 12 + "\n"

    assert ("f.yaml:1:33: nested deeper than 32 levels", "f.yaml:2:16: nested deeper than 32 levels") == (
        refusal("[" * 100_000),
        refusal(alias, MANIFEST),
    )
    assert read_document(allowed.encode(), file="f", budget=CONTRACT)


def test_an_alias_counts_as_all_that_it_stands_for() -> None:
    """The budget is of what a reader sees, not of what stands in the file."""
    few = Budget(bytes=1000, depth=8, nodes=12, aliases=True, documents=False)

    assert [[1, 2, 3], [1, 2, 3]] == value("- &a [1, 2, 3]\n- *a\n", few)
    told = "f.yaml:3:3: more than 12 nodes (what an alias stands for counts each time)"
    assert refusal("- &a [1, 2, 3]\n- *a\n- *a\n", few) == told


def test_the_pipeline_has_the_larger_budget() -> None:
    """A pipeline of many services is read; the same bytes are too many for a plan."""
    services = "services: [" + ",".join(f"s{i}" for i in range(30_000)) + "]\n"
    found = read_document(services.encode(), file="f", budget=PIPELINE)

    assert isinstance(found, Mapping)
    assert "nodes" in refusal(services) or "bytes" in refusal(services)


# --------------------------------------------------------------------------- any bytes at all

PIECES = st.sampled_from(
    [
        *"a1:-,[]{}&*!|>'\"%#?@` \n\t\r\\.~<e+0x",
        *(
            "\n  ",
            "- ",
            ": ",
            "&a ",
            "*a",
            "<<: ",
            "---\n",
            "...\n",
            '"\\u',
            "\\U",
            "\\x",
            "''",
            "é",
            "😀",
            "\0",
            "\x85",
        ),
        *("\u2028", ".nan", "!!str ", "%YAML 1.2\n", "key: ", "|2\n", ">-\n", "{{ "),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.lists(PIECES, max_size=80).map("".join), st.text(max_size=200)), st.sampled_from([CONTRACT, MANIFEST])
)
def test_any_text_is_read_or_refused(text: str, budget: Budget) -> None:
    """No input makes the reader fail in another way; what is read can be told as JSON."""
    documents, problems = outcome(text.encode("utf-8", "surrogatepass"), budget)

    assert all(problem.line is not None for problem in problems)
    assert len([plain(document) for document in documents]) == len(documents)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([CONTRACT, MANIFEST]))
def test_any_bytes_are_read_or_refused(data: bytes, budget: Budget) -> None:
    """The same for what is no text."""
    documents, problems = outcome(data, budget)

    assert not documents or not problems


WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | WORDS
KEYS = st.text("abcdefgh", min_size=1, max_size=3)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_json_is_read_as_it_is(tree: object) -> None:
    """JSON is YAML: it comes back equal, and every scalar's offsets cut out its text."""
    text = json.dumps(tree)
    document = read_document(text.encode(), file="f", budget=MANIFEST)

    assert tree == plain(document)
    assert all(json.loads(text[each.start.offset : each.end.offset]) == each.data() for each in scalars(document))


def scalars(node: Scalar | Sequence | Mapping) -> list[Scalar]:
    match node:
        case Scalar():
            return [node]
        case Sequence():
            return [each for item in node.items for each in scalars(item)]
        case Mapping():
            return [each for key, item in node.entries for each in (key, *scalars(item))]
