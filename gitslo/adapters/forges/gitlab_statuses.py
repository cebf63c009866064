"""GitLab's commit statuses, which are jobs of a pipeline there and follow the rules of those.

Called by `gitlab`.

**Invariants**
* every status looks before it is set: GitLab takes no state twice, and keeps every one it takes;
* what was set is read back as it was meant: an error is told from a failure, though GitLab has one word for both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, Record
from gitslo.adapters.forges.gitlab_reading import pages
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.looks import Looks
from gitslo.errors import Refused, Retry
from gitslo.model import CommitId
from gitslo.ports import STATUS_LENGTH, Status, StatusState

__all__ = ["GitlabStatuses"]

GLANCE: Final = 10.0
"""Seconds for which a look serves those who only ask."""
URL: Final = 255
"""Characters of a link that GitLab takes; a longer one is left out, as a cut one leads nowhere."""


class GitlabStatuses:
    """The statuses of one project.

    Args:
        http: requests to GitLab.
        path: the project's own below the API's base.
        project: sees that the project is there; refused where it is not.
    """

    def __init__(self, http: ForgeHttp, path: str, project: Callable[[], object]) -> None:
        self._http, self._path, self._project = http, path, project
        self._looks: Looks[CommitId, Mapping[str, Record]] = Looks(GLANCE, http.monotonic)

    def stands(self, status: Status) -> bool:
        """Whether it stands just so; may rest on a look that is some seconds old."""
        standing = self._looks.of(status.commit, self._look).get(status.context)
        return standing is not None and _status_of(status.commit, standing) == _shown(status)

    def set(self, status: Status) -> None:
        """Set it, unless it stands so; a commit that is on no branch there gets none, as nobody could see it.

        Raises:
            Refused: the description is longer than 140 characters, or we may not. Retry: no answer.
        """
        if len(status.description) > STATUS_LENGTH:
            raise Refused(f"a status description has at most {STATUS_LENGTH} characters, not {len(status.description)}")
        wanted = _shown(status)
        with self._http.alone():
            standing = self._looks.keep(status.commit, self._look(status.commit)).get(status.context)
            if standing is not None and _status_of(status.commit, standing) == wanted:
                return
            self._looks.forget(status.commit)
            word, before = _WORDS[wanted.state], "" if standing is None else standing.text("status")
            # A job goes from `pending` to `running`, and from either to its end. To everything else GitLab says "Cannot
            # transition status"; what is to run on with other words is therefore ended, and begun anew.
            if wanted.state is StatusState.PENDING and before == "pending":
                word = "running"
            if wanted.state is StatusState.PENDING and before == "running":
                self._post(wanted, "canceled")
            self._post(wanted, word)

    def _post(self, wanted: Status, word: str) -> None:
        said = f"{_ERROR}{wanted.description}" if wanted.state is StatusState.ERROR else wanted.description
        body: dict[str, Json] = {"name": wanted.context, "state": word, "description": said, "target_url": wanted.url}
        reply = self._http.write("POST", f"{self._path}/statuses/{wanted.commit}", body, expect=(400, 404, 409))
        if reply.status == HTTPStatus.NOT_FOUND:
            self._project()  # where that is not there either, it is no commit that is missing
        elif not reply.done:
            raise Retry(f"{self._http.name} does not take the status {wanted.context} now: {reply.said}")

    def _look(self, commit: CommitId) -> Mapping[str, Record]:
        """The statuses of a commit, by context: of several the last."""
        found: dict[str, Record] = {}
        for row in pages(self._http, f"{self._path}/repository/commits/{commit}/statuses", {}, expect=(404,)):
            context = row.text("name")
            if context not in found or found[context].number("id") < row.number("id"):
                found[context] = row
        return found


_ERROR: Final = "error: "
_WORDS: Final = {
    StatusState.PENDING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "failed",
}
_STATES: Final = {
    "pending": StatusState.PENDING,
    "running": StatusState.PENDING,
    "success": StatusState.SUCCESS,
    "failed": StatusState.FAILURE,
}


def _shown(status: Status) -> Status:
    """A status as far as GitLab can show it."""
    return status if len(status.url) <= URL else replace(status, url="")


def _status_of(commit: CommitId, row: Record) -> Status | None:
    """What stands; None where somebody has canceled it."""
    state, description = _STATES.get(row.text("status")), row.text("description")
    if state is None:
        return None
    if state is StatusState.FAILURE and description.startswith(_ERROR):
        state, description = StatusState.ERROR, description.removeprefix(_ERROR)
    return Status(commit, row.text("name"), state, description, row.text("target_url"))
