"""How our pull requests and comments are found again: marks in HTML comments, which no forge shows.

Called by the forges of this package. Pure. Must stay true: what `marked` wrote, `unmarked` reads back letter by letter,
and no word of a person or a repository can pass for a mark, because `core.escape` leaves no `<` in what we write.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

__all__ = ["marked", "unmarked"]

_MARK = re.compile(r"\n\n<!-- gitslo:(?P<kind>[a-z]+)=(?P<value>[A-Za-z0-9%._~/+:-]*) -->\s*\Z")
_SAFE = "/+:"


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
