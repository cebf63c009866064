"""What the fake GitHub says about things, in the shapes of GitHub's published description. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from tests.github.state import Account, Comment, Event, Repository, StatusRow, Thread

__all__ = ["Shapes"]

Json = dict[str, Any]

_USER_URLS = {
    "followers_url": "followers",
    "following_url": "following{/other_user}",
    "gists_url": "gists{/gist_id}",
    "starred_url": "starred{/owner}{/repo}",
    "subscriptions_url": "subscriptions",
    "organizations_url": "orgs",
    "repos_url": "repos",
    "events_url": "events{/privacy}",
    "received_events_url": "received_events",
}
_REPOSITORY_URLS = {
    "archive_url": "{archive_format}{/ref}",
    "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}",
    "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}",
    "contributors_url": "contributors",
    "deployments_url": "deployments",
    "downloads_url": "downloads",
    "events_url": "events",
    "forks_url": "forks",
    "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}",
    "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}",
    "labels_url": "labels{/name}",
    "languages_url": "languages",
    "merges_url": "merges",
    "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}",
    "stargazers_url": "stargazers",
    "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers",
    "subscription_url": "subscription",
    "tags_url": "tags",
    "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}


class Shapes:
    """Everything that has an URL needs to know the server's own: `api` and `web`, without a final slash."""

    def __init__(self, web: str, api: str) -> None:
        self._web, self._api = web, api

    def user(self, account: Account) -> Json:
        url = f"{self._api}/users/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": node("U", account.id),
            "avatar_url": f"{self._web}/avatars/{account.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self._web}/{account.login}",
            **{name: f"{url}/{end}" for name, end in _USER_URLS.items()},
            "type": account.kind,
            "site_admin": False,
        }

    def me(self, account: Account) -> Json:
        nothing = dict.fromkeys(("name", "company", "location", "email", "hireable", "bio", "twitter_username"))
        counts = ("public_repos", "public_gists", "followers", "following")
        return {
            **self.user(account),
            **nothing,
            **dict.fromkeys(counts, 0),
            "blog": "",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
        }

    def small_repository(self, repository: Repository) -> Json:
        """What stands in other answers."""
        url = f"{self._api}/repos/{repository.full_name}"
        return {
            "id": repository.id,
            "node_id": node("R", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "owner": self.user(repository.owner),
            "private": True,
            "html_url": f"{self._web}/{repository.full_name}",
            "description": None,
            "fork": repository.fork,
            "url": url,
            **{name: f"{url}/{end}" for name, end in _REPOSITORY_URLS.items()},
        }

    def repository(self, repository: Repository, *, whole: bool, who: Account | None = None) -> Json:
        """As a part of a pull request, or (`whole`) by itself; `who` may do something with it."""
        web = f"{self._web}/{repository.full_name}"
        found = {
            **self.small_repository(repository),
            "clone_url": f"{web}.git",
            "git_url": f"git:{web.partition(':')[2]}.git",
            "ssh_url": f"git@127.0.0.1:{repository.full_name}.git",
            "svn_url": web,
            "mirror_url": None,
            "homepage": None,
            "language": None,
            "forks_count": 0,
            "stargazers_count": 0,
            "watchers_count": 0,
            "size": 1,
            "default_branch": "main",
            "open_issues_count": 0,
            "is_template": False,
            "topics": [],
            "has_issues": True,
            "has_projects": False,
            "has_wiki": False,
            "has_pages": False,
            "has_downloads": False,
            "has_discussions": False,
            "archived": repository.archived,
            "disabled": False,
            "visibility": "private",
            "pushed_at": "2026-01-01T00:00:00Z",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "license": None,
            "forks": 0,
            "open_issues": 0,
            "watchers": 0,
        }
        if whole:
            found |= {"network_count": 0, "subscribers_count": 0}
        if who is not None:
            writes = who.login in repository.writers and who.kind == "User"  # of apps it says that they may nothing
            found["permissions"] = {
                "admin": who == repository.owner,
                "maintain": who == repository.owner,
                "push": writes,
                "triage": writes,
                "pull": who.kind == "User",
            }
            if writes:  # others are not told
                found |= {f"allow_{name}": name in repository.methods for name in _METHODS}
                found["delete_branch_on_merge"] = repository.delete_branch_on_merge
        return found

    def label(self, repository: Repository, name: str) -> Json:
        number = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16)
        return {
            "id": number,
            "node_id": node("LA", number),
            "url": f"{self._api}/repos/{repository.full_name}/labels/{name}",
            "name": name,
            "color": "ededed",
            "default": False,
            "description": "",
        }

    def pull(self, repository: Repository, thread: Thread) -> Json:
        """As a list has it."""
        pull = thread.pull
        assert pull is not None
        url = f"{self._api}/repos/{repository.full_name}"
        web = f"{self._web}/{repository.full_name}/pull/{thread.number}"
        links = {
            "self": f"{url}/pulls/{thread.number}",
            "html": web,
            "issue": f"{url}/issues/{thread.number}",
            "comments": f"{url}/issues/{thread.number}/comments",
            "review_comments": f"{url}/pulls/{thread.number}/comments",
            "review_comment": f"{url}/pulls/comments{{/number}}",
            "commits": f"{url}/pulls/{thread.number}/commits",
            "statuses": f"{url}/statuses/{pull.head_sha}",
        }
        home = pull.head_repository
        return {
            "url": links["self"],
            "id": thread.id,
            "node_id": node("PR", thread.id),
            "html_url": web,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            "issue_url": links["issue"],
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "number": thread.number,
            "state": "open" if thread.open else "closed",
            "locked": False,
            "title": thread.title,
            "user": self.user(thread.author),
            "body": thread.body or None,
            "labels": [self.label(repository, name) for name in thread.labels],
            "milestone": None,
            "active_lock_reason": None,
            "created_at": thread.created,
            "updated_at": thread.updated,
            "closed_at": thread.closed,
            "merged_at": pull.merged_at,
            # before the merge it is a commit on which GitHub has tried it out
            "merge_commit_sha": pull.merge_sha or None,
            "assignee": next(iter(self._users(thread.assignees)), None),
            "assignees": self._users(thread.assignees),
            "requested_reviewers": self._users(pull.reviewers),
            "requested_teams": [self.team(repository, slug) for slug in pull.teams],
            "head": {
                "label": f"{home.owner.login}:{pull.head}",
                "ref": pull.head,
                "sha": pull.head_sha,
                "user": self.user(home.owner),
                "repo": self.repository(home, whole=False),
            },
            "base": {
                "label": f"{repository.owner.login}:{pull.base}",
                "ref": pull.base,
                "sha": pull.base_sha,
                "user": self.user(repository.owner),
                "repo": self.repository(repository, whole=False),
            },
            "_links": {name: {"href": where} for name, where in links.items()},
            "author_association": "COLLABORATOR",
            "auto_merge": None,
            "draft": pull.draft,
        }

    def whole_pull(self, repository: Repository, thread: Thread, mergeable: bool | None, state: str) -> Json:
        """By itself."""
        pull = thread.pull
        assert pull is not None
        found = self.pull(repository, thread)
        return {
            **found,
            "requested_teams": [_without(team, "permissions", "parent") for team in found["requested_teams"]],
            "merged": pull.merged_at is not None,
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": state,
            "merged_by": None if pull.merged_by is None else self.user(pull.merged_by),
            "comments": len(thread.comments),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": 1,
            "additions": 1,
            "deletions": 1,
            "changed_files": 1,
        }

    def team(self, repository: Repository, slug: str) -> Json:
        number = int(hashlib.sha256(slug.encode()).hexdigest()[:8], 16)
        url = f"{self._api}/organizations/{repository.owner.id}/team/{number}"
        return {
            "id": number,
            "node_id": node("T", number),
            "name": slug.title(),
            "slug": slug,
            "description": None,
            "privacy": "closed",
            "notification_setting": "notifications_enabled",
            "permission": "push",
            "url": url,
            "html_url": f"{self._web}/orgs/{repository.owner.login}/teams/{slug}",
            "members_url": f"{url}/members{{/member}}",
            "repositories_url": f"{url}/repos",
            "type": "organization",
            "organization_id": repository.owner.id,
            "parent": None,
        }

    def issue(self, repository: Repository, thread: Thread) -> Json:
        url = f"{self._api}/repos/{repository.full_name}/issues/{thread.number}"
        kind = "issues" if thread.pull is None else "pull"
        web = f"{self._web}/{repository.full_name}/{kind}/{thread.number}"
        found = {
            "id": thread.id,
            "node_id": node("I", thread.id),
            "url": url,
            "repository_url": f"{self._api}/repos/{repository.full_name}",
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": web,
            "number": thread.number,
            "state": "open" if thread.open else "closed",
            "state_reason": None if thread.open else "completed",
            "title": thread.title,
            "body": thread.body or None,
            "user": self.user(thread.author),
            "labels": [self.label(repository, name) for name in thread.labels],
            "assignee": next(iter(self._users(thread.assignees)), None),
            "assignees": self._users(thread.assignees),
            "milestone": None,
            "locked": False,
            "active_lock_reason": None,
            "comments": len(thread.comments),
            "closed_at": thread.closed,
            "created_at": thread.created,
            "updated_at": thread.updated,
            "author_association": "COLLABORATOR",
        }
        if thread.pull is not None:
            pull_url = f"{self._api}/repos/{repository.full_name}/pulls/{thread.number}"
            found["pull_request"] = {
                "url": pull_url,
                "html_url": web,
                "diff_url": f"{web}.diff",
                "patch_url": f"{web}.patch",
                "merged_at": thread.pull.merged_at,
            }
        return found

    def comment(self, repository: Repository, thread: Thread, comment: Comment) -> Json:
        url = f"{self._api}/repos/{repository.full_name}/issues"
        return {
            "id": comment.id,
            "node_id": node("IC", comment.id),
            "url": f"{url}/comments/{comment.id}",
            "html_url": f"{self._web}/{repository.full_name}/pull/{thread.number}#issuecomment-{comment.id}",
            "issue_url": f"{url}/{thread.number}",
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": comment.created,
            "updated_at": comment.updated,
            "author_association": "COLLABORATOR",
        }

    def commit_comment(self, repository: Repository, sha: str, comment: Comment) -> Json:
        web = f"{self._web}/{repository.full_name}/commit/{sha}"
        return {
            "id": comment.id,
            "node_id": node("CC", comment.id),
            "url": f"{self._api}/repos/{repository.full_name}/comments/{comment.id}",
            "html_url": f"{web}#commitcomment-{comment.id}",
            "user": self.user(comment.author),
            "position": None,
            "line": None,
            "path": None,
            "commit_id": sha,
            "body": comment.body,
            "created_at": comment.created,
            "updated_at": comment.updated,
            "author_association": "COLLABORATOR",
        }

    def event(self, repository: Repository, event: Event) -> Json:
        url = f"{self._api}/repos/{repository.full_name}"
        more = {"rename": {"from": "", "to": event.title}} if event.title else {}
        return {
            **more,
            "id": event.id,
            "node_id": node("E", event.id),
            "url": f"{url}/issues/events/{event.id}",
            "actor": self.user(event.actor),
            "event": event.kind,
            "commit_id": event.commit,
            "commit_url": None if event.commit is None else f"{url}/commits/{event.commit}",
            "created_at": event.created,
            "performed_via_github_app": None,
        }

    def status(self, repository: Repository, row: StatusRow, *, combined: bool) -> Json:
        found = {
            "url": f"{self._api}/repos/{repository.full_name}/statuses/{row.sha}",
            "avatar_url": f"{self._web}/avatars/{row.creator.id}",
            "id": row.id,
            "node_id": node("SC", row.id),
            "state": row.state,
            "description": row.description,
            "target_url": row.target_url,
            "context": row.context,
            "created_at": row.created,
            "updated_at": row.created,
        }
        return found if combined else {**found, "creator": self.user(row.creator)}

    def combined(self, repository: Repository, sha: str, rows: Iterable[StatusRow], total: int, state: str) -> Json:
        url = f"{self._api}/repos/{repository.full_name}/commits/{sha}"
        return {
            "state": state,
            "statuses": [self.status(repository, row, combined=True) for row in rows],
            "sha": sha,
            "total_count": total,
            "repository": self.small_repository(repository),
            "commit_url": url,
            "url": f"{url}/status",
        }

    def ref(self, repository: Repository, ref: str, sha: str) -> Json:
        url = f"{self._api}/repos/{repository.full_name}/git"
        return {
            "ref": ref,
            "node_id": node("REF", repository.id),
            "url": f"{url}/{ref}",
            "object": {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"},
        }

    def git_commit(self, repository: Repository, sha: str, parents: Iterable[str], tree: str, message: str) -> Json:
        url = f"{self._api}/repos/{repository.full_name}/git"
        somebody = {"name": "Ada", "email": "ada@example.invalid", "date": "2026-01-01T00:00:00Z"}
        return {
            "sha": sha,
            "node_id": node("C", repository.id),
            "url": f"{url}/commits/{sha}",
            "html_url": f"{self._web}/{repository.full_name}/commit/{sha}",
            "author": somebody,
            "committer": somebody,
            "message": message,
            "tree": {"sha": tree, "url": f"{url}/trees/{tree}"},
            "parents": [
                {
                    "sha": each,
                    "url": f"{url}/commits/{each}",
                    "html_url": f"{self._web}/{repository.full_name}/commit/{each}",
                }
                for each in parents
            ],
            "verification": {
                "verified": False,
                "reason": "unsigned",
                "signature": None,
                "payload": None,
                "verified_at": None,
            },
        }

    def branch(self, repository: Repository, name: str, commit: Json) -> Json:
        url = f"{self._api}/repos/{repository.full_name}"
        sha = commit["sha"]
        checks = list(repository.rules.checks) if name == "main" else []
        on = bool(checks)
        return {
            "name": name,
            "commit": {
                "sha": sha,
                "node_id": commit["node_id"],
                "url": f"{url}/commits/{sha}",
                "html_url": f"{self._web}/{repository.full_name}/commit/{sha}",
                "comments_url": f"{url}/commits/{sha}/comments",
                "commit": {
                    "url": commit["url"],
                    "author": commit["author"],
                    "committer": commit["committer"],
                    "message": commit["message"],
                    "comment_count": 0,
                    "tree": commit["tree"],
                },
                "author": None,
                "committer": None,
                "parents": commit["parents"],
            },
            "_links": {"self": f"{url}/branches/{name}", "html": f"{self._web}/{repository.full_name}/tree/{name}"},
            "protected": on,
            "protection": {
                "enabled": on,
                "required_status_checks": {
                    "enforcement_level": "non_admins" if on else "off",
                    "contexts": checks,
                    "checks": [{"context": each, "app_id": None} for each in checks],
                },
            },
            "protection_url": f"{url}/branches/{name}/protection",
        }

    def installation(self, account: Account, *, app: int, slug: str, installation: int, permissions: Json) -> Json:
        return {
            "id": installation,
            "account": self.user(account),
            "repository_selection": "selected",
            "access_tokens_url": f"{self._api}/app/installations/{installation}/access_tokens",
            "repositories_url": f"{self._api}/installation/repositories",
            "html_url": f"{self._web}/settings/installations/{installation}",
            "app_id": app,
            "app_slug": slug,
            "target_id": account.id,
            "target_type": "User",
            "permissions": permissions,
            "events": [],
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "single_file_name": None,
            "suspended_by": None,
            "suspended_at": None,
        }

    def app(self, owner: Account, *, app: int, slug: str) -> Json:
        return {
            "id": app,
            "slug": slug,
            "node_id": node("A", app),
            "owner": self.user(owner),
            "name": slug.title(),
            "description": None,
            "external_url": self._web,
            "html_url": f"{self._web}/apps/{slug}",
            "created_at": "2026-01-01T00:00:00Z",
            "updated_at": "2026-01-01T00:00:00Z",
            "permissions": {"contents": "write", "metadata": "read"},
            "events": [],
        }

    def _users(self, accounts: Iterable[Account]) -> list[Json]:
        return [self.user(each) for each in accounts]


_METHODS = ("merge_commit", "squash_merge", "rebase_merge")


def node(kind: str, number: int) -> str:
    """An id for GraphQL."""
    return f"{kind}_{number}"


def _without(row: Mapping[str, Any], *names: str) -> Json:
    return {name: value for name, value in row.items() if name not in names}
