"""Reads the contract files of the test data: what a case is, its folder's name says before the first dash."""

from __future__ import annotations

from pathlib import Path

from gitslo.config import parse_operator
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Problem, Refused

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = Path(__file__).parent / "examples"


BESIDE = {
    "pay.json": b'{"amount": 1}',
    "users.csv": b"id,name\n1,Ann\n2,Bo\n",
    "template.txt": b"good ${seq}\nbad ${sequence}\n",
}
"""What lies beside every plan."""


def beside(path: str) -> bytes:
    if path in BESIDE:
        return BESIDE[path]
    raise Refused(Problem("there is no such file", file=path))


def read(kind: str, data: bytes, file: str = "input.yaml") -> object:
    match kind:
        case "plan":
            return parse_plan(data, file=file, read_file=beside)
        case "operator":
            return parse_operator(data, file=file)
        case _:
            return parse_pipeline(data, file=file)


def said(kind: str, data: bytes, file: str = "input.yaml") -> str:
    """What the author of a file is told; empty where nothing is wrong."""
    try:
        read(kind, data, file)
    except Refused as refused:
        return "".join(f"{problem}\n" for problem in refused.problems)
    return ""
