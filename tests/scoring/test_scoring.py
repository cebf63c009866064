from __future__ import annotations

import math

import pytest

from gitslo.core.scoring import REMEMBERED, remember, score
from gitslo.model import (
    Aggregate,
    Comparator,
    Comparison,
    Criterion,
    CriterionForm,
    Include,
    ScoredObjective,
    ScoreRecord,
    ScoreResult,
    Scoring,
    Verdict,
)

PASS, WARNING, FAIL = ScoreResult.PASS, ScoreResult.WARNING, ScoreResult.FAIL


def criterion(text: str) -> Criterion:
    """As Keptn reads it: `%` is relative, a sign alone is a difference."""
    comparator = next(each for each in Comparator if text.startswith(each) and text[len(each) :][:1] != "=")
    rest = text.removeprefix(comparator)
    form = CriterionForm.FIXED
    if rest.endswith("%"):
        form = CriterionForm.RELATIVE
    elif rest[0] in "+-":
        form = CriterionForm.CHANGE
    return Criterion(text, comparator, form, float(rest.removesuffix("%")))


def groups(*some: str) -> tuple[tuple[Criterion, ...], ...]:
    """Each text one group, its criteria apart by spaces."""
    return tuple(tuple(map(criterion, each.split())) for each in some)


def objective(indicator: str, passes=(), warns=(), weight: int = 1, *, key: bool = False) -> ScoredObjective:
    return ScoredObjective(indicator, groups(*passes), groups(*warns), weight, key)


def scoring(*objectives: ScoredObjective, passes=0.9, warns=0.75, compare=None) -> Scoring:
    return Scoring(objectives, passes, warns, compare or Comparison())


def earlier(*values: float | None, result: ScoreResult = PASS) -> list[ScoreRecord]:
    return [record(f"{at}", value, result) for at, value in enumerate(values)]


def record(run: str, value: float | None, result: ScoreResult = PASS) -> ScoreRecord:
    return ScoreRecord(run, result, () if value is None else (("rt", value),))


def several(results: int = 3, include: Include = Include.ALL, aggregate: Aggregate = Aggregate.AVG) -> Comparison:
    return Comparison(results, include, aggregate)


def one(passes, value, history=(), compare=None, warns=()) -> ScoreResult:
    """The result of a score that is one objective."""
    [found] = score(scoring(objective("rt", passes, warns), compare=compare), {"rt": value}, history).scored
    assert found.result is not None
    return found.result


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("<600", 599.9, PASS),
        ("<600", 600, FAIL),
        ("<=600", 600, PASS),
        ("<=600", 600.1, FAIL),
        ("=0", 0, PASS),
        ("=0", 0.1, FAIL),
        (">=5", 5, PASS),
        (">=5", 4.9, FAIL),
        (">5", 5, FAIL),
        (">5", 5.1, PASS),
    ],
)
def test_a_value_itself(text, value, expected) -> None:
    """Without a sign and without `%` the criterion's number is the limit."""
    assert expected is one([text], value)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("<=+10%", 110, PASS),
        ("<=+10%", 110.1, FAIL),
        ("<=10%", 110, PASS),
        ("<=10%", 110.1, FAIL),
        ("<=1%", 0.9, PASS),
        ("<=-10%", 90, PASS),
        ("<=-10%", 90.1, FAIL),
        (">=-8%", 92, PASS),
        (">-8%", 92, FAIL),
        ("<=+80", 180, PASS),
        ("<=+80", 180.1, FAIL),
        (">=-80", 20, PASS),
        (">=-80", 19.9, FAIL),
        ("=+0", 100, PASS),
        ("<+0%", 100, FAIL),
        ("<=+10.5%", 110.5, PASS),
    ],
)
def test_a_value_beside_an_earlier_one_of_100(text, value, expected) -> None:
    """`%` is relative whatever its sign, and without one an increase; a sign without `%` is a difference."""
    assert expected is one([text], value, earlier(100))


