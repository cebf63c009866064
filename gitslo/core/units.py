"""Quantities as people write them: durations, rates, percentages, sizes. Parsed once, with their unit in the type.

Called by the parsers of the three contracts and by the command line's options; the formatters are their inverse: what
they print is read back as the same number. Decimal inside, so that `250ms` is exactly the number that `0.25` is.
"""

from __future__ import annotations

import re
from decimal import Decimal

from gitslo.errors import Problem, Refused
from gitslo.model.units import ByteCount, RatePerSecond, Seconds, Share

__all__ = [
    "format_duration",
    "format_rate",
    "format_share",
    "format_size",
    "parse_duration",
    "parse_rate",
    "parse_share",
    "parse_size",
]

_SECONDS = {
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
"""Unit -> seconds, largest first: the order in which they stand in one duration."""

_BYTES = {
    "TiB": 1024**4,
    "GiB": 1024**3,
    "MiB": 1024**2,
    "KiB": 1024,
    "TB": 1000**4,
    "GB": 1000**3,
    "MB": 1000**2,
    "kB": 1000,
    "KB": 1000,
    "B": 1,
}

_NUMBER = r"[0-9]{1,19}(?:\.[0-9]{1,15})?"
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>{_NUMBER}){unit}(?![a-z]))?" for unit in _SECONDS))
_RATE = re.compile(rf"({_NUMBER})/(ms|s|m|h|d)")
_SHARE = re.compile(rf"({_NUMBER})%")
_SIZE = re.compile(rf"({_NUMBER})({'|'.join(_BYTES)})?")
_BARE = re.compile(_NUMBER)

_LONGEST = Decimal(366 * 86400)
_LARGEST = 2**60


def _refuse(what: str, text: str, example: str, hint: str = "") -> Refused:
    shown = text if len(text) <= 40 else f"{text[:40]}…"  # noqa: PLR2004 - a readable line
    return Refused(Problem(f"expected {what}, e.g. {example}; found `{shown}`", hint=hint))


def parse_duration(text: str) -> Seconds:
    """`250ms`, `2m`, `6h`, `1m30s`, `0s` -> seconds.

    Raises:
        Refused: it is anything else, or longer than a year.
    """
    example = "`250ms`, `2m` or `1h30m`"
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        hint = f"did you mean `{text}s`?" if _BARE.fullmatch(text) else ""
        raise _refuse("a duration", text, example, hint)
    total = sum((Decimal(number) * _SECONDS[unit] for unit, number in match.groupdict().items() if number), Decimal(0))
    if total > _LONGEST:
        raise _refuse("a duration of at most 366 days", text, example)
    return Seconds(float(total))


def parse_rate(text: str) -> RatePerSecond:
    """`200/s`, `30/m`, `0.5/s` -> requests per second.

    Raises:
        Refused: it is anything else, or more than a billion a second.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        hint = f"did you mean `{text}/s`?" if _BARE.fullmatch(text) else ""
        raise _refuse("a rate", text, "`200/s` or `30/m`", hint)
    rate = Decimal(match[1]) / _SECONDS[match[2]]
    if rate > 10**9:
        raise _refuse("a rate of at most a billion a second", text, "`200/s`")
    return RatePerSecond(float(rate))


def parse_share(text: str) -> Share:
    """`1%`, `0.5%` -> a share: 0.01, 0.005.

    Raises:
        Refused: it is anything else, or more than 100%.
    """
    match = _SHARE.fullmatch(text)
    if match is None:
        hint = f"did you mean `{text}%`?" if _BARE.fullmatch(text) else ""
        raise _refuse("a percentage", text, "`1%` or `0.5%`", hint)
    share = Decimal(match[1]) / 100
    if share > 1:
        raise _refuse("a percentage of at most 100%", text, "`1%` or `0.5%`")
    return Share(float(share))


def parse_size(text: str) -> ByteCount:
    """`5GiB`, `10MB`, `4096` -> bytes. `KiB` is 1024 bytes, `kB` is 1000.

    Raises:
        Refused: it is anything else, no whole number of bytes, or more than an exbibyte.
    """
    example = "`5GiB`, `10MB` or a number of bytes"
    match = _SIZE.fullmatch(text)
    if match is None:
        raise _refuse("a size", text, example)
    size = Decimal(match[1]) * _BYTES[match[2] or "B"]
    if size != size.to_integral_value():
        raise _refuse("a whole number of bytes", text, example)
    if size > _LARGEST:
        raise _refuse("a size of at most an exbibyte", text, example)
    return ByteCount(int(size))


# --------------------------------------------------------------------------- for people


def _digits(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_duration(seconds: Seconds) -> str:
    """`0.25` -> `250ms`, `90` -> `1m30s`; `parse_duration` gives the same number back."""
    left = Decimal(repr(float(seconds)))
    if left < 1:
        return f"{_digits(left * 1000)}ms" if left else "0s"
    parts = []
    for unit in ("d", "h", "m"):
        count, left = divmod(left, _SECONDS[unit])
        if count:
            parts.append(f"{_digits(count)}{unit}")
    if left:
        parts.append(f"{_digits(left)}s")
    return "".join(parts)


def format_rate(rate: RatePerSecond) -> str:
    """`200.0` -> `200/s`; slow rates that are whole a minute, an hour or a day say so."""
    for unit in ("s", "m", "h", "d"):
        count = Decimal(repr(round(rate * float(_SECONDS[unit]), 9)))
        if count == count.to_integral_value() and float(count / _SECONDS[unit]) == rate:
            return f"{_digits(count)}/{unit}"
    return f"{_digits(round(Decimal(repr(float(rate))), 15))}/s"


def format_share(share: Share) -> str:
    """`0.005` -> `0.5%`."""
    return f"{_digits(Decimal(repr(float(share))) * 100)}%"


def format_size(size: ByteCount) -> str:
    """`5368709120` -> `5GiB`; the largest unit that is exact, bytes without one."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _BYTES[unit] == 0:
            return f"{size // _BYTES[unit]}{unit}"
    return str(size)
