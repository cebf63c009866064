"""Writing one scalar of a YAML file: in the quotes it has, or in the ones it needs.

Called by `edit`. Must stay true: a string stays a string for YAML 1.1 and 1.2 readers alike (Helm's and kubectl's take
`on` for true, `1.10` for 1.1 and `1:30` for ninety), and what needs no quotes gets none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitslo.core.yamlsafe import Scalar

__all__ = ["NewValue", "plain_or_quoted", "quoted", "rewritten"]


@dataclass(frozen=True, slots=True)
class NewValue:
    """What a place is to say.

    Attributes:
        text: the value, not quoted or escaped.
        verbatim: it comes from a plain scalar and means there whatever it means (`3`, `true`): where the place is plain
            too, it stays plain. Otherwise it is a string.
    """

    text: str
    verbatim: bool = False


def rewritten(source: str, scalar: Scalar, new: NewValue, *, flow: bool) -> str | None:
    """The scalar's new text, to stand between its start and its end; None: a block scalar that cannot hold it.

    Args:
        source: the file's text.
        scalar: as it stands there.
        new: what it is to say.
        flow: whether it stands inside `[...]` or `{...}`.
    """
    if scalar.style in {"|", ">"}:
        return _block(source, scalar, new.text)
    if scalar.style == "'" and not _needs_escapes(new.text):
        return "'" + new.text.replace("'", "''") + "'"
    return quoted(new.text) if scalar.style else plain_or_quoted(new, flow=flow)


def plain_or_quoted(new: NewValue, *, flow: bool) -> str:
    """The value without quotes where it means the same without them."""
    plain = _can_be_plain(new.text, flow=flow) and (new.verbatim or not _means_something(new.text))
    return new.text if plain else quoted(new.text)


def quoted(text: str) -> str:
    """The text in double quotes."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def _needs_escapes(text: str) -> bool:
    return any(character in text for character in "\n\r\t")


def _can_be_plain(text: str, *, flow: bool) -> bool:
    """Whether the text can stand without quotes at all, whatever it would mean then."""
    if not text or text != text.strip() or _needs_escapes(text) or text in {"---", "..."}:
        return False
    if text[0] in "?:,[]{}#&*!|>'\"%@`" or (text[0] == "-" and text[1:2] in {"", " "}):
        return False
    if ": " in text or " #" in text or text.endswith(":"):
        return False
    return not (flow and any(character in text for character in ",[]{}"))


_WORDS = frozenset({"", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<", "inf", "nan"})
_LIKE_A_NUMBER = re.compile(
    r"""[-+]?(
        0[xX][0-9a-fA-F_]+ | 0[oO][0-7_]+ | 0[bB][01_]+       # other bases
      | (\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?  # integers and floats
      | [0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?                # YAML 1.1 counts 1:30 as ninety
      | \.?(inf|nan|infinity)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_LIKE_A_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?")


def _means_something(text: str) -> bool:
    """Whether some YAML reader takes the plain text for anything but a string."""
    if text.casefold() in _WORDS:
        return True
    return bool(_LIKE_A_NUMBER.fullmatch(text) or _LIKE_A_DATE.fullmatch(text))


_HEADER = re.compile(r"[|>](-?)([ \t]*(?:[ \t]#[^\r\n]*)?)(\r?\n)")


def _block(source: str, scalar: Scalar, value: str) -> str | None:
    """A block scalar's new text, always literal: as long as it has an ordinary header and ordinary lines."""
    header = _HEADER.match(source, scalar.start.offset)
    body = value.removesuffix("\n")
    lines = body.split("\n")
    odd = body.endswith("\n") or body.startswith((" ", "\n")) or any(not line.strip() and line for line in lines)
    old = source[scalar.start.offset : scalar.end.offset]
    if header is None or not body or odd or "\r" in body or not scalar.value.strip():
        return None
    newline = header[3]
    content = old[header.end() - scalar.start.offset :]
    first = next(line for line in content.split("\n") if line.strip())
    indent = first[: len(first) - len(first.lstrip(" "))]
    # Blank lines and the next token's indentation may follow inside the scalar's range: they stay.
    kept = content[len(content.rstrip(" \r\n")) :].removeprefix(newline)
    ended = len(content.rstrip(" \r\n")) < len(content)
    written = newline.join(indent + line if line else "" for line in lines)
    chomp = "" if value.endswith("\n") else "-"
    return f"|{chomp}{header[2]}{newline}{written}{newline if ended else ''}{kept}"
