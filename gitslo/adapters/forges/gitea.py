"""The Forge port on Gitea and Forgejo, whose APIs are one as far as it is used here.

Composed by the wiring for repositories whose `forge` is `gitea` or `forgejo`; what all forges have in common is in
`http_forge`. Must stay true: the forge's own automatic merge, which names no head, is not used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, Record, items, record
from gitslo.adapters.forges.comments import CommentWords
from gitslo.adapters.forges.commit_statuses import CommitStatuses, StatusWords
from gitslo.adapters.forges.gitea_reading import GiteaPull, GiteaPulls
from gitslo.adapters.forges.http import ForgeHttp, Reply, segment
from gitslo.adapters.forges.http_forge import DRAFT, HttpForge, PullWords, in_order
from gitslo.adapters.forges.issues import LABEL as ISSUE_LABEL
from gitslo.adapters.forges.issues import IssueWords
from gitslo.errors import Conflict, Refused, Retry
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId, Seconds
from gitslo.ports import Capabilities, Status

__all__ = ["GiteaForge"]

SETTLING: Final = (0.1, 0.2, 0.3, 0.5, 0.8)
"""Seconds between looks while the forge works off what was pushed: branches appear and merges are tried out later."""
LABEL_PAGES: Final = 20
LABEL: Final = "#5319e7"

_METHODS: Final = {
    MergeMethod.MERGE: ("merge", "allow_merge_commits"),
    MergeMethod.SQUASH: ("squash", "allow_squash_merge"),
    MergeMethod.REBASE: ("rebase", "allow_rebase"),
}
"""What the API calls a method, and where the repository says that it is allowed."""
_OUTDATED: Final = "The head branch is behind the base branch"
"""What a merge is refused with where the branch protection asks for branches that are up to date, and nothing else is
against it (Gitea 1.26, services/pull/merge.go, CheckPullBranchProtections; Forgejo says the same); with status 409 and
more words around it where only the push shows it, because the base has moved this moment."""
_CHECKING: Final = "Please try again later"
"""What a merge is refused with while Gitea tries out anew whether the pull request merges, as the base has just moved,
and where it has found that it does not (Gitea 1.26, routers/api/v1/repo/pull.go)."""
_PULLS: Final = PullWords(
    closing={"state": "closed"}, not_changed=(404, 409, 412), not_closed=(412,), settling=SETTLING, sign="WIP: "
)


class GiteaForge(HttpForge[GiteaPull]):
    """A Forge over HTTP.

    Args:
        http: requests to the forge.
        settings: the repository there, and the operator's wishes.
    """

    _pulls: GiteaPulls

    def __init__(self, http: ForgeHttp, settings: ForgeSettings) -> None:
        owner, _, name = settings.project.partition("/")
        self._owner, self._path = owner, f"/api/v1/repos/{segment(owner)}/{segment(name)}"
        self._login = ""
        pulls = GiteaPulls(http, self._path)
        statuses = StatusWords(
            state="status",
            per_page=lambda: ("limit", pulls.page_size()),
            not_taken=(404, 422, 500),
            refused=self._status_not_taken,
        )
        issues = f"{self._path}/issues"
        super().__init__(
            http,
            settings,
            pulls=pulls,
            words=_PULLS,
            statuses=CommitStatuses(http, self._path, statuses),
            comments=CommentWords(
                # not in pages: it gives all of them
                rows=lambda number: items(http.get(f"{issues}/{number}/comments", expect=(404, 500)).data or []),
                new=lambda number: f"{issues}/{number}/comments",
                old=lambda number, row: f"{issues}/comments/{row.number('id')}",  # noqa: ARG005 - they have ids of one row
            ),
        )

    def capabilities(self) -> Capabilities:
        """As the base has it."""
        answer = self._http.get("/api/v1/version", expect=(404,))
        if answer.data is None:
            raise Refused(f"there is no API of {self._http.name} at {self._http.base}: is its `url` right?")
        version = record(answer.data).text("version")
        repository = self._repository_at(self._path)
        allowed = tuple(method for method in self._in_order(repository) if repository.truth(_METHODS[method][1]))
        return Capabilities(
            expected_head_merge=True,
            statuses=True,
            comments=True,
            name=f"{self._http.name} {version} at {self._http.base}, as {self._us()}",
            merges=tuple(each.value for each in allowed),
            cannot=tuple(self._lacks(repository, allowed)),
        )

    # ----------------------------------------------------------------- opening

    @property
    def _dresses_later(self) -> bool:
        """Whether something is to be set that the API does not take with the opening itself."""
        return bool(self._settings.reviewers)

    def _created(self, head: str, base: str, title: str, content: str) -> GiteaPull:
        wanted: dict[str, Json] = {
            "head": head,
            "base": base,
            "title": title,
            "body": content,
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

    def _dress(self, pull: GiteaPull) -> dict[str, Json]:
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
        return {}

    def _beside(self, pull: GiteaPull, changes: Mapping[str, Json]) -> dict[str, Json]:
        """The version that a new text is about: another one's words are not written over."""
        return {"content_version": pull.version} if "body" in changes and pull.version is not None else {}

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

    def _tried(self, pull: GiteaPull, *, last: bool) -> bool:
        if pull.draft:
            raise self._not_yet(pull, DRAFT, remembered=False)
        if not pull.mergeable and last:
            raise self._not_clean(pull)
        return pull.mergeable

    def _merge(self, pull: GiteaPull, expected_head: CommitId, message: str) -> CommitId:
        subject, _, rest = message.partition("\n\n")
        wanted: dict[str, Json] = {
            "Do": _METHODS[self._in_order(self._repository_at(self._path))[0]][0],
            "MergeTitleField": subject,
            "MergeMessageField": rest,
            "head_commit_id": expected_head,
            "delete_branch_after_merge": True,
        }
        path = f"{self._pulls.where(pull.number)}/merge"
        for pause in (*SETTLING, None):
            reply = self._http.write("POST", path, wanted, expect=(404, 405, 409, 422))
            if _CHECKING not in reply.said or pause is None:
                break
            self._http.sleep(Seconds(pause))
        after = self._pulls.numbered(pull.number)
        if after.merged is not None:
            return after.merged
        if reply.done:
            raise Retry(f"{self._http.name} has not merged pull request {pull.number} yet", 1.0)
        moved = reply.status == HTTPStatus.CONFLICT and _OUTDATED not in reply.said
        if moved or not after.open or after.head_commit != expected_head:
            raise self._not_as_it_is(after, reply.said)
        if _CHECKING in reply.said:
            raise self._not_yet(after, reply.said, remembered=False) if after.mergeable else self._not_clean(after)
        raise self._not_yet(after, self._why_not(after, reply.said))

    def _in_order(self, repository: Record) -> list[MergeMethod]:
        """The methods, the one that is used first: the operator's, or else the repository's usual one."""
        usual = next((m for m, (name, _) in _METHODS.items() if name == repository.text("default_merge_style")), None)
        allowed = [each for each, (_, field) in _METHODS.items() if repository.truth(field)]
        return in_order(self._settings.method, usual if usual in allowed else None, *allowed, MergeMethod.MERGE)

    def _why_not(self, pull: GiteaPull, said: str) -> str:
        if _OUTDATED in said:
            return _behind(pull.base)
        base = self._branch(pull.base)
        if base is not None and not base.truth("user_can_merge"):
            return f"{self._us()} may not merge into {pull.base}: its branch protection has to name that account"
        method = self._in_order(self._repository_at(self._path))[0]
        if not self._repository_at(self._path).truth(_METHODS[method][1]):
            return f"the repository does not allow the method `{method}`"
        return said

    # ----------------------------------------------------------------- what stands

    def _us(self) -> str:
        if not self._login:
            self._login = record(self._http.get("/api/v1/user").data).text("login")
        return self._login

    def _branch(self, name: str) -> Record | None:
        reply = self._http.get(f"{self._path}/branches/{segment(name)}", expect=(404,))
        return None if reply.data is None else record(reply.data)

    def _status_not_taken(self, status: Status, reply: Reply) -> Retry:
        return Retry(f"{self._http.name} answers to the status {status.context} with {reply.status}: {reply.said}")

    # ----------------------------------------------------------------- views

    def _block(self, pull: GiteaPull) -> str:
        refused = self._remembered(pull)
        if refused == _behind(pull.base) and not pull.behind:
            return ""  # it had not worked off our last push when it refused
        return DRAFT if pull.draft else refused

    def _outdated(self, pull: GiteaPull) -> bool:
        """The branch protection is shown to admins only; what it asks for is known once it has refused a merge."""
        return pull.behind and self._remembered(pull) == _behind(pull.base)

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


def _behind(base: str) -> str:
    return f"it is behind {base}, whose protection asks for branches that are up to date"
