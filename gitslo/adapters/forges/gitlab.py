"""The Forge port on GitLab: merge requests, notes and commit statuses, on gitlab.com and on one's own.

Composed by the wiring for repositories whose `forge` is `gitlab`.

**Invariants**
* every effect looks before it writes, while nobody else of this process writes to the repository; an effect whose
  answer was lost is found when it is looked for again;
* a merge names the expected head; GitLab's own merge later on is asked for where the project has a merge train and
  nowhere else, and a push to the branch takes it out of the train;
* what people have set on a merge request (labels, assignees, reviewers, its being a draft) is never taken away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, Record, record
from gitslo.adapters.forges.gitlab_reading import (
    MERGEABLE,
    PAGE,
    UNDECIDED,
    GitlabPull,
    GitlabPulls,
    pages,
    pull_of,
    read,
    written,
)
from gitslo.adapters.forges.gitlab_rights import GitlabRights, allowed, people
from gitslo.adapters.forges.gitlab_statuses import GitlabStatuses
from gitslo.adapters.forges.http import ForgeHttp, Reply, segment
from gitslo.adapters.forges.issues import LABEL, ForgeIssues, IssueWords
from gitslo.adapters.forges.looks import Looks
from gitslo.adapters.forges.marks import fitted
from gitslo.adapters.forges.shown import shown
from gitslo.core.escape import short
from gitslo.errors import Conflict, Refused, Retry
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId, Seconds
from gitslo.ports import Capabilities, PullRequest, PullRequestState, Status

__all__ = ["GitlabForge"]

SETTLING: Final = (0.1, 0.2, 0.4, 0.8, 1.5)
"""Seconds between looks while GitLab tries out a merge, or carries one out."""
GLANCE: Final = 10.0
"""Seconds for which a look at notes serves those who only ask."""
BLOCKED: Final = 30.0
"""Seconds until a merge that GitLab did not let us make is tried again, where it does not say why by itself."""
TITLE: Final = 255
BODY: Final = 1_048_576
NOTE: Final = 1_000_000
"""Characters that GitLab takes."""


class GitlabForge:
    """A Forge over HTTP.

    Args:
        http: requests to GitLab.
        settings: the project there, and the operator's wishes.
    """

    def __init__(self, http: ForgeHttp, settings: ForgeSettings) -> None:
        self._http, self._settings = http, settings
        self._path = f"/api/v4/projects/{segment(settings.project)}"
        self._pulls = GitlabPulls(http, self._path)
        self._rights = GitlabRights(http, self._path, settings)
        self._statuses = GitlabStatuses(http, self._path, self._rights.project)
        self._notes: Looks[int, Mapping[str, Record]] = Looks(GLANCE, http.monotonic)
        self._blocked: dict[int, tuple[CommitId, float, str]] = {}
        self.issues = ForgeIssues(http, self._issue_words, self._rights.us) if settings.issues else None

    # ----------------------------------------------------------------- reading

    def capabilities(self) -> Capabilities:
        """What our account may do there.

        Raises:
            Retry: no answer. Refused: it does not know us, or not the project.
        """
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
            name=f"{self._http.name} {version} at {self._http.base}, as {self._rights.us()}",
            merges=tuple(each.value for each in self._rights.in_order(project) if each in works),
            cannot=tuple(self._rights.lacks(project)),
        )

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every merge request of this branch of the project, newest first.

        Raises:
            Retry, Refused: as every request.
        """
        found = self._pulls.of_head(head)
        return tuple(self._view(self._pulls.numbered(each.number) if each.open else each) for each in found)

    def open_pulls(self, base: str) -> tuple[PullRequest, ...]:
        """Every open one of a branch of the same repository into `base`, newest first.

        Raises:
            Retry, Refused: as every request.
        """
        return tuple(shown(each) for each in self._pulls.into(base))

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so."""
        return self._statuses.stands(status)

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a note of ours with this marker."""
        return marker in self._notes.of(number, self._look_at_notes)

    # ----------------------------------------------------------------- effects

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Adopt the open merge request of `head`, or create it.

        Raises:
            Conflict: the branch is not there, or somebody else edits the merge request.
            Retry, Refused: as every request.
        """
        title, body = short(title.strip(), TITLE - len(_SIGN)), fitted(body, BODY)
        content = written(body, "pull", key)
        with self._http.alone():
            standing = next((each for each in self._pulls.of_head(head) if each.open), None)
            if standing is None:
                return self._view(self._created(head, base, title, content))
            return self._view(self._brought_up(standing, key, base, title, body))

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring our note with this marker up to date.

        Raises:
            Refused: there is no such merge request. Retry: no answer.
        """
        with self._http.alone():
            self._pulls.numbered(number)
            standing = self._look_at_notes(number).get(marker)
            content: dict[str, Json] = {"body": written(fitted(body, NOTE), "comment", marker)}
            self._notes.forget(number)
            where = f"{self._path}/merge_requests/{number}/notes"
            if standing is None:
                self._http.write("POST", where, content)
            elif standing.text("body") != content["body"]:
                self._http.write("PUT", f"{where}/{standing.number('id')}", content)

    def set_status(self, status: Status) -> None:
        """Set a commit status; a commit that is on no branch there gets none, as nobody could see it.

        Raises:
            Refused: the description is longer than 140 characters. Retry: no answer.
        """
        self._statuses.set(status)

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge by the method that is wished for or usual there, and delete the head branch.

        Raises:
            Conflict: the head is not `expected_head`, or it does not merge cleanly.
            Retry: no answer, or not yet: `find` says why.
            Refused: it was closed without merging, or there is none.
        """
        with self._http.alone():
            pull = self._mergeable(number, expected_head)
            if pull.merged is not None:
                return pull.merged
            project = self._rights.project()
            method = self._rights.in_order(project)[0]
            if method not in allowed(project):
                raise self._not_yet(pull, f"the project does not allow the method `{method}`")
            where = f"{self._path}/merge_requests/{number}"
            if pull.squash and method is not MergeMethod.SQUASH:
                # A merge can only add to this: `squash: false` in it leaves what the merge request says.
                self._http.write("PUT", where, {"squash": False})
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
            return self._merged(self._settled(number, reply), expected_head, reply)

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why; does nothing where it is closed or merged.

        Raises:
            Refused: there is none. Retry: no answer.
        """
        with self._http.alone():
            if not self._pulls.numbered(number).open:
                return
            if comment:
                self.comment_once(number, "closed", comment)
            reply = self._http.write("PUT", f"{self._path}/merge_requests/{number}", {"state_event": "close"})
            after = pull_of(record(reply.data))
            if after is not None and after.merged is not None:
                raise Conflict(f"merge request {number} was merged meanwhile")

    # ----------------------------------------------------------------- opening

    def _created(self, head: str, base: str, title: str, content: str) -> GitlabPull:
        wanted: dict[str, Json] = {
            "source_branch": head,
            "target_branch": base,
            "title": f"{_SIGN}{title}" if self._settings.draft else title,
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

    def _brought_up(self, pull: GitlabPull, key: str, base: str, title: str, body: str) -> GitlabPull:
        changes: dict[str, Json] = {}
        if pull.title != title:
            changes["title"] = f"{_SIGN}{title}" if pull.draft else title
        if pull.base != base:
            changes["target_branch"] = base
        if pull.body != body or pull.key != key:
            changes["description"] = written(body, "pull", key)
        if pull.key != key:
            changes |= self._dress(pull)
        if not changes:
            return self._pulls.numbered(pull.number)
        reply = self._http.write("PUT", f"{self._path}/merge_requests/{pull.number}", changes, expect=(404, 409))
        if not reply.done:
            raise Conflict(f"merge request {pull.number} was changed meanwhile: {reply.said}")
        return self._pulls.numbered(pull.number)

    def _dress(self, pull: GitlabPull) -> dict[str, Json]:
        """What the operator wishes for and it has not; what is there already stays."""
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

    def _mergeable(self, number: int, expected_head: CommitId) -> GitlabPull:
        """The merge request, once GitLab has tried out that it merges, or as it was merged."""
        for pause in (*SETTLING, None):
            pull = self._pulls.numbered(number)
            if pull.merged is not None:
                return pull
            if not pull.open:
                by = self._pulls.closing(pull, self._rights.us()).by or "somebody"
                raise Refused(f"merge request {number} was closed without merging by {by}")
            if pull.head_commit != expected_head:
                raise Conflict(f"{pull.head} is at {pull.head_commit}, not at the expected {expected_head}")
            if pull.status == "conflict":
                raise Conflict(f"{pull.head} does not merge cleanly into {pull.base} now")
            why = self._block(pull)
            if why and not pull.merging:
                raise Retry(f"merge request {number} cannot be merged yet: {why}", 1.0)
            if pull.status not in UNDECIDED and not pull.merging:
                return pull
            if pause is not None:
                self._http.sleep(Seconds(pause))
        raise Retry(f"{self._http.name} has not tried out yet whether merge request {number} merges", 1.0)

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
            raise Conflict(f"merge request {after.number} cannot be merged as it is now: {reply.said}")
        if after.status == "conflict":
            raise Conflict(f"{after.head} does not merge cleanly into {after.base} now")
        refused = reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        why = self._rights.may_not_merge(after.base) if refused else self._block(after)
        raise self._not_yet(after, why or reply.said)

    def _block(self, pull: GitlabPull) -> str:
        """Why it is not merged now; empty where nothing is known against it."""
        if pull.draft:
            return _DRAFT
        if pull.merging:
            return "GitLab is merging it"
        if pull.queued:
            return "it is to be merged by GitLab itself: it waits for its pipeline or in the merge train"
        if not pull.may_merge:
            return self._rights.may_not_merge(pull.base)
        if pull.status not in UNDECIDED and pull.status != MERGEABLE:
            return _WHY.get(pull.status, f"GitLab says `{pull.status}`").format(base=pull.base)
        head, until, why = self._blocked.get(pull.number, (pull.head_commit, 0.0, ""))
        return why if head == pull.head_commit and self._http.monotonic() < until else ""

    def _not_yet(self, pull: GitlabPull, why: str) -> Retry:
        self._blocked[pull.number] = (pull.head_commit, self._http.monotonic() + BLOCKED, why)
        return Retry(f"merge request {pull.number} cannot be merged yet: {why}", 1.0)

    def _look_at_notes(self, number: int) -> Mapping[str, Record]:
        """Our notes by marker; the oldest of each counts."""
        query: dict[str, str | int] = {"sort": "asc", "order_by": "created_at", "activity_filter": "only_comments"}
        found: dict[str, Record] = {}
        for row in pages(self._http, f"{self._path}/merge_requests/{number}/notes", query, expect=(404,)):
            marker = read(row.text("body"), "comment")[1]
            if marker and row.text("author", "username") == self._rights.us():
                found.setdefault(marker, row)
        return self._notes.keep(number, found)

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

    # ----------------------------------------------------------------- views

    def _view(self, pull: GitlabPull) -> PullRequest:
        view = shown(pull)
        if view.state is PullRequestState.OPEN:
            return replace(view, blocked=self._block(pull))
        if view.state is PullRequestState.MERGED:
            return view
        closing = self._pulls.closing(pull, self._rights.us())
        return replace(view, closed_by=closing.by, closed_by_us=closing.with_branch or closing.by == self._rights.us())


_SIGN: Final = "Draft: "
_NOT_MERGED: Final = (400, 401, 403, 404, 405, 406, 409, 422)
"""Statuses that a merge is answered with when it is not made: 401 where we may not, though the token is good."""
_DRAFT: Final = "it is a draft; whoever marks it as ready lets it be merged"
_WHY: Final = {
    "approvals_syncing": "GitLab is still counting its approvals",
    "ci_must_pass": "its pipeline has to succeed first",
    "ci_still_running": "its pipeline is still running",
    "commits_status": "its branch is gone, or has no commits",
    "conflict": "it does not merge cleanly into {base}",
    "discussions_not_resolved": "not all of its discussions are resolved",
    "draft_status": _DRAFT,
    "external_status_checks": "its external status checks have to pass first",
    "jira_association_missing": "its title or description has to name a Jira issue",
    "locked_lfs_files": "somebody has locked files that it changes",
    "locked_paths": "somebody has locked files that it changes",
    "merge_request_blocked": "another merge request blocks it",
    "merge_time": "it is not to be merged before a time that somebody has set",
    "need_rebase": "{base} has moved on, and the project merges only on top: somebody has to rebase and merge it",
    "not_approved": "it lacks approvals",
    "not_open": "it is not open",
    "policies_denied": "a security policy does not let it be merged",
    "requested_changes": "a reviewer has asked for changes",
    "security_policy_violations": "a security policy does not let it be merged",
    "status_checks_must_pass": "its external status checks have to pass first",
    "title_regex": "its title is not as the project asks for",
}
"""What `detailed_merge_status` says, for people."""
