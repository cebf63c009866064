"""The Forge port on GitHub: github.com, Enterprise Cloud and Enterprise Server.

Composed by the wiring for repositories whose `forge` is `github`.

**Invariants**
* every effect looks before it writes, while nobody else of this process writes to the repository; an effect whose
  answer was lost is found when it is looked for again;
* a pull request gets its key last: one without a key is not finished, and whoever looks for the key finishes it;
* a merge names the expected head; the forge's own automatic merge, which names none, is not used;
* rules of a branch that GitHub says are not met yet are waited for: an account that may bypass them does not;
* what people have set on a pull request (labels, reviewers, its being a draft) is never taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from gitslo.adapters.forges.answers import Json, Record, items, record
from gitslo.adapters.forges.github_app import GithubApp
from gitslo.adapters.forges.github_reading import GithubPull, GithubPulls
from gitslo.adapters.forges.github_rules import OURS, BranchRules, blocked_by, in_the_way, rules_of
from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.adapters.forges.issues import LABEL as ISSUE_LABEL
from gitslo.adapters.forges.issues import ForgeIssues, IssueWords
from gitslo.adapters.forges.looks import Looks
from gitslo.adapters.forges.marks import fitted, marked, unmarked
from gitslo.adapters.forges.shown import shown
from gitslo.core.escape import short
from gitslo.errors import Conflict, Problem, Refused, Retry
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId, Seconds
from gitslo.ports import STATUS_LENGTH, Capabilities, PullRequest, PullRequestState, Status, StatusState

__all__ = ["BODY_LENGTH", "TITLE_LENGTH", "GithubForge"]

TITLE_LENGTH: Final = 256
BODY_LENGTH: Final = 65_536
"""Characters that GitHub takes; of a comment's body, too."""
SETTLING: Final = (0.2, 0.5, 1.0, 2.0)
"""Seconds between looks while GitHub tries out whether a pull request merges."""
GLANCE: Final = 10.0
"""Seconds for which a look at statuses and comments serves those who only ask."""
RULES: Final = 60.0
"""Seconds for which a look at a branch's rules serves."""
BLOCKED: Final = 30.0
"""Seconds until a merge that GitHub did not let us make is tried again."""
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
_STATES: Final = frozenset(StatusState)
_NO_USER: Final = (
    "a token that is no account's (of a workflow, or of an app) does not do; for an app name `app` instead"
)


