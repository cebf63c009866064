"""The cookies of one connection: what a target told us to keep, sent back as RFC 6265 says, minimally. Pure.

What is left out of the standard: no list of public suffixes (a target can only set cookies for itself: nothing else is
ever asked), no difference between http and script. At most MOST cookies of LONGEST characters each are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST", "MOST", "Jar"]

MOST = 50
LONGEST = 4096
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e\x80-\xff]*")
_SECONDS = re.compile(r"-?[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class _Cookie:
    value: str
    path: str
    until: float | None


class Jar:
    """Cookies for one host."""

    __slots__ = ("_cookies", "_host", "_secure")

    def __init__(self, host: str, *, secure: bool) -> None:
        """Start empty.

        Args:
            host: the name that requests ask for, without a port.
            secure: whether they go over TLS; without it, cookies that ask for it are not sent.
        """
        self._host = host.lower()
        self._secure = secure
        self._cookies: dict[tuple[str, str], _Cookie] = {}

    def take(self, headers: Iterable[tuple[bytes, bytes]], path: str, now: float) -> None:
        """Keep, or part with, what an answer's Set-Cookie headers say.

        Args:
            headers: the answer's.
            path: of the request, with its query.
            now: Unix seconds.
        """
        for name, value in headers:
            if name.lower() == b"set-cookie":
                self._set(value.decode("latin-1"), path, now)

    def header(self, path: str, now: float) -> str:
        """The value of the Cookie header for a path; empty for none. Longer paths first."""
        asked = path.partition("?")[0]
        fitting = [
            (len(cookie.path), name, cookie.value)
            for (name, _), cookie in self._cookies.items()
            if _within(asked, cookie.path) and (cookie.until is None or cookie.until > now)
        ]
        fitting.sort(key=lambda each: -each[0])
        return "; ".join(f"{name}={value}" for _, name, value in fitting)

    def _set(self, text: str, path: str, now: float) -> None:
        pair, *rest = text.split(";")
        name, equals, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or len(pair) > LONGEST or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            return
        said = {key.strip().lower(): word.strip() for key, _, word in (part.partition("=") for part in rest)}
        domain = said.get("domain", "").removeprefix(".").lower()
        if domain and self._host != domain and not self._host.endswith(f".{domain}"):
            return
        if "secure" in said and not self._secure:
            return
        wanted = said.get("path", "")
        where = wanted if wanted.startswith("/") else _folder(path)
        until = _until(said, now)
        self._cookies.pop((name, where), None)
        if (until is None or until > now) and len(self._cookies) < MOST:
            self._cookies[name, where] = _Cookie(value, where, until)


def _folder(path: str) -> str:
    """Where a cookie belongs that does not say: the folder of the request that it came with."""
    return path.partition("?")[0].rpartition("/")[0] or "/"


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


def _until(said: dict[str, str], now: float) -> float | None:
    """When a cookie ends, in Unix seconds; None: with the connection."""
    age = said.get("max-age", "")
    if _SECONDS.fullmatch(age):
        return now + int(age)
    try:
        expires = parsedate_to_datetime(said["expires"]) if "expires" in said else None
        if expires is None:
            return None
        # RFC 6265, 5.1.1: a date is in UTC, whether or not it says so.
        return (expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, IndexError):
        return None
