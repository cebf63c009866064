from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.sql_statement import PARAMETERS, faults, parse
from gitslo.errors import Refused

RIGHT = {
    "select 1": (),
    "SELECT 1;": (),
    "  ( select :start )  ; ": ("start",),
    "with x as (select 1) select * from x": (),
    "values (1)": (),
    "table t": (),
    "-- which\nselect 1": (),
    "/* which :one */ select 1": (),
    "select :start::timestamptz, x::int, a[1:2]": ("start",),
    "select ':x', \":x\", `:x`, '{\"a\":true}', $$ :x $$, $q$ ':x $q$ from t where a = :revision": ("revision",),
    "select 'it''s :x', :end": ("end",),
    "select e'\\':x', :end": ("end",),
    "select 1 -- :x\n, :end_epoch": ("end_epoch",),
    "select to_char(at, 'HH24:MI'), '12:30:00', @x := 1 from t where a = :stage": ("stage",),
    "select 1 where :service = :service": ("service",),
    "select a.outfiles from a": (),
}

WRONG = {
    "": "there is no SQL statement",
    " -- nothing": "there is no SQL statement",
    "insert into t values (1)": "it begins with SELECT, WITH, VALUES or TABLE",
    "/**/ delete from t": "it begins with SELECT, WITH, VALUES or TABLE",
    "1 select": "it begins with SELECT, WITH, VALUES or TABLE",
    "explain analyze delete from t": "it begins with SELECT, WITH, VALUES or TABLE",
    "set transaction read write": "it begins with SELECT, WITH, VALUES or TABLE",
    "select 1; delete from t": "no `;` before its end",
    "select 1;;": "no `;` before its end",
    "select ';'": "no `;` before its end",
    "select 1; -- no": "no `;` before its end",
    "select '\\'; delete from t; --'": "no `;` before its end",
    "select :strat": "there is no parameter `:strat` (did you mean `start`?)",
    "select :x": "there is no parameter `:x` (there is `start`",
    "select 1 where at > ':start'": "`:start` in quotes is a text (a parameter stands without quotes)",
    "select 1 where r = '${revision}'": "SQL has parameters, not `${...}`",
    "select 1 into outfile '/tmp/x'": "writes no file",
    "select 1 INTO/**/DUMPFILE '/tmp/x'": "writes no file",
    "select 1 /*!50000 union select 2 */": "a comment that MySQL runs",
    "select 1 /*M!50000 union select 2 */": "a comment that MySQL runs",
    "select '\0'": "no NUL character",
}


@pytest.mark.parametrize("text", RIGHT)
def test_parameters_are_found_outside_of_literals(text) -> None:
    """Colons in literals, comments, casts, slices and assignments are no parameters."""
    assert set(RIGHT[text]) == parse(text).parameters


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said(text) -> None:
    """A second statement, one that does not read, an unknown parameter: refused, with a hint."""
    with pytest.raises(Refused) as refused:
        parse(text)

    assert WRONG[text] in str(refused.value)


def test_a_backslash_hides_a_quote_where_the_database_says_so() -> None:
    """In MySQL a quote behind a backslash does not end a literal."""
    text = "select 'it\\'s :x', :end, 'a'"

    assert {"end"} == parse(text, backslash=True).parameters


def test_every_mistake_has_its_place() -> None:
    """All of them, in the order of the text."""
    text = "select :x; select ':end'"

    assert [(7, ":x"), (9, ";"), (18, "':end'")] == [
        (fault.offset, text[fault.offset :][: len(part)])
        for fault, part in zip(faults(text), (":x", ";", "':end'"), strict=True)
    ]


@given(st.text(alphabet=":;'\"\\$-/*`#sele ct(x)\n", max_size=60))
@settings(derandomize=True, database=None, deadline=None, max_examples=300)
def test_no_text_is_cut_wrong(text) -> None:
    """What is accepted holds no `;`, and its pieces and parameters make the text again."""
    for backslash in (False, True):
        if not faults(f"select {text}", backslash=backslash):
            statement = parse(f"select {text}", backslash=backslash)
            again = "".join(piece + (f":{name}" if name else "") for piece, name in statement.pieces)

            assert f"select {text}".rstrip().removesuffix(";").rstrip() == again
            assert ";" not in again
            assert statement.parameters <= set(PARAMETERS)
