"""The metric sources of the operator's file: where each is, what it is shown, and how much it may cost.

Called by `gitslo.config`; `gitslo.wiring_run` makes the sources. Plans choose among them by name and can give none of
this. Must stay true: secrets are only named here, and none goes over plain http to another machine unless the
operator says that it may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from pathlib import Path
from typing import Protocol, TypeVar

from gitslo.core.addresses import parse_http_url
from gitslo.core.document import Field
from gitslo.core.gitnames import in_clear
from gitslo.core.nearest import nearest
from gitslo.core.parse_target import parse_tls_settings
from gitslo.core.units import parse_duration, parse_size
from gitslo.identities import Basic, CertificateFiles, ClientCredentials, parse_basic, parse_client_credentials
from gitslo.model import ByteCount, Seconds, Target, TargetScheme, TlsSettings
from gitslo.ports import ConfiguredServer, MetricSource, TlsMaterial
from gitslo.secret import SecretRef, secret_at

__all__ = [
    "BUILT_IN",
    "HeaderSecret",
    "Keys",
    "KubernetesConfig",
    "MakeSource",
    "OpenServer",
    "PackagedConfig",
    "PresetConfig",
    "PrometheusConfig",
    "RestConfig",
    "Server",
    "Signature",
    "SourceAuth",
    "SourceConfig",
    "SourceForm",
    "SqlConfig",
    "parse_sources",
]

T = TypeVar("T", Seconds, ByteCount)

BUILT_IN = ("prometheus", "kubernetes", "rest", "preset", "sql")
"""Kinds that have a field of their own; what other packages bring is named with `kind`."""

_TENANT = "X-Scope-OrgID"
"""What Mimir, Cortex, Loki and Thanos' receivers tell tenants by."""
_SCRAPE = Seconds(15.0)
_TIMEOUT = Seconds(10.0)
_STATEMENT = Seconds(5.0)
_CAP = ByteCount(8 * 1024**2)
_LONGEST_TIMEOUT = Seconds(300.0)
_LARGEST_CAP = ByteCount(1024**3)
_SHORTEST_SCRAPE = Seconds(0.1)
_OWN_HEADERS = frozenset(
    {
        "host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect", "te", "trailer",
        "upgrade",
    }
)  # fmt: skip
"""What HTTP itself says."""
_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass(frozen=True, slots=True)
class HeaderSecret:
    """A header whose whole value is a secret."""

    name: str
    value: SecretRef


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of a preset, by the names that it gives them; it says in which headers they go."""

    values: Mapping[str, SecretRef]


@dataclass(frozen=True, slots=True)
class Signature:
    """AWS Signature Version 4."""

    region: str
    service: str
    access_key_id: SecretRef
    secret_access_key: SecretRef
    session_token: SecretRef | None = None


SourceAuth = SecretRef | Basic | ClientCredentials | HeaderSecret | Keys | Signature
"""A bearer token, and the other ways to say who we are."""


@dataclass(frozen=True, slots=True)
class Server:
    """An HTTP server.

    Attributes:
        target: where it is; `path` is what its URL ends with.
        auth: None: nothing is shown.
        headers: sent with every request; a tenant is one of them.
        plain_http: whether `auth` may go over plain http:// to another machine.
    """

    target: Target
    auth: SourceAuth | None = None
    headers: tuple[tuple[str, str], ...] = ()
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class PrometheusConfig:
    """Prometheus, or what answers as it does: Thanos, Mimir, Cortex, VictoriaMetrics."""

    server: Server


@dataclass(frozen=True, slots=True)
class RestConfig:
    """Any server that answers in JSON; plans say what it is sent and how the answer is read."""

    server: Server


@dataclass(frozen=True, slots=True)
class PresetConfig:
    """A server that a preset describes.

    Attributes:
        preset: its name, or the absolute path of a file.
        settings: what it asks for, e.g. a bucket.
    """

    preset: str
    server: Server
    settings: Mapping[str, str] = attribute(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KubernetesConfig:
    """The API server whose Metrics Server is asked; exactly one of the first three.

    Attributes:
        kubeconfig: a file, of which `context` is used; empty: its current one.
        in_cluster: the service account of the pod that gitslo runs in.
        server: an API server and its token.
    """

    kubeconfig: Path | None = None
    in_cluster: bool = False
    server: Server | None = None
    context: str = ""


@dataclass(frozen=True, slots=True)
class SqlConfig:
    """A database.

    Attributes:
        dsn: a SQLAlchemy URL; it holds a password, so it is a secret as a whole.
        statement_timeout: seconds after which the server ends a statement.
    """

    dsn: SecretRef
    statement_timeout: Seconds = _STATEMENT


@dataclass(frozen=True, slots=True)
class PackagedConfig:
    """A source of a package that brings an entry point of `gitslo.sources`; what it means is the package's.

    Attributes:
        kind: the entry point's name.
        server: None where it has none.
    """

    kind: str
    server: Server | None = None
    settings: Mapping[str, str] = attribute(default_factory=dict)
    secrets: Mapping[str, SecretRef] = attribute(default_factory=dict)


SourceForm = PrometheusConfig | RestConfig | PresetConfig | KubernetesConfig | SqlConfig | PackagedConfig


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source.

    Attributes:
        name: as plans name it.
        form: what it is.
        every: seconds between two scrapes, or two values: the shortest window that makes sense.
        timeout: seconds for one question, all its requests together.
        cap: bytes of all the answers to one question.
    """

    name: str
    form: SourceForm
    every: Seconds = _SCRAPE
    timeout: Seconds = _TIMEOUT
    cap: ByteCount = _CAP

    @property
    def kind(self) -> str:
        """The entry point of `gitslo.sources` that makes it."""
        match self.form:
            case PrometheusConfig():
                return "prometheus"
            case RestConfig():
                return "rest"
            case PresetConfig():
                return "preset"
            case KubernetesConfig():
                return "kubernetes"
            case SqlConfig():
                return "sql"
            case PackagedConfig(kind=kind):
                return kind

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Where all of its secrets are."""
        match self.form:
            case SqlConfig(dsn=dsn):
                return (dsn,)
            case PackagedConfig(server=server, secrets=own):
                return (*own.values(), *_shown(server))
            case PrometheusConfig() | RestConfig() | PresetConfig() | KubernetesConfig():
                return _shown(self.form.server)


class OpenServer(Protocol):
    """Makes what a source asks out of what the operator's file says of it, with the source's time-out and cap."""

    def __call__(
        self,
        server: Server,
        *,
        headers: Callable[[], tuple[tuple[str, str], ...]] | None = None,
        material: Callable[[], TlsMaterial] | None = None,
    ) -> ConfiguredServer:
        """Nothing is asked yet.

        Args:
            server: where it is and who we are to it.
            headers: those that say who we are, instead of `server.auth`; called for each request, values are secret.
            material: of TLS, instead of the names in the target's settings; likewise.
        """


MakeSource = Callable[[SourceConfig, OpenServer], MetricSource]
"""What an entry point of `gitslo.sources` is, named by its kind. It asks nothing yet, and may raise Refused."""


def _shown(server: Server | None) -> tuple[SecretRef, ...]:
    match server.auth if server is not None else None:
        case None:
            return ()
        case SecretRef() as bearer:
            return (bearer,)
        case Basic(password=password):
            return (password,)
        case ClientCredentials(client_secret=secret):
            return (secret,)
        case HeaderSecret(value=value):
            return (value,)
        case Keys(values=values):
            return tuple(values.values())
        case Signature(access_key_id=key_id, secret_access_key=key, session_token=token):
            return (key_id, key) if token is None else (key_id, key, token)


# --------------------------------------------------------------------------- the file


def parse_sources(field: Field | None, certificates: Mapping[str, CertificateFiles]) -> dict[str, SourceConfig]:
    """The `sources` of the operator's file; problems are noted in its document."""
    return {each.name: each for each in _sources(field, certificates)}


