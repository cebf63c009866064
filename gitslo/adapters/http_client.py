"""HTTP for everything that is no load: one exchange with one deadline, a capped body; and HTTP readiness on top.

The one file that imports httpx. What must stay true:

* One deadline over the whole exchange. httpx's time-outs are per read, and a server that sends a byte now and then
  would hold a thread for hours; only cancelling bounds it, so each call runs a small event loop of its own.
* Redirects are not followed, proxies and credentials of the environment are not used, bodies are cut off at a cap: the
  caller asked for one answer of one host. Nothing is decompressed: a few bytes can unfold to any number.
* TLS is as the target's settings say, with the operator's material, as in the load.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import httpx

from gitslo.core.addresses import parse_http_url
from gitslo.core.escape import plain, short
from gitslo.core.figures import duration
from gitslo.core.jsonpath import search
from gitslo.errors import Refused, Retry
from gitslo.model import ByteCount, HttpReadiness, Seconds, Target, TargetScheme
from gitslo.ports import Address, HttpAnswer, Readied, TargetAccess, TlsMaterial

__all__ = ["HttpClient", "HttpReadinessProbe", "bounded"]

T = TypeVar("T")

TlsContext = Callable[[Target, TlsMaterial, str], ssl.SSLContext]
"""What connections to a target are made with: (target, material, protocol that ALPN offers)."""

_NO_TLS = TlsMaterial()
_BODY_CAP = ByteCount(256 * 1024)
_POST_TIMEOUT = Seconds(10.0)
_CONTEXTS = 32
_REASON = 200
_USER_AGENT = ("User-Agent", "gitslo")


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, and where it goes."""

    method: str
    target: Target
    path: str
    address: Address
    headers: tuple[tuple[str, str], ...]
    body: bytes
    tls: TlsMaterial


