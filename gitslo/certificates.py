"""Whether a file holds certificates that can be trusted as authorities. Called by `gitslo.config`.

Looked at when the configuration is read: Git, and every other client, would only say much later that nothing of a
server's certificate is trusted.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["certificate_fault"]

_LARGEST = 16 * 1024 * 1024
"""Bytes; the bundle of a whole system has a quarter of a million."""


def certificate_fault(path: Path) -> str:
    """Why `path` is no file of PEM certificates; empty where it is one."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        return f"the certificates cannot be read: {error.strerror}"
    if len(data) > _LARGEST:
        return f"the file of certificates is larger than {_LARGEST >> 20} MiB"
    import ssl  # noqa: PLC0415 - only who names a file pays for it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=data.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        return "no certificate can be read from the file"
    return ""
