"""The check of requests and answers against a description has to fail where it should."""

from __future__ import annotations

import json
import re

import pytest

from tests.openapi import Description, Undescribed

PULL = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "closed_at": {"type": "string", "format": "date-time", "nullable": True},
        "by": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/user"}]},
        "state": {"type": "string", "enum": ["open", "closed"]},
    },
    "required": ["number", "closed_at"],
}
DOCUMENT = {
    "paths": {
        "/repos/{repo}/pulls": {
            "get": {
                "parameters": [
                    {"name": "repo", "in": "path", "required": True, "schema": {"type": "string"}},
                    {"$ref": "#/components/parameters/page"},
                    {"name": "draft", "in": "query", "schema": {"type": "boolean"}},
                    {"name": "kind", "in": "query", "required": True, "schema": {"type": "string", "enum": ["a", "b"]}},
                ],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": PULL}}}}},
            },
            "post": {
                "parameters": [{"name": "repo", "in": "path", "required": True, "schema": {"type": "string"}}],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "title": {"type": "string"},
                                    "labels": {"type": "array", "items": {"type": "string"}},
                                },
                                "required": ["title"],
                            }
                        }
                    },
                },
                "responses": {"201": {"$ref": "#/components/responses/pull"}, "204": {"description": "nothing new"}},
            },
        }
    },
    "components": {
        "parameters": {"page": {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1}}},
        "responses": {"pull": {"content": {"application/json": {"schema": PULL}}}},
        "schemas": {"user": {"type": "object", "properties": {"login": {"type": "string"}}, "required": ["login"]}},
    },
}
HERE = "/repos/shop/pulls"
JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", f"{HERE}?kind=a", None),
        ("GET", f"{HERE}?kind=b&page=2&draft=true", None),
        ("GET", "/repos/a%2Fslash/pulls?kind=a", None),
        ("POST", HERE, {"title": "x", "labels": ["y"]}),
    ],
)
def test_what_is_described_passes(method: str, target: str, body: object) -> None:
    """Requests as the description has them."""
    content = b"" if body is None else json.dumps(body).encode()

    assert method.lower() == Description(DOCUMENT).request(method, target, JSON, content).method


@pytest.mark.parametrize(
    ("method", "target", "content_type", "body", "said"),
    [
        ("GET", "/repos/shop/pull?kind=a", JSON, b"", "there is no GET /repos/shop/pull"),
        ("PUT", HERE, JSON, b"", "there is no PUT"),
        ("GET", "/repos/a/slash/pulls", JSON, b"", "there is no GET"),
        ("GET", f"{HERE}?kind=a&stat=open", JSON, b"", "no parameter 'stat'"),
        ("GET", f"{HERE}?kind=c", JSON, b"", "'c' is not one of"),
        ("GET", f"{HERE}?kind=a&page=0", JSON, b"", "less than the minimum"),
        ("GET", f"{HERE}?kind=a&page=two", JSON, b"", "not of type 'integer'"),
        ("GET", f"{HERE}?kind=a&draft=1", JSON, b"", "not of type 'boolean'"),
        ("GET", HERE, JSON, b"", "needs the parameter 'kind'"),
        ("GET", f"{HERE}?kind=a", JSON, b"{}", "takes no body"),
        ("POST", HERE, JSON, b"", "needs a body"),
        ("POST", HERE, "text/plain", b"{}", "takes no 'text/plain'"),
        ("POST", HERE, JSON, b"{", "no JSON"),
        ("POST", HERE, JSON, b"{}", "'title' is a required property"),
        ("POST", HERE, JSON, b'{"title": null}', "None is not of type 'string'"),
        ("POST", HERE, JSON, b'{"title": "x", "label": []}', "there is no field 'label'"),
        ("POST", HERE, JSON, b'{"title": "x", "labels": [1]}', "/labels/0: 1 is not of type 'string'"),
    ],
)
def test_a_wrong_request_is_caught(method: str, target: str, content_type: str, body: bytes, said: str) -> None:
    """Another path, method, parameter, type or field than the description has."""
    with pytest.raises(Undescribed, match=said):
        Description(DOCUMENT).request(method, target, content_type, body)


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (201, {"number": 1, "closed_at": None, "by": None, "state": "open"}, ""),
        (201, {"number": 1, "closed_at": "2026-11-27T10:00:00Z", "by": {"login": "ada"}}, ""),
        (204, None, ""),
        (502, None, ""),
        (422, {}, ""),
        (200, {"number": 1, "closed_at": None}, "only .* are described"),
        (204, {}, "has no body"),
        (201, {"number": 1}, "'closed_at' is a required property"),
        (201, {"number": None, "closed_at": None}, "None is not of type 'integer'"),
        (201, {"number": 1, "closed_at": "yesterday"}, "is not a 'date-time'"),
        (201, {"number": 1, "closed_at": None, "state": None}, "None is not of type 'string'"),
        (201, {"number": 1, "closed_at": None, "by": {}}, "'login' is a required property"),
        (201, {"number": 1, "closed_at": None, "merged": True}, "there is no field 'merged'"),
    ],
)
def test_an_answer_is_held_against_the_description(status: int, answer: object, said: str) -> None:
    """Its status, its fields, and nulls where the description has them; general and known statuses pass."""
    description = Description(
        DOCUMENT, general=frozenset({502}), known=frozenset({("post", "/repos/{repo}/pulls", 422)})
    )
    operation = description.operation("POST", HERE)
    body = b"" if answer is None else json.dumps(answer).encode()
    found = ""
    try:
        description.answer(operation, status, body)
    except Undescribed as error:
        found = str(error)

    assert found if said else not found
    assert re.search(said, found) is not None
