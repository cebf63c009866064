"""From the operator's settings to a forge that can be asked. The entry points of `gitslo.forges` lead here."""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.adapters.forges.gitea import GiteaForge
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.errors import Fatal, Problem, Refused
from gitslo.forge_settings import ForgeSettings
from gitslo.ports import Clock, HttpSend

__all__ = ["gitea_forge"]

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


def _authorities(settings: ForgeSettings) -> bytes:
    if settings.ca is None:
        return b""
    try:
        return settings.ca.read_bytes()
    except OSError as error:
        raise Fatal(f"the certificates of the forge cannot be read: {settings.ca}: {error.strerror}") from None
