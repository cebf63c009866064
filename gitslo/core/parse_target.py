"""The targets of a plan -> Target: where they are, what they speak, and which names of the operator's they ask for.

Called by `gitslo.core.parse_plan`, and for TLS settings by `gitslo.source_config`. Must stay true: a name is only ever
a name here; what it stands for is the operator's, and so is whether this host may have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gitslo.core.addresses import parse_host_port, parse_http_url
from gitslo.core.document import Field
from gitslo.core.nearest import nearest
from gitslo.errors import Problem, Refused
from gitslo.model import Target, TargetScheme, TlsSettings, TlsVersion

__all__ = ["known_target", "parse_authority", "parse_server_name", "parse_targets", "parse_tls_settings"]

_PORT = re.compile(r"(.*?)(:[0-9]{1,5})?")


def parse_targets(root: Field) -> Iterator[tuple[str, Target]]:
    """Every target that can be read, by its name; problems are noted in the document."""
    targets = root.get("targets")
    for name, field in targets.fields() if targets is not None else ():
        http, grpc, tcp = field.get("http"), field.get("grpc"), field.get("tcp")
        if http is not None:
            yield name, _http(name, field, http)
        if grpc is not None:
            yield name, _grpc(name, field, grpc)
        if tcp is not None:
            host, port = tcp.parsed(parse_host_port, ("", 1))
            yield name, Target(name, TargetScheme.TCP, host, port)


def known_target(field: Field, targets: dict[str, Target], scheme: TargetScheme | None) -> Target | None:
    """The target that is named here; that there is none, or that it does not speak `scheme`, is noted."""
    declared = field.document.root.get("targets")
    names = [key for key, _ in declared.fields()] if declared is not None else []
    target = targets.get(field.text)
    if field.text not in names:
        field.add(f"there is no target `{field.text}`", nearest(field.text, names))
    elif target is not None and scheme is not None and target.scheme is not scheme:
        field.add(f"the target `{field.text}` speaks {target.scheme}, and {scheme} is needed here")
    return target


def parse_authority(text: str) -> str:
    """`shop.example.com`, `shop.example.com:8443`, `[2001:db8::1]`.

    Raises:
        Refused: it is no host, with or without a port.
    """
    match = _PORT.fullmatch(text)
    assert match is not None  # noqa: S101 - both parts may be empty
    if "/" in text:
        raise Refused(Problem(f"expected a host, or a host and a port, found `{text}`", hint="e.g. `shop.example.com`"))
    host, port = parse_host_port(f"{match[1]}{match[2] or ':1'}")
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port}" if match[2] else shown


def parse_server_name(text: str) -> str:
    """A host's name, as a certificate has it; SNI has no addresses, certificates do.

    Raises:
        Refused: it is neither a name nor an address.
    """
    if "[" in text or text.count(":") == 1:
        raise Refused(Problem(f"expected a host's name without a port, found `{text}`"))
    return parse_host_port(f"[{text}]:1" if ":" in text else f"{text}:1")[0]


def _http(name: str, field: Field, http: Field) -> Target:
    url = http.parsed(parse_http_url, None)
    settings = field.get("tls")
    if url is None:
        return Target(name, TargetScheme.HTTP, "", 80)
    if settings is not None and not url.tls:
        settings.add("TLS settings are for an https:// URL", "write https://, or remove `tls`", on_key=True)
    return Target(
        name,
        TargetScheme.HTTP,
        url.host,
        url.port,
        tls=url.tls,
        path=url.path,
        http2=field.flag_of("http2", default=False),
        settings=parse_tls_settings(settings),
        auth=field.text_of("auth", ""),
        authority=field.parsed_of("authority", parse_authority, ""),
        resolve=field.parsed_of("resolve", parse_host_port, None),
    )


def _grpc(name: str, field: Field, grpc: Field) -> Target:
    host, port = grpc.parsed(parse_host_port, ("", 1))
    tls = field.get("tls")
    return Target(
        name,
        TargetScheme.GRPC,
        host,
        port,
        tls=tls is not None and tls.value is not False,
        settings=parse_tls_settings(tls if tls is not None and isinstance(tls.value, dict) else None),
        auth=field.text_of("auth", ""),
        authority=field.parsed_of("authority", parse_authority, ""),
        resolve=field.parsed_of("resolve", parse_host_port, None),
    )


def parse_tls_settings(field: Field | None) -> TlsSettings:
    """The value of `tls`, the defaults where there is none; problems are noted in the document."""
    default = TlsSettings()
    if field is None:
        return default
    version, insecure = field.get("min_version"), field.flag_of("insecure", default=False)
    for key in ("ca", "server_name"):
        given = field.get(key)
        if insecure and given is not None:
            hint = f"remove `insecure` or `{key}`"
            given.add(f"`{key}` says what to verify, and `insecure` that nothing is", hint, on_key=True)
    return TlsSettings(
        ca=field.text_of("ca", ""),
        certificate=field.text_of("certificate", ""),
        server_name=field.parsed_of("server_name", parse_server_name, ""),
        min_version=default.min_version if version is None else TlsVersion(version.text),
        insecure=insecure,
    )
