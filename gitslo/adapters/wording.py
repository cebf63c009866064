"""The operator's templates by Jinja2, in its sandbox: the Wording port.

Composed by the wiring for repositories with `templates`. Those are the operator's and trusted, their values are not.

**Invariants**
* a template has a closed set of names, filters and tests, none of which knows a clock, chance, a file or a variable of
  the process;
* it is rendered with values of every kind before anything rests on it: a name that is not there is told at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gitslo.core.messages import SAMPLE_VALUES
from gitslo.errors import Problem, Refused
from gitslo.ports import Place, Value, Wording
from gitslo.wording_settings import TemplateText

__all__ = ["FILTERS", "TESTS", "jinja_wording"]

FILTERS: Final = (
    "capitalize", "default", "first", "indent", "join", "last", "length", "list", "lower", "map", "reject",
    "rejectattr", "replace", "select", "selectattr", "sort", "title", "trim", "truncate", "unique", "upper", "wordwrap",
)  # fmt: skip
"""Those of Jinja2 that a template may use."""
TESTS: Final = ("defined", "eq", "equalto", "in", "ne", "none", "undefined")
LONGEST: Final = 1024 * 1024
"""Characters of what a template gives."""


class _Environment(ImmutableSandboxedEnvironment):
    """Multiplication, by which few letters become a gigabyte, is no part of the set."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse it: what is intercepted comes here before it is done."""
        del context, left, right
        raise TemplateError(f"`{operator}` is not known here")


def jinja_wording(templates: Mapping[Place, TemplateText]) -> Wording:
    """The templates, each compiled and tried.

    Raises:
        Refused: one of them has an error, or knows a name that there is not; with the place in the operator's file.
    """
    environment = _Environment(undefined=StrictUndefined, trim_blocks=True)
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {name: environment.tests[name] for name in TESTS}
    compiled: dict[Place, Template] = {}
    for place, given in templates.items():
        try:
            compiled[place] = environment.from_string(given.text)
        except TemplateSyntaxError as error:
            raise _refused(given.at, f"line {error.lineno} of the template: {error.message}") from None

    def wording(place: Place, values: Mapping[str, Value]) -> str | None:
        template = compiled.get(place)
        if template is None:
            return None
        try:
            said = template.render(values)
        except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise _refused(templates[place].at, str(error) or type(error).__name__) from None
        if len(said) > LONGEST:
            raise _refused(templates[place].at, f"it gives {len(said):,} characters, {LONGEST:,} are the most")
        return said

    for place in compiled:
        for values in SAMPLE_VALUES[place]:
            wording(place, values)
    return wording


def _refused(at: Problem, message: str) -> Refused:
    names = "names and filters of a template are in docs/how-to/word-pull-requests.md"
    return Refused(replace(at, message=f"this template cannot be used: {message}", hint=names))
