"""An endpoint as the bytes that are sent, made once before the run. Pure.

What could break the framing of a request (a line end in a header, a Content-Length of the author's own) is refused
here: the engine checks before it starts a worker, and the worker renders with the same function.
"""

from __future__ import annotations

import re

from gitslo import __version__
from gitslo.errors import Problem, Refused
from gitslo.model import Endpoint, Target

__all__ = ["authority", "render"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[!-~]*")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = {"content-length", "transfer-encoding"}
_WITH_BODY = {"POST", "PUT", "PATCH"}


def authority(target: Target) -> str:
    """`host[:port]` as Host says it: brackets around IPv6, the scheme's own port left out."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    return host if target.port == (443 if target.tls else 80) else f"{host}:{target.port}"


def render(endpoint: Endpoint, target: Target, run_id: str) -> bytes:
    """The whole request of one endpoint.

    Raises:
        Refused: method, path or a header cannot stand in a request as given.
    """
    path = f"{target.path}{endpoint.path}"
    if not _TOKEN.fullmatch(endpoint.method) or endpoint.method == "CONNECT":
        raise _refused(endpoint, f"{endpoint.method!r} is no method that load can be sent with")
    if not _PATH.fullmatch(path):
        raise _refused(endpoint, f"the path {path!r} must start with / and hold only printable ASCII, spaces escaped")
    given: set[str] = set()
    lines = [f"{endpoint.method} {path} HTTP/1.1"]
    for name, value in endpoint.headers:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _refused(endpoint, f"the header {name!r} holds what no header may (a line end, a control character)")
        if name.lower() in _OURS:
            raise _refused(endpoint, f"the header {name!r} follows from the body and is not given")
        given.add(name.lower())
    defaults = (
        ("Host", authority(target)),
        ("User-Agent", f"gitslo/{__version__} (load; run {run_id})"),
        ("Accept", "*/*"),
    )
    lines += [f"{name}: {value}" for name, value in defaults if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in endpoint.headers]
    if endpoint.body or endpoint.method in _WITH_BODY:
        lines.append(f"Content-Length: {len(endpoint.body)}")
    for line in lines:
        if not _VALUE.fullmatch(line):
            raise _refused(endpoint, f"{line!r} holds what no header may (a line end, a control character)")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + endpoint.body


def _refused(endpoint: Endpoint, message: str) -> Refused:
    return Refused(Problem(f"endpoint {endpoint.name!r}: {message}"))
