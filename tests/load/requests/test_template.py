"""Templates: what is a variable, what is literal, and where a mistake is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.template import Template, TemplateFault, Variable, check, in_json, in_path, parse
from gitslo.errors import Refused

FEEDERS = {"users": ("name", "full name")}
VALUES = {
    Variable("", "seq"): "7",
    Variable("", "uuid"): "U",
    Variable("users", "name"): "Ada",
    Variable("users", "full name"): "Ada L",
    Variable("env", "REGION"): "eu",
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("", ""),
        ("plain", "plain"),
        ("${seq}", "7"),
        ("/a/${users.name}?x=${seq}${seq}&y", "/a/Ada?x=77&y"),
        ("${users.full name}-${env.REGION}", "Ada L-eu"),
        ("$${seq}", "${seq}"),
        ("$$${seq}", "$7"),
        ("$$$${seq}", "$${seq}"),
        ("$ $$ $5 {x} $(y) ${seq}$", "$ $$ $5 {x} $(y) 7$"),
        ("$${${seq}}", "${7}"),
    ],
)
def test_what_is_sent(text, rendered):
    """A variable becomes its value; `$$` before a brace is one `$`; everything else stays, in texts and in bytes."""
    values = {variable: value.encode() for variable, value in VALUES.items()}

    assert parse(text).render(VALUES) == rendered
    assert parse(text.encode()).render(values) == rendered.encode()
    assert check(text, FEEDERS, ["REGION"]) == ()


def test_variables_are_named():
    """What a template needs is known before it is rendered; one without variables is constant."""
    template = parse("${users.name} ${seq} ${users.name}")

    assert template.variables() == {Variable("users", "name"), Variable("", "seq")}
    assert template.varies
    assert parse("a$${b") == Template(("a${b",), (), "a${b")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ab${seq", TemplateFault(2, "`${` is not closed", "a literal `${` is written `$${`")),
        ("$$${seq", TemplateFault(2, "`${` is not closed", "a literal `${` is written `$${`")),
        ("a${\n}", TemplateFault(1, "`${` is not closed", "a literal `${` is written `$${`")),
        ("a${tiemstamp}", TemplateFault(3, "there is no variable `tiemstamp`", "did you mean `timestamp`?")),
        ("${user.name}", TemplateFault(2, "there is no variable `user.name`", "did you mean `users.name`?")),
        ("${users.nam}", TemplateFault(8, "the data `users` has no column `nam`", "did you mean `name`?")),
        (
            "${env.REGIO}",
            TemplateFault(6, "the operator allows no environment variable `REGIO`", "did you mean `REGION`?"),
        ),
        ("é${x}", TemplateFault(3, "there is no variable `x`", "")),
        (f"${{{'x' * 201}}}", TemplateFault(2, "a variable's name has at most 200 characters", "")),
    ],
)
def test_a_mistake_has_a_place_and_a_hint(text, fault):
    """The offset is that of the character at fault, the hint the nearest name there is."""
    found = check(text, FEEDERS, ["REGION"])

    assert [(each.offset, each.message) for each in found] == [(fault.offset, fault.message)]
    assert fault.hint in found[0].hint


def test_every_mistake_is_told():
    """One wrong variable does not hide the next, and an unclosed one hides nothing after it."""
    found = check("${a} ${seq} ${b.c} ${ ${users.x}", FEEDERS, [])

    assert [fault.offset for fault in found] == [2, 14, 19, 30]


def test_offsets_in_bytes_are_bytes():
    """A letter of two bytes counts as two there."""
    assert [fault.offset for fault in check("é${x}".encode(), {})] == [4]


def test_without_an_operator_any_environment_variable_may_be_one():
    """`gitslo check` in a repository does not know what the operator allows."""
    assert check("${env.ANY}", {}) == ()
    assert [fault.offset for fault in check("${env.ANY}", {}, [])] == [6]


@pytest.mark.parametrize("text", ["${seq", "${}", "${sequence}", "${.x}", "${x.}"])
def test_parsing_refuses_what_can_be_no_variable(text):
    """Whoever renders cannot forget to check."""
    with pytest.raises(Refused):
        parse(text)


@given(st.text())
def test_text_without_an_opening_is_itself(text):
    """No byte of a body is changed by being looked at."""
    plain = text.replace("{", "")

    assert parse(plain).render({}) == plain


@given(st.binary())
def test_bytes_of_any_encoding_pass_unharmed(data):
    """Bytes that are no text are no template, whatever is in them; text with its openings escaped is itself."""
    try:
        data.decode()
    except UnicodeDecodeError:
        escaped = data
    else:
        escaped = re.sub(rb"(\$+)\{", lambda match: match[1] * 2 + b"{", data)

    assert parse(escaped).render({}) == data
    assert check(escaped, {}) == ()


@pytest.mark.parametrize("data", [b"\xff${seq}", b"\x89PNG ${nothing}", b"\xe9${"])
def test_what_is_no_text_has_no_variables(data):
    """A picture is sent as it is, whatever its bytes happen to be."""
    assert parse(data) == Template((data,), (), data)
    assert check(data, {}) == ()


def test_values_fit_where_they_stand():
    """A value can end neither a JSON string nor a path."""
    assert in_json('a"b\\\n\x01é') == 'a\\"b\\\\\\n\\u0001é'
    assert in_path("a b/c?d=é#\r\n%20") == "a%20b/c?d=%C3%A9%23%0D%0A%20"
