"""What the fake GitHub knows: accounts, repositories with their rules, and threads (issues and pull requests)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from gitslo.testing.bare_repository import BareRepository

__all__ = ["Account", "Comment", "Event", "Pull", "Repository", "Rules", "StatusRow", "Thread", "numbers"]

numbers = itertools.count(1000)
"""Ids of everything that has one."""


@dataclass(frozen=True)
class Account:
    """A person, or (`Bot`) an app."""

    login: str
    id: int
    kind: str = "User"


@dataclass
class Comment:
    id: int
    author: Account
    body: str
    created: str
    updated: str


@dataclass(frozen=True)
class Event:
    """`title`: the new one, where it is `renamed`."""

    id: int
    kind: str
    actor: Account
    created: str
    commit: str | None = None
    title: str = ""


@dataclass
class Pull:
    """What makes a pull request of a thread.

    Attributes:
        tried: (head, base) that was tried out already: whether it merges is not known at the first look.
        approvals: who has approved.
    """

    head: str
    base: str
    head_repository: Repository
    head_sha: str
    base_sha: str
    draft: bool = False
    merge_sha: str = ""
    merged_at: str | None = None
    merged_by: Account | None = None
    reviewers: list[Account] = field(default_factory=list)
    teams: list[str] = field(default_factory=list)
    approvals: set[str] = field(default_factory=set)
    tried: tuple[str, str] = ("", "")


@dataclass
class Thread:
    number: int
    id: int
    author: Account
    title: str
    body: str
    created: str
    updated: str
    open: bool = True
    closed: str | None = None
    labels: list[str] = field(default_factory=list)
    assignees: list[Account] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    pull: Pull | None = None


@dataclass(frozen=True)
class StatusRow:
    id: int
    sha: str
    context: str
    state: str
    description: str | None
    target_url: str | None
    creator: Account
    created: str


@dataclass
class Rules:
    """What main asks for.

    Attributes:
        checks: statuses that classic branch protection asks for.
        rulesets: the rules of rulesets, as the API says them, by what branches' names begin with.
        approvals, strict, queue: what stands in them, or in a classic protection that only admins may read.
        bypass: logins that none of it holds for.
    """

    checks: tuple[str, ...] = ()
    approvals: int = 0
    strict: bool = False
    queue: bool = False
    bypass: frozenset[str] = frozenset()
    rulesets: tuple[tuple[str, dict[str, Any]], ...] = ()


@dataclass(eq=False)
class Repository:
    """`methods`: of `merge_commit`, `squash_merge` and `rebase_merge`."""

    id: int
    owner: Account
    name: str
    git: BareRepository
    writers: set[str]
    fork: bool = False
    archived: bool = False
    delete_branch_on_merge: bool = False
    methods: tuple[str, ...] = ("merge_commit", "squash_merge", "rebase_merge")
    rules: Rules = field(default_factory=Rules)
    threads: dict[int, Thread] = field(default_factory=dict)
    statuses: dict[str, list[StatusRow]] = field(default_factory=dict)
    commit_comments: dict[str, list[Comment]] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        return f"{self.owner.login}/{self.name}"
