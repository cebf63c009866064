"""What must not reach a log or a terminal: credentials.

Used by every observer of this package before anything is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

__all__ = ["MASK", "Redactor"]

MASK = "***"

_USERINFO = re.compile(r"(?<=://)[^/\s?#]*@")
_AUTHORIZATION = re.compile(r"(?i)((?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:basic|bearer|token)\s+)[^\s\"',]+")


class Redactor:
    """Masks registered secret values, in plain and percent-encoded form, and whatever looks like a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = frozenset[str]()
        self._pattern: re.Pattern[str] | None = None
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Mask these values, too; empty ones are ignored."""
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""))}
        self._secrets |= forms
        if self._secrets:
            # The longest first: a secret that begins like another one must not leave its tail.
            longest_first = sorted(self._secrets, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(re.escape(form) for form in longest_first))

    def clean(self, text: str) -> str:
        """`text` without credentials."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if "://" in text:
            text = _USERINFO.sub(f"{MASK}@", text)
        return _AUTHORIZATION.sub(rf"\g<1>{MASK}", text)
