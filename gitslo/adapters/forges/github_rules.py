"""What GitHub asks of a change to a branch: its rulesets, and what of its classic protection may be read.

Called by `github`. Must stay true: nothing here decides whether a merge is allowed, GitHub does; but where a merge
queue is asked for, a merge of ours is not even tried: an account that may bypass the queue would do so unasked.

Sources: https://docs.github.com/en/rest/repos/rules and
https://docs.github.com/en/graphql/reference/enums#mergestatestatus
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gitslo.adapters.forges.answers import Record, items, record
from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.forge_settings import MergeMethod

__all__ = ["OURS", "BranchRules", "blocked_by", "in_the_way", "rules_of"]

OURS: Final = "gitslo/pipeline/environment/promote"
"""A branch such as ours: rules hold for names, whether or not there is a branch of that name."""
_OBSTACLES: Final = {
    "creation": "keeps them from being made",
    "update": "keeps them from being changed",
    "deletion": "keeps them from being deleted",
    "pull_request": "asks for a pull request into them",
    "required_signatures": "asks for signed commits in them",
}
"""Rules that are in the way where they hold for our own branches."""


@dataclass(frozen=True, slots=True)
class BranchRules:
    """The rules of one branch.

    Attributes:
        exists: whether there is such a branch.
        protected: something protects it, be it something that we may not read.
        kinds: the rules of rulesets that hold for it, e.g. `merge_queue`.
        approvals: how many are asked for.
        owners: whether code owners have to approve.
        threads: whether conversations have to be resolved.
        checks: names of the statuses that have to be green.
        strict: whether what is merged has to hold all that the branch holds.
        methods: how it may be merged into.
    """

    exists: bool
    protected: bool
    kinds: frozenset[str]
    approvals: int
    owners: bool
    threads: bool
    checks: tuple[str, ...]
    strict: bool
    methods: frozenset[MergeMethod]

    @property
    def queue(self) -> bool:
        """Whether everything goes through a merge queue."""
        return "merge_queue" in self.kinds

    def wants(self) -> str:
        """What a change needs, in words; empty where nothing of it is known."""
        parts = list(self._parts())
        return ", ".join(parts[:-1]) + (" and " if parts[:-1] else "") + parts[-1] if parts else ""

    def sentences(self, branch: str) -> Iterator[str]:
        """What of that keeps gitslo from something, and what to do about it."""
        if self.queue:
            yield f"{branch} has a merge queue: pull requests wait for a person to add them to it."
        if self.wants():
            yield f"{branch} asks for {self.wants()} before every merge."
        if self.strict:
            yield (
                f"{branch} asks for branches that are up to date: what gitslo merges is computed again each time that "
                f"{branch} has moved on, and checked again; what people merge, they bring up to date."
            )
        if "required_signatures" in self.kinds:
            yield f"{branch} takes signed commits only: let gitslo sign, or name `method: squash`: GitHub signs those."
        if self.kinds & {"update", "pull_request", "merge_queue"}:
            yield f"{branch} takes pushes of those who bypass its rules: `mode: direct` needs that, and nothing else."

    def _parts(self) -> Iterator[str]:
        if self.approvals:
            yield f"{self.approvals} approval{'s' if self.approvals > 1 else ''}"
        if self.owners:
            yield "the code owners' approval"
        if self.threads:
            yield "resolved conversations"
        if self.checks:
            yield f"the check{'s' if self.checks[1:] else ''} {', '.join(self.checks)}"


def rules_of(http: ForgeHttp, path: str, branch: str) -> BranchRules:
    """Read them; where the repository's plan has no rules, there are none.

    Args:
        http: requests to GitHub.
        path: the repository's own, below the API's base.
        branch: its name; for rules it need not be there.
    """
    reply = http.get(f"{path}/branches/{segment(branch)}", expect=(404,))
    about = Record({}) if reply.data is None else record(reply.data)
    found = http.get(f"{path}/rules/branches/{segment(branch)}", {"per_page": 100}, expect=(403, 404))
    rules = items(found.data or [])
    reviews = [rule for rule in rules if rule.text("type") == "pull_request" and rule.has("parameters")]
    statuses = [rule for rule in rules if rule.text("type") == "required_status_checks" and rule.has("parameters")]
    kinds = frozenset(rule.text("type") for rule in rules)
    named = [
        *about.texts("protection", "required_status_checks", "contexts"),
        *(check.text("context") for rule in statuses for check in rule.records("parameters", "required_status_checks")),
    ]
    methods = frozenset(MergeMethod)
    for rule in reviews:
        if allowed := rule.texts("parameters", "allowed_merge_methods"):
            methods &= {method for method in MergeMethod if method.value in allowed}
    if "required_linear_history" in kinds:
        methods -= {MergeMethod.MERGE}
    return BranchRules(
        exists=reply.data is not None,
        protected=about.truth("protected") or bool(kinds),
        kinds=kinds,
        approvals=max((rule.number("parameters", "required_approving_review_count") for rule in reviews), default=0),
        owners=any(rule.truth("parameters", "require_code_owner_review") for rule in reviews),
        threads=any(rule.truth("parameters", "required_review_thread_resolution") for rule in reviews),
        checks=tuple(dict.fromkeys(named)),
        strict=any(rule.truth("parameters", "strict_required_status_checks_policy") for rule in statuses),
        methods=methods,
    )


def in_the_way(ours: BranchRules) -> Iterator[str]:
    """Sentences about rules that hold for our own branches, and should not."""
    for kind in sorted(ours.kinds & _OBSTACLES.keys()):
        yield f"A ruleset holds for branches below gitslo/ and {_OBSTACLES[kind]}: leave `gitslo/**` out of it."


def blocked_by(state: str, base: str, rules: BranchRules) -> str:
    """Why a pull request may not be merged, from GitHub's word for its state; empty where it may, or may be tried.

    `unstable` (a check failed that is not required), `has_hooks`, `clean` and `unknown` may.
    """
    if rules.queue:
        return f"{base} has a merge queue, which gitslo leaves to people: add the pull request to it"
    match state:
        case "dirty":
            return f"it does not merge cleanly into {base}"
        case "behind":
            return f"it is behind {base}, whose rules ask for branches that are up to date"
        case "draft":
            return "it is a draft; whoever marks it as ready lets it be merged"
        case "blocked":
            wants = rules.wants()
            if wants:
                return f"{base} asks for {wants}, and not all of it is there yet"
            return f"{base} asks for checks or reviews that are not there yet"
    return ""
