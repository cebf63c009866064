"""The Forge port on GitHub: github.com, Enterprise Cloud and Enterprise Server.

Composed by the wiring for repositories whose `forge` is `github`; what all forges have in common is in `http_forge`.

**Invariants**
* the forge's own automatic merge, which names no head, is not used;
* rules of a branch that GitHub says are not met yet are waited for: an account that may bypass them does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, Record, items, record
from gitslo.adapters.forges.comments import CommentWords
from gitslo.adapters.forges.commit_statuses import CommitStatuses, StatusWords
from gitslo.adapters.forges.github_app import GithubApp
from gitslo.adapters.forges.github_reading import GithubPull, GithubPulls
from gitslo.adapters.forges.github_rules import OURS, BranchRules, blocked_by, in_the_way, rules_of
from gitslo.adapters.forges.http import ForgeHttp, Reply, segment
from gitslo.adapters.forges.http_forge import HttpForge, PullWords, in_order
from gitslo.adapters.forges.issues import LABEL as ISSUE_LABEL
from gitslo.adapters.forges.issues import IssueWords
from gitslo.adapters.forges.looks import Looks
from gitslo.errors import Conflict, Problem, Refused, Retry
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId
from gitslo.ports import Capabilities, Status

__all__ = ["BODY_LENGTH", "TITLE_LENGTH", "GithubForge"]

TITLE_LENGTH: Final = 256
BODY_LENGTH: Final = 65_536
"""Characters that GitHub takes; of a comment's body, too."""
SETTLING: Final = (0.2, 0.5, 1.0, 2.0)
"""Seconds between looks while GitHub tries out whether a pull request merges."""
RULES: Final = 60.0
"""Seconds for which a look at a branch's rules serves."""
PAGE: Final = 100
COMMENTS: Final = 50
"""Comments of one page: each may have as many characters as a body."""
PAGES: Final = 200

_METHODS: Final = {
    MergeMethod.MERGE: "allow_merge_commit",
    MergeMethod.SQUASH: "allow_squash_merge",
    MergeMethod.REBASE: "allow_rebase_merge",
}
"""Where the repository says that a method is allowed; GitHub's words for them are ours."""
_NO_USER: Final = (
    "a token that is no account's (of a workflow, or of an app) does not do; for an app name `app` instead"
)
_PULLS: Final = PullWords(
    closing={"state": "closed"},
    not_changed=(422,),
    not_closed=(422,),
    settling=SETTLING,
    most_title=TITLE_LENGTH,
    most_body=BODY_LENGTH,
)


