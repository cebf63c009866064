"""HTTP for everything that is no load: one GET with one deadline and a capped body; and HTTP readiness on top.

The one file that imports httpx. What must stay true:

* One deadline over the whole exchange. httpx's time-outs are per read, and a server that sends a byte now and then
  would hold a thread for hours; only cancelling bounds it, so each call runs a small event loop of its own.
* Redirects are not followed, proxies and credentials of the environment are not used, bodies are cut off at a cap: the
  caller asked for one answer of one host.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from gitslo.core.escape import plain, short
from gitslo.core.figures import duration
from gitslo.core.jsonpath import search
from gitslo.errors import Refused, Retry
from gitslo.model import ByteCount, HttpReadiness, Seconds, Target
from gitslo.ports import Address, Readied

__all__ = ["Answer", "HttpClient", "HttpReadinessProbe"]

_BODY_CAP = ByteCount(256 * 1024)
_REASON = 200
_USER_AGENT = ("User-Agent", "gitslo")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer.

    Attributes:
        status: 100 to 599.
        headers: names in lower case, in order.
        body: at most as many bytes as asked for.
        whole: whether that was all of it.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    whole: bool


class HttpClient:
    """Asks one host for one thing."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None

    def get(
        self,
        target: Target,
        path: str,
        *,
        address: Address,
        timeout: Seconds,
        headers: Sequence[tuple[str, str]] = (),
        cap: ByteCount = _BODY_CAP,
    ) -> Answer:
        """GET `target.path` + `path`.

        Args:
            target: Host, SNI and the certificate's name are its host's.
            path: starts with `/`.
            address: where to connect to.
            timeout: seconds for the whole exchange, the name's resolution included.
            headers: further ones.
            cap: bytes of the body; what lies beyond is not read.

        Raises:
            Retry: no answer in time, or none that is HTTP; the message is one line for people.
        """
        try:
            return asyncio.run(self._get(target, path, address, timeout, headers, cap))
        except TimeoutError:
            raise Retry(f"no whole answer within {duration(timeout)}") from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Retry(f"not a usable URL: {_line(error)}") from error
        except httpx.ConnectError as error:
            raise Retry(f"no connection to {target.host}:{target.port}: {_reason(error, address)}") from error
        except httpx.HTTPError as error:
            raise Retry(f"no HTTP answer: {_line(error)}") from error

    async def _get(
        self,
        target: Target,
        path: str,
        address: Address,
        timeout: Seconds,  # noqa: ASYNC109 - the caller's deadline; asyncio.timeout is what enforces it
        headers: Sequence[tuple[str, str]],
        cap: ByteCount,
    ) -> Answer:
        async with asyncio.timeout(timeout):
            client = httpx.AsyncClient(
                verify=self._context() if target.tls else False,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(timeout),
            )
            async with (
                client,
                client.stream(
                    "GET",
                    _url(target, path, address),
                    headers=[("Host", _host(target)), _USER_AGENT, *headers],
                    extensions={"sni_hostname": target.host},
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > cap:
                        break
                return Answer(
                    response.status_code,
                    tuple((name.lower(), value) for name, value in response.headers.multi_items()),
                    bytes(body[:cap]),
                    whole=len(body) <= cap,
                )

    def _context(self) -> ssl.SSLContext:
        # Loading the authorities takes 20 ms, and a readiness check looks every second.
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls


def _url(target: Target, path: str, address: Address) -> str:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if target.tls else 'http'}://{shown}:{port}{target.path}{path}"


def _host(target: Target) -> str:
    shown = f"[{target.host}]" if ":" in target.host else target.host
    return shown if target.port == (443 if target.tls else 80) else f"{shown}:{target.port}"


def _reason(error: httpx.ConnectError, address: Address) -> str:
    """Why there is no connection, in our words where the libraries' are for programmers."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return f"the name {address[0]!r} does not resolve"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {short(plain(cause.verify_message), _REASON)}"
        if isinstance(cause, ssl.SSLError):
            return "it does not answer in TLS; is it plain http?"
        if isinstance(cause, OSError) and cause.errno is not None:
            return os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return _line(error)


def _line(error: Exception) -> str:
    return short(plain(str(error) or type(error).__name__), _REASON)


class HttpReadinessProbe:
    """Part of a `ports.ReadinessProbe`: the checks over HTTP."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def look(self, check: HttpReadiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One GET: the status is the expected one, and the JSON expression is true on the body."""
        try:
            answer = self._client.get(target, check.path, address=address, timeout=timeout)
        except Retry as error:
            return Readied(ready=False, reason=str(error))
        if answer.status != check.expect:
            return Readied(ready=False, reason=f"status {answer.status}, expected {check.expect}")
        if check.json is None:
            return Readied(ready=True)
        return _holds(check.json, answer)


def _holds(expression: str, answer: Answer) -> Readied:
    if not answer.whole:
        return Readied(ready=False, reason=f"the body is larger than {_BODY_CAP} bytes")
    try:
        found = search(expression, json.loads(answer.body))
    except (ValueError, RecursionError):
        return Readied(ready=False, reason="the body is not JSON")
    except Refused as error:
        return Readied(ready=False, reason=_line(error))
    if found is True:
        return Readied(ready=True)
    return Readied(ready=False, reason=f"{plain(expression)} is {short(plain(json.dumps(found)), _REASON)}, not true")
