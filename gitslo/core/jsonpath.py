"""Reading one value out of a JSON document: JMESPath, and the only place that knows the library.

Called where a readiness check or the probe syncer looks into an answer. Pure.
"""

from __future__ import annotations

import jmespath
from jmespath.exceptions import JMESPathError, JMESPathTypeError

from gitslo.errors import Problem, Refused

__all__ = ["LONGEST_EXPRESSION", "search"]

LONGEST_EXPRESSION = 1000
"""Characters."""


def search(expression: str, document: object) -> object:
    """What `expression` finds in `document`; None where it finds nothing, or a function meets the wrong type.

    Args:
        expression: JMESPath.
        document: what a JSON parser gives.

    Raises:
        Refused: the expression is no JMESPath.
    """
    if len(expression) > LONGEST_EXPRESSION:
        raise Refused(Problem(f"a JMESPath expression has at most {LONGEST_EXPRESSION} characters"))
    try:
        found: object = jmespath.search(expression, document)
    except JMESPathTypeError:
        return None
    except (JMESPathError, RecursionError) as error:
        reason = " ".join(str(error).split()) or "it is nested too deeply"
        raise Refused(Problem(f"{expression!r} is no JMESPath expression: {reason}")) from error
    return found
