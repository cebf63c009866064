"""AWS Signature Version 4: the headers that say who sends a request. Pure: the time is an argument.

Called by `gitslo.adapters.configured_server`. After AWS' documentation, "Create a signed AWS API request"; the tests
hold it against the vectors that AWS has published.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote

__all__ = ["AwsKeys", "signed_headers"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_UNSIGNED = frozenset({"connection", "user-agent", "accept-encoding", "authorization"})


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What a request is signed with, and for where.

    Attributes:
        session_token: of temporary credentials, else empty.
    """

    region: str
    service: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def signed_headers(
    method: str, host: str, path: str, headers: Sequence[tuple[str, str]], body: bytes, keys: AwsKeys, at: str
) -> tuple[tuple[str, str], ...]:
    """The headers to add: `X-Amz-Date`, `Authorization` and, of temporary credentials, `X-Amz-Security-Token`.

    Args:
        method: e.g. POST.
        host: what the Host header says.
        path: with its query, as it is sent.
        headers: the others that are sent.
        body: what is sent.
        keys: who sends it.
        at: the time in UTC, as `20150830T123600Z`; servers accept five minutes to either side.
    """
    added = [("X-Amz-Date", at)]
    if keys.session_token:
        added.append(("X-Amz-Security-Token", keys.session_token))
    signed = _canonical_headers([("host", host), *headers, *added])
    names = ";".join(name for name, _ in signed)
    bare, _, query = path.partition("?")
    request = "\n".join(
        (
            method,
            quote(bare, safe="/-_.~") or "/",
            _canonical_query(query),
            *(f"{name}:{value}" for name, value in signed),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    day = at[:8]
    scope = f"{day}/{keys.region}/{keys.service}/aws4_request"
    text = "\n".join((_ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in (day, keys.region, keys.service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = f"Credential={keys.access_key_id}/{scope}"
    value = f"{_ALGORITHM} {credential}, SignedHeaders={names}, Signature={key.hex()}"
    return (*added, ("Authorization", value))


def _canonical_headers(headers: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() not in _UNSIGNED:
            found.setdefault(name.lower(), []).append(" ".join(value.split()))
    return [(name, ",".join(found[name])) for name in sorted(found)]


def _canonical_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs))
