"""The operator's allow-lists: `*` stands for any run of characters, nothing else is special."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

__all__ = ["matches"]


def matches(patterns: Iterable[str], name: str) -> bool:
    """Whether any pattern matches the whole name, letter case aside."""
    return any(_compiled(pattern).fullmatch(name) is not None for pattern in patterns)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.IGNORECASE | re.DOTALL)
