"""One project of the fake GitLab: its merge requests, notes, statuses and events on a real bare repository.

Called by `tests.gitlab_server`, which speaks HTTP and holds every request and answer against GitLab's description. The
rules here are GitLab's as its documentation and its source have them: what a status may go over to, that a branch's
going closes its merge requests, that a merge is tried out only when somebody looks, and what it answers when not.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gitslo.testing.bare_repository import BareRepository

__all__ = ["Merge", "Problem", "Project", "User"]

DEVELOPER, MAINTAINER = 30, 40
TITLE = 255
_ACTIONS = re.compile(r"^[ \t]*/(?P<name>close|merge|draft|approve|assign_reviewer|label)\b[^\n]*\n?", re.MULTILINE)
_DRAFT = re.compile(r"\A(\[draft\]|\(draft\)|draft:)\s*", re.IGNORECASE)


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: object) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message = status, message


@dataclass(frozen=True)
class User:
    """Somebody with an account; `level`: the role in every project of the server."""

    id: int
    name: str
    level: int


@dataclass
class Merge:
    """One merge request.

    Attributes:
        hold: a word of `detailed_merge_status` that somebody outside says, e.g. `not_approved`.
        tried: the head and the base with which the merge was tried out.
    """

    iid: int
    author: User
    source: str
    target: str
    title: str
    description: str
    created: str
    source_project: int
    state: str = "opened"
    labels: list[str] = field(default_factory=list)
    assignees: list[User] = field(default_factory=list)
    reviewers: list[User] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[User, str, str]] = field(default_factory=list)
    head: str = ""
    closed: tuple[User, str] | None = None
    merged: tuple[User, str] | None = None
    merge_commit: str | None = None
    squash_commit: str | None = None
    queued: Mapping[str, Any] | None = None
    squash: bool = False
    hold: str = ""
    tried: tuple[str, str] | None = None


class Project:
    """See the module.

    Args:
        number: its id.
        path: its full path, e.g. `acme/platform/shop`.
        repository: where its commits are.
        users: everybody.
    """

    def __init__(self, number: int, path: str, repository: BareRepository, users: Mapping[str, User]) -> None:
        self.id, self.path, self.repository, self.users = number, path, repository, users
        self.settings: dict[str, Any] = {
            "merge_method": "merge",
            "squash_option": "default_off",
            "merge_trains_enabled": False,
            "automatic_rebase_enabled": False,
            "archived": False,
            "merge_requests_enabled": True,
            "issues_enabled": True,
        }
        self.protected = {"main": {"push": MAINTAINER, "merge": DEVELOPER, "people": frozenset[int]()}}
        self.forgets_closers = False
        self.merges: dict[int, Merge] = {}
        self.statuses: list[dict[str, Any]] = []
        self.threads: dict[str, list[dict[str, Any]]] = {}
        self.pushes: list[dict[str, Any]] = []
        self.issues: dict[int, dict[str, Any]] = {}
        self._branches: dict[str, str] = {}
        self._last = 0

    # ----------------------------------------------------------------- git

    def next(self) -> int:
        """A number that nothing has yet."""
        self._last += 1
        return self._last

    def git(self, *arguments: str) -> str:
        """Git in the repository; an error is an exception."""
        return (
            self.repository.git("-c", "user.name=GitLab", "-c", "user.email=gitlab@localhost", *arguments)
            .decode()
            .strip()
        )

    def branches(self) -> dict[str, str]:
        """Every branch and its tip."""
        prefix = "refs/heads/"
        return {
            name.removeprefix(prefix): tip for name, tip in self.repository.refs().items() if name.startswith(prefix)
        }

    def catch_up(self, who: User) -> None:
        """See what was pushed since, as GitLab does after every push; `who` is taken for the one who did."""
        now, before = self.branches(), self._branches
        for name in sorted(now.keys() | before.keys()):
            old, new = before.get(name), now.get(name)
            if old == new:
                continue
            action = "removed" if new is None else "created" if old is None else "pushed"
            self.pushes.append({"who": who, "action": action, "ref": name, "from": old, "to": new, "at": moment()})
            for merge in self._opened(name):
                if new is None:
                    self._closed(merge, who)
                else:
                    merge.head, merge.queued = new, None
        self._branches = now

    def remove_branch(self, name: str, who: str) -> None:
        """Somebody deletes a branch."""
        self.repository.set_ref(f"refs/heads/{name}", None)
        self.catch_up(self.users[who])

    def _opened(self, source: str) -> Iterator[Merge]:
        yield from (m for m in self.merges.values() if m.state == "opened" and m.source == source and self._ours(m))

    def _ours(self, merge: Merge) -> bool:
        return merge.source_project == self.id

    # ----------------------------------------------------------------- rights

    def may(self, user: User, what: str, branch: str) -> bool:
        """Whether somebody may `push` to, or `merge` into, a branch."""
        rule = self.protected.get(branch)
        if rule is None:
            return user.level >= DEVELOPER
        people = rule["people"]
        assert isinstance(people, frozenset)
        needed = rule[what]
        assert isinstance(needed, int)
        return user.id in people or 0 < needed <= user.level

    def need(self, user: User, level: int = DEVELOPER) -> None:
        if user.level < level or self.settings["archived"]:
            raise Problem(403, "403 Forbidden")

    # ----------------------------------------------------------------- merge requests

    def create(self, user: User, wanted: Mapping[str, Any]) -> Merge:
        self.need(user)
        source, target, branches = wanted["source_branch"], wanted["target_branch"], self.branches()
        if source not in branches:
            raise Problem(400, [f'Source branch "{source}" does not exist'])
        if target not in branches:
            raise Problem(400, [f'Target branch "{target}" does not exist'])
        for other in self._opened(source):
            if other.target == target:
                message = f"Another open merge request already exists for this source branch: !{other.iid}"
                raise Problem(409, [message])
        merge = Merge(len(self.merges) + 1, user, source, target, "", "", moment(), self.id, head=branches[source])
        merge.squash = self.settings["squash_option"] in ("always", "default_on")
        self._set(merge, user, {**wanted, "target_branch": target})
        self.merges[merge.iid] = merge
        return merge

    def from_fork(self, user: User, source: str) -> Merge:
        """Somebody opens one from a fork, whose branch has a name of ours."""
        merge = Merge(
            len(self.merges) + 1, user, source, "main", "Promote", "", moment(), self.id + 1000, head="f" * 40
        )
        self.merges[merge.iid] = merge
        return merge

    def update(self, user: User, merge: Merge, wanted: Mapping[str, Any]) -> None:
        self.need(user)
        event = wanted.get("state_event")
        if event == "close" and merge.state == "opened":
            self._closed(merge, user)
        if event == "reopen" and merge.state == "closed":
            if any(True for _ in self._opened(merge.source)):
                raise Problem(409, ["Another open merge request already exists for this source branch"])
            merge.state, merge.closed = "opened", None
            merge.events.append((user, "reopened", moment()))
        self._set(merge, user, wanted)

    def _set(self, merge: Merge, user: User, wanted: Mapping[str, Any]) -> None:
        title = wanted.get("title", merge.title)
        if len(title) > TITLE:
            raise Problem(400, {"title": ["is too long (maximum is 255 characters)"]})
        if merge.title and merge.title != title:
            self._note(merge, user, f"changed title from **{merge.title}** to **{title}**", system=True)
        merge.title = title
        merge.target = wanted.get("target_branch", merge.target)
        merge.squash = wanted.get("squash", merge.squash)
        if "description" in wanted:
            merge.description = self._obeyed(merge, user, wanted["description"] or "")
        if "labels" in wanted:
            merge.labels = list(dict.fromkeys(wanted["labels"]))
        merge.labels += [each for each in wanted.get("add_labels", ()) if each not in merge.labels]
        by_id = {each.id: each for each in self.users.values()}
        if "assignee_ids" in wanted:
            merge.assignees = [by_id[each] for each in wanted["assignee_ids"] if each in by_id]
        if "reviewer_ids" in wanted:
            merge.reviewers = [by_id[each] for each in wanted["reviewer_ids"] if each in by_id]

    def _obeyed(self, merge: Merge, user: User, text: str) -> str:
        """Quick actions are carried out, and taken out of the text."""
        for action in _ACTIONS.finditer(text):
            if action["name"] == "close":
                self._closed(merge, user)
            if action["name"] == "draft":
                merge.title = f"Draft: {merge.title}"
        return _ACTIONS.sub("", text)

    def _closed(self, merge: Merge, user: User) -> None:
        merge.state, merge.closed, merge.queued = "closed", (user, moment()), None
        merge.events.append((user, "closed", moment()))
        self._note(merge, user, "closed", system=True)

    def is_draft(self, merge: Merge) -> bool:
        return _DRAFT.match(merge.title) is not None

    def standing(self, merge: Merge, *, look: bool) -> str:
        """`detailed_merge_status`; `look`: whether somebody asks for this one, so that it is tried out for the next."""
        if merge.state != "opened":
            return "not_open"
        base = self.branches().get(merge.target, "")
        tried, now = merge.tried, (merge.head, base)
        if look:
            merge.tried = now
        if self.is_draft(merge):
            return "draft_status"
        if tried != now:
            return "checking"
        return self._hindrance(merge, base)

    def _hindrance(self, merge: Merge, base: str) -> str:
        if merge.hold:
            return merge.hold
        if merge.source not in self.branches():
            return "commits_status"
        if self._tree(base, merge.head) is None:
            return "conflict"
        straight = self.git("merge-base", base, merge.head) == base
        if self.settings["merge_method"] != "merge" and not straight and not self.settings["automatic_rebase_enabled"]:
            return "need_rebase"
        return "mergeable"

    def _tree(self, base: str, head: str) -> str | None:
        """The tree of both together; None where they do not go together."""
        try:
            return self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except subprocess.CalledProcessError:
            return None

    # ----------------------------------------------------------------- merging

    def merge(self, user: User, merge: Merge, wanted: Mapping[str, Any]) -> None:
        if not self.may(user, "merge", merge.target):
            raise Problem(401, "401 Unauthorized")
        base = self.branches()[merge.target]
        why = "draft_status" if self.is_draft(merge) else self._hindrance(merge, base)
        if merge.state != "opened" or why not in ("mergeable", "conflict", "need_rebase"):
            raise Problem(405, "405 Method Not Allowed")
        if why != "mergeable":
            raise Problem(422, "Branch cannot be merged")
        if wanted.get("sha", merge.head) != merge.head:
            raise Problem(409, f"SHA does not match HEAD of source branch: {merge.head}")
        option = self.settings["squash_option"]
        if wanted.get("squash") and option == "never":
            raise Problem(422, "Squashing is not allowed in this project")
        merge.squash = merge.squash or bool(wanted.get("squash"))
        if wanted.get("auto_merge") and self.settings["merge_trains_enabled"]:
            merge.queued = {**wanted, "who": user}
            return
        self._carry_out(user, merge, wanted)

    def train_arrives(self) -> None:
        """Those that wait in the merge train are merged."""
        for merge in self.merges.values():
            if merge.queued is not None:
                user, wanted, merge.queued = merge.queued["who"], merge.queued, None
                self._carry_out(user, merge, wanted)

    def _carry_out(self, user: User, merge: Merge, wanted: Mapping[str, Any]) -> None:
        base, head = self.branches()[merge.target], merge.head
        tree = self._tree(base, head)
        assert tree is not None
        start = self.git("merge-base", base, head)
        message = wanted.get("merge_commit_message") or f"Merge branch '{merge.source}' into '{merge.target}'"
        squashed = wanted.get("squash_commit_message") or merge.title
        if self.settings["merge_method"] == "ff" and start != base:  # its automatic rebase
            head = merge.head = self._commit(tree, self.git("log", "-1", "--format=%B", head), base)
            start = base
        alone = self.git("rev-list", "--count", f"{start}..{head}") == "1"
        squash = self.settings["squash_option"] == "always" or merge.squash
        if squash and not (alone and self.git("log", "-1", "--format=%B", head).strip() == squashed.strip()):
            head = merge.squash_commit = self._commit(f"{head}^{{tree}}", squashed, start)
        if self.settings["merge_method"] != "ff":
            head = merge.merge_commit = self._commit(tree, message, base, head)
        self.git("update-ref", f"refs/heads/{merge.target}", head, base)
        merge.state, merge.merged = "merged", (user, moment())
        merge.events.append((user, "merged", moment()))
        if wanted.get("should_remove_source_branch"):
            self.repository.set_ref(f"refs/heads/{merge.source}", None)

    def _commit(self, tree: str, message: str, *parents: str) -> str:
        return self.git("commit-tree", tree, *(word for each in parents for word in ("-p", each)), "-m", message)

    # ----------------------------------------------------------------- notes and statuses

    def note(self, user: User, merge: Merge, body: str) -> dict[str, Any]:
        return self._note(merge, user, self._obeyed(merge, user, body), system=False)

    def _note(self, merge: Merge, user: User, body: str, *, system: bool) -> dict[str, Any]:
        made = {"id": self.next(), "user": user, "body": body, "system": system, "at": moment()}
        merge.notes.append(made)
        return made

    def threads_of(self, sha: str) -> list[dict[str, Any]]:
        """The notes on a commit; each is a thread of its own, called by the digits of its number."""
        if not self._has(sha):
            raise Problem(404, "404 Commit Not Found")
        return self.threads.setdefault(sha, [])

    def note_on_commit(self, user: User, sha: str, body: str) -> dict[str, Any]:
        """Whoever sees the project may; quick actions are carried out here, too, and taken out of the text."""
        made = {
            "id": self.next(),
            "user": user,
            "body": _ACTIONS.sub("", body),
            "system": False,
            "at": moment(),
            "sha": sha,
        }
        self.threads_of(sha).append(made)
        return made

    def set_status(self, user: User, sha: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """A commit status, as `Ci::CreateCommitStatusService` has it."""
        self.need(user)
        if not self._has(sha):
            raise Problem(404, "404 Commit Not Found")
        known = next((row["ref"] for row in reversed(self.statuses) if row["sha"] == sha), None)
        holders = self.git("for-each-ref", "--contains", sha, "--format=%(refname:lstrip=2)", "refs/heads").split()
        ref = wanted.get("ref") or known or (holders[0] if holders else None)
        if ref is None:
            raise Problem(404, "404 References for commit Not Found")
        if not (self.may(user, "merge", ref) or self.may(user, "push", ref)):
            raise Problem(403, "403 Forbidden")
        name, state = wanted.get("name") or wanted.get("context") or "default", wanted["state"]
        same = [row for row in self.statuses if (row["sha"], row["ref"], row["name"]) == (sha, ref, name)]
        active = next((r for r in same if r["status"] in ("pending", "running") and r["user"] == user), None)
        before = "created" if active is None else active["status"]
        if (state, before) in (("pending", "pending"), ("pending", "running"), ("running", "running")):
            event = "enqueue" if state == "pending" else "run"
            reason = f'Status cannot transition via "{event}"'
            raise Problem(400, f"Cannot transition status via :{event} from :{before} (Reason(s): {reason})")
        row = active
        if row is None:
            for other in same:
                other["retried"] = True
            row = {
                "id": self.next(),
                "sha": sha,
                "ref": ref,
                "name": name,
                "user": user,
                "at": moment(),
                "retried": False,
            }
            self.statuses.append(row)
        shown = {key: wanted.get(key) or None for key in ("description", "target_url")}
        row.update(status=state, **shown)
        return row

    def _has(self, sha: str) -> bool:
        try:
            return self.git("cat-file", "-t", sha) == "commit"
        except subprocess.CalledProcessError:
            return False

    def statuses_of(self, sha: str, *, past: bool) -> list[dict[str, Any]]:
        if not self._has(sha):
            raise Problem(404, "404 Commit Not Found")
        return [row for row in self.statuses if row["sha"] == sha and (past or not row["retried"])]


def moment() -> str:
    """Now, as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
