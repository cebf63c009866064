"""What the fake GitHub does: one method for each operation that gitslo uses, on real Git repositories.

Called by `server`, one request at a time. What it refuses, it refuses in GitHub's words as far as they are known.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gitslo.testing.bare_repository import BareRepository, environment
from tests.github.shapes import Shapes
from tests.github.state import Account, Comment, Event, Pull, Repository, StatusRow, Thread, numbers

__all__ = ["Asked", "Nothing", "Page", "Refusal", "Service"]

Json = Any


class Refusal(Exception):
    """An answer that is none of success."""

    def __init__(self, status: int, message: str, *errors: object) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if errors:
            self.body["errors"] = list(errors)


@dataclass(frozen=True)
class Nothing:
    """204."""


@dataclass(frozen=True)
class Page:
    """One page of a list, and whether there is another."""

    rows: list[Json]
    more: bool


@dataclass(frozen=True)
class Asked:
    """One request that was understood.

    Attributes:
        who: whose token it is.
        reach: full names of the repositories that the token is for; None: whatever its account may see.
        path, query: parameters.
        body: parsed; empty where there is none.
    """

    who: Account
    reach: frozenset[str] | None
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, Any] = field(default_factory=dict)


class Service:
    """State and operations.

    Args:
        root: a folder for the repositories.
        clock: seconds that its clock is ahead; tests move it.
    """

    def __init__(self, root: Path, shapes: Callable[[], Shapes]) -> None:
        self.root, self._shapes = root, shapes
        self.ahead = timedelta()
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[str, Repository] = {}
        self.teams: dict[str, str] = {}

    # ------------------------------------------------------------- people and things

    def account(self, login: str, kind: str = "User") -> Account:
        return self.accounts.setdefault(login.lower(), Account(login, next(numbers), kind))

    def new_repository(self, owner: str, writers: Sequence[str], name: str = "") -> Repository:
        """One with a first commit on main."""
        number = next(numbers)
        name = name or f"shop-{number}"
        git = BareRepository.create(self.root / owner / f"{name}.git")
        git.commit({"image": b"v1"}, "first")
        made = Repository(number, self.account(owner), name, git, {owner, *writers})
        self.repositories[made.full_name] = made
        return made

    def now(self) -> str:
        return (datetime.now(UTC) + self.ahead).strftime("%Y-%m-%dT%H:%M:%SZ")

    def delete_branch(self, repository: Repository, branch: str, who: str) -> None:
        """Somebody deletes a branch, by whatever way."""
        repository.git.set_ref(f"refs/heads/{branch}", None)
        self._look(repository, self.account(who))

    # ------------------------------------------------------------- accounts and apps

    def get_user(self, asked: Asked) -> Json:
        if asked.who.kind == "Bot":
            raise Refusal(403, "Resource not accessible by integration")
        return self._shapes().me(asked.who)

    # ------------------------------------------------------------- repositories

    def get_repository(self, asked: Asked) -> Json:
        return self._shapes().repository(self._repository(asked), whole=True, who=asked.who)

    def get_branch(self, asked: Asked) -> Json:
        repository, name = self._repository(asked), asked.path["branch"]
        tip = repository.git.tip(name)
        if tip is None:
            raise Refusal(404, "Branch not found")
        found = self._shapes().branch(repository, name, self._commit(repository, tip))
        hidden = repository.rules.approvals or repository.rules.queue
        return found | ({"protected": True} if hidden and name == "main" else {})

    def get_rules(self, asked: Asked) -> Json:
        repository, name = self._repository(asked), asked.path["branch"]
        about = {"ruleset_source_type": "Repository", "ruleset_source": repository.full_name, "ruleset_id": 7}
        rules = [{**rule, **about} for prefix, rule in repository.rules.rulesets if name.startswith(prefix)]
        return self._paged(asked, rules)

    def get_ref(self, asked: Asked) -> Json:
        repository, ref = self._repository(asked), f"refs/{asked.path['ref']}"
        tip = repository.git.refs().get(ref)
        if tip is None:
            raise Refusal(404, "Not Found")
        return self._shapes().ref(repository, ref, tip)

    def delete_ref(self, asked: Asked) -> Json:
        repository, ref = self._repository(asked, write=True), f"refs/{asked.path['ref']}"
        if ref not in repository.git.refs():
            raise Refusal(422, "Reference does not exist")
        repository.git.set_ref(ref, None)
        self._look(repository, asked.who)
        return Nothing()

    def get_commit(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        return self._commit(repository, self._known(repository, asked.path["commit_sha"], 404))

    # ------------------------------------------------------------- statuses

    def post_status(self, asked: Asked) -> Json:
        repository, sha = self._repository(asked, write=True), asked.path["sha"]
        self._known(repository, sha, 422)
        text = asked.body.get("description")
        if text is not None and len(text) > 140:
            raise Refusal(
                422, "Validation Failed", _custom("Status", "description is too long (maximum is 140 characters)")
            )
        url = asked.body.get("target_url")
        if url is not None and not url.startswith(("http://", "https://")):
            raise Refusal(422, "Validation Failed", _custom("Status", "target_url must use http(s) scheme"))
        context = asked.body.get("context", "default")
        row = StatusRow(next(numbers), sha, context, asked.body["state"], text, url, asked.who, self.now())
        rows = repository.statuses.setdefault(sha, [])
        if sum(each.context == context for each in rows) >= 1000:
            raise Refusal(422, "Validation Failed", _custom("Status", "This SHA and context has reached the maximum"))
        rows.append(row)
        return self._shapes().status(repository, row, combined=False)

    def get_statuses(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        sha = self._known(repository, asked.path["ref"], 422)
        latest = self._latest(repository, sha)
        states = {row.state for row in latest}
        bad = states & {"failure", "error"}
        state = "failure" if bad else "success" if states == {"success"} else "pending"
        page = self._paged(asked, latest)
        return self._shapes().combined(repository, sha, page.rows, len(latest), state)

    def _latest(self, repository: Repository, sha: str) -> list[StatusRow]:
        latest = {row.context.lower(): row for row in repository.statuses.get(sha, ())}
        return sorted(latest.values(), key=lambda row: row.id)

    # ------------------------------------------------------------- pull requests

    def get_pulls(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        self._look(repository)
        state, head, base = (
            asked.query.get(name, usual) for name, usual in (("state", "open"), ("head", ""), ("base", ""))
        )
        found = [
            thread
            for thread in repository.threads.values()
            if thread.pull is not None
            and (state == "all" or thread.open == (state == "open"))
            and head in ("", f"{thread.pull.head_repository.owner.login}:{thread.pull.head}")
            and base in ("", thread.pull.base)
        ]
        found.sort(key=lambda thread: thread.number, reverse=True)
        page = self._paged(asked, found)
        return Page([self._shapes().pull(repository, thread) for thread in page.rows], page.more)

    def get_pull(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        self._look(repository)
        thread, pull = self._pull(repository, asked.path["pull_number"])
        return self._whole(repository, thread, pull)

    def post_pull(self, asked: Asked) -> Json:
        repository, body = self._repository(asked, write=True), asked.body
        self._look(repository)
        owner, colon, head = body["head"].rpartition(":")
        home = repository
        if colon and owner != repository.owner.login:
            home = next(each for each in self.repositories.values() if each.fork and each.owner.login == owner)
        head_sha, base_sha = home.git.tip(head), repository.git.tip(body["base"])
        for name, sha in (("head", head_sha), ("base", base_sha)):
            if sha is None:
                raise Refusal(422, "Validation Failed", {"resource": "PullRequest", "field": name, "code": "invalid"})
        for thread in repository.threads.values():
            if (
                thread.open
                and thread.pull is not None
                and (thread.pull.head, thread.pull.head_repository) == (head, home)
            ):
                message = f"A pull request already exists for {home.owner.login}:{head}."
                raise Refusal(422, "Validation Failed", _custom("PullRequest", message))
        if home is repository and self._contains(repository, str(base_sha), str(head_sha)):
            message = f"No commits between {body['base']} and {head}"
            raise Refusal(422, "Validation Failed", _custom("PullRequest", message))
        _sized("PullRequest", body)
        thread = self._thread(repository, asked, body)
        thread.pull = Pull(
            head, body["base"], home, str(head_sha), str(base_sha), draft=body.get("draft", False), tried=("", "")
        )
        return self._whole(repository, thread, thread.pull)

    def patch_pull(self, asked: Asked) -> Json:
        repository, body = self._repository(asked, write=True), asked.body
        self._look(repository)
        thread, pull = self._pull(repository, asked.path["pull_number"])
        _sized("PullRequest", body)
        if body.get("state") == "open" and pull.merged_at is not None:
            raise Refusal(422, "Validation Failed", _custom("PullRequest", "state cannot be changed. It is merged."))
        if "base" in body and repository.git.tip(body["base"]) is None:
            raise Refusal(422, "Validation Failed", {"resource": "PullRequest", "field": "base", "code": "invalid"})
        pull.base = body.get("base", pull.base)
        self._changed(thread, asked.who, body)
        return self._whole(repository, thread, pull)

    def post_reviewers(self, asked: Asked) -> Json:
        repository = self._repository(asked, write=True)
        thread, pull = self._pull(repository, asked.path["pull_number"])
        people = [self.account(each) for each in asked.body.get("reviewers", ())]
        if thread.author in people:
            raise Refusal(422, "Review cannot be requested from pull request author.")
        teams = asked.body.get("team_reviewers", ())
        if any(each.login not in repository.writers for each in people) or any(
            team not in self.teams for team in teams
        ):
            raise Refusal(
                422,
                "Reviews may only be requested from collaborators. One or more of the users or teams you specified is "
                f"not a collaborator of the {repository.full_name} repository.",
            )
        pull.reviewers += [each for each in people if each not in pull.reviewers]
        pull.teams += [each for each in teams if each not in pull.teams]
        return self._shapes().pull(repository, thread)

    def merge(self, asked: Asked) -> Json:
        repository, body = self._repository(asked, write=True), asked.body
        self._look(repository)
        thread, pull = self._pull(repository, asked.path["pull_number"])
        method = body.get("merge_method", "merge")
        self._may_be_merged(repository, asked, thread, pull, method)
        made = self._merged(repository, pull, method, asked.who, body)
        repository.git.set_ref(f"refs/heads/{pull.base}", made)
        pull.merge_sha, pull.merged_at, pull.merged_by = made, self.now(), asked.who
        thread.open, thread.closed, thread.updated = False, pull.merged_at, pull.merged_at
        thread.events += [self._event("merged", asked.who, made), self._event("closed", asked.who)]
        if repository.delete_branch_on_merge:
            self.delete_branch(repository, pull.head, asked.who.login)
        return {"sha": made, "merged": True, "message": "Pull Request successfully merged"}

    def _may_be_merged(self, repository: Repository, asked: Asked, thread: Thread, pull: Pull, method: str) -> None:
        rules = repository.rules
        if not thread.open:
            raise Refusal(405, "Pull Request is not mergeable")
        if asked.body.get("sha", pull.head_sha) != pull.head_sha:
            raise Refusal(409, "Head branch was modified. Review and try the merge again.")
        if pull.draft:
            raise Refusal(405, "Pull Request is still a draft")
        names = {"merge": "merge_commit", "squash": "squash_merge", "rebase": "rebase_merge"}
        if names[method] not in repository.methods:
            words = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}
            raise Refusal(405, f"{words[method]} are not allowed on this repository.")
        if asked.who.login not in rules.bypass:
            if rules.queue:
                raise Refusal(405, "Changes must be made through the merge queue")
            missing = rules.approvals - len(pull.approvals)
            if missing > 0:
                raise Refusal(405, f"At least {missing} approving review is required by reviewers with write access.")
            for check in self._unmet(repository, pull):
                raise Refusal(405, f'Required status check "{check}" is expected.')
        if self._conflicts(repository, pull):
            raise Refusal(405, "Pull Request is not mergeable")

    # ------------------------------------------------------------- issues

    def get_issues(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        state, labels = asked.query.get("state", "open"), set(filter(None, asked.query.get("labels", "").split(",")))
        found = [
            thread
            for thread in repository.threads.values()
            if (state == "all" or thread.open == (state == "open")) and labels <= set(thread.labels)
        ]
        page = self._paged(asked, sorted(found, key=lambda thread: thread.number, reverse=True))
        return Page([self._shapes().issue(repository, thread) for thread in page.rows], page.more)

    def post_issue(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        _sized("Issue", asked.body)
        thread = self._thread(repository, asked, asked.body)
        if asked.who.login in repository.writers:
            thread.labels += asked.body.get("labels", [])
        return self._shapes().issue(repository, thread)

    def patch_issue(self, asked: Asked) -> Json:
        repository = self._repository(asked, write=True)
        thread = self._any(repository, asked.path["issue_number"])
        _sized("Issue", asked.body)
        self._changed(thread, asked.who, asked.body)
        return self._shapes().issue(repository, thread)

    def get_comments(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        thread = self._any(repository, asked.path["issue_number"])
        page = self._paged(asked, thread.comments)
        return Page([self._shapes().comment(repository, thread, each) for each in page.rows], page.more)

    def post_comment(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        thread = self._any(repository, asked.path["issue_number"])
        _sized("IssueComment", asked.body)
        made = Comment(next(numbers), asked.who, asked.body["body"], self.now(), self.now())
        thread.comments.append(made)
        return self._shapes().comment(repository, thread, made)

    def patch_comment(self, asked: Asked) -> Json:
        repository, number = self._repository(asked), int(asked.path["comment_id"])
        for thread in repository.threads.values():
            for comment in thread.comments:
                if comment.id == number:
                    self._edited(repository, comment, asked, "IssueComment")
                    return self._shapes().comment(repository, thread, comment)
        raise Refusal(404, "Not Found")

    def get_commit_comments(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        sha = self._known(repository, asked.path["commit_sha"], 404)
        page = self._paged(asked, repository.commit_comments.get(sha, []))
        return Page([self._shapes().commit_comment(repository, sha, each) for each in page.rows], page.more)

    def post_commit_comment(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        sha = self._known(repository, asked.path["commit_sha"], 422)
        _sized("CommitComment", asked.body)
        made = Comment(next(numbers), asked.who, asked.body["body"], self.now(), self.now())
        repository.commit_comments.setdefault(sha, []).append(made)
        return self._shapes().commit_comment(repository, sha, made)

    def patch_commit_comment(self, asked: Asked) -> Json:
        repository, number = self._repository(asked), int(asked.path["comment_id"])
        for sha, comments in repository.commit_comments.items():
            for comment in comments:
                if comment.id == number:
                    self._edited(repository, comment, asked, "CommitComment")
                    return self._shapes().commit_comment(repository, sha, comment)
        raise Refusal(404, "Not Found")

    def post_labels(self, asked: Asked) -> Json:
        repository = self._repository(asked, write=True)
        thread = self._any(repository, asked.path["issue_number"])
        thread.labels += [each for each in asked.body["labels"] if each not in thread.labels]
        return [self._shapes().label(repository, name) for name in thread.labels]

    def post_assignees(self, asked: Asked) -> Json:
        repository = self._repository(asked, write=True)
        thread = self._any(repository, asked.path["issue_number"])
        for login in asked.body["assignees"]:
            account = self.account(login)
            if (
                account.login in repository.writers and account not in thread.assignees
            ):  # others are left out in silence
                thread.assignees.append(account)
        return self._shapes().issue(repository, thread)

    def get_events(self, asked: Asked) -> Json:
        repository = self._repository(asked)
        self._look(repository)
        thread = self._any(repository, asked.path["issue_number"])
        page = self._paged(asked, thread.events)
        return Page([self._shapes().event(repository, each) for each in page.rows], page.more)

    # ------------------------------------------------------------- inside

    def _edited(self, repository: Repository, comment: Comment, asked: Asked, resource: str) -> None:
        if comment.author != asked.who and asked.who.login not in repository.writers:
            raise Refusal(403, "Must have admin rights to Repository.")
        _sized(resource, asked.body)
        comment.body, comment.updated = asked.body["body"], self.now()

    def _repository(self, asked: Asked, *, write: bool = False) -> Repository:
        name = f"{asked.path['owner']}/{asked.path['repo']}"
        found = self.repositories.get(name)
        if found is None or (asked.reach is not None and name not in asked.reach):
            raise Refusal(404, "Not Found")
        if write and asked.reach is None and asked.who.login not in found.writers:
            raise Refusal(403, "Resource not accessible by personal access token")
        return found

    def _any(self, repository: Repository, number: str) -> Thread:
        found = repository.threads.get(int(number))
        if found is None:
            raise Refusal(404, "Not Found")
        return found

    def _pull(self, repository: Repository, number: str) -> tuple[Thread, Pull]:
        thread = self._any(repository, number)
        if thread.pull is None:
            raise Refusal(404, "Not Found")
        return thread, thread.pull

    def _thread(self, repository: Repository, asked: Asked, body: Mapping[str, Any]) -> Thread:
        number = max(repository.threads, default=0) + 1
        now = self.now()
        made = Thread(number, next(numbers), asked.who, body["title"], body.get("body") or "", now, now)
        repository.threads[number] = made
        return made

    def _changed(self, thread: Thread, who: Account, body: Mapping[str, Any]) -> None:
        if "title" in body and body["title"] != thread.title:
            thread.title = body["title"]
            thread.events.append(replace(self._event("renamed", who), title=thread.title))
        thread.body = body.get("body", thread.body)
        thread.updated = self.now()
        wanted = body.get("state", "open" if thread.open else "closed")
        if thread.open and wanted == "closed":
            self._closed(thread, who)
        elif not thread.open and wanted == "open":
            thread.open, thread.closed = True, None
            thread.events.append(self._event("reopened", who))

    def _closed(self, thread: Thread, who: Account) -> None:
        thread.open, thread.closed = False, self.now()
        thread.events.append(self._event("closed", who))

    def _event(self, kind: str, who: Account, commit: str | None = None) -> Event:
        return Event(next(numbers), kind, who, self.now(), commit)

    def _look(self, repository: Repository, deleter: Account | None = None) -> None:
        """What Git has become shows at the pull requests."""
        refs: dict[Repository, dict[str, Any]] = {}
        for thread in repository.threads.values():
            pull = thread.pull
            if pull is None or any(each.kind == "head_ref_deleted" for each in thread.events):
                continue
            for home in (repository, pull.head_repository):
                if home not in refs:
                    refs[home] = dict(home.git.refs())
            tip = refs[pull.head_repository].get(f"refs/heads/{pull.head}")
            if tip is None:
                who = deleter or repository.owner
                if thread.open:
                    self._closed(thread, who)
                thread.events.append(self._event("head_ref_deleted", who))
            elif thread.open:
                pull.head_sha = tip
                pull.base_sha = refs[repository].get(f"refs/heads/{pull.base}", pull.base_sha)

    def _whole(self, repository: Repository, thread: Thread, pull: Pull) -> Json:
        if not thread.open:
            return self._shapes().whole_pull(repository, thread, None, "unknown")
        at = (pull.head_sha, pull.base_sha)
        if pull.tried != at:  # the first look only starts the trial
            pull.tried = at
            return self._shapes().whole_pull(repository, thread, None, "unknown")
        if pull.head_repository is not repository:
            return self._shapes().whole_pull(repository, thread, True, "clean")
        conflicts = self._conflicts(repository, pull)
        return self._shapes().whole_pull(repository, thread, not conflicts, self._state(repository, pull, conflicts))

    def _state(self, repository: Repository, pull: Pull, conflicts: bool) -> str:
        rules = repository.rules
        if conflicts:
            return "dirty"
        if pull.draft:
            return "draft"
        if len(pull.approvals) < rules.approvals or self._unmet(repository, pull):
            return "blocked"
        if rules.strict and not self._contains(repository, pull.head_sha, pull.base_sha):
            return "behind"
        states = {row.state for row in self._latest(repository, pull.head_sha)}
        return "unstable" if states - {"success"} else "clean"

    def _unmet(self, repository: Repository, pull: Pull) -> list[str]:
        wanted = list(repository.rules.checks)
        for prefix, rule in repository.rules.rulesets:
            if pull.base.startswith(prefix) and rule["type"] == "required_status_checks":
                wanted += [each["context"] for each in rule["parameters"]["required_status_checks"]]
        green = {row.context for row in self._latest(repository, pull.head_sha) if row.state == "success"}
        return [check for check in wanted if check not in green]

    def _known(self, repository: Repository, sha: str, status: int) -> str:
        try:
            repository.git.git("cat-file", "-e", f"{sha}^{{commit}}")
        except subprocess.CalledProcessError:
            raise Refusal(status, f"No commit found for SHA: {sha}") from None
        return sha

    def _contains(self, repository: Repository, whole: str, part: str) -> bool:
        return part in repository.git.log(whole)

    def _commit(self, repository: Repository, sha: str) -> Json:
        text = repository.git.git("cat-file", "commit", sha).decode()
        header, _, message = text.partition("\n\n")
        tree = re.findall(r"^tree (\S+)", header, re.MULTILINE)[0]
        parents = re.findall(r"^parent (\S+)", header, re.MULTILINE)
        return self._shapes().git_commit(repository, sha, parents, tree, message)

    def _conflicts(self, repository: Repository, pull: Pull) -> bool:
        try:
            repository.git.git("merge-tree", "--write-tree", pull.base_sha, pull.head_sha)
        except subprocess.CalledProcessError as error:
            if error.returncode != 1:
                raise
            return True
        return False

    def _merged(self, repository: Repository, pull: Pull, method: str, who: Account, body: Mapping[str, Any]) -> str:
        """The new tip of the base."""
        base, head = pull.base_sha, pull.head_sha
        if method == "rebase":
            return self._rebased(repository, base, head)
        tree = repository.git.git("merge-tree", "--write-tree", base, head).decode().split()[0]
        title = body.get("commit_title", f"Merge pull request from {pull.head}")
        message = f"{title}\n\n{body.get('commit_message', '')}".strip() + "\n"
        parents = ("-p", base) if method == "squash" else ("-p", base, "-p", head)
        identity = ("-c", f"user.name={who.login}", "-c", f"user.email={who.login}@example.invalid")
        made = repository.git.git(*identity, "commit-tree", tree, *parents, stdin=message.encode())
        return made.decode().strip()

    def _rebased(self, repository: Repository, base: str, head: str) -> str:
        folder = Path(tempfile.mkdtemp(dir=self.root))
        identity = ("-c", "user.name=GitHub", "-c", "user.email=noreply@example.invalid")

        def git(*arguments: str) -> str:
            done = subprocess.run(
                ["git", *identity, *arguments], cwd=folder, env=environment(folder), capture_output=True, check=True
            )
            return done.stdout.decode().strip()

        try:
            git("clone", "-q", "--no-checkout", str(repository.git.path), "work")
            git("-C", "work", "checkout", "-q", "--detach", head)
            git("-C", "work", "rebase", "-q", "--force-rebase", base)
            git("-C", "work", "push", "-q", "origin", "HEAD:refs/scratch/rebased")
            made = git("-C", "work", "rev-parse", "HEAD")
        finally:
            shutil.rmtree(folder)
        repository.git.set_ref("refs/scratch/rebased", None)
        return made

    def _paged(self, asked: Asked, rows: Sequence[Json]) -> Page:
        size, page = min(100, int(asked.query.get("per_page", "30"))), int(asked.query.get("page", "1"))
        start = size * (page - 1)
        return Page(list(itertools.islice(rows, start, start + size)), len(rows) > start + size)


def _custom(resource: str, message: str) -> dict[str, str]:
    return {"resource": resource, "code": "custom", "message": message}


def _sized(resource: str, body: Mapping[str, Any]) -> None:
    for name, most in (("title", 256), ("body", 65_536)):
        if len(body.get(name) or "") > most:
            message = f"{name} is too long (maximum is {most} characters)"
            raise Refusal(422, "Validation Failed", _custom(resource, message))
