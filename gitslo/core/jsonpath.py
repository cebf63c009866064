"""Reading one value out of a JSON document: JMESPath, and the only place that knows the library.

Called where a readiness check or the probe syncer looks into an answer, and where their expressions are checked. Pure.
The expression is a repository's and the document is whatever answers, so both may be hostile. What must stay true:
evaluation costs a bounded amount of time and memory (`[@,@][]` doubles a list, and a line holds a hundred of them), and
what comes back is JSON that can be written out.
"""

from __future__ import annotations

from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError
from jmespath.functions import Functions
from jmespath.visitor import TreeInterpreter

from gitslo.errors import Problem, Refused

__all__ = ["LONGEST_EXPRESSION", "search"]

LONGEST_EXPRESSION = 1000
"""Characters."""

_BUDGET = 2_000_000
"""Steps, and values in what steps make; a second or two. A whole answer has a tenth of that."""

_TEXT_PER_VALUE = 16
"""Characters that count as one value."""


def search(expression: str, document: object) -> object:
    """What `expression` finds in `document`; None where it finds nothing, or a function meets the wrong type.

    Args:
        expression: JMESPath.
        document: what a JSON parser gives.

    Raises:
        Refused: the expression is no JMESPath, or asks for more work than any check needs.
    """
    if len(expression) > LONGEST_EXPRESSION:
        raise Refused(Problem(f"a JMESPath expression has at most {LONGEST_EXPRESSION} characters"))
    try:
        parsed = jmespath.compile(expression).parsed
        interpreter = _Budgeted()
        found: object = interpreter.visit(parsed, document)
        interpreter.pay_for(found)
    except JMESPathTypeError:
        return None
    except (JMESPathError, RecursionError) as error:
        reason = " ".join(str(error).split()) or "it is nested too deeply"
        raise Refused(Problem(f"{expression!r} is no JMESPath expression: {reason}")) from error
    except _TooMuchError as error:
        raise Refused(Problem("the JMESPath expression asks for too much work", hint="make it simpler")) from error
    except (TypeError, ValueError, ArithmeticError):
        return None  # the library lets Python's own errors through: text compared with a number, a step of zero
    return found


class _TooMuchError(Exception):
    """The budget is spent."""


class _Budgeted(TreeInterpreter):
    """The library's interpreter, which pays for each step and for the size of what steps make of their input.

    Only these can make more of it than there was: lists and objects that are written out, flattening, functions.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left = _BUDGET
        self._calls = Functions()

    def pay_for(self, *values: object) -> None:
        """Pay for every value in these, one that stands in several places as often as it does."""
        left, open_values = self._left, list(values)
        while open_values and left >= 0:
            value = open_values.pop()
            left -= 1
            if isinstance(value, str):
                left -= len(value) // _TEXT_PER_VALUE
            elif isinstance(value, list):
                open_values += value
            elif isinstance(value, dict):
                open_values += value.keys()
                open_values += value.values()
        self._left = left
        if left < 0:
            raise _TooMuchError

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """One step."""
        self._left -= 1
        if self._left < 0:
            raise _TooMuchError
        return super().visit(node, *args, **kwargs)

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        """`[a, b]`."""
        return self._paid(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        """`{x: a, y: b}`."""
        return self._paid(super().visit_multi_select_dict(node, value))

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """`[]`."""
        return self._paid(super().visit_flatten(node, value))

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """`a == b`: two values are compared down to their leaves."""
        sides = [self.visit(child, value) for child in node["children"]]
        self.pay_for(*sides)
        known: Any = {**node, "children": [{"type": "literal", "value": side, "children": []} for side in sides]}
        return super().visit_comparator(known, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """`f(a, b)`; pays for the arguments, too, because the library walks through them."""
        arguments = [
            super(_Budgeted, self).visit_expref(child, value) if child["type"] == "expref" else self.visit(child, value)
            for child in node["children"]
        ]
        self.pay_for(*arguments)
        match node["value"], arguments:
            case "join", [str() as separator, list() as parts]:
                self._left -= len(separator) * len(parts) // _TEXT_PER_VALUE
                self.pay_for()
        return self._paid(self._calls.call_function(node["value"], arguments))

    def visit_expref(self, node: Any, value: Any) -> Any:
        """`&a` is an argument and no value."""
        del node, value
        raise JMESPathError("`&` stands only before an argument of a function")

    def _paid(self, made: Any) -> Any:
        self.pay_for(made)
        return made
