"""`outcomes` of a pipeline -> what every verdict leads to for every cause.

Called by `gitslo.core.parse_pipeline`. Must stay true: the result is total (every verdict and cause has a rule), and
what the file leaves out is as in DEFAULTS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitslo.core.document import Field
from gitslo.model import Action, Cause, OutcomeRule, Outcomes, Verdict

__all__ = ["ANY", "DEFAULTS", "parse_outcomes"]

ANY: Final = "any"
"""The word for every cause that is not named."""

_TIMES = 2

DEFAULTS: Final[Mapping[tuple[str, Cause], OutcomeRule]] = {
    **{(Verdict.PASS.value, cause): OutcomeRule(Action.PROMOTE) for cause in Cause},
    **{(Verdict.FAIL.value, cause): OutcomeRule(Action.HOLD) for cause in Cause},
    (Verdict.FAIL.value, Cause.SYNC): OutcomeRule(Action.REVERT),
    **{(Verdict.INCONCLUSIVE.value, cause): OutcomeRule(Action.EXTEND, _TIMES, Action.HOLD) for cause in Cause},
    **{(Verdict.ERROR.value, cause): OutcomeRule(Action.HOLD) for cause in Cause},
}


def parse_outcomes(field: Field | None) -> Outcomes:
    """The outcomes of a pipeline; problems are noted in the field's document."""
    rules = dict(DEFAULTS)
    for verdict, given in field.fields() if field is not None else ():
        for cause, rule in _rules(given):
            rules[verdict, cause] = rule
    return Outcomes(rules)


def _rules(given: Field) -> Iterator[tuple[Cause, OutcomeRule]]:
    """The causes that are named, and all others where `any` or a bare rule is given."""
    per_cause = isinstance(given.value, dict) and "action" not in given.value
    if not per_cause:
        rule = _rule(given)
        yield from ((cause, rule) for cause in Cause)
        return
    general = given.get(ANY)
    for cause in Cause:
        chosen = given.get(cause) or general
        if chosen is not None:
            yield cause, _rule(chosen)


def _rule(field: Field) -> OutcomeRule:
    if not isinstance(field.value, dict):
        return _complete(Action(field.text), _TIMES, Action.HOLD, None)
    action = Action(field.text_of("action", Action.HOLD))
    run = field.get("run")
    for key in ("times", "then"):
        found = field.get(key)
        if found is not None and action is not Action.EXTEND:
            found.add(f"`{key}` belongs to `action: extend`", "remove it", on_key=True)
    then = Action(field.text_of("then", Action.HOLD))
    return _complete(action, field.number_of("times", _TIMES), then, None if run is None else run.text)


def _complete(action: Action, times: int, then: Action, run: str | None) -> OutcomeRule:
    """`times` and `then` mean something for an extension only."""
    return OutcomeRule(action, times, then, run) if action is Action.EXTEND else OutcomeRule(action, run=run)