@pytest.mark.parametrize("text", ["<=+10%", "<=10%", ">=-80", "=+0", ">+1000%"])
@pytest.mark.parametrize("history", [[], earlier(None), [ScoreRecord("1", PASS, (("other", 5.0),))]])
def test_without_an_earlier_value_it_holds(text, history) -> None:
    """Nothing before, or nothing that was known: whatever the comparison is."""
    assert one([text], 5, history) is PASS


def test_all_of_one_group_must_hold() -> None:
    """Criteria of one list are joined by AND."""
    assert [PASS, FAIL, FAIL] == [one(["<=+10% <600"], value, earlier(560)) for value in (590, 601, 620)]


def test_one_group_is_enough() -> None:
    """Lists are joined by OR."""
    assert [PASS, PASS, FAIL] == [one(["<=15", "<=+10%"], value, earlier(20)) for value in (15, 22, 22.1)]


def test_a_warning_is_asked_where_it_does_not_pass() -> None:
    """Pass, else warning, else fail; a warning that is stricter than the pass never comes to be."""
    assert [PASS, WARNING, FAIL] == [one(["<=600"], value, warns=["<=800"]) for value in (600, 800, 801)]
    assert [PASS, FAIL] == [one(["<=600"], value, warns=["<=500"]) for value in (600, 601)]
    assert one(["<=600"], 700, warns=["<=650", "<=+10%"]) is WARNING


AGGREGATES = [
    ([5, 15], Aggregate.AVG, 10.0),
    (range(11), Aggregate.P50, 5.0),
    (range(11), Aggregate.P90, 9.8),
    (range(11), Aggregate.P95, 10.0),
    ([10, 5], Aggregate.P50, 7.5),
    ([7], Aggregate.P50, 7.0),
    ([7], Aggregate.P90, 7.0),
    ([3, 1, 2], Aggregate.P50, 2.0),
    ([4, 1, 3, 2], Aggregate.P50, 2.5),
    ([1, 2, 3, 4], Aggregate.P90, 4.0),
    (range(1, 20), Aggregate.P90, 18.0),
    (range(1, 20), Aggregate.P95, 19.0),
]


@pytest.mark.parametrize(("values", "aggregate", "expected"), AGGREGATES)
def test_earlier_values_become_one(values, aggregate, expected) -> None:
    """The mean, or the percentile at p * (n + 1) between its neighbours, kept within the smallest and the largest."""
    compare = several(20, aggregate=aggregate)
    [found] = score(scoring(objective("rt", ["<=+0"]), compare=compare), {"rt": 0}, earlier(*values)).scored

    assert expected == pytest.approx(found.compared, abs=1e-12)


HISTORY = [
    record("1", 10, PASS),
    record("2", 20, WARNING),
    record("3", 30, FAIL),
    record("4", 40, PASS),
    record("5", None, PASS),
    record("6", 60, FAIL),
]


@pytest.mark.parametrize(
    ("include", "results", "compared"),
    [
        (Include.ALL, 1, 60),
        (Include.ALL, 2, 60),
        (Include.ALL, 3, 50),
        (Include.ALL, 20, 32),
        (Include.PASS, 1, None),
        (Include.PASS, 2, 40),
        (Include.PASS, 20, 25),
        (Include.PASS_OR_WARN, 3, 30),
        (Include.PASS_OR_WARN, 20, 70 / 3),
    ],
)
def test_which_earlier_results_count(include, results, compared) -> None:
    """By what they came to as a whole; the newest so many, and then those of them whose value was known."""
    compare = several(results, include)
    [found] = score(scoring(objective("rt", ["<=+0"]), compare=compare), {"rt": 0}, HISTORY).scored

    assert compared == (pytest.approx(found.compared) if found.compared is not None else None)
    assert found.result is PASS


def test_by_default_one_earlier_result_of_any_kind_counts() -> None:
    """Without `compare`: the newest one."""
    assert [PASS, FAIL] == [one(["<=+0%"], value, HISTORY) for value in (60, 60.1)]


RT = objective("rt", ["<600"], ["<800"])


