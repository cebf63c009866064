"""Where a redirect leads, and what is asked there (RFC 9110, 15.4). Pure; called by the connections that read.

A redirect is followed on the target's own scheme, host and port only: the operator has allowed no other host, and a
load that moved to another would not measure the target.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from gitslo.core.template import in_path
from gitslo.load.requests.content import Content
from gitslo.model import Target

__all__ = ["REDIRECTS", "follow", "origins"]

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""Statuses whose Location is followed."""
_OF_THE_BODY = ("content-", "digest", "last-modified")
_SEE_OTHER = 303
_TO_GET = frozenset({301, 302})

Origin = tuple[str, str, int]


def origins(target: Target, authority: str) -> frozenset[Origin]:
    """(scheme, host, port) under which the target knows itself: by its address, and by what Host says."""
    scheme = "https" if target.tls else "http"
    said = urlsplit(f"{scheme}://{authority}")
    standard = 443 if target.tls else 80
    return frozenset(
        {(scheme, target.host.lower(), target.port), (scheme, (said.hostname or "").lower(), said.port or standard)}
    )


def follow(
    content: Content, status: int, location: bytes, base: str, allowed: frozenset[Origin]
) -> tuple[Content | None, str]:
    """The next request of a chain, or why there is none.

    Args:
        content: the request that was answered.
        status: one of REDIRECTS.
        location: the header's value.
        base: `scheme://authority` of the request.
        allowed: where it may lead.

    Returns:
        (request, "") or (None, kind of error).
    """
    try:
        found = urlsplit(urljoin(f"{base}{content.path}", location.decode("utf-8", "replace").strip()))
        port = found.port or (443 if found.scheme == "https" else 80)
    except ValueError:
        return None, "redirect: no valid location"
    if (found.scheme, (found.hostname or "").lower(), port) not in allowed:
        return None, "redirect: to another host"
    path = in_path((found.path or "/") + (f"?{found.query}" if found.query else ""))
    if (status == _SEE_OTHER and content.method != "HEAD") or (status in _TO_GET and content.method == "POST"):
        headers = tuple(header for header in content.headers if not header[0].lower().startswith(_OF_THE_BODY))
        return Content("GET", path, headers, b""), ""
    return Content(content.method, path, content.headers, content.body), ""
