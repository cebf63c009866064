from __future__ import annotations

import re
from pathlib import Path

from gitslo.observers.metrics import OTHER, MetricsObserver
from gitslo.ports import Event

GOLDEN = Path(__file__).parent / "metrics.txt"
STORY = (
    Event("poll.done", "", "", {"seconds": 0.2}),
    Event("poll.failed", "", "", {"seconds": 3}),
    Event("run.claimed", "dev", "", {"run": "1", "attempt": 1, "cause": "sync"}),
    Event("run.progress", "dev", "", {"sent": 10}),
    Event("run.judged", "dev", "", {"verdict": "pass", "cause": "sync"}),
    Event("run.claimed", "prod", "", {}),
    Event("change.proposed", "prod", "", {"kind": "promote"}),
    Event("change.pushed", "prod", "", {"kind": "promote"}),
    Event("change.settled", "prod", "", {"kind": "promote"}),
    Event("hold.set", "prod", "", {}),
    Event("error.retry", "prod", "", {}),
    Event("error.unexpected", "prod", "", {}),
    Event("push.done", "", "", {"state": "conflict"}),
    Event("push.done", "", "", {}),
    Event("clone.remade", "", "", {"times": 2}),
)


def rendered(*events: Event, environments: int = 2_000) -> str:
    observer = MetricsObserver(environments)
    for event in events:
        observer.tell(event)
    return observer.render().decode()


def test_names_labels_and_values_are_golden() -> None:
    """Metric names, labels and help texts are public: a known story renders exactly the golden exposition."""
    assert GOLDEN.read_text(encoding="utf-8") == rendered(*STORY)


def test_the_reference_page_lists_every_metric() -> None:
    """`docs/reference/metrics.md` names every metric, and none that does not exist."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    exposed = set(re.findall(r"^# TYPE (\S+)", rendered(*STORY), re.MULTILINE))

    assert exposed == set(re.findall(r"^\| `(gitslo_\w+)", page, re.MULTILINE))


def test_cardinality_is_capped() -> None:
    """Environments beyond the cap share one counter and have no gauge; unknown words share one label value."""
    judged = [Event("run.judged", f"e{n}", "", {"verdict": "pass", "cause": "sync"}) for n in range(5)]
    text = rendered(*judged, Event("run.judged", "e0", "", {"verdict": "x" * 99}), environments=2)
    runs = sorted(re.findall(r"^gitslo_runs_total\{(.*)\} (.*)$", text, re.MULTILINE))

    assert [
        ('cause="other",environment="e0",verdict="other"', "1.0"),
        ('cause="sync",environment="e0",verdict="pass"', "1.0"),
        ('cause="sync",environment="e1",verdict="pass"', "1.0"),
        (f'cause="sync",environment="{OTHER}",verdict="pass"', "3.0"),
    ] == runs
    assert {"e0", "e1"} == set(re.findall(r'gitslo_environment_verdict\{environment="(\w+)"', text))


def test_a_hold_ends_when_it_is_lifted_or_a_run_is_claimed() -> None:
    """The held gauge follows holds, and a claim (there is none while held) clears what a restart left unsaid."""
    held = (Event("environment.held", "dev", ""),)

    lifted = [(Event(name, "dev", ""),) for name in ("hold.lifted", "run.claimed", "environment.waiting")]

    assert ["1.0", "0.0", "0.0", "0.0"] == [
        re.findall(r'gitslo_environment_held\{environment="dev"\} (.*)', rendered(*held, *more))[0]
        for more in ((), *lifted)
    ]


def test_a_verdict_that_holds_sets_the_gauge() -> None:
    """A run that is judged and holds in one step needs no event of its own for the hold."""
    judged = Event("run.judged", "dev", "", {"verdict": "fail", "cause": "revalidation", "held": True})

    assert 'gitslo_environment_held{environment="dev"} 1.0' in rendered(judged)


def test_nothing_that_is_told_raises() -> None:
    """Unknown names and missing or odd fields count nothing and raise nothing."""
    odd = [Event(name, "", "", {"seconds": None, "verdict": 3}) for name in ("poll.done", "x", "a.b.c", "change.z")]

    assert "gitslo_polls_total 1.0" in rendered(*odd)
