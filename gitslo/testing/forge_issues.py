"""What every Forge that keeps issues must do with them. Part of `forge_contract`."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.ports import Issue, Issues
from gitslo.testing.expectations import expect
from gitslo.testing.forge_world import IssueWorld

__all__ = ["ISSUES"]

_ISSUE = Issue("gitslo/dev", "dev needs a person", "it failed", open=True)


def _issues(world: IssueWorld) -> Issues:
    found = world.forge().issues
    if found is None:
        raise AssertionError("expected a forge that keeps issues")
    return found


def one_issue_per_key(world: IssueWorld) -> None:
    """Told again, by whichever client, it is there once; another key is another issue."""
    for _ in range(2):
        _issues(world).tell(_ISSUE)
    other = Issue("gitslo/prod", "prod needs a person", "it failed", open=True)
    _issues(world).tell(other)

    expect(world.issues(), (_ISSUE, other))


def an_issue_that_stands_is_known_without_a_write(world: IssueWorld) -> None:
    """A client that has just started knows what stands, and other words as new ones."""
    _issues(world).tell(_ISSUE)
    before = world.effects()
    found = [_issues(world).stands(each) for each in (_ISSUE, Issue(_ISSUE.key, _ISSUE.title, "worse", open=True))]

    expect((found, world.effects()), ([True, False], before))


def an_issue_is_closed_and_opened_again(world: IssueWorld) -> None:
    """It is one issue for good: closed with its last words, and opened again with new ones."""
    closed = Issue(_ISSUE.key, _ISSUE.title, "it passes", open=False)
    again = Issue(_ISSUE.key, _ISSUE.title, "it failed again", open=True)
    seen = []
    for each in (_ISSUE, closed, again):
        _issues(world).tell(each)
        seen.append(world.issues())

    expect(seen, [(_ISSUE,), (closed,), (again,)])


def nothing_is_closed_that_was_never_opened(world: IssueWorld) -> None:
    """Where all is well, nothing reaches the server."""
    before, well = world.effects(), Issue(_ISSUE.key, _ISSUE.title, "it passes", open=False)
    stood = _issues(world).stands(well)
    _issues(world).tell(well)

    expect((stood, world.issues(), world.effects()), (True, (), before))


def what_a_person_has_closed_stays_closed(world: IssueWorld) -> None:
    """Whoever closes it has read it; only new words open it again."""
    _issues(world).tell(_ISSUE)
    world.person_closes_issue(_ISSUE.key, "ada")
    stands = _issues(world).stands(_ISSUE)
    _issues(world).tell(_ISSUE)
    is_open = [each.open for each in world.issues()]
    _issues(world).tell(Issue(_ISSUE.key, _ISSUE.title, "worse", open=True))

    expect((stands, is_open, [each.open for each in world.issues()]), (True, [False], [True]))


def somebody_elses_issue_is_left_alone(world: IssueWorld) -> None:
    """A person's issue with our mark is none of ours: it is neither edited nor closed."""
    theirs = Issue(_ISSUE.key, "mine", "hands off", open=True)
    world.person_writes_issue(theirs, "ada")
    _issues(world).tell(Issue(_ISSUE.key, _ISSUE.title, "it passes", open=False))
    _issues(world).tell(_ISSUE)

    expect(world.issues(), (theirs, _ISSUE))


ISSUES: tuple[Callable[[IssueWorld], None], ...] = (
    one_issue_per_key,
    an_issue_that_stands_is_known_without_a_write,
    an_issue_is_closed_and_opened_again,
    nothing_is_closed_that_was_never_opened,
    what_a_person_has_closed_stays_closed,
    somebody_elses_issue_is_left_alone,
)
"""Every check of these, each for a fresh world."""
