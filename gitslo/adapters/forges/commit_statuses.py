"""Commit statuses as GitHub and Gitea keep them: every one that was set, of which the newest of a context counts.

Composed by `github` and `gitea`; GitLab's follow other rules (`gitlab_statuses`). Must stay true: every status looks
before it is set, because every one that is set is kept, and a commit holds a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gitslo.adapters.forges.answers import Json, record
from gitslo.adapters.forges.http import ForgeHttp, Reply
from gitslo.adapters.forges.looks import Looks
from gitslo.errors import GitsloError
from gitslo.model import CommitId
from gitslo.ports import Status, StatusState

__all__ = ["CommitStatuses", "StatusWords"]

GLANCE: Final = 10.0
"""Seconds for which a look serves those who only ask."""
PAGES: Final = 400
_STATES: Final = frozenset(StatusState)


@dataclass(frozen=True, slots=True)
class StatusWords:
    """What one forge calls things.

    Attributes:
        state: the field that has the state of a status.
        per_page: the parameter that says how many, and how many.
        not_taken: statuses that a new one is answered with when it is not taken.
        refused: what to do where one is not taken, though its commit is there.
    """

    state: str
    per_page: Callable[[], tuple[str, int]]
    not_taken: tuple[int, ...]
    refused: Callable[[Status, Reply], GitsloError]


class CommitStatuses:
    """The statuses of one repository; `path` is its own below the API's base."""

    def __init__(self, http: ForgeHttp, path: str, words: StatusWords) -> None:
        self._http, self._path, self._words = http, path, words
        self._looks: Looks[CommitId, Mapping[str, Status]] = Looks(GLANCE, http.monotonic)

    def stands(self, status: Status) -> bool:
        """Whether it stands just so; may rest on a look that is some seconds old."""
        return self._looks.of(status.commit, self._look).get(status.context) == status

    def set(self, status: Status) -> None:
        """Set it, unless it stands so; a commit that the forge does not have gets none, as nobody could see it.

        Raises:
            Retry, Refused: as every request.
        """
        with self._http.alone():
            if self._look(status.commit).get(status.context) == status:
                return
            self._looks.forget(status.commit)
            wanted: dict[str, Json] = {
                "context": status.context,
                "state": status.state.value,
                "description": status.description,
            }
            if status.url:
                wanted["target_url"] = status.url
            path = f"{self._path}/statuses/{status.commit}"
            reply = self._http.write("POST", path, wanted, expect=self._words.not_taken)
            if not reply.done and self._has_commit(status.commit):
                raise self._words.refused(status, reply)

    def _has_commit(self, commit: CommitId) -> bool:
        return self._http.get(f"{self._path}/git/commits/{commit}", expect=(404, 409, 422)).data is not None

    def _look(self, commit: CommitId) -> Mapping[str, Status]:
        """The statuses of a commit, by context."""
        found: dict[str, Status] = {}
        sized, size = self._words.per_page()
        for page in range(1, PAGES + 1):
            query = {sized: size, "page": page}
            reply = self._http.get(f"{self._path}/commits/{commit}/status", query, expect=(404, 422))
            rows = () if reply.data is None else record(reply.data).records("statuses")
            for row in rows:
                state, context = row.text(self._words.state), row.text("context")
                if state in _STATES:
                    found[context] = Status(
                        commit, context, StatusState(state), row.text("description"), row.text("target_url")
                    )
            if len(rows) < size:
                break
        return self._looks.keep(commit, found)
