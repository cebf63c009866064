"""What the operator's file gives to targets: certificates and identities. Only where they are, never what they are.

Called by `gitslo.config`; `gitslo.adapters.target_access` reads and presents them. Must stay true: an identity goes to
the hosts of its patterns and to no other, whatever a plan says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gitslo.core.addresses import parse_http_url
from gitslo.core.document import Field
from gitslo.core.gitnames import in_clear
from gitslo.core.nearest import nearest
from gitslo.secret import SecretRef, secret_at

__all__ = [
    "Basic",
    "CertificateFiles",
    "ClientAuthentication",
    "ClientCredentials",
    "Identity",
    "parse_basic",
    "parse_certificates",
    "parse_client_credentials",
    "parse_identities",
]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: either `ca` or the other two.

    Attributes:
        ca: authorities that may have signed a target's certificate.
        certificate, key: what is shown of ourselves.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password (RFC 7617)."""

    username: str
    password: SecretRef


class ClientAuthentication(StrEnum):
    """How a client shows its secret to a token endpoint (RFC 6749, section 2.3.1)."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth2 client credentials (RFC 6749, section 4.4).

    Attributes:
        token_url: https, or http where that is allowed.
        scope, audience: sent where they are not empty.
        ca: a name of `certificates`, for the token endpoint; empty: the system's.
        method: how the secret is shown.
    """

    token_url: str
    client_id: str
    client_secret: SecretRef
    scope: str = ""
    audience: str = ""
    ca: str = ""
    method: ClientAuthentication = ClientAuthentication.BASIC


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to a target.

    Attributes:
        form: a bearer token, a name and password, or how a token is had.
        hosts: the only ones that it is sent to; `*` stands for any run of characters.
        plain_http: whether it may go over plain http:// to another machine.
    """

    name: str
    form: SecretRef | Basic | ClientCredentials
    hosts: tuple[str, ...]
    plain_http: bool = False

    @property
    def secret(self) -> SecretRef:
        """Where its secret is."""
        match self.form:
            case SecretRef():
                return self.form
            case Basic():
                return self.form.password
            case ClientCredentials():
                return self.form.client_secret


def parse_certificates(field: Field | None) -> dict[str, CertificateFiles]:
    """The `certificates` of the operator's file; the files themselves are read when they are used."""
    found = {}
    for name, item in field.fields() if field is not None else ():
        paths = {key: Path(each.text) for key in ("file", "certificate", "key") if (each := item.get(key)) is not None}
        found[name] = CertificateFiles(paths.get("file"), paths.get("certificate"), paths.get("key"))
    return found


def parse_identities(field: Field | None, certificates: Mapping[str, CertificateFiles]) -> dict[str, Identity]:
    """The `identities` of the operator's file; problems are noted in its document."""
    return {each.name: each for each in _identities(field, certificates)}


def _identities(field: Field | None, certificates: Mapping[str, CertificateFiles]) -> Iterator[Identity]:
    for name, item in field.fields() if field is not None else ():
        bearer, basic, oauth2 = item.get("bearer"), item.get("basic"), item.get("oauth2")
        hosts, plain_http = item.get("hosts"), item.flag_of("plain_http", default=False)
        form: SecretRef | Basic | ClientCredentials | None = None
        if bearer is not None:
            form = secret_at(bearer)
        elif basic is not None:
            form = parse_basic(basic)
        elif oauth2 is not None:
            form = parse_client_credentials(oauth2, certificates)
        if form is not None:
            yield Identity(name, form, () if hosts is None else hosts.texts(), plain_http=plain_http)


def parse_basic(field: Field) -> Basic:
    """The value of `basic`; problems are noted in its document."""
    username, password = field.get("username"), field.get("password")
    if username is not None and ":" in username.text:
        username.add("a user name of Basic authentication has no `:`")
    return Basic(field.text_of("username", ""), SecretRef() if password is None else secret_at(password))


def parse_client_credentials(field: Field, certificates: Mapping[str, CertificateFiles]) -> ClientCredentials:
    """The value of `oauth2`; problems are noted in its document."""
    url, secret = field.parsed_of("token_url", _url, ""), field.get("client_secret")
    if url and in_clear(url) and not field.flag_of("plain_http", default=False):
        hint = "use https://, or allow it with `plain_http: true`"
        (field.get("token_url") or field).add(
            "the client's secret would go over plain http:// to another machine", hint
        )
    ca, method = field.get("ca"), field.get("method")
    if ca is not None and (ca.text not in certificates or certificates[ca.text].ca is None):
        known = [name for name, files in certificates.items() if files.ca is not None]
        ca.add(f"`certificates` has no authorities named `{ca.text}`", nearest(ca.text, known))
    return ClientCredentials(
        token_url=url,
        client_id=field.text_of("client_id", ""),
        client_secret=SecretRef() if secret is None else secret_at(secret),
        scope=field.text_of("scope", ""),
        audience=field.text_of("audience", ""),
        ca=field.text_of("ca", ""),
        method=ClientAuthentication.BASIC if method is None else ClientAuthentication(method.text),
    )


def _url(text: str) -> str:
    parse_http_url(text)
    return text
