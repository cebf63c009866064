"""Who we are on GitLab, what the project lets us do, and how merge requests can be merged there at all.

Called by `gitlab`. Must stay true: what cannot work is said before it is tried, in words that say what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitslo.adapters.forges.answers import Record, items, record
from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.errors import Problem, Refused
from gitslo.forge_settings import ForgeSettings, MergeMethod

__all__ = ["GitlabRights", "allowed", "people"]

DEVELOPER: Final = 30
MAINTAINER: Final = 40
"""Access levels, as the API numbers roles."""


class GitlabRights:
    """One account in one project; `path` is the project's below the API's base."""

    def __init__(self, http: ForgeHttp, path: str, settings: ForgeSettings) -> None:
        self._http, self._path, self._settings = http, path, settings
        self._account: Record | None = None
        self._people: dict[str, int] = {}

    def us(self) -> str:
        """Our account's name."""
        return self._ourselves().text("username")

    def project(self) -> Record:
        """The project as it is now.

        Raises:
            Refused: it is not shown to us.
        """
        reply = self._http.get(self._path, expect=(404,))
        if reply.data is None:
            raise Refused(f"{self._http.name} at {self._http.base} shows {self.us()} no {self._settings.project}")
        return record(reply.data)

    def branch(self, name: str) -> Record | None:
        """A branch; None where there is none."""
        reply = self._http.get(f"{self._path}/repository/branches/{segment(name)}", expect=(404,))
        return None if reply.data is None else record(reply.data)

    def ids(self, setting: str, names: Sequence[str]) -> Iterator[int]:
        """The numbers of people whom a setting names.

        Raises:
            Refused: there is nobody of that name.
        """
        for name in names:
            found = self._person(name)
            if found is None:
                message = f"{self._http.name} at {self._http.base} knows nobody named {name}"
                raise Refused(Problem(message, hint=f"mend `{setting}` in the operator's file"))
            yield found

    def in_order(self, project: Record) -> list[MergeMethod]:
        """The methods, the one that is used first: the operator's, or else the project's usual one."""
        plain = MergeMethod.REBASE if project.text("merge_method") == "ff" else MergeMethod.MERGE
        squashes = project.text("squash_option") in ("always", "default_on")
        usual = [MergeMethod.SQUASH, plain] if squashes else [plain, MergeMethod.SQUASH]
        preferred = [self._settings.method, *usual, *MergeMethod]
        return list(dict.fromkeys(each for each in preferred if each is not None))

    def may_not_merge(self, base: str) -> str:
        """What to say where we may not merge into a branch."""
        return f"{self.us()} may not merge into {base}: allow it under `Allowed to merge` of the protected branch"

    def lacks(self, project: Record) -> Iterator[str]:
        """What is not given to us, and what to do about it; sentences."""
        branch, wishes = self._settings.branch, self._settings
        if project.truth("archived"):
            yield "The project is archived: nothing in it can be changed."
        if project.has("merge_requests_enabled") and not project.truth("merge_requests_enabled"):
            yield "The project has no merge requests: switch them on in its settings."
        if wishes.issues and project.has("issues_enabled") and not project.truth("issues_enabled"):
            yield "The project keeps no issues: switch them on, or say `issues: false`."
        if _level(project) < DEVELOPER:
            yield f"{self.us()} may not write to {wishes.project}: it needs the role Developer there, or Maintainer."
        if wishes.method is not None and wishes.method not in allowed(project):
            yield _METHODS[wishes.method]
        if project.text("merge_method") in ("ff", "rebase_merge") and not project.truth("automatic_rebase_enabled"):
            yield (
                f"The project merges only what is on top of {branch}: what gitslo merges is computed again each time "
                f"that {branch} has moved on; what people merge, they rebase. `Merge commit` as its merge method, or "
                "its automatic rebase, spares that."
            )
        if project.truth("merge_trains_enabled"):
            yield "The project has a merge train: our merges go into it, and GitLab merges when their turn has come."
        yield from self._lacks_of_token()
        yield from self._lacks_of_people()
        yield from self._lacks_of_branch(branch, _level(project))

    def _lacks_of_token(self) -> Iterator[str]:
        reply = self._http.get("/api/v4/personal_access_tokens/self", expect=(400, 401, 403, 404))
        if reply.data is None:
            return
        token = record(reply.data)
        if "api" not in token.texts("scopes"):
            yield "The token lacks the scope `api`: nothing can be written with it."
        if token.text("expires_at"):
            yield f"The token expires on {token.text('expires_at')}: have another one by then."

    def _lacks_of_people(self) -> Iterator[str]:
        wishes = self._settings
        for name in (each for each in wishes.reviewers if "/" in each):
            yield f"{self._http.name} takes no groups as reviewers: {name} is left out; name people instead."
        for name in dict.fromkeys((*wishes.assignees, *people(wishes.reviewers))):
            if self._person(name) is None:
                yield f"{self._http.name} knows nobody named {name}: no merge request is opened before that is mended."

    def _lacks_of_branch(self, branch: str, level: int) -> Iterator[str]:
        base = self.branch(branch)
        if base is None:
            yield f"There is no branch {branch}."
            return
        if not base.truth("protected"):
            return
        if not base.truth("can_push"):
            yield f"{self.us()} may not push to {branch}: `mode: direct` does not work, merge requests do."
        if not self._may_merge(base, branch, level):
            yield (
                f"{self.us()} may not merge into {branch}, nor set statuses on its commits: name it, or its role, "
                "under `Allowed to merge` of the protected branch. Until then merge requests wait for a person, "
                "whatever `merge` says."
            )

    def _may_merge(self, base: Record, branch: str, level: int) -> bool:
        """As far as it can be known: who may merge is shown to those who may look at the settings."""
        if base.truth("can_push") or (base.truth("developers_can_merge") and level >= DEVELOPER):
            return True
        reply = self._http.get(f"{self._path}/protected_branches/{segment(branch)}", expect=(401, 403, 404))
        if reply.data is None:
            return level >= MAINTAINER
        us = self._ourselves().number("id")
        for rule in record(reply.data).records("merge_access_levels"):
            if rule.has("user_id"):
                if rule.number("user_id") == us:
                    return True
            elif rule.has("group_id"):
                return True  # whether we are in that group cannot be asked for
            elif rule.has("access_level") and 0 < rule.number("access_level") <= level:
                return True
        return False

    def _ourselves(self) -> Record:
        if self._account is None:
            self._account = record(self._http.get("/api/v4/user").data)
        return self._account

    def _person(self, name: str) -> int | None:
        if name not in self._people:
            rows = items(self._http.get("/api/v4/users", {"username": name}).data)
            if not rows:
                return None
            self._people[name] = rows[0].number("id")
        return self._people[name]


def allowed(project: Record) -> frozenset[MergeMethod]:
    """How merge requests can be merged there at all."""
    squash = project.text("squash_option")
    plain = MergeMethod.REBASE if project.text("merge_method") == "ff" else MergeMethod.MERGE
    found = set[MergeMethod]() if squash == "always" else {plain}
    return frozenset(found if squash == "never" else {*found, MergeMethod.SQUASH})


def people(names: Sequence[str]) -> tuple[str, ...]:
    """Those that are no groups."""
    return tuple(each for each in names if "/" not in each)


def _level(project: Record) -> int:
    """Our role in the project, by itself or by its group; 0 where there is none."""
    places = (("permissions", "project_access"), ("permissions", "group_access"))
    return max(project.number(*place, "access_level") if project.has(*place) else 0 for place in places)


_METHODS: Final = {
    MergeMethod.MERGE: (
        "The project makes no merge commits, or always squashes: `method: merge` does not work before its merge method "
        "is `Merge commit` and squashing is not required."
    ),
    MergeMethod.SQUASH: "The project does not allow squashing: `method: squash` does not work before it does.",
    MergeMethod.REBASE: (
        "`method: rebase` needs a project with the merge method `Fast-forward merge` that does not require squashing."
    ),
}
