from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitslo.adapters.git_repository import GitRepository
from gitslo.adapters.local_forge import LocalForge
from gitslo.adapters.local_forge.refs import KEPT_COMMITS
from gitslo.errors import Conflict, Refused, Retry
from gitslo.model import CommitId
from gitslo.ports import Capabilities, PullRequest, PullRequestState, RefUpdate, Status, StatusState
from tests.forge.worlds import WALL, GitWorld

HEAD = "gitslo/shop/dev/promote"


class Interposed:
    """A repository whose next swaps meet what is asked for: somebody else, or a lost answer."""

    def __init__(self, repository: GitRepository) -> None:
        self._repository = repository
        self.before: list[Callable[[], object]] = []
        self.after: list[Callable[[], object]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._repository, name)

    def swap(self, updates: Sequence[RefUpdate]) -> None:
        if self.before:
            self.before.pop(0)()
        self._repository.swap(updates)
        if self.after:
            self.after.pop(0)()


def interposed(world: GitWorld) -> tuple[Interposed, LocalForge]:
    repository = Interposed(world.repository())
    return repository, LocalForge(repository, account="gitslo", wall=lambda: WALL)


def die() -> None:
    raise Retry("no answer")


def opened(world: GitWorld, forge: LocalForge | None = None, head: str = HEAD) -> PullRequest:
    if world.tip(head) is None:
        world.push(head, "image", "v2")
    return (forge or world.forge()).ensure_pull_request(key=head, head=head, base="main", title="t", body="b")


