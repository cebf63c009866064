"""What the operator gives for targets: `ports.TargetAccess` over the certificates and identities that the file names.

Composed by the wiring, one for each repository; called by the load engine and the readiness probes, never on the hot
path of a load. What must stay true:

* A secret goes to a host only where the identity's own patterns have it, and where the plan's target connects to: a
  plan can name hosts, authorities and addresses, and none of them widens this.
* Files are read again each time: a rotated certificate or token is taken up without a restart.
* No message holds a secret or a token, nor what somebody answered in their place.
"""

from __future__ import annotations

import base64
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import assert_never
from urllib.parse import quote, urlencode

from gitslo.core.nearest import nearest
from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused, Retry
from gitslo.identities import Basic, CertificateFiles, ClientAuthentication, ClientCredentials, Identity
from gitslo.model import Allowed, Seconds, Target
from gitslo.ports import Authorization, TlsMaterial
from gitslo.secret import SecretRef

__all__ = ["OperatorAccess", "Post"]

Post = Callable[[str, Sequence[tuple[str, str]], bytes, bytes], tuple[int, bytes]]
"""Sends a form: (URL, headers, body, authorities as PEM or empty) -> (status, body); raises Retry without an answer."""

_LARGEST = 1024 * 1024
"""Bytes of a PEM file."""
_REREAD = Seconds(60.0)
"""How long what was read from a file, or what a token endpoint gave without saying for how long, is used."""
_SHORTEST = 5.0
_EARLY = 0.1
"""The share of a token's life before whose end another one is asked for."""
_LONGEST = 3600.0
_VISIBLE = re.compile(r"[!-~]+")
_ERROR = re.compile(r"[ -~]{1,100}")


@dataclass(frozen=True, slots=True)
class _Token:
    """A token, and when (monotonic) it should be renewed."""

    value: str
    until: float


class OperatorAccess:
    """Reads files and environment variables, and asks for tokens."""

    def __init__(
        self,
        certificates: Mapping[str, CertificateFiles],
        identities: Mapping[str, Identity],
        allowed: Allowed,
        post: Post,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind what the operator's file says.

        Args:
            certificates, identities: by name.
            allowed: of the repository whose plans ask.
            post: reaches token endpoints.
            monotonic: seconds.
        """
        self._certificates = certificates
        self._identities = identities
        self._allowed = allowed
        self._post = post
        self._monotonic = monotonic
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------------- certificates

    def tls(self, target: Target) -> TlsMaterial:
        """The material of a target's TLS settings; see `ports.TargetAccess`."""
        settings = target.settings
        if not target.tls:
            return TlsMaterial()
        if settings.insecure and not self._allowed.insecure_tls:
            message = (
                f"the target `{target.name}` is not to be verified (`insecure`), and the operator does not allow that"
            )
            raise Refused(Problem(message, hint="name its authority as `tls.ca`"))
        ca = self._files(target, "ca", settings.ca) if settings.ca else CertificateFiles()
        own = self._files(target, "certificate", settings.certificate) if settings.certificate else CertificateFiles()
        return TlsMaterial(ca=_pem(ca.ca), certificate=_pem(own.certificate), key=_pem(own.key))

    def _files(self, target: Target, part: str, name: str) -> CertificateFiles:
        found = self._certificates.get(name)
        if found is not None and getattr(found, part) is not None:
            return found
        known = [each for each, files in self._certificates.items() if getattr(files, part) is not None]
        what = "authorities" if part == "ca" else "client certificate"
        message = f"the target `{target.name}` asks for the {what} `{name}`, and the operator gives none of that name"
        raise Refused(Problem(message, hint=nearest(name, known)))

    # ------------------------------------------------------------------- identities

    def authorize(self, target: Target) -> Authorization | None:
        """A present value for the target's identity; see `ports.TargetAccess`."""
        if not target.auth:
            return None
        identity = self._identities.get(target.auth)
        if identity is None:
            message = f"the target `{target.name}` asks for the identity `{target.auth}`, and the operator gives none"
            raise Refused(Problem(message, hint=nearest(target.auth, self._identities)))
        for host in target.hosts:
            if not matches(identity.hosts, host):
                message = f"the identity `{identity.name}` is not for the host `{host}`"
                raise Refused(Problem(message, hint="its `hosts` in the operator's file say which it is sent to"))
        if not target.tls and not identity.plain_http and not _is_this_machine(target):
            message = f"the identity `{identity.name}` would go over plain http to another machine, `{target.host}`"
            raise Refused(Problem(message, hint="use TLS, or allow it with the identity's `plain_http: true`"))
        match identity.form:
            case SecretRef():
                return Authorization(f"Bearer {_visible(identity)}", _fresh_for(identity.form))
            case Basic():
                pair = f"{identity.form.username}:{identity.form.password.resolve().reveal()}"
                value = base64.b64encode(pair.encode()).decode("ascii")
                return Authorization(f"Basic {value}", _fresh_for(identity.form.password))
            case ClientCredentials():
                return self._token(identity, identity.form)
            case _:
                assert_never(identity.form)

    def _token(self, identity: Identity, form: ClientCredentials) -> Authorization:
        # One at a time: many loads of one identity begin together, and one token is enough for all of them.
        with self._lock:
            now = self._monotonic()
            token = self._tokens.get(identity.name)
            if token is None or token.until <= now:
                token = self._asked(identity, form)
                self._tokens[identity.name] = token
            return Authorization(f"Bearer {token.value}", Seconds(max(_SHORTEST, token.until - self._monotonic())))

    def _asked(self, identity: Identity, form: ClientCredentials) -> _Token:
        fields = {"grant_type": "client_credentials", "scope": form.scope, "audience": form.audience}
        headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json")]
        secret = form.client_secret.resolve().reveal()
        if form.method is ClientAuthentication.POST:
            fields |= {"client_id": form.client_id, "client_secret": secret}
        else:
            # RFC 6749, 2.3.1: both are form-encoded before they become a name and a password.
            pair = f"{quote(form.client_id, safe='')}:{quote(secret, safe='')}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"))
        body = urlencode({key: value for key, value in fields.items() if value}).encode()
        asked = self._monotonic()
        ca = self._certificates[form.ca].ca if form.ca else None
        try:
            status, answer = self._post(form.token_url, headers, body, _pem(ca))
        except Retry as error:
            raise Retry(f"no token for the identity `{identity.name}`: {error}", error.delay) from error
        value, life = _read(identity, status, answer)
        return _Token(value, asked + max(_SHORTEST, life * (1 - _EARLY)))

    # ------------------------------------------------------------------- variables

    def environment(self) -> Mapping[str, str]:
        """The operator's variables that are set; see `ports.TargetAccess`."""
        return {name: os.environ[name] for name in self._allowed.variables if name in os.environ}


