"""Links to what people wrote between two versions of a promoted value, from the pipeline's `compare`.

Called by the pipeline's parser, which checks the pattern, and by `core.messages`, which fills it in. Pure. Must stay
true: a link leads where the pattern on the protected branch says; what is filled in is a path's part and never more.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from gitslo.core.addresses import parse_http_url
from gitslo.core.nearest import nearest
from gitslo.errors import Problem, Refused
from gitslo.model import Change, ChangeKind, Environment, PromotedKind, ReleaseValue

__all__ = ["compare_url", "parse_compare"]

_SAID: Final = ("{before}", "{after}")
_KNOWN: Final = (*_SAID, "{service}", "{stage}")
_PLACEHOLDER: Final = re.compile("|".join(map(re.escape, _KNOWN)))
_BRACES: Final = re.compile(r"\{[^{}]*\}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._~:/?#@!$&*+,;=%\[\]-]*")
"""What a URL is made of, without what ends a link in Markdown."""
_LONGEST: Final = 128
"""Characters of a version: those of an image's tag."""


def parse_compare(text: str) -> str:
    """A pattern of links: http or https, with `{before}` and `{after}`.

    Raises:
        Refused: it is no URL, or leaves one of the versions out.
    """
    example = "e.g. `https://github.com/acme/{service}/compare/{before}...{after}`"
    if not text.startswith(("https://", "http://")):
        raise Refused(Problem("expected a link that begins with https:// or http://", hint=example))
    for named in _BRACES.findall(text):
        if named not in _KNOWN:
            raise Refused(Problem(f"{named} means nothing here", hint=nearest(named, _KNOWN)))
    filled = _PLACEHOLDER.sub("x", text)
    parse_http_url(re.split(r"[?#]", filled, maxsplit=1)[0])
    if not _PLAIN.fullmatch(filled):
        message = "the link may hold only what a URL is made of, without quotes and round brackets"
        raise Refused(Problem(message, hint=example))
    if any(each not in text for each in _SAID):
        raise Refused(Problem("the link must hold {before} and {after}", hint=example))
    if "{" in re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]:
        raise Refused(Problem("the host of the link must be the same for all versions", hint=example))
    return text


def compare_url(change: Change, environment: Environment, was: ReleaseValue | None, now: ReleaseValue) -> str:
    """From the older version to the newer one, whichever way the change goes; empty where there is no such link.

    Args:
        was, now: as `core.messages.moved` gives them.
    """
    rule = next((one for one in environment.promoted if (one.kind, one.name) == (now.kind, now.name)), None)
    if rule is None or not rule.compare or was is None:
        return ""
    versions = [_version(each) for each in (was, now)]
    older, newer = versions if change.kind is ChangeKind.PROMOTE else reversed(versions)
    if not older or not newer or older == newer or max(len(older), len(newer)) > _LONGEST:
        return ""
    return rule.compare.replace("{before}", quote(older, safe="")).replace("{after}", quote(newer, safe=""))


def _version(value: ReleaseValue) -> str:
    """A tag, without its digest, or a field's text; a digest or a blob names nothing that could be compared."""
    match value.kind:
        case PromotedKind.IMAGE:
            return value.value.partition("@")[0]
        case PromotedKind.FIELD:
            return value.value
        case _:
            return ""