@pytest.mark.parametrize(
    ("objectives", "values", "result", "part"),
    [
        # one of two fails: 50 % is neither 90 nor 75
        ((RT, objective("e", ["=0"])), {"rt": 1, "e": 1}, FAIL, 0.5),
        ((RT, objective("e", ["=0"])), {"rt": 1, "e": 0}, PASS, 1.0),
        # a warning is worth half of its weight
        ((RT, objective("e", ["=0"])), {"rt": 700, "e": 0}, WARNING, 0.75),
        ((objective("rt", ["<600"], ["<800"], 2), objective("e", ["=0"], (), 2)), {"rt": 700, "e": 0}, WARNING, 0.75),
        ((objective("rt", ["<600"], ["<800"], 2), objective("e", ["=0"], (), 8)), {"rt": 700, "e": 0}, PASS, 0.9),
        ((objective("rt", ["<600"], ["<800"], 2), objective("e", ["=0"], (), 7)), {"rt": 700, "e": 0}, WARNING, 8 / 9),
        # what is only reported is in neither sum, whatever its weight, its warning and its key say
        ((RT, objective("e", (), ["=0"], 9, key=True)), {"rt": 1, "e": 5}, PASS, 1.0),
        ((objective("e"),), {"e": 5}, PASS, 1.0),
        ((objective("e"),), {}, PASS, 1.0),
        # a key objective fails all, but not where it warns
        ((objective("rt", ["<600"], ["<800"], 9), objective("e", ["=0"], key=True)), {"rt": 1, "e": 1}, FAIL, 0.9),
        (
            (objective("e", ["=0"], (), 9), objective("rt", ["<600"], ["<800"], key=True)),
            {"rt": 700, "e": 0},
            PASS,
            0.95,
        ),
        # no objective at all
        ((), {}, FAIL, 0.0),
        # a value that is not known has no points
        ((RT, objective("e", ["=0"])), {"rt": 1}, FAIL, 0.5),
        ((RT, objective("e", ["=0"], (), 9)), {"e": 0}, PASS, 0.9),
        ((objective("rt", ["<600"], key=True), objective("e", ["=0"], (), 9)), {"e": 0}, FAIL, 0.9),
        ((RT,), {"rt": math.nan}, FAIL, 0.0),
        ((RT,), {"rt": None}, FAIL, 0.0),
        # a group without criteria holds and is worth nothing
        ((ScoredObjective("rt", ((),)),), {"rt": 1}, FAIL, 0.0),
        ((ScoredObjective("rt", ((), groups("<0")[0])),), {"rt": 1}, PASS, 1.0),
        # one indicator may be scored twice
        ((RT, objective("rt", [">0"])), {"rt": 1}, PASS, 1.0),
    ],
)
def test_the_whole(objectives, values, result, part) -> None:
    """100 * sum / largest, at least 90 % passes, at least 75 % warns, a failing key objective fails."""
    found = score(scoring(*objectives), values)

    assert (result, part) == (found.result, pytest.approx(found.share))


@pytest.mark.parametrize(("warns", "expected"), [(0.75, WARNING), (None, FAIL)])
def test_without_a_warning_there_is_none(warns, expected) -> None:
    """What does not pass fails."""
    objectives = (RT, objective("e", ["=0"]))

    assert expected is score(scoring(*objectives, warns=warns), {"rt": 700, "e": 0}).result


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_share_that_is_reached_is_reached(percent) -> None:
    """So many points of a hundred are so many per cent; products with 100 are rounded, e.g. 0.57 to below 57."""
    objectives = (objective("a", [">0"], (), percent), objective("b", [">0"], (), 100 - percent or 1))
    values = {"a": 1.0, "b": 0.0 if percent < 100 else 1.0}

    assert score(scoring(*objectives, passes=percent / 100, warns=None), values).result is PASS


