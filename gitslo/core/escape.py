"""Text that others wrote, made harmless for the place where it is shown.

Called by `core.messages`, `core.tables` and `core.render` for every word that comes from a repository, a service's
answer or a person. What must stay true of every function here: the result is one line, nothing in it acts on a
terminal, notifies anybody, links anywhere, closes an issue, or is read as markup.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["code", "markdown", "plain", "quiet", "short"]

_ACTING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Unicode categories that act on whoever reads: controls, bidirectional overrides, halves of pairs, line breaks."""

_BREAK = "\u200b"
"""A zero-width space: keeps a word readable and stops a forge from acting on it."""

_MENTION = re.compile(r"(?<![A-Za-z0-9])@(?=\w)")
_REFERENCE = re.compile(r"""(?:[#!](?=\w)|\bGH-(?=\d)|(?<!\d)[~%](?=["\w])|[&$](?=\d))""")
"""Issues and merge requests; GitLab's labels, milestones, epics and snippets. `1%"` is a limit's end in quotes."""
_LINK = re.compile(r"(?::(?=//)|\bwww(?=\.))", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<=[A-Za-z0-9._+-])@(?=[A-Za-z0-9-]+\.)")
_MARKUP = re.compile(r"([\\`*_{}\[\]|~$])")
_LEADING = re.compile(r"(?:[-+/=:#]|\d+(?=[.)](?:\s|$)))")


def plain(text: str) -> str:
    """For a terminal or a log: whitespace becomes single spaces, what would act is spelled out (an escape as x1b)."""
    flat = " ".join(text.split())
    return "".join(_visible(each) if unicodedata.category(each) in _ACTING else each for each in flat)


def quiet(text: str) -> str:
    """For a title or a commit message: `plain`, and neither mentions, references nor links are recognised."""
    found = plain(text)
    for pattern in (_MENTION, _REFERENCE, _LINK):
        found = pattern.sub(lambda match: match.group() + _BREAK, found)
    return found


def markdown(text: str) -> str:
    """For the running text of a Markdown document, also inside a table: shown letter by letter."""
    found = _ADDRESS.sub("@" + _BREAK, quiet(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    found = _MARKUP.sub(r"\\\1", found)
    leading = _LEADING.match(found)
    if leading is None:
        return found
    # At the start of a line these would begin a list, a quotation, a heading's underline or a forge's quick action.
    return found[: leading.end()] + "\\" + found[leading.end() :] if leading.group().isdigit() else "\\" + found


def code(text: str, *, in_table: bool = False) -> str:
    """For Markdown, as a code span.

    Nothing in one is recognised as anything; it is quiet all the same, because a squash merge puts a pull request's
    body into a commit message, where code spans are not seen.

    Args:
        in_table: a bar would end the cell, and elsewhere what keeps it from that would be seen.
    """
    found = quiet(text)
    if not found:
        return "(empty)"
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", found)), default=0))
    pad = " " if found.startswith("`") or found.endswith("`") else ""
    if in_table:
        found = found.replace("|", "\\|")
    return f"{fence}{pad}{found}{pad}{fence}"


def short(text: str, cap: int) -> str:
    """At most `cap` characters; what was cut ends in an ellipsis."""
    return text if len(text) <= cap else text[: cap - 1].rstrip() + "…"


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
