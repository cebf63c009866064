"""How our pull requests and comments are found again: marks in HTML comments, which no forge shows.

Called by the forges of this package. Pure. Must stay true: what `marked` wrote, `unmarked` reads back letter by letter,
and no word of a person or a repository can pass for a mark, because `core.escape` leaves no `<` in what we write.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

__all__ = ["fitted", "marked", "unmarked"]

_MARK = re.compile(r"\n\n<!-- gitslo:(?P<kind>[a-z]+)=(?P<value>[A-Za-z0-9%._~/+:-]*) -->\s*\Z")
_SAFE = "/+:"


_CUT = "\n\n*Cut off here: the forge holds no more. `gitslo report` shows all of it.*"
_ROOM = 600
"""Characters that are kept free for a mark."""


def fitted(text: str, most: int) -> str:
    """A text that is cut off, at the end of a line and with a word about it, where it is too long for a forge.

    Args:
        text: Markdown.
        most: characters that the forge takes, the mark's among them.
    """
    most -= _ROOM
    if len(text) <= most:
        return text
    beginning = text[: most - len(_CUT) - 8]
    kept = (beginning.rpartition("\n")[0] or beginning).rstrip()
    # in an open block of code the closing words, and the mark, would be shown as code
    fences = sum(line.lstrip().startswith("```") for line in kept.split("\n"))
    return kept + ("\n```" if fences % 2 else "") + _CUT


def marked(text: str, kind: str, value: str) -> str:
    """The text with a mark at its end; `kind` is `pull` or `comment`."""
    # A dash in the value is kept from ending the HTML comment.
    return f"{text}\n\n<!-- gitslo:{kind}={quote(value, safe=_SAFE).replace('--', '-%2D')} -->"


def unmarked(text: str, kind: str) -> tuple[str, str]:
    """(text, value); the text as it is and an empty value where there is no such mark."""
    found = _MARK.search(text.replace("\r\n", "\n"))
    if found is None or found["kind"] != kind:
        return text, ""
    return found.string[: found.start()], unquote(found["value"])
