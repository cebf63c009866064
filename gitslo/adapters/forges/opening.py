"""From the operator's settings to a forge that can be asked. The entry points of `gitslo.forges` lead here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gitslo.adapters.forges.gitea import GiteaForge
from gitslo.adapters.forges.github import GithubForge
from gitslo.adapters.forges.github_app import GithubApp, signed
from gitslo.adapters.forges.gitlab import GitlabForge
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.errors import Fatal, Problem, Refused
from gitslo.forge_settings import ForgeSettings
from gitslo.ports import Clock, HttpSend

__all__ = ["GITHUB_HEADERS", "gitea_forge", "github_api", "github_forge", "gitlab_forge"]

GITHUB_HEADERS: Final = (("Accept", "application/vnd.github+json"), ("X-GitHub-Api-Version", "2022-11-28"))
"""What every version of GitHub understands, Enterprise Servers too."""
GITHUB_SPACING: Final = 1.0
"""Seconds between two writes, as GitHub asks for (its "best practices for using the REST API")."""
_NAMES = {"gitea": "Gitea", "forgejo": "Forgejo"}


def gitea_forge(settings: ForgeSettings, send: HttpSend, clock: Clock) -> GiteaForge:
    """A Gitea or a Forgejo; nothing is asked yet.

    Raises:
        Fatal: the file with its authorities cannot be read.
    """
    if settings.project.count("/") != 1:
        message = f"expected a repository URL that ends in OWNER/NAME, found the path {settings.project!r}"
        raise Refused(Problem(message, hint="`forge: {gitea: {url: ...}}` names the forge's own URL"))

    def authorize() -> Sequence[tuple[str, str]]:
        # Read each time: a token that was exchanged is taken up.
        token = settings.token.resolve().reveal() if settings.token is not None else ""
        return [("Authorization", f"token {token}")]

    http = ForgeHttp(
        send,
        settings.url,
        authorize,
        name=_NAMES.get(settings.kind, settings.kind),
        repository=settings.project,
        now=clock.now,
        sleep=clock.sleep,
        ca=_authorities(settings),
    )
    return GiteaForge(http, settings)


def github_forge(settings: ForgeSettings, send: HttpSend, clock: Clock) -> GithubForge:
    """GitHub, or an Enterprise Server; nothing is asked yet.

    Raises:
        Fatal: the file with its authorities cannot be read. Refused: the repository's URL names none.
    """
    if settings.project.count("/") != 1:
        message = f"expected a repository URL that ends in OWNER/NAME, found the path {settings.project!r}"
        raise Refused(Problem(message, hint="`forge: {github: {url: ...}}` names the server's own URL"))
    base, ca = github_api(settings.url), _authorities(settings)

    def http(
        repository: str, authorize: Callable[[], Sequence[tuple[str, str]]], renew: Callable[[], bool] = lambda: False
    ) -> ForgeHttp:
        return ForgeHttp(
            send,
            base,
            authorize,
            name="GitHub",
            repository=repository,
            now=clock.now,
            sleep=clock.sleep,
            renew=renew,
            headers=GITHUB_HEADERS,
            ca=ca,
            spacing=GITHUB_SPACING,
        )

    def bearer() -> Sequence[tuple[str, str]]:
        # Read each time: a token that was exchanged is taken up.
        token = settings.token.resolve().reveal() if settings.token is not None else ""
        return [("Authorization", f"Bearer {token}")]

    if settings.app is None:
        return GithubForge(http(settings.project, bearer), settings)
    named = settings.app

    def as_app() -> Sequence[tuple[str, str]]:
        return [("Authorization", f"Bearer {signed(named, clock.now().wall)}")]

    # Its tokens are written to no repository: whoever writes to one may wait for a token, and not the other way round.
    app = GithubApp(http(f"app {named.id}", as_app), named, settings.project, clock.now)
    return GithubForge(http(settings.project, app.authorize, app.renew), settings, app)


def gitlab_forge(settings: ForgeSettings, send: HttpSend, clock: Clock) -> GitlabForge:
    """A GitLab, be it gitlab.com or one's own; nothing is asked yet.

    Raises:
        Fatal: the file with its authorities cannot be read. Refused: the repository's URL names no project.
    """
    if "/" not in settings.project:
        message = f"expected a repository URL that ends in GROUP/PROJECT, found the path {settings.project!r}"
        raise Refused(Problem(message, hint="`forge: {gitlab: {url: ...}}` names the URL that GitLab itself has"))

    def authorize() -> Sequence[tuple[str, str]]:
        # Read each time: a token that was exchanged is taken up.
        token = settings.token.resolve().reveal() if settings.token is not None else ""
        return [("PRIVATE-TOKEN", token)]

    http = ForgeHttp(
        send,
        settings.url,
        authorize,
        name="GitLab",
        repository=settings.project,
        now=clock.now,
        sleep=clock.sleep,
        ca=_authorities(settings),
    )
    return GitlabForge(http, settings)


def github_api(url: str) -> str:
    """Where the API of a GitHub is: beside github.com and its companies' own domains, and inside an Enterprise Server.

    Source: https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
    """
    scheme, _, rest = url.partition("://")
    host = rest.lower()
    if host in ("github.com", "www.github.com"):
        return f"{scheme}://api.github.com"
    if host.endswith(".ghe.com") and not host.startswith("api."):
        return f"{scheme}://api.{host}"
    if host == "api.github.com" or host.endswith((".ghe.com", "/api/v3")):
        return url
    return f"{url}/api/v3"


def _authorities(settings: ForgeSettings) -> bytes:
    if settings.ca is None:
        return b""
    try:
        return settings.ca.read_bytes()
    except OSError as error:
        raise Fatal(f"the certificates of the forge cannot be read: {settings.ca}: {error.strerror}") from None