def _sources(field: Field | None, certificates: Mapping[str, CertificateFiles]) -> Iterator[SourceConfig]:
    for name, item in field.fields() if field is not None else ():
        form = _form(name, item, certificates)
        if form is not None:
            yield SourceConfig(
                name,
                form,
                every=_between(item, "scrape_interval", parse_duration, _SCRAPE, (_SHORTEST_SCRAPE, Seconds(86400.0))),
                timeout=_between(item, "timeout", parse_duration, _TIMEOUT, (Seconds(0.001), _LONGEST_TIMEOUT)),
                cap=_between(item, "cap", parse_size, _CAP, (ByteCount(1024), _LARGEST_CAP)),
            )


def _form(name: str, item: Field, certificates: Mapping[str, CertificateFiles]) -> SourceForm | None:
    prometheus, rest, preset = item.get("prometheus"), item.get("rest"), item.get("preset")
    kubernetes, sql, kind, url = item.get("kubernetes"), item.get("sql"), item.get("kind"), item.get("url")
    if prometheus is not None:
        return PrometheusConfig(_server(name, item, prometheus, certificates))
    if rest is not None:
        return RestConfig(_server(name, item, rest, certificates))
    if preset is not None and url is not None:
        return PresetConfig(preset.text, _server(name, item, url, certificates), _texts(item.get("settings")))
    if kubernetes is not None:
        return _kubernetes(name, kubernetes, certificates)
    dsn = sql.get("dsn") if sql is not None else None
    if sql is not None and dsn is not None:
        limits = (Seconds(0.001), _LONGEST_TIMEOUT)
        return SqlConfig(secret_at(dsn), _between(sql, "statement_timeout", parse_duration, _STATEMENT, limits))
    if kind is not None:
        if kind.text in BUILT_IN:
            kind.add(f"`{kind.text}` is no package's: it has a field of its own", f"write `{kind.text}: ...`")
        server = None if url is None else _server(name, item, url, certificates)
        return PackagedConfig(kind.text, server, _texts(item.get("settings")), _secrets(item.get("secrets")))
    return None