class HttpClient:
    """Asks one host for one thing."""

    def __init__(self, context: TlsContext | None = None) -> None:
        """Bind how a TLS context is made; None: as the system does, for targets without settings of their own."""
        self._make = context or (lambda _, __, ___: ssl.create_default_context())
        self._contexts: dict[object, ssl.SSLContext] = {}

    def get(
        self,
        target: Target,
        path: str,
        *,
        address: Address,
        timeout: Seconds,
        headers: Sequence[tuple[str, str]] = (),
        cap: ByteCount = _BODY_CAP,
        tls: TlsMaterial = _NO_TLS,
    ) -> HttpAnswer:
        """GET `target.path` + `path`.

        Args:
            target: Host, SNI and the certificate's name are its host's, or what it says instead.
            path: starts with `/`.
            address: where to connect to.
            timeout: seconds for the whole exchange, the name's resolution included.
            headers: further ones.
            cap: bytes of the body; what lies beyond is not read.
            tls: the target's material.

        Raises:
            Retry: no answer in time, or none that is HTTP; the message is one line for people.
            Refused: the material cannot be used.
        """
        return self.send("GET", target, path, address=address, timeout=timeout, headers=headers, cap=cap, tls=tls)

    def send(
        self,
        method: str,
        target: Target,
        path: str,
        *,
        address: Address,
        timeout: Seconds,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        cap: ByteCount = _BODY_CAP,
        tls: TlsMaterial = _NO_TLS,
    ) -> HttpAnswer:
        """Any method, with a body; otherwise as `get`. A `ports.HttpSend`."""
        return self._exchange(_Request(method, target, path, address, tuple(headers), body, tls), timeout, cap)

    def post(self, url: str, headers: Sequence[tuple[str, str]], body: bytes, ca: bytes) -> tuple[int, bytes]:
        """POST to a URL of the operator's, e.g. a token endpoint, within ten seconds.

        Args:
            url: http or https, without a query.
            headers: Host and Content-Length are added.
            body: sent as it is.
            ca: PEM of the authorities to trust; empty: the system's.

        Returns:
            Status and body.

        Raises:
            Retry: no answer in time, none that is HTTP, or one that is too long.
        """
        parsed = parse_http_url(url)
        target = Target("", TargetScheme.HTTP, parsed.host, parsed.port, tls=parsed.tls)
        path = "/" + url.partition("://")[2].partition("/")[2]
        request = _Request("POST", target, path, (parsed.host, parsed.port), tuple(headers), body, TlsMaterial(ca=ca))
        answer = self._exchange(request, _POST_TIMEOUT, _BODY_CAP)
        if not answer.whole:
            raise Retry(f"the answer is larger than {_BODY_CAP} bytes")
        return answer.status, answer.body

    def _exchange(self, request: _Request, timeout: Seconds, cap: ByteCount) -> HttpAnswer:
        target, address = request.target, request.address
        try:
            return bounded(self._answer(request, timeout, cap))
        except TimeoutError:
            raise Retry(f"no whole answer within {duration(timeout)}") from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Retry(f"not a usable URL: {_line(error)}") from error
        except httpx.ConnectError as error:
            raise Retry(f"no connection to {target.host}:{target.port}: {_reason(error, address)}") from error
        except httpx.HTTPError as error:
            raise Retry(f"no HTTP answer: {_line(error)}") from error

    async def _answer(
        self,
        request: _Request,
        timeout: Seconds,  # noqa: ASYNC109 - the caller's deadline; asyncio.timeout is what enforces it
        cap: ByteCount,
    ) -> HttpAnswer:
        target = request.target
        async with asyncio.timeout(timeout):
            client = httpx.AsyncClient(
                verify=self._context(target, request.tls) if target.tls else False,
                # Without TLS nothing is negotiated: a target that is said to speak HTTP/2 is spoken to in it.
                http1=target.tls or not target.http2,
                http2=target.http2,
                trust_env=False,
                follow_redirects=False,
                timeout=httpx.Timeout(timeout),
            )
            async with (
                client,
                client.stream(
                    request.method,
                    _url(target, request.path, request.address),
                    headers=[("Host", _host(target)), _USER_AGENT, ("Accept-Encoding", "identity"), *request.headers],
                    content=request.body or None,
                    extensions={"sni_hostname": target.settings.server_name or target.host},
                ) as response,
            ):
                body = bytearray()
                async for chunk in response.aiter_raw():
                    body += chunk
                    if len(body) > cap:
                        break
                return HttpAnswer(
                    response.status_code,
                    tuple((name.lower(), value) for name, value in response.headers.multi_items()),
                    bytes(body[:cap]),
                    whole=len(body) <= cap,
                )

    def _context(self, target: Target, tls: TlsMaterial) -> ssl.SSLContext:
        # Loading the authorities takes 20 ms, and a readiness check looks every second.
        key = (target.settings, target.http2, tls)
        if key not in self._contexts:
            if len(self._contexts) >= _CONTEXTS:
                self._contexts.clear()
            self._contexts[key] = self._make(target, tls, "h2" if target.http2 else "http/1.1")
        return self._contexts[key]


def bounded(work: Coroutine[None, None, T]) -> T:
    """Run `work` in a loop of its own, and return when it ends: threads that it left behind are not waited for."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_default_executor(_Impatient(1, "http-resolve"))
        return runner.run(work)


class _Impatient(ThreadPoolExecutor):
    """Resolves names, and is not waited for: a name service that hangs would hold the caller beyond its deadline."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; what is under way ends by itself."""
        del wait, cancel_futures
        super().shutdown(wait=False, cancel_futures=True)


def _url(target: Target, path: str, address: Address) -> str:
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if target.tls else 'http'}://{shown}:{port}{target.path}{path}"


def _host(target: Target) -> str:
    if target.authority:
        return target.authority
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

    def __init__(self, client: HttpClient, access: TargetAccess | None = None) -> None:
        """Bind the client, and where certificates and identities come from; None: there are none."""
        self._client = client
        self._access = access

    def look(self, check: HttpReadiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """One GET: the status is the expected one, and the JSON expression is true on the body.

        Raises:
            Refused, Retry: as `ports.TargetAccess`. What the operator does not give is no fault of the target's.
        """
        tls = _NO_TLS if self._access is None else self._access.tls(target)
        known = None if self._access is None else self._access.authorize(target)
        headers = [("Authorization", known.value)] if known is not None else []
        try:
            answer = self._client.get(target, check.path, address=address, timeout=timeout, headers=headers, tls=tls)
        except Retry as error:
            return Readied(ready=False, reason=str(error))
        if answer.status != check.expect:
            return Readied(ready=False, reason=f"status {answer.status}, expected {check.expect}")
        if check.json is None:
            return Readied(ready=True)
        return _holds(check.json, answer)


def _holds(expression: str, answer: HttpAnswer) -> Readied:
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
