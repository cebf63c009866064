"""The JSON Schemas of the contracts, and what of a document does not follow them. The only file that knows jsonschema.

Called by `gitslo.core.document`. Invariants:
    * Nothing is ever fetched: a `$ref` that is not in the schema itself is an error of ours.
    * Every mistake of a document is told, not only the first.
    * A subschema `{"title": ..., "not": {}}`, and a word in `x-later`, is a part of the language that this version does
      not have. A word in `x-hints` is a mistake that is often made, with how to mend it.
    * The validator, whose import takes a fifth of what a command needs to start, is imported by the first document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from gitslo.core.mistakes import Fault, Mistake, tell
from gitslo.core.yamlnodes import Plain, pointer_to

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

__all__ = ["Contract", "load_schema", "mistakes"]


class Contract(StrEnum):
    """A file that people write; the value is the schema's file name."""

    PIPELINE = "pipeline"
    PLAN = "plan"
    OPERATOR = "operator"


@cache
def load_schema(contract: Contract) -> dict[str, Any]:
    """The schema as it is shipped."""
    from importlib.resources import files  # noqa: PLC0415 - see the module

    text = (files("gitslo") / "schemas" / f"{contract}.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


@cache
def _validator(contract: Contract, part: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - see the module
    from referencing import Registry  # noqa: PLC0415 - see the module

    schema = load_schema(contract)
    whole = {**schema["$defs"][part], "$defs": schema["$defs"]} if part else schema
    # An explicit registry: the default one would fetch what a `$ref` names.
    return Draft202012Validator(whole, registry=Registry())


def mistakes(contract: Contract, data: Plain, part: str = "") -> Iterator[Mistake]:
    """Every mistake in a document, found as they are asked for, in no particular order; one may come more than once.

    Args:
        contract: what it should be.
        data: what it says.
        part: a definition of the contract's schema, where the document is only that.
    """
    definitions = load_schema(contract)["$defs"]
    for error in _validator(contract, part).iter_errors(data):
        yield from tell(_fault(error), definitions)


def _fault(error: ValidationError) -> Fault:
    branch = next(iter(error.relative_schema_path), 0)
    return Fault(
        keyword=str(error.validator),
        limit=error.validator_value,
        schema=cast("dict[str, Any]", error.schema),
        value=error.instance,
        pointer=pointer_to(*error.absolute_path),
        own=not error.relative_path,
        name="propertyNames" in error.absolute_schema_path,
        branch=branch if isinstance(branch, int) else 0,
        context=tuple(_fault(each) for each in error.context or ()),
    )
