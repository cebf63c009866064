"""The Forge port on Gitea and Forgejo, whose APIs are one as far as it is used here.

Composed by the wiring for repositories whose `forge` is `gitea` or `forgejo`.

**Invariants**
* every effect looks before it writes, while nobody else of this process writes to the repository; an effect whose
  answer was lost is found when it is looked for again;
* a pull request gets its key last: one without a key is not finished, and whoever looks for the key finishes it;
* a merge names the expected head; the forge's own automatic merge, which names none, is not used;
* what people have set on a pull request (labels, reviewers, its being a draft) is never taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, Record, items, record
from gitslo.adapters.forges.gitea_reading import GiteaPull, GiteaPulls
from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.adapters.forges.issues import LABEL as ISSUE_LABEL
from gitslo.adapters.forges.issues import ForgeIssues, IssueWords
from gitslo.adapters.forges.looks import Looks
from gitslo.adapters.forges.marks import marked, unmarked
from gitslo.adapters.forges.shown import shown
from gitslo.errors import Conflict, Refused, Retry
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId, Seconds
from gitslo.ports import STATUS_LENGTH, Capabilities, PullRequest, PullRequestState, Status, StatusState

__all__ = ["GiteaForge"]

SETTLING: Final = (0.1, 0.2, 0.3, 0.5, 0.8)
"""Seconds between looks while the forge works off what was pushed: branches appear and merges are tried out later."""
GLANCE: Final = 10.0
"""Seconds for which a look at statuses and comments serves those who only ask."""
BLOCKED: Final = 30.0
"""Seconds until a merge that the forge did not let us make is tried again."""
STATUS_PAGES: Final = 400
LABEL_PAGES: Final = 20
LABEL: Final = "#5319e7"

_METHODS: Final = {
    MergeMethod.MERGE: ("merge", "allow_merge_commits"),
    MergeMethod.SQUASH: ("squash", "allow_squash_merge"),
    MergeMethod.REBASE: ("rebase", "allow_rebase"),
}
"""What the API calls a method, and where the repository says that it is allowed."""


class GiteaForge:
    """A Forge over HTTP.

    Args:
        http: requests to the forge.
        settings: the repository there, and the operator's wishes.
    """

    def __init__(self, http: ForgeHttp, settings: ForgeSettings) -> None:
        owner, _, name = settings.project.partition("/")
        self._http, self._settings, self._owner = http, settings, owner
        self._path = f"/api/v1/repos/{segment(owner)}/{segment(name)}"
        self._pulls = GiteaPulls(http, self._path)
        self._login = ""
        self._statuses: Looks[CommitId, Mapping[str, Status]] = Looks(GLANCE, http.monotonic)
        self._comments: Looks[int, Mapping[str, Record]] = Looks(GLANCE, http.monotonic)
        self._blocked: dict[int, tuple[CommitId, float, str]] = {}
        self.issues = ForgeIssues(http, self._issue_words, self._us) if settings.issues else None

    # ----------------------------------------------------------------- reading

    def capabilities(self) -> Capabilities:
        """What our account may do there.

        Raises:
            Retry: no answer. Refused: it does not know us, or not the repository.
        """
        answer = self._http.get("/api/v1/version", expect=(404,))
        if answer.data is None:
            raise Refused(f"there is no API of {self._http.name} at {self._http.base}: is its `url` right?")
        version = record(answer.data).text("version")
        repository = self._repository()
        allowed = tuple(method for method in self._in_order(repository) if repository.truth(_METHODS[method][1]))
        return Capabilities(
            expected_head_merge=True,
            statuses=True,
            comments=True,
            name=f"{self._http.name} {version} at {self._http.base}, as {self._us()}",
            merges=tuple(each.value for each in allowed),
            cannot=tuple(self._lacks(repository, allowed)),
        )

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request of this branch of the repository, newest first.

        Raises:
            Retry, Refused: as every request.
        """
        return tuple(self._view(each) for each in self._pulls.of_head(head))

    def open_pulls(self, base: str) -> tuple[PullRequest, ...]:
        """Every open one of a branch of the same repository into `base`, newest first.

        Raises:
            Retry, Refused: as every request.
        """
        return tuple(shown(each) for each in self._pulls.into(base))

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so."""
        return self._statuses.of(status.commit, self._standing).get(status.context) == status

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a comment of ours with this marker."""
        return marker in self._comments.of(number, self._commented)

    # ----------------------------------------------------------------- effects

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Adopt the open pull request of `head`, or create it.

        Raises:
            Conflict: the branch is not there, or somebody else edits the pull request.
            Retry, Refused: as every request.
        """
        with self._http.alone():
            standing = next((each for each in self._pulls.of_head(head) if each.open), None)
            if standing is None:
                standing = self._created(head, base, title, marked(body, "pull", "" if self._dresses_later else key))
            if standing.key != key:
                standing = self._dressed(standing)
            return self._view(self._brought_up(standing, key, base, title, body))

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring our comment with this marker up to date.

        Raises:
            Refused: there is no such pull request. Retry: no answer.
        """
        with self._http.alone():
            self._pulls.numbered(number)
            standing = self._commented(number).get(marker)
            content = marked(body, "comment", marker)
            self._comments.forget(number)
            if standing is None:
                self._http.write("POST", f"{self._path}/issues/{number}/comments", {"body": content})
            elif standing.text("body") != content:
                where = f"{self._path}/issues/comments/{standing.number('id')}"
                self._http.write("PATCH", where, {"body": content})

    def set_status(self, status: Status) -> None:
        """Set a commit status; a commit that the forge does not have gets none, as nobody could see it.

        Raises:
            Refused: the description is longer than 140 characters. Retry: no answer.
        """
        if len(status.description) > STATUS_LENGTH:
            raise Refused(f"a status description has at most {STATUS_LENGTH} characters, not {len(status.description)}")
        with self._http.alone():
            standing = self._standing(status.commit)
            if standing.get(status.context) == status:
                return
            self._statuses.forget(status.commit)
            wanted: dict[str, Json] = {
                "context": status.context,
                "state": status.state.value,
                "description": status.description,
                "target_url": status.url,
            }
            path = f"{self._path}/statuses/{status.commit}"
            reply = self._http.write("POST", path, wanted, expect=(404, 422, 500))
            if not reply.done and self._has_commit(status.commit):
                raise Retry(f"{self._http.name} answers with status {reply.status}: {reply.said}")

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge by the method that is wished for or usual there, and delete the head branch.

        Raises:
            Conflict: the head is not `expected_head`, or it does not merge cleanly.
            Retry: no answer, or not yet: `find` says why.
            Refused: it was closed without merging, or there is none.
        """
        subject, _, rest = message.partition("\n\n")
        with self._http.alone():
            pull = self._mergeable(number, expected_head)
            if isinstance(pull, str):
                return CommitId(pull)
            wanted: dict[str, Json] = {
                "Do": _METHODS[self._in_order(self._repository())[0]][0],
                "MergeTitleField": subject,
                "MergeMessageField": rest,
                "head_commit_id": expected_head,
                "delete_branch_after_merge": True,
            }
            path = f"{self._path}/pulls/{number}/merge"
            reply = self._http.write("POST", path, wanted, expect=(404, 405, 409, 422))
            after = self._pulls.numbered(number)
            if after.merged is not None:
                return after.merged
            if reply.done:
                raise Retry(f"{self._http.name} has not merged pull request {number} yet", 1.0)
            if reply.status == HTTPStatus.CONFLICT or not after.open or after.head_commit != expected_head:
                raise Conflict(f"pull request {number} cannot be merged as it is now: {reply.said}")
            raise self._not_yet(after, self._why_not(after, reply.said))

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
            reply = self._http.write("PATCH", f"{self._path}/pulls/{number}", {"state": "closed"}, expect=(412,))
            if not reply.done:
                raise Conflict(f"pull request {number} was merged meanwhile")

    # ----------------------------------------------------------------- opening

    @property
    def _dresses_later(self) -> bool:
        """Whether something is to be set that the API does not take with the opening itself."""
        return bool(self._settings.reviewers)

    def _created(self, head: str, base: str, title: str, body: str) -> GiteaPull:
        wanted: dict[str, Json] = {
            "head": head,
            "base": base,
            "title": f"WIP: {title}" if self._settings.draft else title,
            "body": body,
            "labels": [*self._label_ids(self._settings.labels)],
            "assignees": [*self._settings.assignees],
        }
        for pause in (*SETTLING, None):
            reply = self._http.write("POST", f"{self._path}/pulls", wanted, expect=(404, 409, 422))
            if reply.status != HTTPStatus.NOT_FOUND or pause is None:
                break
            self._http.sleep(Seconds(pause))  # what was pushed is not worked off yet
        if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise Refused(f"{self._http.name} does not open a pull request of {head} into {base}: {reply.said}")
        if not reply.done:
            raise Conflict(f"no pull request of {head} into {base} can be opened now: {reply.said}")
        opened = next((each for each in self._pulls.of_head(head) if each.open), None)
        if opened is None:
            raise Conflict(f"the new pull request of {head} is gone already")
        return opened

    def _dressed(self, pull: GiteaPull) -> GiteaPull:
        """With what the operator wishes for; what is there already stays."""
        wishes = self._settings
        where = f"{self._path}/issues/{pull.number}"
        if any(label not in pull.labels for label in wishes.labels):
            self._http.write("POST", f"{where}/labels", {"labels": [*self._label_ids(wishes.labels)]})
        assignees = [each for each in wishes.assignees if each not in pull.assignees]
        if assignees:
            self._http.write("PATCH", where, {"assignees": [*pull.assignees, *assignees]})
        people = [each for each in wishes.reviewers if "/" not in each and each not in pull.reviewers]
        teams = [
            team for each in wishes.reviewers if "/" in each and (team := each.rpartition("/")[2]) not in pull.teams
        ]
        if people or teams:
            path = f"{self._path}/pulls/{pull.number}/requested_reviewers"
            self._http.write("POST", path, {"reviewers": [*people], "team_reviewers": [*teams]})
        return pull

    def _brought_up(self, pull: GiteaPull, key: str, base: str, title: str, body: str) -> GiteaPull:
        changes: dict[str, Json] = {}
        if pull.title != title:
            changes["title"] = f"WIP: {title}" if pull.draft else title
        if pull.base != base:
            changes["base"] = base
        if pull.body != body or pull.key != key:
            changes["body"] = marked(body, "pull", key)
            if pull.version is not None:
                changes["content_version"] = pull.version
        if not changes:
            return pull
        path = f"{self._path}/pulls/{pull.number}"
        reply = self._http.write("PATCH", path, changes, expect=(404, 409, 412))
        if not reply.done:
            raise Conflict(f"pull request {pull.number} was changed meanwhile: {reply.said}")
        return self._pulls.numbered(pull.number)

    def _issue_words(self) -> IssueWords:
        return IssueWords(
            path=f"{self._path}/issues",
            query={"state": "all", "type": "issues", "labels": ISSUE_LABEL},
            per_page=("limit", self._pulls.page_size()),
            number="number",
            body="body",
            author=("user", "login"),
            is_open="open",
            method="PATCH",
            opening={"state": "open"},
            closing={"state": "closed"},
            labels=lambda: [*self._label_ids((ISSUE_LABEL,))],
        )

    def _label_ids(self, labels: Sequence[str]) -> Iterator[int]:
        """The labels' ids; those that are missing are made."""
        if not labels:
            return
        size = self._pulls.page_size()
        rows = [record(each) for each in self._http.pages(f"{self._path}/labels", {}, size, LABEL_PAGES)]
        ours = self._http.get(f"/api/v1/orgs/{segment(self._owner)}/labels", {"limit": size}, expect=(403, 404))
        rows += items(ours.data or [])
        known = {each.text("name"): each.number("id") for each in reversed(rows)}
        for label in labels:
            if label in known:
                yield known[label]
            else:
                made = self._http.write("POST", f"{self._path}/labels", {"name": label, "color": LABEL})
                yield record(made.data).number("id")

    # ----------------------------------------------------------------- merging

    def _mergeable(self, number: int, expected_head: CommitId) -> GiteaPull | str:
        """The pull request, once the forge has tried out that it merges; the merge where it is merged already."""
        for pause in (*SETTLING, None):
            pull = self._pulls.numbered(number)
            if pull.merged is not None:
                return pull.merged
            if not pull.open:
                by = self._pulls.closing(pull, self._us()).by or "somebody"
                raise Refused(f"pull request {number} was closed without merging by {by}")
            if pull.head_commit != expected_head:
                raise Conflict(
                    f"{pull.head} is at {pull.head_commit or 'nothing'}, not at the expected {expected_head}"
                )
            if pull.draft:
                raise Retry(f"pull request {number} cannot be merged yet: {_DRAFT}", 1.0)
            if pull.mergeable:
                return pull
            if pause is not None:
                self._http.sleep(Seconds(pause))
        raise Conflict(f"{pull.head} does not merge cleanly into {pull.base} now")

    def _in_order(self, repository: Record) -> list[MergeMethod]:
        """The methods, the one that is used first: the operator's, or else the repository's usual one."""
        usual = next((m for m, (name, _) in _METHODS.items() if name == repository.text("default_merge_style")), None)
        allowed = [each for each, (_, field) in _METHODS.items() if repository.truth(field)]
        preferred = [self._settings.method, usual if usual in allowed else None, *allowed, MergeMethod.MERGE]
        return list(dict.fromkeys(each for each in preferred if each is not None))

    def _why_not(self, pull: GiteaPull, said: str) -> str:
        base = self._branch(pull.base)
        if base is not None and not base.truth("user_can_merge"):
            return f"{self._us()} may not merge into {pull.base}: its branch protection has to name that account"
        method = self._in_order(self._repository())[0]
        if not self._repository().truth(_METHODS[method][1]):
            return f"the repository does not allow the method `{method}`"
        return said

    def _not_yet(self, pull: GiteaPull, why: str) -> Retry:
        self._blocked[pull.number] = (pull.head_commit, self._http.monotonic() + BLOCKED, why)
        return Retry(f"pull request {pull.number} cannot be merged yet: {why}", 1.0)

    # ----------------------------------------------------------------- what stands

    def _us(self) -> str:
        if not self._login:
            self._login = record(self._http.get("/api/v1/user").data).text("login")
        return self._login

    def _repository(self) -> Record:
        reply = self._http.get(self._path, expect=(404,))
        if reply.data is None:
            raise Refused(f"{self._http.name} at {self._http.base} shows {self._us()} no {self._settings.project}")
        return record(reply.data)

    def _branch(self, name: str) -> Record | None:
        reply = self._http.get(f"{self._path}/branches/{segment(name)}", expect=(404,))
        return None if reply.data is None else record(reply.data)

    def _has_commit(self, commit: CommitId) -> bool:
        return self._http.get(f"{self._path}/git/commits/{commit}", expect=(404,)).data is not None

    def _standing(self, commit: CommitId) -> Mapping[str, Status]:
        """The statuses of a commit, by context; kept for those who only ask."""
        found: dict[str, Status] = {}
        size = self._pulls.page_size()
        for page in range(1, STATUS_PAGES + 1):
            query = {"limit": size, "page": page}
            reply = self._http.get(f"{self._path}/commits/{commit}/status", query, expect=(404,))
            rows = () if reply.data is None else record(reply.data).records("statuses")
            for row in rows:
                state = row.text("status")
                if state in _STATES:
                    context = row.text("context")
                    found[context] = Status(
                        commit, context, StatusState(state), row.text("description"), row.text("target_url")
                    )
            if len(rows) < size:
                break
        return found

    def _commented(self, number: int) -> Mapping[str, Record]:
        """Our comments by marker; the oldest of each counts."""
        reply = self._http.get(f"{self._path}/issues/{number}/comments", expect=(404, 500))
        found: dict[str, Record] = {}
        for row in items(reply.data or []):
            marker = unmarked(row.text("body"), "comment")[1]
            if marker and row.text("user", "login") == self._us():
                found.setdefault(marker, row)
        return found

    # ----------------------------------------------------------------- views

    def _view(self, pull: GiteaPull) -> PullRequest:
        view = shown(pull)
        if view.state is PullRequestState.OPEN:
            return replace(view, blocked=self._block(pull))
        if view.state is PullRequestState.MERGED:
            return view
        closing = self._pulls.closing(pull, self._us())
        return replace(view, closed_by=closing.by, closed_by_us=closing.with_branch or closing.by == self._us())

    def _block(self, pull: GiteaPull) -> str:
        if pull.draft:
            return _DRAFT
        head, until, why = self._blocked.get(pull.number, (pull.head_commit, 0.0, ""))
        return why if head == pull.head_commit and self._http.monotonic() < until else ""

    def _lacks(self, repository: Record, allowed: tuple[MergeMethod, ...]) -> Iterator[str]:
        """What is not given to us, and what to do about it."""
        us, branch = self._us(), self._settings.branch
        if repository.truth("archived"):
            yield "The repository is archived: nothing in it can be changed."
        if not repository.truth("has_pull_requests"):
            yield "The repository has no pull requests: switch them on in its settings."
        if not repository.truth("permissions", "push"):
            yield f"{us} may not write to {self._settings.project}: make it a collaborator with write access."
        wished = self._settings.method
        if wished is not None and wished not in allowed:
            yield f"The repository does not allow `method: {wished}`: allow it there, or name another one."
        base = self._branch(branch)
        if base is None:
            yield f"There is no branch {branch}."
            return
        if not base.truth("user_can_merge"):
            yield f"{us} may not merge into {branch}: pull requests wait for a person, whatever `merge` says."
        if base.truth("protected") and not base.truth("user_can_push"):
            yield f"{us} may not push to {branch}: `mode: direct` does not work, pull requests do."
        if base.truth("protected") and base.number("required_approvals") > 0:
            yield f"{branch} asks for {base.number('required_approvals')} approvals before every merge."
        yield f"The automatic merge of {self._http.name} is not used: it merges whatever the branch holds by then."


_DRAFT: Final = "it is a draft; whoever marks it as ready lets it be merged"
_STATES: Final = frozenset(StatusState)
