"""What a configured server's answer comes to: JSON, or the error that says what to do. Pure.

Called by the adapters that ask such servers. Must stay true: whatever is no whole JSON document of a 2xx answer is
never a value; what a server says of its errors is shown to people as one harmless line.
"""

from __future__ import annotations

import json
import re
from email.utils import parsedate_to_datetime

from gitslo.core.escape import plain, short
from gitslo.errors import Problem, Refused, Retry

__all__ = ["header", "json_of", "number", "refuse_or_retry", "seconds_ahead", "text_of_error"]

_SHOWN = 300
_LONGEST_DELAY = 60.0
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,309}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,4})?")
_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_REFUSALS = range(400, 500)
_NOT_NOW = frozenset({408, 425, 429})
_NOT_US = frozenset({401, 403, 407})
_NOT_FOUND = 404
_ERROR_KEYS = ("error", "message", "error_message", "errors", "reason", "detail", "description", "title")


def json_of(body: bytes, name: str) -> object:
    """The document.

    Raises:
        Retry: it is none; `name` is the source's.
    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Retry(f"the source `{name}` did not answer in JSON, but {_what(body)}") from None


def _what(body: bytes) -> str:
    start = body[:200].lstrip()
    if not start:
        return "with nothing"
    if start[:2] == b"\x1f\x8b":
        return "compressed, which it was not asked for"
    if start[:1] == b"<":
        return f"with a page: {_line(start.decode('utf-8', 'replace'))}"
    if start[:1] in b"{[":
        return "with JSON that is cut off or broken"
    return f"with {_line(start.decode('utf-8', 'replace'))}"


def refuse_or_retry(status: int, headers: tuple[tuple[str, str], ...], body: bytes, name: str, path: str) -> None:
    """Nothing for a 2xx answer.

    Args:
        status: of the answer.
        headers: names in lower case.
        body: without secrets.
        name: the source's, for messages.
        path: what was asked for, without its query.

    Raises:
        Refused, Retry: see `ports.Exchange.ask`.
    """
    if status in _OK:
        return
    said = text_of_error(body)
    shown = f": {said}" if said else ""
    where = f"the source `{name}`"
    if status in _REDIRECTS:
        to = _line(header(headers, "location"))
        message = f"{where} sends us elsewhere ({status}), to {to or 'no address'}, and redirects are not followed"
        raise Refused(Problem(message, hint="give the address itself, or see whether a login page stands before it"))
    if status in _NOT_US:
        raise Refused(Problem(f"{where} does not let us in ({status}){shown}", hint="see its `auth`"))
    if status in _NOT_NOW or status not in _REFUSALS:
        delay = header(headers, "retry-after")
        raise Retry(
            f"{where} answered with status {status}{shown}",
            *((min(float(delay), _LONGEST_DELAY),) if delay.isascii() and delay.isdecimal() else ()),
        )
    if status == _NOT_FOUND:
        raise Refused(Problem(f"{where} has nothing at {_line(path)} ({status}){shown}", hint="see its URL"))
    raise Refused(Problem(f"{where} refuses the question ({status}){shown}"))


def text_of_error(body: bytes) -> str:
    """What an error's body says, as one line for people; empty where it says nothing of use."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        text = body[:_SHOWN].decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else _line(text)
    return _line(_told(document, 4))


def _told(document: object, depth: int) -> str:
    """The first words in it, looked for under the names that errors have."""
    if isinstance(document, str):
        return document
    if not depth:
        return ""
    if isinstance(document, list):
        return "; ".join(filter(None, (_told(each, depth - 1) for each in document[:3])))
    if isinstance(document, dict):
        return next(filter(None, (_told(document.get(key), depth - 1) for key in _ERROR_KEYS)), "")
    return ""


def header(headers: tuple[tuple[str, str], ...], name: str) -> str:
    """The first header of that name (in lower case); empty where there is none."""
    return next((value.strip() for each, value in headers if each == name), "")


def seconds_ahead(headers: tuple[tuple[str, str], ...], wall: float) -> float | None:
    """How far the server's clock is ahead of ours, to about a second; None where its Date header does not say.

    Args:
        headers: of the answer.
        wall: our time when it came, in seconds since the Unix epoch.
    """
    try:
        return parsedate_to_datetime(header(headers, "date")).timestamp() - wall
    except (ValueError, TypeError, OverflowError):
        return None


def number(value: object) -> float | None:
    """A JSON number, or text that is one; None for anything else, for NaN, and for what is infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = text
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if found - found == 0.0 else None


def _line(text: str) -> str:
    return short(plain(text), _SHOWN)
