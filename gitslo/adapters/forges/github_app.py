"""A GitHub App as the account: tokens of its installation, which live for an hour, and what it is called.

Composed by `opening` where the operator's file names an app. The one file that imports PyJWT.

**Invariants**
* the private key signs and is never sent; it is read when it is used, so that a rotated one is taken up;
* a token is for the one repository that it is asked for, whatever else the app is installed on;
* a token is renewed when a sixth of its life is left, and when GitHub does not know it any more; never more often than
  once a minute, whatever the clocks or GitHub say.

Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import record
from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.errors import Problem, Refused
from gitslo.forge_settings import AppSettings
from gitslo.model import Instant

__all__ = ["GithubApp", "signed"]

NEEDED: Final = ("contents", "issues", "pull_requests", "statuses")
"""Permissions of a repository that have to be `write`."""
LIFE: Final = 3600.0
"""Seconds that a token lives, as GitHub documents it; another span that it names counts where it is shorter."""
SHORTEST: Final = 300.0
"""Seconds that a token is taken to live at the least, whatever is said of its end: none is asked for all the time."""
USED: Final = 5 / 6
"""The share of a token's life after which it is renewed."""
NOT_AGAIN: Final = 60.0
"""Seconds in which a token that is not known is not renewed a second time."""
SIGNED_FOR: Final = 540
"""Seconds; GitHub takes ten minutes at most, counted by its own clock."""
DRIFT: Final = 60
"""Seconds that our clock may be ahead of GitHub's, as its documentation advises."""


@dataclass(frozen=True, slots=True)
class _Token:
    """One token; `since` and `until` are monotonic seconds."""

    text: str
    since: float
    until: float


class GithubApp:
    """One app's installation on one repository.

    Args:
        http: requests as the app itself, which `signed` authorizes.
        settings: the app.
        repository: `owner/name`.
        now: both clocks.
    """

    def __init__(self, http: ForgeHttp, settings: AppSettings, repository: str, now: Callable[[], Instant]) -> None:
        self._http, self._settings, self._repository, self._now = http, settings, repository, now
        self._lock = threading.Lock()
        self._installation = settings.installation
        self._token: _Token | None = None
        self._granted: Mapping[str, str] = {}
        self._login = ""

    def token(self) -> str:
        """What a request to the repository presents, and Git as the password of `x-access-token`.

        Raises:
            Refused: the app is not installed there, or its key is not its own. Retry: no answer.
        """
        with self._lock:
            if self._token is None or self._now().monotonic >= self._token.until:
                self._token = self._fresh()
            return self._token.text

    def authorize(self) -> Sequence[tuple[str, str]]:
        """The header of a request to the repository; otherwise as `token`."""
        return [("Authorization", f"Bearer {self.token()}")]

    def renew(self) -> bool:
        """GitHub does not know the token: whether there is another one now."""
        with self._lock:
            if self._token is not None and self._now().monotonic - self._token.since < NOT_AGAIN:
                return False
            self._token = self._fresh()
            return True

    def lacks(self) -> tuple[str, ...]:
        """Permissions that it should have and has not; a repository does not say what an app may do with it.

        Raises:
            Retry, Refused: as `token`.
        """
        self.token()
        granted = self._granted
        return tuple(name for name in NEEDED if granted and granted.get(name) != "write")

    def login(self) -> str:
        """What the app is called where it comments: its name and `[bot]`."""
        if not self._login:
            reply = self._http.get("/app", expect=(401, 403, 404))
            if reply.data is None:
                raise self._unknown(reply.said)
            self._login = f"{record(reply.data).text('slug')}[bot]"
        return self._login

    def _fresh(self) -> _Token:
        owner, _, name = self._repository.partition("/")
        if self._installation is None:
            path = f"/repos/{segment(owner)}/{segment(name)}/installation"
            found = self._http.get(path, expect=(401, 403, 404))
            if found.status == HTTPStatus.NOT_FOUND:
                message = f"the app {self._settings.id} is not installed on {self._repository}"
                raise Refused(Problem(message, hint="install it there, or is the repository's name another one?"))
            if found.data is None:
                raise self._unknown(found.said)
            self._installation = record(found.data).number("id")
        path = f"/app/installations/{self._installation}/access_tokens"
        since = self._now().monotonic
        reply = self._http.write("POST", path, {"repositories": [name]}, expect=(401, 403, 404, 422))
        if reply.data is None:
            if self._settings.installation is None:
                self._installation = None  # it may have been installed anew
            if reply.status == HTTPStatus.UNAUTHORIZED:
                raise self._unknown(reply.said)
            message = f"the app {self._settings.id} gets no token for {self._repository}: {reply.said}"
            raise Refused(Problem(message, hint="is it installed there, and not suspended?"))
        answer = record(reply.data)
        self._granted = {name: answer.text("permissions", name) for name in NEEDED if answer.has("permissions")}
        return _Token(answer.text("token"), since, since + USED * self._life(answer.text("expires_at")))

    def _life(self, until: str) -> float:
        try:
            moment = datetime.fromisoformat(until)
        except ValueError:
            return LIFE
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return min(LIFE, max(SHORTEST, moment.timestamp() - self._now().wall))

    def _unknown(self, said: str) -> Refused:
        message = f"{self._http.name} at {self._http.base} does not know the app {self._settings.id} by its key: {said}"
        return Refused(Problem(message, hint="is it the key of this app, and is this machine's clock right?"))


def signed(settings: AppSettings, wall: float) -> str:
    """What says that we are the app, for nine minutes (RFC 7519; RS256).

    Args:
        settings: the app.
        wall: seconds since the epoch.

    Raises:
        Refused: the private key cannot be read or used.
    """
    import jwt  # 60 ms, for apps only

    # variables of an environment often hold a key in one line, its line ends written out
    key = settings.private_key.resolve().reveal().replace("\\n", "\n")
    claims = {"iat": int(wall) - DRIFT, "exp": int(wall) + SIGNED_FOR, "iss": settings.id}
    try:
        return jwt.encode(claims, key, algorithm="RS256")
    except (ValueError, TypeError, jwt.PyJWTError):
        message = f"the private key of the app {settings.id} is not one that can be used"
        raise Refused(Problem(message, hint="expected the PEM file that GitHub made for the app")) from None
