"""The hint for a name that is not known: the one that was probably meant.

Called wherever a name from a repository is looked up. Names stand in backticks here as in every other hint. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from gitslo.core.escape import plain

__all__ = ["nearest"]

FEW = 8
"""So many names are listed where none is like the one asked for."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint with the known name that is most like `name`, or with all of them where they are few; may be empty."""
    names = list(dict.fromkeys(known))
    match = get_close_matches(name, names, n=1, cutoff=0.6)
    if match:
        return f"did you mean `{plain(match[0])}`?"
    return f"there is {', '.join(f'`{plain(name)}`' for name in names)}" if 0 < len(names) <= FEW else ""
