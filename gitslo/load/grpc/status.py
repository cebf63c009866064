"""How a gRPC call ended, told from its header blocks (gRPC over HTTP/2; HTTP to gRPC status code mapping).

Called once per distinct header block, not per answer, by the connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["DEADLINE_EXCEEDED", "INTERNAL", "STATUSES", "UNKNOWN", "ended", "said", "status"]

STATUSES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""The names of the status codes, by their numbers."""
UNKNOWN = STATUSES.index("UNKNOWN")
DEADLINE_EXCEEDED = STATUSES.index("DEADLINE_EXCEEDED")
INTERNAL = STATUSES.index("INTERNAL")

_BY_HTTP = {
    400: INTERNAL,
    401: STATUSES.index("UNAUTHENTICATED"),
    403: STATUSES.index("PERMISSION_DENIED"),
    404: STATUSES.index("UNIMPLEMENTED"),
    429: STATUSES.index("UNAVAILABLE"),
    502: STATUSES.index("UNAVAILABLE"),
    503: STATUSES.index("UNAVAILABLE"),
    504: STATUSES.index("UNAVAILABLE"),
}
"""For answers of what stands before a server and speaks no gRPC; every other status is UNKNOWN."""
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")

Fields = Iterable[tuple[bytes, bytes]]


def status(fields: Fields) -> int | None:
    """The code that a header block says; UNKNOWN where it says none that there is, None where it says nothing."""
    for name, value in fields:
        if name == b"grpc-status":
            return int(value) if value.isdigit() and len(value) <= 2 and int(value) < len(STATUSES) else UNKNOWN  # noqa: PLR2004 - 0 to 16
    return None


def ended(http: int, last: int | None) -> int:
    """The code of an answer: what its last header block says, else what its HTTP status stands for."""
    return _BY_HTTP.get(http, UNKNOWN) if last is None else last


def said(http: int, fields: Fields, last: int | None) -> bytes:
    """What an answer says of its status, for people: the server's own words, percent-decoded."""
    found = dict(fields)
    message = _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), found.get(b"grpc-message", b""))
    if last is not None:
        return message
    kind = found.get(b"content-type", b"no content-type")
    return b"HTTP status %d, %s, without grpc-status" % (http, kind)