@pytest.mark.parametrize(
    ("objectives", "values", "verdict", "reason"),
    [
        ((RT,), {"rt": 1}, Verdict.PASS, "the score is 100 % of at least 90 %"),
        ((RT,), {"rt": 900}, Verdict.FAIL, "the score is 0 % and at least 75 % is needed (`rt` failed)"),
        (
            (RT, objective("e", ["=0"])),
            {"rt": 700, "e": 0},
            Verdict.INCONCLUSIVE,
            "the score is 75 %: at least 75 % warns and 90 % passes (`rt` warned)",
        ),
        ((RT,), {}, Verdict.INCONCLUSIVE, "`rt` is not known, so the score of 0 % decides nothing"),
        (
            (RT, objective("e", ["=0"])),
            {"rt": 900},
            Verdict.FAIL,
            "the score is 0 % and at least 75 % is needed (`rt` and `e` failed)",
        ),
        (
            (RT, objective("e", ["=0"]), objective("f", ["=0"], (), 3)),
            {"f": 0},
            Verdict.INCONCLUSIVE,
            "`rt` and `e` are not known, so the score of 60 % decides nothing",
        ),
        (
            (objective("rt", ["<600"], key=True), objective("e", ["=0"], (), 9)),
            {"e": 0},
            Verdict.INCONCLUSIVE,
            "`rt` is not known, so the score of 90 % decides nothing",
        ),
        (
            (objective("rt", ["<600"], key=True), objective("e", ["=0"], (), 9)),
            {"rt": 900, "e": 0},
            Verdict.FAIL,
            "`rt` failed, a key objective, so the whole does, and the score is 90 %",
        ),
        ((objective("e"),), {"e": 5}, Verdict.PASS, "the score is 100 %: no objective has a criterion to pass"),
        ((), {}, Verdict.FAIL, "nothing is scored: there is no objective"),
    ],
)
def test_what_follows_from_it(objectives, values, verdict, reason) -> None:
    """A warning decides nothing, nor does what fails only for want of values; each says why in one sentence."""
    found = score(scoring(*objectives), values)

    assert (verdict, reason) == (found.verdict, found.reason)


@pytest.mark.parametrize(
    ("scored", "value", "history", "reason"),
    [
        (objective("browse.latency.p95", ["<0.6"]), 0.55, (), "550 ms keeps `<0.6`"),
        (objective("browse.errors", ["<=0.01"]), 0.02, (), "2 % does not keep `<=0.01`"),
        (objective("rt"), 5, (), "5, which is only reported"),
        (objective("rt", ["<=5"]), None, (), "the value is not known"),
        (objective("rt", ["<=+10%"]), 5, (), "5 keeps `<=+10%` (there is no earlier value)"),
        (
            objective("rt", ["<=+10% <600", "<100"]),
            620,
            (500,),
            "620 does not keep `<=+10%` (here 550, an earlier result being 500) and `<600` and `<100`",
        ),
        (objective("rt", ["<1"], ["<=-1"]), 4, (5,), "4 keeps `<=-1` (here 4, an earlier result being 5)"),
    ],
)
def test_each_objective_says_why(scored, value, history, reason) -> None:
    """With what its criteria mean here."""
    [found] = score(scoring(scored), {scored.indicator: value}, earlier(*history)).scored

    assert reason == found.reason


def test_several_earlier_results_are_counted() -> None:
    """The sentence says how many there were."""
    history, compare = earlier(1, 2, 3), several()
    [found] = score(scoring(objective("rt", ["<=+10%"]), compare=compare), {"rt": 2}, history).scored

    assert found.reason == "2 keeps `<=+10%` (here 2.2, 3 earlier results being 2)"


def test_what_is_remembered() -> None:
    """The result and what was known, also of what is only reported."""
    objectives = (RT, objective("e"), objective("x", ["<1"]))

    assert ScoreRecord("7", FAIL, (("rt", 1.0), ("e", 5.0))) == score(
        scoring(*objectives), {"rt": 1.0, "e": 5.0, "x": math.inf, "more": 1.0}
    ).record("7")


def test_so_many_are_remembered() -> None:
    """The newest, each run once."""
    kept: tuple[ScoreRecord, ...] = ()
    for number in range(REMEMBERED + 5):
        kept = remember(kept, record(str(number), 1.0))
    kept = remember(kept, record("10", 2.0))

    assert REMEMBERED == len(kept)
    assert (record("24", 1.0), record("10", 2.0)) == kept[-2:]
    assert ["10"] == [each.run for each in kept if each.run == "10"]
