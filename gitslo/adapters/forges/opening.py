"""From the operator's settings to a forge that can be asked. The entry points of `gitslo.forges` lead here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from gitslo.adapters.forges.gitea import GiteaForge
from gitslo.adapters.forges.github import GithubForge
from gitslo.adapters.forges.github_app import GithubApp, signed
from gitslo.adapters.forges.gitlab import GitlabForge
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.errors import Fatal, Problem, Refused
from gitslo.forge_settings import ForgeSettings
from gitslo.ports import Clock, HttpSend

__all__ = ["GITHUB_HEADERS", "gitea_forge", "github_api", "github_forge", "gitlab_forge", "installed_app"]

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
    if settings.app is not None:
        app = installed_app(settings, send, clock)
        return GithubForge(_github(settings, send, clock, app.authorize, app.renew), settings, app)

    def bearer() -> Sequence[tuple[str, str]]:
        # Read each time: a token that was exchanged is taken up.
        token = settings.token.resolve().reveal() if settings.token is not None else ""
        return [("Authorization", f"Bearer {token}")]

    return GithubForge(_github(settings, send, clock, bearer), settings)


def installed_app(settings: ForgeSettings, send: HttpSend, clock: Clock) -> GithubApp:
    """The app that the settings name; nothing is asked yet.

    Raises:
        Fatal: the file with its authorities cannot be read, or no app is named.
    """
    named = settings.app
    if named is None:
        raise Fatal("these settings name no app")

    def as_app() -> Sequence[tuple[str, str]]:
        return [("Authorization", f"Bearer {signed(named, clock.now().wall)}")]

    # It writes to no repository: whoever writes to one may wait for a token, and never the other way round.
    http = _github(replace(settings, project=f"app {named.id}"), send, clock, as_app, spacing=0.0)
    return GithubApp(http, named, settings.project, clock.now)


def _github(
    settings: ForgeSettings,
    send: HttpSend,
    clock: Clock,
    authorize: Callable[[], Sequence[tuple[str, str]]],
    renew: Callable[[], bool] = lambda: False,
    spacing: float = GITHUB_SPACING,
) -> ForgeHttp:
    return ForgeHttp(
        send,
        github_api(settings.url),
        authorize,
        name="GitHub",
        repository=settings.project,
        now=clock.now,
        sleep=clock.sleep,
        renew=renew,
        headers=GITHUB_HEADERS,
        ca=_authorities(settings),
        spacing=spacing,
    )


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
