"""A server of the operator's file: `ports.ConfiguredServer` over an HTTP client and the operator's secrets.

Composed by the wiring, one for each source that is asked over HTTP. What must stay true:

* A secret goes to the host of the source's own URL and to no other; nothing that a plan says changes where.
* A secret that a server repeats is struck out before anybody reads the answer.
* One deadline and one allowance of bytes hold for everything that one question takes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import assert_never

from gitslo.core.answers import refuse_or_retry, seconds_ahead
from gitslo.core.escape import plain
from gitslo.core.figures import duration
from gitslo.core.sigv4 import AwsKeys, signed_headers
from gitslo.core.units import format_size
from gitslo.errors import Problem, Refused, Retry
from gitslo.identities import Basic, ClientCredentials
from gitslo.model import ByteCount, Seconds
from gitslo.ports import HttpSend, Said, TargetAccess, TlsMaterial
from gitslo.secret import SecretRef
from gitslo.source_config import HeaderSecret, Keys, Server, Signature

__all__ = ["HttpServer"]

_VISIBLE = re.compile(r"[\t -~]+")
_UP = re.compile(r"(?:^|/)(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_PATH = re.compile(r"/[!-~]*")
_SHORTEST_SECRET = 4
"""Characters; what is shorter would strike out half of any answer."""

Headers = tuple[tuple[str, str], ...]


class HttpServer:
    """One source's server. Safe to be asked from several threads at once."""

    def __init__(
        self,
        server: Server,
        access: TargetAccess,
        send: HttpSend,
        *,
        timeout: Seconds,
        cap: ByteCount,
        headers: Callable[[], Headers] | None = None,
        material: Callable[[], TlsMaterial] | None = None,
        clock: Callable[[], tuple[float, float]] = lambda: (time.monotonic(), time.time()),
    ) -> None:
        """Bind what the operator's file says.

        Args:
            server: where it is and who we are to it.
            access: gives the TLS material, and the value of bearer, basic and OAuth2 authentication.
            send: carries a request out.
            timeout: of one question.
            cap: of the answers to one question.
            headers: the headers that say who we are, instead of those of `server.auth`; their values are secret.
            material: of TLS, instead of what `access` gives.
            clock: (monotonic, wall) in seconds.
        """
        self._server = server
        self._access = access
        self._send = send
        self._timeout = timeout
        self._cap = cap
        self._headers = headers
        self._material = material
        self._clock = clock

    @property
    def name(self) -> str:
        """As the operator names it."""
        return self._server.target.name

    def begin(self) -> _Exchange:
        """The clock starts; see `ports.ConfiguredServer`."""
        return _Exchange(self, self._clock()[0] + self._timeout, self._cap)

    # What an exchange needs of it.

    def now(self) -> tuple[float, float]:
        """(monotonic, wall)."""
        return self._clock()

    @property
    def timeout(self) -> Seconds:
        """Of one question."""
        return self._timeout

    @property
    def cap(self) -> ByteCount:
        """Of the answers to one question."""
        return self._cap

    def sent(
        self, method: str, path: str, headers: Headers, body: bytes, timeout: Seconds, cap: ByteCount
    ) -> tuple[Said, int]:
        """One request with everything that the operator adds; what was said, and how many bytes that was."""
        target = self._server.target
        bare = path.partition("?")[0]
        if not _PATH.fullmatch(path) or _UP.search(bare):
            what = f"`{plain(bare)}` is no path below the URL of the source `{self.name}`"
            raise Refused(Problem(what, hint="it begins with `/`, has no `.` or `..` as a part, and no blanks"))
        shown, secrets = self._shown(method, path, headers, body)
        give = self._material or (lambda: self._access.tls(target))
        tls = give() if target.tls else TlsMaterial()
        answer = self._send(
            method,
            target,
            path,
            address=(target.host, target.port),
            timeout=timeout,
            headers=(*self._server.headers, *headers, *shown),
            body=body,
            cap=cap,
            tls=tls,
        )
        if not answer.whole:
            raise Retry(f"the source `{self.name}` answered with more than the {format_size(self._cap)} of its `cap`")
        said = answer.body
        for secret in secrets:
            said = said.replace(secret.encode(), b"***")
        clean = tuple((name, _struck(value, secrets)) for name, value in answer.headers)
        refuse_or_retry(answer.status, clean, said, self.name, bare)
        return Said(said, clean, seconds_ahead(clean, self._clock()[1])), len(answer.body)

    def _shown(self, method: str, path: str, headers: Headers, body: bytes) -> tuple[Headers, tuple[str, ...]]:
        """The headers that say who we are, and what in them is secret."""
        auth = self._server.auth
        if self._headers is not None:
            own = self._headers()
            return own, _long([part for _, value in own for part in (value, value.partition(" ")[2])])
        match auth:
            case None:
                return (), ()
            case Keys():
                raise Refused(Problem(f"the source `{self.name}` has `auth: {{keys: ...}}`, which are for a preset"))
            case SecretRef() | Basic() | ClientCredentials():
                known = self._access.authorize(self._server.target)
                value = known.value if known is not None else ""
                return (("Authorization", value),), _long((value, value.partition(" ")[2], *self._own(auth)))
            case HeaderSecret(name=name, value=reference):
                text = self._visible(reference)
                return ((name, text),), _long((text,))
            case Signature():
                keys = AwsKeys(
                    auth.region,
                    auth.service,
                    self._visible(auth.access_key_id),
                    self._visible(auth.secret_access_key),
                    self._visible(auth.session_token) if auth.session_token is not None else "",
                )
                at = datetime.fromtimestamp(self._clock()[1], UTC).strftime("%Y%m%dT%H%M%SZ")
                sent = (*self._server.headers, *headers)
                whole = self._server.target.path + path
                signed = signed_headers(method, _host(self._server), whole, sent, body, keys, at)
                return signed, _long((keys.access_key_id, keys.secret_access_key, keys.session_token))
            case _:
                assert_never(auth)

    def _own(self, auth: SecretRef | Basic | ClientCredentials) -> tuple[str, ...]:
        match auth:
            case SecretRef():
                return (auth.resolve().reveal(),)
            case Basic():
                return (auth.password.resolve().reveal(),)
            case ClientCredentials():
                return ()  # is sent to its token endpoint and never here

    def _visible(self, reference: SecretRef) -> str:
        text = reference.resolve().reveal()
        if not _VISIBLE.fullmatch(text):
            raise Refused(Problem(f"a secret of the source `{self.name}` has a sign that no header may have"))
        return text


