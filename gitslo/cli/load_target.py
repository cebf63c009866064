"""Where `gitslo load` sends its requests, and with which certificates and identity. Called by `load_arguments`.

Whoever types the command is the operator: what is named is allowed, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import click

from gitslo.cli.access_options import basic, bearer, certificate_file, client_credentials, variable
from gitslo.cli.load_options import Flags
from gitslo.cli.load_requests import ENDPOINT
from gitslo.cli.parsing import maybe
from gitslo.core.addresses import parse_host_port
from gitslo.core.parse_target import parse_authority, parse_server_name
from gitslo.errors import Problem, Refused
from gitslo.identities import Basic, CertificateFiles, ClientCredentials, Identity
from gitslo.model import Allowed, Target, TargetScheme, TlsSettings, TlsVersion
from gitslo.ports import TargetAccess
from gitslo.secret import SecretRef

__all__ = ["access_of", "target_of"]

_SCHEMES = {
    "http": (TargetScheme.HTTP, False, False, 80),
    "https": (TargetScheme.HTTP, True, False, 443),
    "h2c": (TargetScheme.HTTP, False, True, 80),
    "h2": (TargetScheme.HTTP, True, True, 443),
    "grpc": (TargetScheme.GRPC, False, False, None),
    "grpcs": (TargetScheme.GRPC, True, False, 443),
}
"""URL scheme -> what it speaks, whether in TLS, whether HTTP/2 is asked for, the port that goes without saying."""
_LATER = {"ws", "wss"}
_OURS = "command-line"


def target_of(url: str, flags: Flags) -> tuple[Target, str]:
    """The target of a URL, and the request's path and query.

    Raises:
        Refused: it is no URL that load can be sent to.
        click.UsageError: a flag does not go with it.
    """
    # What stands before an `@` may be a password: such a URL is not repeated.
    shown = "the argument URL" if "@" in url else f"`{url}`"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(Problem(f"{shown} is no URL: {'' if '@' in url else error}".rstrip(": "))) from None
    if parts.scheme in _LATER:
        raise Refused(Problem(f"load over {parts.scheme}:// is not in this version"))
    if parts.scheme not in _SCHEMES or not parts.hostname:
        hint = "e.g. http://127.0.0.1:8080/" if "://" in url or "@" in url else f"did you mean `http://{url}`?"
        known = ", ".join(f"{each}://" for each in _SCHEMES)
        raise Refused(Problem(f"{shown} is no URL that begins with one of {known}", hint=hint))
    if "@" in parts.netloc or parts.fragment:
        hint = "--bearer, --basic and --oauth2 say who we are"
        raise Refused(Problem("a URL for load has no user, password or fragment", hint=hint))
    scheme, tls, http2, usual = _SCHEMES[parts.scheme]
    port = port if port is not None else usual
    if port is None:
        raise Refused(Problem(f"{shown} has no port", hint=f"e.g. {parts.scheme}://{parts.hostname}:9090{parts.path}"))
    try:
        host, port = parse_host_port(f"{f'[{parts.hostname}]' if ':' in parts.hostname else parts.hostname}:{port}")
    except Refused as refused:
        raise Refused(*(Problem(f"{shown}: {each.message}", hint=each.hint) for each in refused.problems)) from None
    target = Target(
        ENDPOINT,
        scheme,
        host,
        port,
        tls=tls,
        http2=http2,
        settings=_settings(flags, tls=tls),
        auth=_OURS if _identities(flags) else "",
        authority=maybe(parse_authority, flags.authority, "--authority") or "",
        resolve=maybe(parse_host_port, flags.resolve, "--resolve"),
    )
    if flags.unix is not None and flags.resolve is not None:
        raise click.UsageError("--unix and --resolve exclude each other")
    return target, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _settings(flags: Flags, *, tls: bool) -> TlsSettings:
    given = {
        "--ca": flags.ca,
        "--cert": flags.cert,
        "--key": flags.key,
        "--server-name": flags.server_name,
        "--min-tls": flags.min_tls,
        "--insecure": flags.insecure,
    }
    first = next((option for option, value in given.items() if value), None)
    if first is not None and not tls:
        raise click.UsageError(f"{first} is for TLS: https://, h2:// or grpcs://")
    if (flags.cert is None) is not (flags.key is None):
        raise click.UsageError("--cert and --key go together")
    if flags.insecure and (flags.ca or flags.server_name):
        raise click.UsageError("--insecure verifies nothing, so --ca and --server-name have no meaning")
    return TlsSettings(
        ca="ca" if flags.ca else "",
        certificate="own" if flags.cert else "",
        server_name=maybe(parse_server_name, flags.server_name, "--server-name") or "",
        min_version=TlsVersion(flags.min_tls or TlsVersion.TLS_1_2),
        insecure=flags.insecure,
    )


def _identities(flags: Flags) -> Sequence[str]:
    given = {"--bearer": flags.bearer, "--basic": flags.basic, "--oauth2": flags.oauth2}
    found = [option for option, value in given.items() if value is not None]
    if len(found) > 1:
        raise click.UsageError(f"{' and '.join(found)} exclude each other")
    if found and any(header.partition(":")[0].strip().lower() == "authorization" for header in flags.headers):
        raise click.UsageError(f"{found[0]} and a header `Authorization` exclude each other")
    return found


def access_of(target: Target, flags: Flags) -> TargetAccess:
    """What the flags give to the target: certificates, one identity at most, variables."""
    from gitslo.wiring_run import target_access

    certificates = {
        "ca": CertificateFiles(ca=certificate_file(flags.ca, "--ca")),
        "own": CertificateFiles(
            certificate=certificate_file(flags.cert, "--cert"), key=certificate_file(flags.key, "--key")
        ),
    }
    forms: list[SecretRef | Basic | ClientCredentials] = [
        *([] if flags.bearer is None else [bearer(flags.bearer, "--bearer")]),
        *([] if flags.basic is None else [basic(flags.basic, "--basic")]),
        *([] if flags.oauth2 is None else [client_credentials(flags.oauth2, certificates)]),
    ]
    identities = {each.name: each for each in (Identity(_OURS, form, target.hosts, plain_http=True) for form in forms)}
    names = tuple(variable(name, "--env") for name in flags.env)
    allowed = Allowed(targets=target.hosts, variables=names, insecure_tls=flags.insecure)
    return target_access(certificates, identities, allowed)
