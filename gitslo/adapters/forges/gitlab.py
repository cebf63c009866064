"""The Forge port on GitLab: merge requests, notes and commit statuses, on gitlab.com and on one's own.

Composed by the wiring for repositories whose `forge` is `gitlab`; what all forges have in common is in `http_forge`.
Must stay true: GitLab's own merge later on is asked for where the project has a merge train and nowhere else, and a
push to the branch takes it out of the train.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, record
from gitslo.adapters.forges.comments import CommentWords
from gitslo.adapters.forges.gitlab_reading import (
    MERGEABLE,
    PAGE,
    UNDECIDED,
    GitlabPull,
    GitlabPulls,
    commit_notes,
    pages,
    pull_of,
    read,
    written,
)
from gitslo.adapters.forges.gitlab_rights import GitlabRights, allowed, people
from gitslo.adapters.forges.gitlab_statuses import GitlabStatuses
from gitslo.adapters.forges.http import ForgeHttp, Reply, segment
from gitslo.adapters.forges.http_forge import DRAFT, HttpForge, PullWords
from gitslo.adapters.forges.issues import LABEL, IssueWords
from gitslo.errors import Conflict, Refused
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId, Seconds
from gitslo.ports import Capabilities

__all__ = ["GitlabForge"]

SETTLING: Final = (0.1, 0.2, 0.4, 0.8, 1.5)
"""Seconds between looks while GitLab tries out a merge, or carries one out."""
TITLE: Final = 255
BODY: Final = 1_048_576
NOTE: Final = 1_000_000
"""Characters that GitLab takes."""


_SIGN: Final = "Draft: "
_COMMENTS: Final[dict[str, str | int]] = {
    "sort": "asc",
    "order_by": "created_at",
    "activity_filter": "only_comments",
}
_PULLS: Final = PullWords(
    closing={"state_event": "close"},
    not_changed=(404, 409),
    not_closed=(),
    settling=SETTLING,
    method="PUT",
    base="target_branch",
    body="description",
    sign=_SIGN,
    most_title=TITLE,
    most_body=BODY,
    write=written,
)


class GitlabForge(HttpForge[GitlabPull]):
    """A Forge over HTTP.

    Args:
        http: requests to GitLab.
        settings: the project there, and the operator's wishes.
    """

    _pulls: GitlabPulls

    def __init__(self, http: ForgeHttp, settings: ForgeSettings) -> None:
        self._path = f"/api/v4/projects/{segment(settings.project)}"
        self._rights = GitlabRights(http, self._path, settings)
        pulls = GitlabPulls(http, self._path)

        def notes(number: int) -> str:
            return f"{pulls.where(number)}/notes"

        def threads(commit: CommitId) -> str:
            return f"{self._path}/repository/commits/{commit}/discussions"

        super().__init__(
            http,
            settings,
            pulls=pulls,
            words=_PULLS,
            statuses=GitlabStatuses(http, self._path, self._rights.project),
            comments=CommentWords(
                rows=lambda number: pages(http, notes(number), _COMMENTS, expect=(404,)),
                new=notes,
                old=lambda number, row: f"{notes(number)}/{row.number('id')}",
                method="PUT",
                author=("author", "username"),
                most=NOTE,
                write=written,
                read=read,
            ),
            commit_comments=CommentWords(
                rows=lambda commit: commit_notes(http, threads(commit)),
                new=threads,
                old=lambda commit, row: f"{threads(commit)}/{row.text('thread')}/notes/{row.number('id')}",
                method="PUT",
                author=("author", "username"),
                most=NOTE,
                gone=(404,),
                write=written,
                read=read,
            ),
        )

    def capabilities(self) -> Capabilities:
        """As the base has it."""
        answer = self._http.get("/api/v4/version", expect=(404,))
        if answer.data is None:
            raise Refused(f"there is no API of {self._http.name} at {self._http.base}: is its `url` right?")
        version = record(answer.data).text("version")
        project = self._rights.project()
        works = allowed(project)
        return Capabilities(
            expected_head_merge=True,
            statuses=True,
            comments=True,
            commit_comments=True,
            name=f"{self._http.name} {version} at {self._http.base}, as {self._rights.us()}",
            merges=tuple(each.value for each in self._rights.in_order(project) if each in works),
            cannot=tuple(self._rights.lacks(project)),
        )

    def _us(self) -> str:
        return self._rights.us()

    # ----------------------------------------------------------------- opening

    def _created(self, head: str, base: str, title: str, content: str) -> GitlabPull:
        wanted: dict[str, Json] = {
            "source_branch": head,
            "target_branch": base,
            "title": title,
            "description": content,
            "labels": [*self._settings.labels],
            "assignee_ids": [*self._rights.ids("assignees", self._settings.assignees)],
            "reviewer_ids": [*self._rights.ids("reviewers", people(self._settings.reviewers))],
        }
        if self._settings.method is not None:
            wanted["squash"] = self._settings.method is MergeMethod.SQUASH
        path = f"{self._path}/merge_requests"
        reply = self._http.write("POST", path, wanted, expect=(400, 404, 409, 422))
        if reply.done:
            opened = pull_of(record(reply.data))
            if opened is not None:
                return opened
        if reply.status == HTTPStatus.CONFLICT or self._rights.branch(head) is None:
            raise Conflict(f"no merge request of {head} into {base} can be opened now: {reply.said}")
        raise Refused(f"{self._http.name} does not open a merge request of {head} into {base}: {reply.said}")

    def _dress(self, pull: GitlabPull) -> dict[str, Json]:
        wishes, found = self._settings, dict[str, Json]()
        labels = [each for each in wishes.labels if each not in pull.labels]
        assignees = [each for each in self._rights.ids("assignees", wishes.assignees) if each not in pull.assignees]
        reviewers = [
            each for each in self._rights.ids("reviewers", people(wishes.reviewers)) if each not in pull.reviewers
        ]
        if labels:
            found["add_labels"] = [*labels]
        if assignees:
            found["assignee_ids"] = [*pull.assignees, *assignees]
        if reviewers:
            found["reviewer_ids"] = [*pull.reviewers, *reviewers]
        return found

    # ----------------------------------------------------------------- merging

    def _tried(self, pull: GitlabPull, *, last: bool) -> bool:  # noqa: ARG002 - it says itself when it has tried
        if pull.status == "conflict":
            raise self._not_clean(pull)
        why = self._block(pull)
        if why and not pull.merging:
            raise self._not_yet(pull, why, remembered=False)
        return pull.status not in UNDECIDED and not pull.merging

    def _merge(self, pull: GitlabPull, expected_head: CommitId, message: str) -> CommitId:
        project = self._rights.project()
        method = self._rights.in_order(project)[0]
        if method not in allowed(project):
            raise self._not_yet(pull, f"the project does not allow the method `{method}`")
        where = self._pulls.where(pull.number)
        if pull.squash and method is not MergeMethod.SQUASH:
            # A merge can only add to this: `squash: false` in it leaves what the merge request says.
            self._http.write("PUT", where, {"squash": False})
        # `#1` is an issue there, and a merge request is `!1`
        message = message.replace(f"(#{pull.number})", f"(!{pull.number})", 1)
        wanted: dict[str, Json] = {
            "sha": expected_head,
            "squash": method is MergeMethod.SQUASH,
            "merge_commit_message": message,
            "squash_commit_message": message,
            "should_remove_source_branch": True,
        }
        if project.truth("merge_trains_enabled"):
            wanted |= {"auto_merge": True, "merge_when_pipeline_succeeds": True}  # its name before 17.11
        reply = self._http.write("PUT", f"{where}/merge", wanted, expect=_NOT_MERGED)
        return self._merged(self._settled(pull.number, reply), expected_head, reply)

    def _settled(self, number: int, reply: Reply) -> GitlabPull:
        """How a merge request is after we have asked for its merge, as soon as that is known."""
        for pause in SETTLING:
            after = self._pulls.numbered(number)
            if after.merged is not None or after.queued or not (after.merging or reply.done):
                return after
            self._http.sleep(Seconds(pause))
        return self._pulls.numbered(number)

    def _merged(self, after: GitlabPull, expected_head: CommitId, reply: Reply) -> CommitId:
        """What the merge brought, or what stood in its way."""
        if after.merged is not None:
            return after.merged
        if reply.done or after.merging:
            raise self._not_yet(after, self._block(after) or "GitLab has not merged it yet")
        if reply.status == HTTPStatus.CONFLICT or after.head_commit != expected_head or not after.open:
            raise self._not_as_it_is(after, reply.said)
        if after.status == "conflict":
            raise self._not_clean(after)
        refused = reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        why = self._rights.may_not_merge(after.base) if refused else self._block(after)
        raise self._not_yet(after, why or reply.said)

    def _block(self, pull: GitlabPull) -> str:
        """Why it is not merged now; empty where nothing is known against it."""
        if pull.draft:
            return DRAFT
        if pull.merging:
            return "GitLab is merging it"
        if pull.queued:
            return "it is to be merged by GitLab itself: it waits for its pipeline or in the merge train"
        if not pull.may_merge:
            return self._rights.may_not_merge(pull.base)
        if pull.status not in UNDECIDED and pull.status != MERGEABLE:
            return _WHY.get(pull.status, f"GitLab says `{pull.status}`").format(base=pull.base)
        return self._remembered(pull)

    def _outdated(self, pull: GitlabPull) -> bool:
        return pull.status == "need_rebase"

    def _issue_words(self) -> IssueWords:
        return IssueWords(
            path=f"{self._path}/issues",
            query={"state": "all", "scope": "all", "labels": LABEL},
            per_page=("per_page", PAGE),
            number="iid",
            body="description",
            author=("author", "username"),
            is_open="opened",
            method="PUT",
            opening={"state_event": "reopen"},
            closing={"state_event": "close"},
            labels=lambda: [LABEL],
            write=written,
            read=read,
        )


_NOT_MERGED: Final = (400, 401, 403, 404, 405, 406, 409, 422)
"""Statuses that a merge is answered with when it is not made: 401 where we may not, though the token is good."""
_WHY: Final = {
    "approvals_syncing": "GitLab is still counting its approvals",
    "ci_must_pass": "its pipeline has to succeed first",
    "ci_still_running": "its pipeline is still running",
    "commits_status": "its branch is gone, or has no commits",
    "conflict": "it does not merge cleanly into {base}",
    "discussions_not_resolved": "not all of its discussions are resolved",
    "draft_status": DRAFT,
    "external_status_checks": "its external status checks have to pass first",
    "jira_association_missing": "its title or description has to name a Jira issue",
    "locked_lfs_files": "somebody has locked files that it changes",
    "locked_paths": "somebody has locked files that it changes",
    "merge_request_blocked": "another merge request blocks it",
    "merge_time": "it is not to be merged before a time that somebody has set",
    "need_rebase": "{base} has moved on, and the project merges only what is on top of it",
    "not_approved": "it lacks approvals",
    "not_open": "it is not open",
    "policies_denied": "a security policy does not let it be merged",
    "requested_changes": "a reviewer has asked for changes",
    "security_policy_violations": "a security policy does not let it be merged",
    "status_checks_must_pass": "its external status checks have to pass first",
    "title_regex": "its title is not as the project asks for",
}
"""What `detailed_merge_status` says, for people."""