class _Exchange:
    """A `ports.Exchange`."""

    def __init__(self, server: HttpServer, deadline: float, cap: int) -> None:
        self._server = server
        self._deadline = deadline
        self._left = cap

    def ask(self, method: str, path: str, *, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Said:
        """One request; see `ports.Exchange`."""
        name, left = self._server.name, self._deadline - self._server.now()[0]
        late = f"the source `{name}` did not answer within {duration(self._server.timeout)}"
        if left <= 0.0:
            raise Retry(late)
        cap = ByteCount(max(0, self._left))
        try:
            said, size = self._server.sent(method, path, tuple(headers), body, Seconds(left), cap)
        except Retry as error:
            if self._server.now()[0] >= self._deadline:
                raise Retry(late, error.delay) from error
            shown = str(error)
            raise Retry(shown if f"`{name}`" in shown else f"the source `{name}`: {shown}", error.delay) from error
        self._left -= size
        return said


def _long(secrets: Sequence[str]) -> tuple[str, ...]:
    """The longest first: one may be a part of another."""
    return tuple(sorted({each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True))


def _struck(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _host(server: Server) -> str:
    target = server.target
    shown = f"[{target.host}]" if ":" in target.host else target.host
    return shown if target.port == (443 if target.tls else 80) else f"{shown}:{target.port}"