def _server(name: str, item: Field, url: Field, certificates: Mapping[str, CertificateFiles]) -> Server:
    auth_field, tls, tenant = item.get("auth"), item.get("tls"), item.get("tenant")
    auth = None if auth_field is None else _auth(auth_field, certificates)
    plain_http = item.flag_of("plain_http", default=False)
    headers = tuple(_headers(item.get("headers")))
    if tenant is not None:
        headers = ((_TENANT, tenant.text), *headers)
    parsed = url.parsed(parse_http_url, None)
    if parsed is None:
        return Server(Target(name, TargetScheme.HTTP, "", 80), auth, headers, plain_http)
    if isinstance(auth, Keys) and auth_field is not None and item.get("preset") is None:
        auth_field.add("`keys` are for a preset, which says where they go", "e.g. `bearer` or `header`")
    if auth is not None and auth_field is not None and in_clear(url.text) and not plain_http:
        hint = "give the https:// URL, or allow it with the source's `plain_http: true`"
        auth_field.add("the secret would go over plain http:// to another machine", hint, on_key=True)
    if tls is not None and not parsed.tls:
        tls.add("TLS settings are for an https:// URL", "write https://, or remove `tls`", on_key=True)
    for part in ("ca", "certificate"):
        _known(None if tls is None else tls.get(part), part, certificates)
    settings = parse_tls_settings(tls)
    target = Target(
        name, TargetScheme.HTTP, parsed.host, parsed.port, tls=parsed.tls, path=parsed.path, settings=settings
    )
    return Server(target, auth, headers, plain_http)


def _known(field: Field | None, part: str, certificates: Mapping[str, CertificateFiles]) -> None:
    known = [name for name, files in certificates.items() if getattr(files, part) is not None]
    if field is not None and field.text not in known:
        what = "authorities" if part == "ca" else "client certificate"
        field.add(f"`certificates` has no {what} named `{field.text}`", nearest(field.text, known))


