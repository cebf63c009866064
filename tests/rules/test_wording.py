"""An operator's own words for pull requests and commits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.adapters.wording import jinja_wording
from gitslo.core.messages import commit_message, pull_request_title
from gitslo.core.render import BODY_BYTES, pull_request_body
from gitslo.errors import Problem, Refused
from gitslo.ports import Place, Wording
from gitslo.wording_settings import TemplateText
from tests.render.cases import HOSTILE, PASSED, PROMOTION, environment, release

AT = Problem("", "operator.yaml", 7, 14, "/repositories/0/templates/title")
WHERE = environment("staging")


def wording(**templates: str) -> Wording:
    return jinja_wording({Place(place): TemplateText(text, AT) for place, text in templates.items()})


def body(words: Wording) -> str:
    return pull_request_body(PROMOTION, WHERE, PASSED, source=environment("dev"), wording=words)


def test_a_title_is_what_the_template_says() -> None:
    """With names of the change, and the usual title among them."""
    words = wording(title="[{{ environment | upper }}] {{ title }} ({{ kind }}, run {{ run }})")
    usual = pull_request_title(PROMOTION, WHERE)

    assert pull_request_title(PROMOTION, WHERE, words) == f"[STAGING] {usual} (promote, run {PROMOTION.source_run})"


def test_a_title_is_one_short_line() -> None:
    """Whatever the template gives."""
    words = wording(title="a\nb\x1b[31m" + "c" * 300)
    title = pull_request_title(PROMOTION, WHERE, words)

    assert (title.startswith("a b\\x1b[31mccc"), len(title)) == (True, 200)


def test_a_body_holds_the_usual_page_and_more() -> None:
    """What the operator writes acts: it is neither escaped nor cut in."""
    usual = pull_request_body(PROMOTION, WHERE, PASSED, source=environment("dev"))

    assert (
        body(wording(body="{{ page }}\n\n@acme/sre <b>look</b>")) == usual.rstrip("\n") + "\n\n@acme/sre <b>look</b>\n"
    )


def test_a_body_has_its_bound() -> None:
    """As every page."""
    found = body(wording(body="{{ page }}" + "x\n" * 5000 * 7)).encode()

    assert (len(found) <= BODY_BYTES, b"The rest was cut here" in found) == (True, True)


def test_what_others_wrote_is_harmless_in_its_place() -> None:
    """A tag of a release notifies nobody and is no markup, in a title as in a body."""
    hostile = replace(PROMOTION, to_release=release(HOSTILE))
    words = wording(title="{{ moves[0].after if moves else '' }}", body="{{ moves | map(attribute='after') | join }}")
    page = pull_request_body(hostile, WHERE, None, wording=words)

    assert "@everyone" not in pull_request_title(hostile, WHERE, words) + page
    assert "<img" not in page


def test_the_trailers_come_after_any_message() -> None:
    """Our commits are known by them."""
    usual = commit_message(PROMOTION, WHERE)
    said = commit_message(PROMOTION, WHERE, wording(commit="chore: {{ environment }}\n\nGitslo-Run: 99\n"))

    assert said == "chore: staging\n\nGitslo-Run: 99\n\n" + usual.rpartition("\n\n")[2]


def test_nothing_is_the_usual_words() -> None:
    """A template that gives nothing, and a place without one."""
    words = wording(title="{% if false %}x{% endif %}", commit="  ")

    assert (pull_request_title(PROMOTION, WHERE, words), commit_message(PROMOTION, WHERE, words), body(words)) == (
        pull_request_title(PROMOTION, WHERE),
        commit_message(PROMOTION, WHERE),
        pull_request_body(PROMOTION, WHERE, PASSED, source=environment("dev")),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{{ enviroment }}", "'enviroment' is undefined"),
        ("a\n{{ title ", "line 2 of the template: unexpected end of template"),
        ("{{ title | random }}", "No filter named 'random'"),
        ("{{ moves[0].after }}", "has no element 0"),
        ("{{ range(3) }}", "'range' is undefined"),
        ("{{ title.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ title * 9999999999 }}", ""),
        ("{% include 'x' %}", "no loader for this environment"),
    ],
)
def test_a_template_that_cannot_work_is_told_at_the_start(text: str, told: str) -> None:
    """With its place in the operator's file, before anything rests on it: also where only some changes show it."""
    with pytest.raises(Refused) as refused:
        wording(title=text)
    [problem] = refused.value.problems

    assert (problem.file, problem.line, problem.pointer) == (AT.file, AT.line, AT.pointer)
    assert problem.message.startswith("this template cannot be used: ")
    assert told in problem.message