def _fresh_for(secret: SecretRef) -> Seconds | None:
    return None if secret.file is None else _REREAD


def _visible(identity: Identity) -> str:
    text = identity.secret.resolve().reveal()
    if not _VISIBLE.fullmatch(text):
        raise Refused(
            Problem(f"the token of the identity `{identity.name}` has a blank or another sign that no header may")
        )
    return text


def _is_this_machine(target: Target) -> bool:
    host = target.hosts[-1]
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(identity: Identity, status: int, answer: bytes) -> tuple[str, float]:
    """A token endpoint's answer: the token and its life in seconds."""
    where = f"the token endpoint of the identity `{identity.name}`"
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Retry(f"{where} answered with status {status} and no JSON object")
    if status != 200:  # noqa: PLR2004 - HTTP
        error = said.get("error")
        shown = f" ({error})" if isinstance(error, str) and _ERROR.fullmatch(error) else ""
        raise Retry(f"{where} answered with status {status}{shown}")
    token, kind, life = said.get("access_token"), said.get("token_type", "Bearer"), said.get("expires_in", _REREAD)
    if not isinstance(token, str) or not _VISIBLE.fullmatch(token):
        raise Retry(f"{where} gave no `access_token` that a header could carry")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise Retry(f"{where} gave a token that is no bearer token")
    if isinstance(life, str) and life.isdecimal():
        life = int(life)  # some endpoints quote it
    seconds = float(life) if isinstance(life, int | float) and not isinstance(life, bool) else _REREAD
    return token, min(max(seconds, 0.0), _LONGEST)


def _pem(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise Refused(Problem(f"cannot be read: {error.strerror}", file=str(path))) from None
    if len(data) > _LARGEST or b"-----BEGIN " not in data:
        raise Refused(Problem("is no PEM file, or larger than 1 MiB", file=str(path)))
    return data