class GithubForge:
    """A Forge over GitHub's REST API.

    Args:
        http: requests to the forge.
        settings: the repository there, and the operator's wishes.
        app: who we are where that is an app; None: whose token it is.
    """

    def __init__(self, http: ForgeHttp, settings: ForgeSettings, app: GithubApp | None = None) -> None:
        owner, _, name = settings.project.partition("/")
        self._http, self._settings, self._app = http, settings, app
        self._path = f"/repos/{segment(owner)}/{segment(name)}"
        self._pulls = GithubPulls(http, owner, self._path)
        self._login = ""
        self._statuses: Looks[CommitId, Mapping[str, Status]] = Looks(GLANCE, http.monotonic)
        self._comments: Looks[int, Mapping[str, Record]] = Looks(GLANCE, http.monotonic)
        self._rules: Looks[str, BranchRules] = Looks(RULES, http.monotonic)
        self._refused: dict[int, tuple[CommitId, float, str]] = {}
        self.issues = ForgeIssues(http, lambda: self._issue_words, self._us) if settings.issues else None

    # ----------------------------------------------------------------- reading

    def capabilities(self) -> Capabilities:
        """What our account may do there.

        Raises:
            Retry: no answer. Refused: it does not know us, or not the repository.
        """
        us, repository = self._us(), self._repository()
        branch = self._settings.branch
        rules = rules_of(self._http, self._path, branch)
        allowed = [method for method in self._in_order() if method in self._allowed(repository, rules)]
        return Capabilities(
            expected_head_merge=True,
            statuses=True,
            comments=True,
            name=f"{self._http.name} at {self._settings.url}, as {us}",
            merges=tuple(each.value for each in allowed),
            cannot=tuple(self._lacks(repository, rules, allowed)),
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
            Conflict: the branch is not there, or has nothing that the base has not.
            Retry, Refused: as every request.
        """
        title, body = short(title.strip(), TITLE_LENGTH), fitted(body, BODY_LENGTH)
        with self._http.alone():
            standing = self._standing_pull(head)
            if standing is None:
                standing = self._created(head, base, title, marked(body, "pull", "" if self._dresses_later else key))
            if standing.key != key:
                self._dress(standing)
            return self._view(self._brought_up(standing, key, base, title, body))

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring our comment with this marker up to date.

        Raises:
            Refused: there is no such pull request. Retry: no answer.
        """
        with self._http.alone():
            self._pulls.numbered(number)
            standing = self._commented(number).get(marker)
            content = marked(fitted(body, BODY_LENGTH), "comment", marker)
            self._comments.forget(number)
            if standing is None:
                self._http.write("POST", f"{self._path}/issues/{number}/comments", {"body": content})
            elif standing.text("body").replace("\r\n", "\n") != content:
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
            if self._standing(status.commit).get(status.context) == status:
                return
            self._statuses.forget(status.commit)
            wanted: dict[str, Json] = {
                "context": status.context,
                "state": status.state.value,
                "description": status.description,
            }
            if status.url:
                wanted["target_url"] = status.url
            path = f"{self._path}/statuses/{status.commit}"
            reply = self._http.write("POST", path, wanted, expect=(404, 422))
            if not reply.done and self._has_commit(status.commit):
                message = f"{self._http.name} does not take the status {status.context}: {reply.said}"
                raise Refused(Problem(message, hint="a commit holds a thousand statuses of one name"))

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge by the method that is wished for or allowed there, and delete the head branch.

        Raises:
            Conflict: the head is not `expected_head`, or it does not merge cleanly.
            Retry: no answer, or not yet: `find` says why.
            Refused: it was closed without merging, or there is none.
        """
        subject, _, rest = message.partition("\n\n")
        with self._http.alone():
            pull = self._mergeable(number, expected_head)
            if pull.merged is not None:
                return self._tidied(pull, pull.merged)
            repository = self._repository()
            wanted: dict[str, Json] = {
                "commit_title": subject,
                "commit_message": rest,
                "sha": expected_head,
                "merge_method": self._method(repository, self._rules_of(pull.base)).value,
            }
            path = f"{self._path}/pulls/{number}/merge"
            reply = self._http.write("PUT", path, wanted, expect=(403, 404, 405, 409, 422))
            if reply.done:
                return self._tidied(pull, CommitId(record(reply.data).text("sha")))
            after = self._pulls.numbered(number)
            if after.merged is not None:
                return self._tidied(after, after.merged)
            stale = reply.status == HTTPStatus.CONFLICT or "was modified" in reply.said
            if stale or not after.open or after.head_commit != expected_head or after.state == "dirty":
                raise Conflict(f"pull request {number} cannot be merged as it is now: {reply.said}")
            self._rules.forget(pull.base)
            raise self._not_yet(after, reply.said)

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
            reply = self._http.write("PATCH", f"{self._path}/pulls/{number}", {"state": "closed"}, expect=(422,))
            if not reply.done:
                raise Conflict(f"pull request {number} was merged meanwhile")

    # ----------------------------------------------------------------- opening

    @property
    def _dresses_later(self) -> bool:
        """Whether something is to be set that the API does not take with the opening itself."""
        return bool(self._settings.reviewers or self._settings.labels or self._settings.assignees)

    def _standing_pull(self, head: str) -> GithubPull | None:
        return next((each for each in self._pulls.of_head(head) if each.open), None)

    def _created(self, head: str, base: str, title: str, body: str) -> GithubPull:
        wanted: dict[str, Json] = {"head": head, "base": base, "title": title, "body": body}
        if self._settings.draft:
            wanted["draft"] = True
        reply = self._http.write("POST", f"{self._path}/pulls", wanted, expect=(422,))
        if reply.done:
            return self._pulls.numbered(record(reply.data).number("number"))
        opened = self._standing_pull(head)
        if opened is not None:
            return opened  # by somebody else, while we were at it
        if self._pulls.tip(head) is None:
            raise Conflict(f"there is no branch {head} to open a pull request of")
        if "no commits between" in reply.said.lower():
            raise Conflict(f"{base} has all of {head} already")
        raise Refused(f"{self._http.name} does not open a pull request of {head} into {base}: {reply.said}")

    def _dress(self, pull: GithubPull) -> None:
        """With what the operator wishes for; what is there already stays."""
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

    def _brought_up(self, pull: GithubPull, key: str, base: str, title: str, body: str) -> GithubPull:
        changes: dict[str, Json] = {}
        if pull.title != title:
            changes["title"] = title
        if pull.base != base:
            changes["base"] = base
        if pull.body != body or pull.key != key:
            changes["body"] = marked(body, "pull", key)
        if not changes:
            return pull
        reply = self._http.write("PATCH", f"{self._path}/pulls/{pull.number}", changes, expect=(422,))
        if not reply.done:
            raise Conflict(f"pull request {pull.number} cannot be changed: {reply.said}")
        return self._pulls.numbered(pull.number)

    # ----------------------------------------------------------------- merging

    def _mergeable(self, number: int, expected_head: CommitId) -> GithubPull:
        """The pull request, once GitHub has tried out that it merges, or where it is merged already."""
        for pause in (*SETTLING, None):
            pull = self._pulls.numbered(number)
            if pull.merged is not None:
                return pull
            if not pull.open:
                by = self._pulls.closing(pull, self._us()).by or "somebody"
                raise Refused(f"pull request {number} was closed without merging by {by}")
            if pull.head_commit != expected_head:
                raise Conflict(f"{pull.head} is at {pull.head_commit}, not at the expected {expected_head}")
            if pull.mergeable is not None or pause is None:
                break
            self._http.sleep(Seconds(pause))
        if pull.mergeable is False:
            raise Conflict(f"{pull.head} does not merge cleanly into {pull.base} now")
        if pull.mergeable is None:
            raise Retry(f"{self._http.name} has not tried out yet whether pull request {number} merges", 2.0)
        why = self._block(replace(pull, state="draft") if pull.draft else pull)
        if why:
            raise self._not_yet(pull, why, remembered=False)
        return pull

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
        wished = self._settings.method
        return [*([] if wished is None else [wished]), *(each for each in _METHODS if each is not wished)]

    def _method(self, repository: Record, rules: BranchRules) -> MergeMethod:
        """The operator's where there is one, allowed or not: GitHub says so then; or else the first that is allowed."""
        if self._settings.method is not None:
            return self._settings.method
        allowed = self._allowed(repository, rules)
        return next((each for each in _METHODS if each in allowed), MergeMethod.MERGE)

    def _not_yet(self, pull: GithubPull, why: str, *, remembered: bool = True) -> Retry:
        if remembered:
            self._refused[pull.number] = (pull.head_commit, self._http.monotonic() + BLOCKED, why)
        return Retry(f"pull request {pull.number} cannot be merged yet: {why}", 1.0)

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
        reply = self._http.get(self._path, expect=(404,))
        if reply.data is None:
            raise Refused(f"{self._http.name} at {self._http.base} shows {self._us()} no {self._settings.project}")
        return record(reply.data)

    def _rules_of(self, branch: str) -> BranchRules:
        return self._rules.of(branch, lambda name: rules_of(self._http, self._path, name))

    def _has_commit(self, commit: CommitId) -> bool:
        return self._http.get(f"{self._path}/git/commits/{commit}", expect=(404, 409, 422)).data is not None

    def _standing(self, commit: CommitId) -> Mapping[str, Status]:
        """The statuses of a commit, by context; kept for those who only ask."""
        found: dict[str, Status] = {}
        for page in range(1, PAGES + 1):
            query = {"per_page": PAGE, "page": page}
            reply = self._http.get(f"{self._path}/commits/{commit}/status", query, expect=(404, 422))
            rows = () if reply.data is None else record(reply.data).records("statuses")
            for row in rows:
                state, context = row.text("state"), row.text("context")
                if state in _STATES:
                    found[context] = Status(
                        commit, context, StatusState(state), row.text("description"), row.text("target_url")
                    )
            if len(rows) < PAGE:
                break
        return self._statuses.keep(commit, found)

    def _commented(self, number: int) -> Mapping[str, Record]:
        """Our comments by marker; the oldest of each counts."""
        path = f"{self._path}/issues/{number}/comments"
        found: dict[str, Record] = {}
        for page in range(1, PAGES + 1):
            rows = items(self._http.get(path, {"per_page": COMMENTS, "page": page}, expect=(404, 410)).data or [])
            for row in rows:
                marker = unmarked(row.text("body"), "comment")[1]
                if marker and row.text("user", "login") == self._us():
                    found.setdefault(marker, row)
            if len(rows) < COMMENTS:
                break
        return self._comments.keep(number, found)

    @property
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

    def _view(self, pull: GithubPull) -> PullRequest:
        view = shown(pull)
        if view.state is PullRequestState.OPEN:
            return replace(view, blocked=self._block(pull))
        if view.state is PullRequestState.MERGED:
            return view
        closing = self._pulls.closing(pull, self._us())
        return replace(view, closed_by=closing.by, closed_by_us=closing.with_branch or closing.by == self._us())

    def _block(self, pull: GithubPull) -> str:
        head, until, why = self._refused.get(pull.number, (pull.head_commit, 0.0, ""))
        if why and head == pull.head_commit and self._http.monotonic() < until:
            return why
        return blocked_by("draft" if pull.draft else pull.state, pull.base, self._rules_of(pull.base))

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
