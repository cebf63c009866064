"""What the loop shows to those who ask: fresh, about commits of the branch, and without being held up."""

from __future__ import annotations

import threading

import pytest

from gitslo.core.gate import Answered
from gitslo.errors import Retry
from gitslo.loop.controller import Poll
from gitslo.loop.gate import Bounds, Denied
from gitslo.model import CommitId, Verdict
from tests.gate.gates import EVERY, Watched

ABSENT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def watched(tmp_path):
    return Watched(tmp_path)


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """One that was polled, and that no test changes."""
    one = Watched(tmp_path_factory.mktemp("still"))
    one.poll()
    return one


def denied(watched: Watched, environment: str, commit: str | None) -> tuple[int, str]:
    with pytest.raises(Denied) as error:
        watched.gate.verdict(environment, commit)
    return error.value.status, error.value.code


def said(watched: Watched, commit: str | None, environment: str = "s00/dev") -> tuple[str, str | None, bool]:
    view = watched.gate.verdict(environment, commit)
    return view.answer.verdict.value, view.answer.run, view.running


def test_before_the_first_poll_nothing_is_said(watched) -> None:
    """Not ready, and why."""
    assert (503, "not_ready") == denied(watched, "s00/dev", None)


def test_without_a_commit_the_branchs_head_is_meant(still) -> None:
    """What runs has passed; the answer names the commit."""
    view = still.gate.verdict("s00/dev", None)

    assert (still.mono.head, Answered.PASS, "1", True) == (
        view.commit,
        view.answer.verdict,
        view.answer.run,
        view.running,
    )
    assert ("example/s00:v1",) == view.release.images()


def test_a_commit_may_be_abbreviated(watched) -> None:
    """Seven digits are enough where only one commit begins so, in either case."""
    old = watched.mono.head
    watched.release("s00", "v2")
    watched.poll()

    assert {("pass", "1", False)} == {said(watched, given) for given in (old, old[:7], old[:7].upper(), old[:39])}


@pytest.mark.parametrize(
    ("commit", "expected"),
    [
        ("main", (400, "bad_commit")),
        ("HEAD~1", (400, "bad_commit")),
        ("abcdef", (400, "bad_commit")),
        ("--help", (400, "bad_commit")),
        (ABSENT, (404, "unknown_commit")),
        (ABSENT[:10], (404, "unknown_commit")),
        (ABSENT + "0", (400, "bad_commit")),
    ],
)
def test_a_commit_that_the_branch_does_not_hold(still, commit: str, expected: tuple[int, str]) -> None:
    """What is no commit's id is a mistake; what may still come is not known yet. Neither asks the remote anything."""
    still.reads.since()

    assert expected == denied(still, "s00/dev", commit)
    assert set() == {"list_refs", "fetch", "swap"} & set(still.reads.since())


def test_a_commit_of_another_branch_is_not_known(still) -> None:
    """A ledger's entry is a commit that lies here, and nothing that was on the branch."""
    entry = next(tip for ref, tip in still.controller.sight.refs.items() if ref.startswith("refs/gitslo/"))

    assert (404, "unknown_commit") == denied(still, "s00/dev", entry)


def test_several_commits_that_begin_alike_are_told(tmp_path) -> None:
    """Nobody guesses which one is meant."""
    watched = Watched(tmp_path, bounds=Bounds(shortest=1))
    beginnings = set[str]()
    while len(beginnings) < 17:  # of 16 digits one comes twice by then
        commit = watched.release("s00", f"v{len(beginnings)}")
        twice = commit[0] in beginnings
        beginnings.add(commit[0])
        if twice:
            break
    watched.poll()

    assert (400, "ambiguous_commit") == denied(watched, "s00/dev", watched.mono.head[0])


def test_an_old_commit_is_found_by_its_whole_id(tmp_path) -> None:
    """Beyond the newest commits only whole ids are looked for, and what is nowhere is nowhere."""
    watched = Watched(tmp_path, bounds=Bounds(newest=2))
    old = watched.mono.head
    watched.release("s00", "v2")
    watched.release("s00", "v3")
    watched.poll()

    assert ("pass", "1", False) == said(watched, old)
    assert [(404, "unknown_commit")] * 2 == [denied(watched, "s00/dev", old[:10]), denied(watched, "s00/dev", ABSENT)]


def test_what_a_commit_says_is_what_counts(watched) -> None:
    """A commit that leaves the environment alone has its verdict; one that changes it waits for a run of its own."""
    first = watched.mono.head
    other = watched.release("s01", "v2")
    changed = watched.release("s00", "v2")
    watched.poll()

    assert [("pass", "1", False), ("pass", "1", False), ("pending", None, True)] == [
        said(watched, commit) for commit in (first, other, changed)
    ]


def test_passes_beyond_the_last_two_are_looked_up_in_the_ledger(watched) -> None:
    """The newest entry remembers two; of an older one, and of one that failed, the chain says what came of it."""
    commits: dict[str, CommitId] = {}
    for tag, verdict in (("v2", Verdict.PASS), ("bad", Verdict.FAIL), ("v3", Verdict.PASS), ("v4", Verdict.PASS)):
        commits[tag] = watched.release("s00", tag)
        watched.judge("s00/dev", verdict)
    unjudged = watched.release("s00", "v5")
    last = watched.release("s00", "v6")
    watched.poll()

    assert {"v2": ("pass", "2", False), "bad": ("fail", "3", False), "v4": ("pass", "5", False)} == {
        tag: said(watched, commits[tag]) for tag in ("v2", "bad", "v4")
    }
    assert [("unknown", None, False), ("pending", None, True)] == [said(watched, unjudged), said(watched, last)]
    assert [("browse.errors < 10%", Verdict.FAIL)] == [
        (each.objective, each.verdict) for each in watched.gate.verdict("s00/dev", commits["bad"]).run.findings
    ]