@pytest.fixture(params=[True, False], ids=["atomic", "not-atomic"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, atomic=request.param)


# --------------------------------------------------------------------------- pushes


@pytest.mark.parametrize(("atomic", "pushes"), [(True, 1), (False, 3)])
def test_an_effect_is_one_push(atomic: bool, pushes: int, tmp_path: Path) -> None:
    """Forges limit pushes: opening, commenting, a status and closing take one each; merging one where it is atomic."""
    world = GitWorld(tmp_path, atomic=atomic)
    forge = world.forge()
    first = opened(world, forge)
    seen = [world.effects()]
    for effect in (
        lambda: forge.comment_once(first.number, "m", "b"),
        lambda: forge.set_status(Status(first.head_commit, "gitslo", StatusState.SUCCESS, "pass")),
        lambda: forge.close(first.number, "why"),
        lambda: opened(world, forge),
        lambda: forge.merge(2, first.head_commit, "Merge"),
    ):
        effect()
        seen.append(world.effects())

    assert seen == [1, 2, 3, 4, 5, 5 + pushes]


def test_pull_requests_live_in_refs_that_people_can_read(world: GitWorld) -> None:
    """`git show` of a pull request's ref shows it, its history what happened."""
    forge = world.forge()
    number = opened(world, forge).number
    forge.comment_once(number, "m", "the numbers")
    forge.close(number, "the pass is gone")
    record = json.loads(world.git("show", f"refs/gitslo-forge/pulls/{number}:pull.json"))
    history = world.git("log", "--format=%s", f"refs/gitslo-forge/pulls/{number}").splitlines()

    assert [comment["body"] for comment in record["comments"]] == ["the numbers", "the pass is gone"]
    assert (record["state"], record["ended_by"], record["ended_by_person"]) == ("closed", "gitslo", False)
    assert history == [f"Pull request {number}: closed"] + [f"Pull request {number}: open"] * 2


# --------------------------------------------------------------------------- races


def test_a_lost_race_for_a_number_takes_the_next(world: GitWorld) -> None:
    """Somebody opens another pull request between our look and our push: ours gets the next number."""
    repository, forge = interposed(world)
    world.push(HEAD, "image", "v2")
    repository.before.append(lambda: opened(world, head="gitslo/shop/prod/promote"))

    assert opened(world, forge).number == 2


def test_a_lost_race_for_a_head_adopts_the_winners(world: GitWorld) -> None:
    """Another replica opens the same one between our look and our push."""
    repository, forge = interposed(world)
    world.push(HEAD, "image", "v2")
    repository.before.append(lambda: opened(world))

    assert opened(world, forge).number == 1
    assert len(world.forge().pulls().found) == 1


def test_no_comment_is_lost_in_a_race(world: GitWorld) -> None:
    """Two writers of one record: the second looks again and adds to what the first wrote."""
    repository, forge = interposed(world)
    number = opened(world, forge).number
    repository.before.append(lambda: world.forge().comment_once(number, "theirs", "b"))
    forge.comment_once(number, "ours", "a")

    assert world.comments(number) == (("theirs", "b"), ("ours", "a"))


def test_no_status_is_lost_in_a_race(world: GitWorld) -> None:
    """All statuses share a ref; losing a swap there loses nothing."""
    repository, forge = interposed(world)
    commit = world.push(HEAD, "image", "v2")
    theirs = Status(commit, "theirs", StatusState.PENDING, "running")
    ours = Status(commit, "ours/x y", StatusState.FAILURE, "fail", "https://example.com")
    repository.before.append(lambda: world.forge().set_status(theirs))
    forge.set_status(ours)

    assert world.statuses(commit) == (ours, theirs)


def test_a_base_that_moves_under_a_merge_is_a_conflict(world: GitWorld) -> None:
    """Somebody pushes between our look and our push: nothing of ours lands, nothing of theirs is lost."""
    repository, forge = interposed(world)
    pull = opened(world, forge)
    repository.before.append(lambda: world.push("main", "readme", "theirs"))

    with pytest.raises(Conflict):
        forge.merge(pull.number, pull.head_commit, "Merge")
    assert world.read("main", "readme") == "theirs"
    assert world.read("main", "image") == "v1"
    forge.merge(pull.number, pull.head_commit, "Merge")
    assert (world.read("main", "readme"), world.read("main", "image")) == ("theirs", "v2")


# --------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("effect", ["open", "comment", "status", "close"])
def test_an_effect_without_an_answer_is_done_once(world: GitWorld, effect: str) -> None:
    """The push went in and the answer was lost, or the process died then: doing it again finds it done."""
    commit = world.push(HEAD, "image", "v2")
    if effect != "open":
        opened(world)

    def do(forge: LocalForge) -> None:
        match effect:
            case "open":
                opened(world, forge)
            case "comment":
                forge.comment_once(1, "m", "b")
            case "status":
                forge.set_status(Status(commit, "c", StatusState.SUCCESS, "d"))
            case "close":
                forge.close(1, "why")

    repository, forge = interposed(world)
    repository.after.append(die)
    with pytest.raises(Retry):
        do(forge)
    before = world.effects()
    do(world.forge())

    assert world.effects() == before
    assert len(world.forge().pulls().found) == 1


@pytest.mark.parametrize("swaps", [1, 2, 3])
def test_a_merge_that_was_cut_off_is_finished(world: GitWorld, swaps: int) -> None:
    """After any of its pushes: the base has one merge, the record says so, and our branch is gone."""
    repository, forge = interposed(world)
    pull = opened(world, forge)
    repository.after += [lambda: None] * (swaps - 1) + [die]
    if repository.atomic and swaps > 1:
        forge.merge(pull.number, pull.head_commit, "Merge")
    else:
        with pytest.raises(Retry):
            forge.merge(pull.number, pull.head_commit, "Merge")
    merge = world.tip("main")
    assert merge is not None

    assert world.forge().find(HEAD)[0].state is PullRequestState.MERGED
    assert world.forge().merge(pull.number, pull.head_commit, "Merge") == merge
    assert world.tip("main") == merge
    assert world.forge().pull(pull.number).merged == merge
    assert world.git("rev-list", "--count", "--merges", "main") == "1"
    assert (world.tip(HEAD) is None) or swaps == 2


# --------------------------------------------------------------------------- servers with rules


def test_a_server_that_keeps_branches_merges_all_the_same(world: GitWorld) -> None:
    """receive.denyDeletes: the merge lands, the branch stays, and it is not offered again."""
    world.git("config", "receive.denyDeletes", "true")
    forge = world.forge()
    pull = opened(world, forge)
    merge = forge.merge(pull.number, pull.head_commit, "Merge")

    assert world.tip("main") == merge
    assert world.tip(HEAD) == pull.head_commit
    assert [(each.state, each.merged) for each in forge.find(HEAD)] == [(PullRequestState.MERGED, merge)]


def test_a_protected_branch_refuses(world: GitWorld) -> None:
    """A hook that keeps us off the base: refused with its words, and the pull request stays open."""
    hook = world.bare / "hooks" / "update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ] || { echo "main is protected" >&2; exit 1; }\n')
    hook.chmod(0o755)
    forge = world.forge()
    pull = opened(world, forge)

    with pytest.raises(Refused):
        forge.merge(pull.number, pull.head_commit, "Merge")
    assert world.read("main", "image") == "v1"
    assert forge.find(HEAD)[0].state is PullRequestState.OPEN


# --------------------------------------------------------------------------- people with plain Git


@pytest.mark.parametrize("fast_forward", [True, False])
def test_a_merge_with_plain_git_is_a_merge(world: GitWorld, fast_forward: bool) -> None:
    """`git merge` and `git push`, then perhaps `git branch -d`: the pull request is merged, by whom nobody knows."""
    forge = world.forge()
    pull = opened(world, forge)
    merge = pull.head_commit
    if not fast_forward:
        other = world.push("main", "readme", "theirs")
        tree = world.git("merge-tree", "--write-tree", "main", HEAD).splitlines()[0]
        merge = CommitId(world.git("commit-tree", tree, "-p", other, "-p", pull.head_commit, "-m", "by hand"))
    world.git("update-ref", "refs/heads/main", merge)
    world.push("main", "later", "more")
    world.git("update-ref", "-d", f"refs/heads/{HEAD}")
    found = forge.find(HEAD)[0]

    assert (found.state, found.merged, found.closed_by) == (PullRequestState.MERGED, merge, "")
    assert world.forge().merge(pull.number, pull.head_commit, "Merge") == merge


def test_the_next_change_does_not_open_the_last_one_again(world: GitWorld) -> None:
    """Merged by plain Git, then our branch moved on: the old one stays merged, the next gets its own number."""
    forge = world.forge()
    first = opened(world, forge)
    world.git("update-ref", "refs/heads/main", first.head_commit)
    world.push(HEAD, "image", "v3")
    second = opened(world, forge)

    assert [(each.number, each.state) for each in forge.find(HEAD)] == [
        (second.number, PullRequestState.OPEN),
        (first.number, PullRequestState.MERGED),
    ]


def test_an_update_of_our_branch_that_was_not_told_is_recognised(world: GitWorld) -> None:
    """We pushed a newer commit and died; a person merged that one by plain Git."""
    forge = world.forge()
    opened(world, forge)
    newer = world.push(HEAD, "image", "v3")
    world.git("update-ref", "refs/heads/main", newer)

    assert [(each.state, each.merged) for each in forge.find(HEAD)] == [(PullRequestState.MERGED, newer)]


def test_nothing_to_merge_opens_nothing(world: GitWorld) -> None:
    """A head that is on its base already is a conflict: look again."""
    tip = world.tip("main")
    world.git("update-ref", f"refs/heads/{HEAD}", str(tip))

    with pytest.raises(Conflict, match="something to merge"):
        world.forge().ensure_pull_request(key="k", head=HEAD, base="main", title="t", body="b")
    assert world.effects() == 0


# --------------------------------------------------------------------------- other branches


def test_other_base_branches_work_too(world: GitWorld) -> None:
    """The watched branch is not the only one that a pull request may go into."""
    world.push("release", "image", "v1")
    head = world.push("gitslo/shop/rel/promote", "image", "v2")
    forge = world.forge()
    pull = forge.ensure_pull_request(key="k", head="gitslo/shop/rel/promote", base="release", title="t", body="b")

    assert [each.state for each in forge.find(pull.head)] == [PullRequestState.OPEN]
    assert [each.base for each in forge.pulls().found] == ["release"]
    assert forge.merge(pull.number, head, "Merge") == world.tip("release")


def test_a_base_that_is_gone_is_refused(world: GitWorld) -> None:
    """Somebody deleted the base branch: a person must say what now."""
    world.push("release", "image", "v1")
    head = world.push("gitslo/shop/rel/promote", "image", "v2")
    forge = world.forge()
    pull = forge.ensure_pull_request(key="k", head="gitslo/shop/rel/promote", base="release", title="t", body="b")
    world.git("update-ref", "-d", "refs/heads/release")

    assert [each.state for each in forge.find(pull.head)] == [PullRequestState.OPEN]
    with pytest.raises(Refused, match="there is no such branch"):
        forge.merge(pull.number, head, "Merge")


def test_everything_is_possible_and_nothing_stands_at_first(world: GitWorld) -> None:
    """A fresh repository has no statuses; the forge can do all that a forge can, but for comments on commits."""
    forge = world.forge()

    assert forge.capabilities() == Capabilities(
        expected_head_merge=True,
        statuses=True,
        comments=True,
        name="local: pull requests in refs of the repository, as gitslo",
        merges=("merge",),
    )
    assert forge.statuses(CommitId("1" * 40)) == ()
    assert forge.pulls().found == ()


def test_a_swap_that_is_always_lost_is_given_back(world: GitWorld) -> None:
    """Somebody else gets through every time: the loop is told to look again later, and nothing is half done."""
    repository, forge = interposed(world)
    number = opened(world, forge).number
    other = world.forge()
    repository.before += [lambda turn=turn: other.comment_once(number, "theirs", str(turn)) for turn in range(30)]

    with pytest.raises(Conflict):
        forge.comment_once(number, "ours", "a")
    assert [marker for marker, _ in world.comments(number)] == ["theirs"]


# --------------------------------------------------------------------------- size and rubbish


def test_statuses_are_kept_for_the_newest_commits(world: GitWorld) -> None:
    """The 501st commit drops the first one's statuses, and only those."""
    commits = [CommitId(f"{index:040x}") for index in range(1, KEPT_COMMITS + 1)]
    content = {"commit": "", "context": "c", "state": "success", "description": "d", "url": ""}
    lines = ["commit refs/gitslo-forge/statuses", f"committer A <a@b> {int(WALL)} +0000", "data 0", ""]
    files = {f"{each}/c.json": json.dumps({**content, "commit": each}) for each in commits}
    for path, text in {**files, "order": "".join(f"{each}\n" for each in commits)}.items():
        lines += [f"M 100644 inline {path}", f"data {len(text)}", text]
    world.git("fast-import", "--quiet", stdin="\n".join(lines) + "\n")
    forge = world.forge()
    assert len(forge.statuses(commits[0])) == 1
    new = Status(CommitId("f" * 40), "c", StatusState.SUCCESS, "d")
    forge.set_status(new)
    folders = world.git("ls-tree", "--name-only", "refs/gitslo-forge/statuses").splitlines()

    assert forge.statuses(commits[0]) == ()
    assert len(forge.statuses(commits[1])) == 1
    assert forge.statuses(new.commit) == (new,)
    assert sorted(folders) == sorted([*commits[1:], new.commit, "order"])


@pytest.mark.parametrize(
    "content", ["", "[]", '{"number": 1}', "{" * 5000, "\x1b[31m", None, "--upload-pack=x", "a b", "../main"]
)
def test_rubbish_in_a_pull_requests_ref_stops_nobody(world: GitWorld, content: str | None) -> None:
    """Who may push any ref can break a record; the others go on, and people see which ref it is."""
    record = json.loads(world.git("show", "refs/gitslo-forge/pulls/1:pull.json")) if opened(world) else {}
    text = json.dumps({**record, "head": content}) if content and content[0] in "-a." else content
    path, trailer = ("pull.json", HEAD) if text is not None else ("other.json", HEAD)
    blob = world.git("hash-object", "-w", "--stdin", stdin=text or "")
    tree = world.git("mktree", stdin=f"100644 blob {blob}\t{path}\n")
    commit = world.git("commit-tree", tree, "-m", f"x\n\nGitslo-Pull-Head: {trailer}")
    world.git("update-ref", "refs/gitslo-forge/pulls/1", commit)
    world.git("update-ref", "refs/gitslo-forge/pulls/x", commit)
    forge = world.forge()

    assert forge.find(HEAD) == ()
    assert opened(world, forge).number == 2
    assert forge.pulls().unreadable == ("refs/gitslo-forge/pulls/1",)
    with pytest.raises(Refused, match="holds no pull request that can be read"):
        forge.comment_once(1, "m", "b")
