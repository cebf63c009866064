"""What one request says, whatever protocol carries it. Pure.

What could break the framing of a request (a line end in a header, a length of the author's own) is refused here, when
a section's sources are made: by the engine before it starts a worker, and by the worker with the same functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gitslo.errors import Problem, Refused
from gitslo.model import Target

__all__ = ["WITH_BODY", "Content", "authority", "check_header", "check_request", "check_value", "refused"]

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests say the length of a body even where it is empty."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[!-~]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_AUTHORITY = re.compile(r"[!-~]+")
_OURS = frozenset({"content-length", "transfer-encoding"})
_CONNECTION = frozenset({"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"})


@dataclass(frozen=True, slots=True)
class Content:
    """One request.

    Attributes:
        method: upper case.
        path: with the target's base path and the query.
        headers: all but Host (`:authority`), Content-Length and what handles the connection. Each character of a value
            is one byte.
        body: empty for none.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def authority(target: Target) -> str:
    """`host[:port]` as Host says it: the target's own word, or brackets around IPv6 and the scheme's own port left out.

    Raises:
        Refused: it holds what no header may.
    """
    host = f"[{target.host}]" if ":" in target.host else target.host
    plain = host if target.port == (443 if target.tls else 80) else f"{host}:{target.port}"
    said = target.authority or plain
    if not _AUTHORITY.fullmatch(said):
        raise Refused(Problem(f"target {target.name!r}: {said!r} cannot stand in a Host header"))
    return said


def check_request(endpoint: str, method: str, path: str) -> None:
    """Hold what a request line says against what it can hold; variables in the path have a value in it.

    Raises:
        Refused: it cannot be sent.
    """
    if not _TOKEN.fullmatch(method) or method == "CONNECT":
        raise refused(endpoint, f"{method!r} is no method that load can be sent with")
    if not _PATH.fullmatch(path):
        raise refused(endpoint, f"the path {path!r} must start with / and hold only printable ASCII, spaces escaped")


def check_header(endpoint: str, name: str) -> None:
    """Hold a header's name against those that an endpoint may give.

    Raises:
        Refused: it is none, or it is the engine's to say.
    """
    if not _TOKEN.fullmatch(name):
        raise refused(endpoint, f"the header {name!r} holds what no header may (a line end, a control character)")
    if name.lower() in _OURS:
        raise refused(endpoint, f"the header {name!r} follows from the body and is not given")
    if name.lower() == "host":
        raise refused(endpoint, f"the header {name!r} follows from the target", "a target's `authority` replaces it")
    if name.lower() in _CONNECTION:
        raise refused(endpoint, f"the header {name!r} is the engine's own", "`keep_alive: false` closes connections")


def check_value(endpoint: str, name: str, value: str) -> None:
    """Hold a header's value against what a header can hold.

    Raises:
        Refused: it would break the request.
    """
    if not _VALUE.fullmatch(value):
        raise refused(endpoint, f"the header {name!r} holds what no header may (a line end, a control character)")


def refused(endpoint: str, message: str, hint: str = "") -> Refused:
    """An endpoint that cannot be sent."""
    return Refused(Problem(f"endpoint {endpoint!r}: {message}", hint=hint))
