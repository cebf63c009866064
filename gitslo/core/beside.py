"""The files beside a plan: bodies, rows, gRPC types. Called by the parsers of what a plan sends."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.core.objects import name_fault
from gitslo.errors import Problem, Refused

__all__ = ["read_beside"]


def read_beside(path: str, read_file: Callable[[str], bytes]) -> bytes:
    """The bytes of a file in the plan's folder.

    Args:
        path: as the plan writes it; a `./` at its beginning is the folder.
        read_file: a path relative to that folder -> its bytes; raises Refused where there is none.

    Raises:
        Refused: the path leaves the folder, or there is no such file.
    """
    fault = name_fault(path.removeprefix("./"))
    if fault:
        raise Refused(Problem(f"the path {fault}", hint="the file lies in the plan's folder"))
    try:
        return read_file(path.removeprefix("./"))
    except Refused as refused:
        reason = "; ".join(problem.message for problem in refused.problems)
        raise Refused(Problem(f"the file `{path}` cannot be read: {reason}")) from refused
