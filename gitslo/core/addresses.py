"""Hosts, ports and URLs as the contracts write them: parsed by allow-list, once.

Called by the parsers of the plan, the pipeline and the operator's file. A host is what the operator's allow-list is
matched on, so what could be read in two ways is refused: user names, octal or short addresses, encoded characters.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gitslo.errors import Problem, Refused

__all__ = ["HttpUrl", "parse_host_port", "parse_http_url"]

_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_PATH = re.compile(r"(?:/[!-~]*)?")
_LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class HttpUrl:
    """A checked URL.

    Attributes:
        host: a name in lower case or an address, without brackets.
        path: `` or starting with `/`, without a final `/`.
    """

    host: str
    port: int
    tls: bool
    path: str


def parse_http_url(text: str) -> HttpUrl:
    """`http://host[:port][/path]` or https.

    Raises:
        Refused: it is anything else, or has a user name, a query or a fragment.
    """
    example = "e.g. `http://checkout.shop.svc:8080`"
    scheme, colon, rest = text.partition("://")
    if "@" in (rest or text).partition("/")[0]:
        # First of all, and without a word of it: it may be a password.
        raise _refuse("a URL here has no user name and no password", "take out what stands before the `@`")
    if not colon or scheme not in {"http", "https"}:
        hint = f"did you mean `http://{text}`?" if not colon else ""
        raise _refuse(f"expected a URL that begins with http:// or https://, {example}", hint)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise _refuse(f"no URL: {error}", example) from None
    if parts.query or parts.fragment or rest.endswith(("?", "#")):
        raise _refuse("a URL here has no query and no fragment", example)
    if not _PATH.fullmatch(parts.path):
        raise _refuse("the path of the URL may hold only printable ASCII without blanks", example)
    default = 443 if scheme == "https" else 80
    host, port = _host_port(parts.netloc, default)
    return HttpUrl(host, port, scheme == "https", parts.path.rstrip("/"))


def parse_host_port(text: str) -> tuple[str, int]:
    """`host:port`, `192.0.2.1:53`, `[2001:db8::1]:53`.

    Raises:
        Refused: it is anything else.
    """
    if "@" in text:
        raise _refuse("a user name and a password have no place here", "e.g. `pricing.shop.svc:9090`")
    if "://" in text:
        raise _refuse("expected `host:port` and found a URL", f"did you mean `{text.partition('://')[2]}`?")
    return _host_port(text, None)


def _host_port(text: str, default: int | None) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", text)
    if match is None:
        raise _refuse(f"`{text}` is no host and port", "e.g. `pricing.shop.svc:9090`, `[2001:db8::1]:9090`")
    host, digits = match.groups()
    if digits is None and default is None:
        raise _refuse(f"`{text}` has no port", f"e.g. `{text}:9090`")
    port = default if digits is None else int(digits)
    if port is None or not 0 < port <= _LARGEST_PORT:
        raise _refuse(f"the port {digits} is not from 1 to {_LARGEST_PORT}")
    return _host(host), port


def _host(text: str) -> str:
    try:
        if text.startswith("["):
            return str(ipaddress.IPv6Address(text[1:-1]))
        if re.fullmatch(r"[0-9.xXa-fA-F]*\.?[0-9]+", text) and text[:1].isdigit():
            # Only the dotted form of four decimal numbers: `0177.1`, `2130706433` and `0x7f.1` all mean loopback.
            return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise _refuse(f"`{text}` is no address", "write it as `192.0.2.1` or `[2001:db8::1]`") from None
    if not _NAME.fullmatch(text):
        raise _refuse(f"`{text}` is no host name", "letters, digits, dots and inner dashes")
    return text.lower()


def _refuse(message: str, hint: str = "") -> Refused:
    return Refused(Problem(message, hint=hint))
