"""The operator's file's `forge`: where pull requests live, who we are there, and how they are opened and merged.

Called by `gitslo.config`; the adapters in `gitslo.adapters.forges` follow it. Must stay true: the token goes to the
host that is named here and to no other, and in clear only where the operator says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gitslo.certificates import certificate_fault
from gitslo.core.addresses import parse_http_url
from gitslo.core.document import Field
from gitslo.core.gitnames import PLAIN_HTTP, in_clear
from gitslo.secret import SecretRef, secret_at

__all__ = ["LOCAL", "AppSettings", "ForgeSettings", "MergeMethod", "parse_forge"]

LOCAL = "local"
"""The entry point of the forge that needs no settings."""


class MergeMethod(StrEnum):
    """How a pull request becomes part of its base branch."""

    MERGE = "merge"
    SQUASH = "squash"
    REBASE = "rebase"


@dataclass(frozen=True, slots=True)
class AppSettings:
    """A GitHub App.

    Attributes:
        id: its number, or its client id.
        private_key: PEM, as GitHub made it.
        installation: its number; None: it is looked up by the repository.
    """

    id: str
    private_key: SecretRef
    installation: int | None = None


@dataclass(frozen=True, slots=True)
class ForgeSettings:
    """One repository on one forge.

    Attributes:
        kind: an entry point of `gitslo.forges`.
        url: http or https, without a final slash; empty for `local`.
        project: the repository's path on the forge, e.g. `acme/shop-env`.
        branch: the protected branch.
        token: None for `local`, and where it is an app.
        app: who we are on GitHub instead of a token's account.
        ca: a PEM file with the authorities that may have signed its certificate; None: the system's.
        assignees, reviewers, labels: what pull requests are opened with; a reviewer with a `/` is a team.
        draft: whether they are opened as drafts.
        method: None: the repository's usual one.
        check_pull_requests: whether people's pull requests get a status that says what `gitslo check` says.
        issues: whether what needs a person and has no pull request is told as an issue.
    """

    kind: str = LOCAL
    url: str = ""
    project: str = ""
    branch: str = ""
    token: SecretRef | None = None
    app: AppSettings | None = None
    ca: Path | None = None
    assignees: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    draft: bool = False
    method: MergeMethod | None = None
    issues: bool = True
    check_pull_requests: bool = False


def parse_forge(field: Field | None, repository: str, branch: str, ca: Path | None) -> ForgeSettings:
    """The `forge` of one repository.

    Args:
        field: as it stands there; None: it is left out.
        repository: the repository's own URL; empty where that is wrong.
        branch: the protected branch.
        ca: of the repository, which holds for the forge where that has none of its own.
    """
    named = () if field is None or isinstance(field.value, str) else tuple(field.fields())
    if field is None or len(named) != 1:  # more or less than one is said by the schema
        return ForgeSettings(branch=branch)
    [(kind, given)] = named
    if repository and not repository.startswith(("http://", "https://")):
        field.add(
            "a forge has repositories with https:// URLs", "give the repository's URL there, or leave `forge` out"
        )
        return ForgeSettings(branch=branch)
    scheme, _, rest = repository.partition("://")
    host, _, path = rest.partition("/")
    url = given.parsed_of("url", _url, f"{scheme}://{host}" if host else "")
    token, app, secure = given.get("token"), given.get("app"), given.get("ca")
    if kind == "github" and (token is None) == (app is None) and given.sound:
        given.add("expected either a `token` or an `app`", "the app goes by its id and its private key", on_key=True)
    if url and in_clear(url) and not given.flag_of("plain_http", default=False):
        (given.get("url") or field).add(PLAIN_HTTP.message.replace("password", "token"), _IN_CLEAR)
    method = given.get("method")
    return ForgeSettings(
        kind=kind,
        url=url,
        project=_project(url, path),
        branch=branch,
        token=None if token is None else secret_at(token),
        app=None if app is None or not app.sound else _app(app),
        ca=_authorities(secure, url) if secure is not None else (ca if url.startswith("https://") else None),
        assignees=_texts(given, "assignees"),
        reviewers=_texts(given, "reviewers"),
        labels=_texts(given, "labels"),
        draft=given.flag_of("draft", default=False),
        method=None if method is None else MergeMethod(method.text),
        issues=given.flag_of("issues", default=True),
        check_pull_requests=given.flag_of("check_pull_requests", default=False),
    )


_IN_CLEAR = "give its https:// URL, or say `plain_http: true` beside it"


def _url(text: str) -> str:
    parse_http_url(text)
    return text.rstrip("/")


def _project(url: str, path: str) -> str:
    """The repository's path below the forge's: a forge may live in a folder of its host."""
    folder = url.partition("://")[2].partition("/")[2]
    bare = path.removeprefix(f"{folder}/") if folder else path
    return bare.rstrip("/").removesuffix(".git")


def _app(field: Field) -> AppSettings:
    name, key = field.get("id"), field.get("private_key")
    return AppSettings(
        id="" if name is None else name.text,
        private_key=SecretRef() if key is None else secret_at(key),
        installation=field.number_of("installation", 0) or None,
    )


def _texts(field: Field, key: str) -> tuple[str, ...]:
    found = field.get(key)
    return () if found is None else tuple(dict.fromkeys(found.texts()))


def _authorities(field: Field, url: str) -> Path:
    path = Path(field.text)
    if url and not url.startswith("https://"):
        field.add("only an https:// forge has certificates", "give its https:// URL, or leave `ca` out", on_key=True)
    elif fault := certificate_fault(path):
        field.add(fault, "expected a file of PEM certificates, `-----BEGIN CERTIFICATE-----` and so on")
    return path
