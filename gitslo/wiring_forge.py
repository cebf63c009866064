"""Which forge serves a repository. The part of the composition root that `gitslo status` shares with the daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from gitslo.config import RepositoryConfig
from gitslo.errors import Fatal
from gitslo.forge_settings import LOCAL
from gitslo.ports import Clock, Forge, Repository, Wording, usual_wording

__all__ = ["entry_point", "forge_of", "git_login", "wording_of"]


def forge_of(config: RepositoryConfig, repository: Repository, clock: Clock) -> Forge:
    """The forge of the operator's file; nothing is asked yet.

    A forge other than `local` is made from (settings, an `HttpSend`, a `Clock`).

    Raises:
        Fatal: no installed package brings it. Refused: its settings cannot work.
    """
    make = entry_point("gitslo.forges", config.forge.kind)
    if config.forge.kind == LOCAL:
        return cast("Forge", make(repository, account=config.author_name, wall=lambda: clock.now().wall))
    from gitslo.adapters.http_client import HttpClient  # noqa: PLC0415 - 0.1 s, for forges over HTTP only
    from gitslo.load.connections.tls import context  # noqa: PLC0415 - beside its user

    return cast("Forge", make(config.forge, HttpClient(context).send, clock))


def git_login(config: RepositoryConfig, clock: Clock) -> tuple[str, Callable[[], str]] | None:
    """Who we are to Git, and the password, to be asked for each time: the repository's credentials, or its GitHub App.

    An app's token goes only where the forge is: the repository's URL is below the forge's.
    """
    credentials, forge = config.credentials, config.forge
    if credentials is not None:
        return credentials.username, lambda: credentials.password.resolve().reveal()
    if forge.app is None or not config.url.startswith(f"{forge.url}/"):
        return None
    from gitslo.adapters.forges import installed_app  # noqa: PLC0415 - for apps only
    from gitslo.adapters.http_client import HttpClient  # noqa: PLC0415
    from gitslo.load.connections.tls import context  # noqa: PLC0415

    return "x-access-token", installed_app(forge, HttpClient(context).send, clock).token


def wording_of(config: RepositoryConfig) -> Wording:
    """The operator's own words for pull requests and commits; the usual ones where there are no templates.

    Raises:
        Refused: a template cannot be used.
    """
    if not config.templates:
        return usual_wording
    from gitslo.adapters.wording import jinja_wording  # noqa: PLC0415 - 40 ms, for those who have templates

    return jinja_wording(config.templates)


def entry_point(group: str, name: str) -> Callable[..., object]:
    """What an installed package brings under a name.

    Raises:
        Fatal: none does.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - 20 ms

    found = entry_points(group=group, name=name)
    if not found:
        raise Fatal(f"no installed package brings `{name}` as one of `{group}`")
    loaded: Callable[..., object] = next(iter(found)).load()
    return loaded
