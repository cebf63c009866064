from __future__ import annotations

from tests.project.reference import pages, rows


def test_generated_pages_are_current() -> None:
    """The reference says what the code does: `make docs` would change nothing."""
    for path, text in pages().items():
        assert text == path.read_text(encoding="utf-8")


def test_rows_follow_references_lists_and_alternatives() -> None:
    """Every named field of a schema becomes a row, wherever the schema hides it; what is alike is explained once."""
    schema = {
        "properties": {
            "schema": {"const": "gitslo/v1"},
            "a": {"$ref": "#/$defs/a", "description": "One | two"},
            "b": {"type": "array", "items": {"properties": {"c": {"enum": ["x", "y"], "default": "x"}}}},
            "d": {"additionalProperties": {"oneOf": [{"type": "string"}, {"properties": {"e": {"type": "integer"}}}]}},
            "f": {"$ref": "#/$defs/f"},
            "g": {"$ref": "#/$defs/f"},
        },
        "required": ["a"],
        "$defs": {
            "a": {"type": "string", "examples": ["250ms"]},
            "f": {
                "type": "object",
                "oneOf": [
                    {"properties": {"h": {"type": "string", "default": ""}}, "required": ["h"]},
                    {"properties": {"h": {"type": "string", "default": ""}, "i": {"type": "boolean"}}},
                ],
            },
        },
    }

    assert [
        ("`a`", "e.g. `250ms`", "One \\| two. Required."),
        ("`b`", "list", ""),
        ("`b[].c`", "`x`, `y`", "Default: `x`."),
        ("`d`", "", ""),
        ("`d.NAME`", "text", ""),
        ("`d.NAME.e`", "whole number", ""),
        ("`f`", "mapping", ""),
        ("`f.h`", "text", "Default: `empty`."),
        ("`f.i`", "boolean", ""),
        ("`g`", "mapping", "Like `f`."),
    ] == list(rows(schema, schema))