class GithubForge(HttpForge[GithubPull]):
    """A Forge over GitHub's REST API.

    Args:
        http: requests to the forge.
        settings: the repository there, and the operator's wishes.
        app: who we are where that is an app; None: whose token it is.
    """

    _pulls: GithubPulls

    def __init__(self, http: ForgeHttp, settings: ForgeSettings, app: GithubApp | None = None) -> None:
        owner, _, name = settings.project.partition("/")
        self._path = f"/repos/{segment(owner)}/{segment(name)}"
        self._app, self._login = app, ""
        self._rules: Looks[str, BranchRules] = Looks(RULES, http.monotonic)
        statuses = StatusWords(
            state="state", per_page=lambda: ("per_page", PAGE), not_taken=(404, 422), refused=self._status_not_taken
        )
        issues = f"{self._path}/issues"
        super().__init__(
            http,
            settings,
            pulls=GithubPulls(http, owner, self._path),
            words=_PULLS,
            statuses=CommitStatuses(http, self._path, statuses),
            comments=CommentWords(
                rows=lambda number: self._rows(f"{issues}/{number}/comments"),
                new=lambda number: f"{issues}/{number}/comments",
                old=lambda number, row: f"{issues}/comments/{row.number('id')}",  # noqa: ARG005 - they have ids of one row
                most=BODY_LENGTH,
            ),
            commit_comments=CommentWords(
                rows=lambda commit: self._rows(f"{self._path}/commits/{commit}/comments"),
                new=lambda commit: f"{self._path}/commits/{commit}/comments",
                old=lambda commit, row: f"{self._path}/comments/{row.number('id')}",  # noqa: ARG005 - as above
                most=BODY_LENGTH,
                gone=(404, 422),
            ),
        )

    def capabilities(self) -> Capabilities:
        """As the base has it."""
        us, repository = self._us(), self._repository()
        rules = rules_of(self._http, self._path, self._settings.branch)
        allowed = [method for method in self._in_order() if method in self._allowed(repository, rules)]
        return Capabilities(
            expected_head_merge=True,
            statuses=True,
            comments=True,
            commit_comments=True,
            name=f"{self._http.name} at {self._settings.url}, as {us}",
            merges=tuple(each.value for each in allowed),
            cannot=tuple(self._lacks(repository, rules, allowed)),
        )

    # ----------------------------------------------------------------- opening

    @property
    def _dresses_later(self) -> bool:
        """Whether something is to be set that the API does not take with the opening itself."""
        return bool(self._settings.reviewers or self._settings.labels or self._settings.assignees)

    def _created(self, head: str, base: str, title: str, content: str) -> GithubPull:
        wanted: dict[str, Json] = {"head": head, "base": base, "title": title, "body": content}
        if self._settings.draft:
            wanted["draft"] = True
        reply = self._http.write("POST", f"{self._path}/pulls", wanted, expect=(422,))
        if reply.done:
            return self._pulls.numbered(record(reply.data).number("number"))
        opened = next((each for each in self._pulls.of_head(head) if each.open), None)
        if opened is not None:
            return opened  # by somebody else, while we were at it
        if self._pulls.tip(head) is None:
            raise Conflict(f"there is no branch {head} to open a pull request of")
        if "no commits between" in reply.said.lower():
            raise Conflict(f"{base} has all of {head} already")
        raise Refused(f"{self._http.name} does not open a pull request of {head} into {base}: {reply.said}")

    def _dress(self, pull: GithubPull) -> dict[str, Json]:
        wishes, where = self._settings, f"{self._path}/issues/{pull.number}"
        labels = [each for each in wishes.labels if not _among(each, pull.labels)]
        if labels:
            self._http.write("POST", f"{where}/labels", {"labels": [*labels]})
        assignees = [each for each in wishes.assignees if not _among(each, pull.assignees)]
        if assignees:
            reply = self._http.write("POST", f"{where}/assignees", {"assignees": [*assignees]})
            taken = [each.text("login") for each in record(reply.data).records("assignees")]
            if missing := [each for each in assignees if not _among(each, taken)]:
                # GitHub leaves out in silence who cannot be assigned
                message = f"{self._http.name} does not assign pull request {pull.number} to {', '.join(missing)}"
                raise Refused(Problem(message, hint="only who may write to the repository can be assigned"))
        people = [
            each
            for each in wishes.reviewers
            if "/" not in each and not _among(each, (*pull.reviewers, pull.author))  # nobody reviews what is his own
        ]
        teams = [
            team for each in wishes.reviewers if "/" in each and not _among(team := each.rpartition("/")[2], pull.teams)
        ]
        if people or teams:
            path = f"{self._path}/pulls/{pull.number}/requested_reviewers"
            wanted: dict[str, Json] = {"reviewers": [*people], "team_reviewers": [*teams]}
            reply = self._http.write("POST", path, wanted, expect=(422,))
            if not reply.done:
                asked = ", ".join([*people, *teams])
                raise Refused(f"{self._http.name} does not ask {asked} for a review of {pull.number}: {reply.said}")
        return {}

    # ----------------------------------------------------------------- merging

    def _tried(self, pull: GithubPull, *, last: bool) -> bool:
        if pull.mergeable is None:
            if last:
                message = f"{self._http.name} has not tried out yet whether pull request {pull.number} merges"
                raise Retry(message, 2.0)
            return False
        if not pull.mergeable:
            raise self._not_clean(pull)
        why = self._block(pull)
        if why:
            raise self._not_yet(pull, why, remembered=False)
        return True

    def _merge(self, pull: GithubPull, expected_head: CommitId, message: str) -> CommitId:
        subject, _, rest = message.partition("\n\n")
        wanted: dict[str, Json] = {
            "commit_title": subject,
            "commit_message": rest,
            "sha": expected_head,
            "merge_method": self._method(self._repository(), self._rules_of(pull.base)).value,
        }
        path = f"{self._pulls.where(pull.number)}/merge"
        reply = self._http.write("PUT", path, wanted, expect=(403, 404, 405, 409, 422))
        if reply.done:
            return self._tidied(pull, CommitId(record(reply.data).text("sha")))
        after = self._pulls.numbered(pull.number)
        if after.merged is not None:
            return self._tidied(after, after.merged)
        stale = reply.status == HTTPStatus.CONFLICT or "was modified" in reply.said
        if stale or not after.open or after.head_commit != expected_head or after.state == "dirty":
            raise self._not_as_it_is(after, reply.said)
        self._rules.forget(pull.base)
        raise self._not_yet(after, reply.said)

    def _tidied(self, pull: GithubPull, merged: CommitId) -> CommitId:
        """The branch has done its work; should somebody have moved it meanwhile, it is theirs."""
        if self._pulls.tip(pull.head) == pull.head_commit:
            path = f"{self._path}/git/refs/{segment(f'heads/{pull.head}')}"
            self._http.write("DELETE", path, expect=(403, 404, 409, 422))  # gone already, or kept by a rule
        return merged

    def _allowed(self, repository: Record, rules: BranchRules) -> frozenset[MergeMethod]:
        """What repository and branch allow; GitHub shows it only to those who may write."""
        return frozenset(
            each for each, field in _METHODS.items() if repository.truth(field) or not repository.has(field)
        ).intersection(rules.methods)

    def _in_order(self) -> list[MergeMethod]:
        """The methods, the operator's first."""
        return in_order(self._settings.method, *_METHODS)

    def _method(self, repository: Record, rules: BranchRules) -> MergeMethod:
        """The operator's where there is one, allowed or not: GitHub says so then; or else the first that is allowed."""
        if self._settings.method is not None:
            return self._settings.method
        allowed = self._allowed(repository, rules)
        return next((each for each in _METHODS if each in allowed), MergeMethod.MERGE)

    # ----------------------------------------------------------------- what stands

    def _us(self) -> str:
        if not self._login:
            if self._app is not None:
                self._login = self._app.login()
            else:
                reply = self._http.get("/user", expect=(403, 404))
                if reply.status == HTTPStatus.NOT_FOUND:
                    raise Refused(f"there is no API of {self._http.name} at {self._http.base}: is its `url` right?")
                if reply.data is None:
                    message = f"{self._http.name} does not say whose token it is: {reply.said}"
                    raise Refused(Problem(message, hint=_NO_USER))
                self._login = record(reply.data).text("login")
        return self._login

    def _repository(self) -> Record:
        return self._repository_at(self._path)

    def _rules_of(self, branch: str) -> BranchRules:
        return self._rules.of(branch, lambda name: rules_of(self._http, self._path, name))

    def _status_not_taken(self, status: Status, reply: Reply) -> Refused:
        message = f"{self._http.name} does not take the status {status.context}: {reply.said}"
        return Refused(Problem(message, hint="a commit holds a thousand statuses of one name"))

    def _rows(self, path: str) -> Iterator[Record]:
        """All comments of a thing; none where it is not there."""
        for page in range(1, PAGES + 1):
            rows = items(self._http.get(path, {"per_page": COMMENTS, "page": page}, expect=(404, 410, 422)).data or [])
            yield from rows
            if len(rows) < COMMENTS:
                break

    def _issue_words(self) -> IssueWords:
        return IssueWords(
            path=f"{self._path}/issues",
            query={"state": "all", "labels": ISSUE_LABEL},
            per_page=("per_page", COMMENTS),
            number="number",
            body="body",
            author=("user", "login"),
            is_open="open",
            method="PATCH",
            opening={"state": "open"},
            closing={"state": "closed"},
            labels=lambda: [ISSUE_LABEL],
        )

    # ----------------------------------------------------------------- views

    def _block(self, pull: GithubPull) -> str:
        refused = self._remembered(pull)
        return refused or blocked_by("draft" if pull.draft else pull.state, pull.base, self._rules_of(pull.base))

    def _outdated(self, pull: GithubPull) -> bool:
        return pull.state == "behind"

    def _lacks(self, repository: Record, rules: BranchRules, allowed: list[MergeMethod]) -> Iterator[str]:
        """What is not given to us, and what to do about it."""
        us, branch, project = self._us(), self._settings.branch, self._settings.project
        if repository.truth("archived") or repository.truth("disabled"):
            yield "The repository is archived or disabled: nothing in it can be changed."
        if repository.has("has_pull_requests") and not repository.truth("has_pull_requests"):
            yield "The repository has no pull requests: switch them on in its settings."
        if self._app is not None:
            for permission in self._app.lacks():
                yield f"The app has no `{permission}: write` on {project}: give it that, and accept it there."
        elif repository.has("permissions") and not repository.truth("permissions", "push"):
            yield f"{us} may not write to {project}: give it write access."
        wished = self._settings.method
        if wished is not None and wished not in allowed:
            yield f"`method: {wished}` is not allowed for {branch}: allow it there, or name another one."
        if not rules.exists:
            yield f"There is no branch {branch}."
            return
        yield from rules.sentences(branch)
        yield from in_the_way(rules_of(self._http, self._path, OURS))
        yield f"The automatic merge of {self._http.name} is not used: it merges whatever the branch holds by then."


def _among(name: str, names: Iterable[str]) -> bool:
    """Whether a name is in a list: GitHub does not tell upper from lower case in names of accounts, teams, labels."""
    return name.lower() in {each.lower() for each in names}
