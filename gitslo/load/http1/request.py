"""A request's bytes in HTTP/1.1 (RFC 9112). Pure; called by `full`, and by `worker.dial` for constant requests."""

from __future__ import annotations

from gitslo.load.requests.content import WITH_BODY, Content

__all__ = ["request_bytes"]


def request_bytes(content: Content, host: str, *, close: bool = False) -> bytes:
    """A request's bytes.

    Args:
        content: the request.
        host: its authority.
        close: the connection is used for this request only.
    """
    lines = [f"{content.method} {content.path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in content.headers]
    if close:
        lines.append("Connection: close")
    if content.body or content.method in WITH_BODY:
        lines.append(f"Content-Length: {len(content.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content.body
