"""Certificates and identities as the command line says them: `gitslo load` and `gitslo test`.

Whoever types a command is the operator: a secret is still only named, never typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from gitslo.errors import Problem, Refused
from gitslo.identities import Basic, CertificateFiles, ClientCredentials, Identity, parse_client_credentials
from gitslo.secret import SecretRef

__all__ = ["basic", "bearer", "certificate_file", "certificates_of", "client_credentials", "identities_of", "variable"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_LARGEST = 64 * 1024


def bearer(text: str, option: str) -> SecretRef:
    """`env:NAME` or `file:PATH`; what else was typed is not repeated, for it may be the secret itself."""
    kind, colon, place = text.partition(":")
    if colon and place and kind == "env":
        return SecretRef(env=variable(place, option))
    if colon and place and kind == "file":
        return SecretRef(file=str(Path(place).absolute()))
    raise click.BadParameter("expected env:NAME or file:PATH, never the secret itself", param_hint=option)


def basic(text: str, option: str) -> Basic:
    """`USER:env:NAME` or `USER:file:PATH`."""
    username, colon, rest = text.partition(":")
    if not colon or not username:
        message = "expected USER:env:NAME or USER:file:PATH, never the password itself"
        raise click.BadParameter(message, param_hint=option)
    return Basic(username, bearer(rest, option))


def client_credentials(path: str, certificates: dict[str, CertificateFiles]) -> ClientCredentials:
    """A file that holds what stands under `oauth2` in the operator's file.

    Raises:
        Refused: it cannot be read, or is wrong.
    """
    from gitslo.core.document import Document
    from gitslo.core.schema import Contract
    from gitslo.core.yamlsafe import CONTRACT

    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise Refused(Problem(f"cannot be read: {error.strerror}", file=path)) from None
    document = Document(Contract.OPERATOR, data, file=path, budget=CONTRACT, part="clientCredentials")
    found = parse_client_credentials(document.root, certificates)
    document.finish()
    return found


def certificate_file(text: str | None, option: str) -> Path | None:
    """A file that is there; None where none is named."""
    if text is None:
        return None
    path = Path(text)
    if not path.is_file():
        raise click.BadParameter(f"there is no file `{text}`", param_hint=option)
    return path


def certificates_of(texts: Sequence[str], option: str) -> dict[str, CertificateFiles]:
    """`NAME=FILE` for authorities, `NAME=FILE,KEY` for what is shown of ourselves."""
    found = {}
    for name, value in _named(texts, option):
        certificate, comma, key = value.partition(",")
        first = certificate_file(certificate, option)
        if comma:
            found[name] = CertificateFiles(certificate=first, key=certificate_file(key, option))
        else:
            found[name] = CertificateFiles(ca=first)
    return found


def identities_of(
    texts: Sequence[str], certificates: dict[str, CertificateFiles], hosts: tuple[str, ...], option: str
) -> dict[str, Identity]:
    """`NAME=bearer:env:NAME`, `NAME=basic:USER:env:NAME`, `NAME=oauth2:FILE`; for these hosts."""
    found = {}
    for name, value in _named(texts, option):
        kind, _, rest = value.partition(":")
        form: SecretRef | Basic | ClientCredentials
        if kind == "bearer":
            form = bearer(rest, option)
        elif kind == "basic":
            form = basic(rest, option)
        elif kind == "oauth2":
            form = client_credentials(rest, certificates)
        else:
            message = "expected NAME=bearer:..., NAME=basic:... or NAME=oauth2:FILE, never the secret itself"
            raise click.BadParameter(message, param_hint=option)
        found[name] = Identity(name, form, hosts, plain_http=True)
    return found


def _named(texts: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise click.BadParameter("expected NAME=..., as the plan has the name", param_hint=option)
        if name in seen:
            raise click.BadParameter(f"`{name}` is given twice", param_hint=option)
        seen.add(name)
        yield name, value


def variable(text: str, option: str) -> str:
    """The name of an environment variable."""
    if not _VARIABLE.fullmatch(text):
        raise click.BadParameter("expected an environment variable's name", param_hint=option)
    return text