def test_a_commit_without_the_environment_has_no_answer(watched) -> None:
    """Its folder, or its plan, was not there yet, or cannot be understood: it is said which."""
    broken = watched.mono.commit({"deploy/s00/dev/slo.yaml": "schema: gitslo/v1\nobjectives: [nonsense]\n"})
    watched.release("s01", "v2")
    watched.poll()

    assert (404, "environment_not_in_commit") == denied(watched, "s00/dev", broken)
    assert (404, "unknown_environment") == denied(watched, "s0/dev", None)


def test_another_fingerprint_ends_a_pass(watched) -> None:
    """What the syncer says runs is not what passed: pending, before a run is claimed."""
    watched.poll()
    watched.syncer.fingerprints["s00/dev"] = "other"
    watched.clock.advance(31.0)
    watched.poll()

    assert ("pending", "pass") == (said(watched, None)[0], said(watched, None, "s01/dev")[0])


def test_what_is_old_is_not_told(watched) -> None:
    """Polls that fail leave what was seen before, for three intervals and a minute; then nothing is said."""
    watched.poll()
    watched.gate.publish(watched.controller.sight, Poll((), 0, Retry("the remote does not answer")))
    before = said(watched, None)[0]
    watched.clock.advance(3 * EVERY + 61.0)

    assert ("pass", (503, "not_ready")) == (before, denied(watched, "s00/dev", None))


def test_environments_come_in_pages(still) -> None:
    """In the pipeline's order; each page says where the next one begins, the last one that there is none."""
    first, following = still.gate.environments("", 2)
    second, end = still.gate.environments(following, 2)

    assert (["s00/dev", "s01/dev"], "s01/dev", ["s02/dev"], "") == (
        [view.environment.name for view in first],
        following,
        [view.environment.name for view in second],
        end,
    )
    assert {("pass", "1")} == {(view.answer.verdict.value, view.answer.run) for view in (*first, *second)}


def test_a_page_follows_what_moves(watched) -> None:
    """A row that was made before is made anew where its ledger, its files or what it waits for have changed."""

    def row() -> tuple[str, str | None]:
        view = watched.gate.environments("", 1)[0][0]
        return view.answer.verdict.value, view.answer.run

    watched.poll()
    passed = row()
    watched.release("s00", "v2")
    watched.poll()
    committed = row()
    watched.judge("s00/dev", Verdict.FAIL)
    watched.poll()

    assert [("pass", "1"), ("pending", None), ("fail", "2")] == [passed, committed, row()]


def test_many_environments_cost_a_handful_of_reads(tmp_path) -> None:
    """Their ledgers are read together; asked again, nothing is read."""
    watched = Watched(tmp_path, services=12)
    watched.poll()
    watched.reads.since()
    watched.gate.environments("", 100)
    once = watched.reads.since().total()
    watched.gate.environments("", 100)

    assert (True, 0) == (once <= 4, watched.reads.since().total())


def test_asking_again_reads_nothing(watched) -> None:
    """The same question between two polls, and after a poll that brought nothing, costs no Git process."""
    old = watched.mono.head
    watched.release("s00", "v2")
    watched.poll()
    watched.gate.verdict("s00/dev", old)
    watched.reads.since()
    watched.gate.verdict("s00/dev", old)
    watched.poll()
    watched.gate.verdict("s00/dev", old)

    assert 0 == watched.reads.since().total()


def test_questions_that_read_are_limited(tmp_path) -> None:
    """Whoever asks about ever other commits is told to wait; what was read before is answered all the same."""
    watched = Watched(tmp_path, bounds=Bounds(reads_per_minute=4))
    commits = [watched.mono.commit({"notes.txt": str(number)}) for number in range(4)]
    watched.poll()
    watched.gate.verdict("s00/dev", commits[0])  # the head's ledger, the branch's commits, and what this one says
    watched.gate.verdict("s00/dev", commits[1])

    assert (503, "busy") == denied(watched, "s00/dev", commits[2])
    assert ("pass", "pass") == (said(watched, commits[0])[0], said(watched, None)[0])
    watched.clock.advance(20.0)
    assert "pass" == said(watched, commits[2])[0]


def test_the_loop_does_not_wait_for_a_question(tmp_path) -> None:
    """While one question is being answered the loop publishes; another question is told that we are busy."""
    watched = Watched(tmp_path, bounds=Bounds(patience=0.05))
    watched.poll()
    commit = watched.mono.commit({"notes.txt": "one"})
    watched.poll()
    entered, leave = watched.reads.stop_at("history")
    thread = threading.Thread(target=watched.gate.verdict, args=("s00/dev", commit[:10]))
    thread.start()
    assert entered.wait(10)
    watched.poll()
    busy = denied(watched, "s00/dev", None)
    leave.set()
    thread.join()

    assert ((503, "busy"), "pass") == (busy, said(watched, None)[0])


def test_a_report_is_that_of_its_run(watched) -> None:
    """Markdown of a run that the ledger has; of another one there is none."""
    watched.release("s00", "v2")
    watched.judge("s00/dev", Verdict.PASS)
    watched.poll()

    assert "run 1" in watched.gate.report("s00/dev", "1")
    with pytest.raises(Denied) as error:
        watched.gate.report("s00/dev", "7")
    assert (404, "unknown_run") == (error.value.status, error.value.code)