def _auth(field: Field, certificates: Mapping[str, CertificateFiles]) -> SourceAuth | None:
    if (bearer := field.get("bearer")) is not None:
        return secret_at(bearer)
    if (basic := field.get("basic")) is not None:
        return parse_basic(basic)
    if (oauth2 := field.get("oauth2")) is not None:
        return parse_client_credentials(oauth2, certificates)
    if (header := field.get("header")) is not None:
        name, value = header.get("name"), header.get("value")
        if name is not None and name.text.lower() in _OWN_HEADERS:
            name.add(f"the header `{name.text}` is HTTP's own")
        return HeaderSecret(header.text_of("name", ""), SecretRef() if value is None else secret_at(value))
    if (keys := field.get("keys")) is not None:
        return Keys(_secrets(keys))
    if (sigv4 := field.get("sigv4")) is not None:
        token = sigv4.get("session_token")
        return Signature(
            region=sigv4.text_of("region", ""),
            service=sigv4.text_of("service", ""),
            access_key_id=_secret_of(sigv4, "access_key_id"),
            secret_access_key=_secret_of(sigv4, "secret_access_key"),
            session_token=None if token is None else secret_at(token),
        )
    return None


def _headers(field: Field | None) -> Iterator[tuple[str, str]]:
    for name, value in field.fields() if field is not None else ():
        if name.lower() in _OWN_HEADERS:
            value.add(f"the header `{name}` is HTTP's own", on_key=True)
        if name.lower() in _SECRET_HEADERS:
            hint = "`auth` sends it, e.g. `auth: {header: {name: " + name + ", value: {env: NAME}}}`"
            value.add("a secret does not stand in this file", hint, on_key=True)
        yield name, value.text


def _kubernetes(name: str, field: Field, certificates: Mapping[str, CertificateFiles]) -> KubernetesConfig | None:
    kubeconfig, url, token = field.get("kubeconfig"), field.get("server"), field.get("token")
    if kubeconfig is not None:
        return KubernetesConfig(kubeconfig=Path(kubeconfig.text), context=field.text_of("context", ""))
    if url is None:
        return KubernetesConfig(in_cluster=True) if field.get("in_cluster") is not None else None
    parsed, ca = url.parsed(parse_http_url, None), field.get("ca")
    auth = None if token is None else secret_at(token)
    if token is not None and parsed is not None and in_clear(url.text):
        token.add("the token would go over plain http:// to another machine", "give the https:// URL", on_key=True)
    if ca is not None and parsed is not None and not parsed.tls:
        ca.add("authorities are for an https:// URL", "write https://, or remove `ca`", on_key=True)
    _known(ca, "ca", certificates)
    if parsed is None:
        return None
    target = Target(
        name,
        TargetScheme.HTTP,
        parsed.host,
        parsed.port,
        tls=parsed.tls,
        path=parsed.path,
        settings=TlsSettings(ca=ca.text if ca is not None else ""),
    )
    return KubernetesConfig(server=Server(target, auth))


def _between(field: Field, key: str, parse: Callable[[str], T], default: T, limits: tuple[T, T]) -> T:
    found = field.parsed_of(key, parse, default)
    if not limits[0] <= found <= limits[1]:
        shown = "too small" if found < limits[0] else "too large"
        (field.get(key) or field).add(f"that is {shown}", _RANGES[key])
    return found


_RANGES = {
    "scrape_interval": "from `100ms` to `1d`",
    "timeout": "from `1ms` to `5m`",
    "statement_timeout": "from `1ms` to `5m`",
    "cap": "from `1KiB` to `1GiB`",
}


def _texts(field: Field | None) -> dict[str, str]:
    return {} if field is None else {key: value.text for key, value in field.fields()}


def _secrets(field: Field | None) -> dict[str, SecretRef]:
    return {} if field is None else {key: secret_at(value) for key, value in field.fields()}


def _secret_of(field: Field, key: str) -> SecretRef:
    found = field.get(key)
    return SecretRef() if found is None else secret_at(found)
