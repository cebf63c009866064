"""What a person sees: pull requests, comments and issues as a real Gitea shows them in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gitslo.core import render
from gitslo.model import Evidence, Phase, Seconds
from tests.gitea_server import BOT, OWNER, GiteaServer
from tests.pages.browser import Browser, Page
from tests.render.cases import (
    CASES,
    FAILED,
    HOSTILE,
    PASSED,
    PROMOTION,
    REVERT,
    attempt,
    environment,
    tally,
)
from tests.required import required

SHAKEN = replace(
    FAILED,
    evidence=Evidence(
        (
            attempt(
                tallies=tally(shaken=True),
                judged_seconds=((Phase.STEADY, Seconds(12.0)), (Phase.CHAOS, Seconds(5.0))),
            ),
        )
    ),
)
"""A run with chaos in it."""

SVGS = """[...document.querySelectorAll('.mermaid-block iframe:not(.is-loading)')]
    .map(frame => frame.contentDocument.querySelector('svg'))
    .map(svg => [svg.getAttribute('aria-roledescription'), svg.querySelectorAll('.plot > *').length])"""
"""Of every chart what it is, and how many series are drawn in it."""

SEEN_BARS = """[...document.querySelectorAll('.mermaid-block iframe')].map(frame =>
    [...frame.contentDocument.querySelectorAll('.plot rect')]
        .filter(bar => Number(bar.getAttribute('height')) > 0).length)"""

WIDER = """[...document.querySelectorAll('.render-content')].flatMap(text =>
    [...text.querySelectorAll('table, .mermaid-block svg')].filter(it => it.scrollWidth > it.clientWidth + 1)
        .map(it => it.innerText))"""
"""Tables of which a part is cut off."""

LINKS = """[...document.querySelectorAll('.comment .render-content, .issue-title')].flatMap(text =>
    [...text.querySelectorAll('a:not(.anchor), img, script')].map(it => it.outerHTML))"""
"""What leads or loads from elsewhere; an anchor is Gitea's own, beside every heading."""


@dataclass(frozen=True)
class Forge:
    """A Gitea with its front end, one repository in it, and a browser."""

    server: GiteaServer
    repository: str
    browser: Browser

    def pull(self, name: str, title: str, body: str) -> int:
        """The number of a new pull request of the bot's."""
        self.server.commit(self.repository, name, {f"{name}.txt": name})
        asked = {"head": name, "base": "main", "title": title, "body": body}
        reply = self.server.api(BOT, "POST", f"/repos/{self.repository}/pulls", asked)
        assert reply.status == 201, reply
        number: int = reply.data["number"]
        return number

    def shown(self, path: str, charts: int, *, dark: bool = False) -> Page:
        """The page below the repository, once everything is drawn."""
        page = self.browser.page(f"{self.server.url}/{self.repository}/{path}", dark=dark)
        page.until(
            f"document.readyState === 'complete' && {SVGS}.length + {len_of('.markup-block-error')} >= {charts}",
            f"{charts} charts are drawn",
        )
        return page


def len_of(selector: str) -> str:
    """JavaScript: how many there are."""
    return f"document.querySelectorAll('{selector}').length"


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """One for all tests of this module; anybody may read it."""
    assets = required("gitea-web").parent.parent
    with GiteaServer(required("gitea"), assets) as server, Browser(required("chromium")) as browser:
        yield Forge(server, server.new_repository(), browser)


def told(page: Page) -> tuple[list[Any], list[Any], list[Any]]:
    """The charts, what went wrong in drawing them, and the tables that do not fit."""
    errors = page.evaluate("[...document.querySelectorAll('.markup-block-error')].map(it => it.innerText)")
    return page.evaluate(SVGS), errors, page.evaluate(WIDER)


CHARTS = [["xychart", 1], ["xychart", 2], ["xychart", 1]]
"""Requests a second; bad ones and what is allowed; response times."""


def test_all_charts_of_a_promotion_are_drawn(forge: Forge) -> None:
    """Three charts, no error of Mermaid's, and no table that is cut off."""
    where = environment("staging")
    title = render.pull_request_title(PROMOTION, where)
    number = forge.pull("promotion", title, render.pull_request_body(PROMOTION, where, PASSED, source=where))

    assert (CHARTS, [], []) == told(forge.shown(f"pulls/{number}", 3))


def test_a_table_that_is_cut_off_is_found(forge: Forge) -> None:
    """What the other tests rest on: one of fifteen wide columns does not fit."""
    row = "|" + " unbreakable |" * 15
    number = forge.pull("wide", "Wide", f"{row}\n|{' --- |' * 15}\n{row}")
    page = forge.shown(f"pulls/{number}", 0)
    page.until(len_of(".render-content table"), "there is a table")

    assert 1 == len(told(page)[2])


@pytest.mark.parametrize("dark", [False, True])
def test_chaos_is_shaded_where_it_was_and_nowhere_else(forge: Forge, dark: bool) -> None:
    """Of seventeen seconds the five of chaos have a bar; of the times of responses those that there were."""
    where = environment("dev")
    number = forge.pull(f"revert-{dark}", f"Revert {dark}", render.pull_request_body(REVERT, where, SHAKEN))
    page = forge.shown(f"pulls/{number}", 3, dark=dark)

    assert ([["xychart", 2], ["xychart", 3], ["xychart", 1]], [], []) == told(page)
    assert [5, 5, 5] == page.evaluate(SEEN_BARS)


def test_what_others_wrote_does_nothing_on_a_page(forge: Forge) -> None:
    """No link, no picture, no mention and no script of theirs; their words can be read."""
    title, _, body, _ = CASES["hostile.md"]().split("\n=====\n")
    page = forge.shown(f"pulls/{forge.pull('hostile', title, body)}", 1)
    said = page.evaluate("document.querySelector('.comment .render-content').innerText").replace("\u200b", "")

    assert ([["xychart", 1]], []) == told(page)[:2]
    assert [] == page.evaluate(LINKS)
    assert HOSTILE.partition("\x1b")[0] in said


def test_a_comment_and_an_issue_are_drawn_too(forge: Forge) -> None:
    """The verdict on what was merged, and what needs a person."""
    where = environment("staging")
    api = f"/repos/{forge.repository}/issues"
    number = forge.pull("commented", "Commented", "See below.")
    said = {"body": render.verdict_comment(PASSED, where)}
    assert forge.server.api(BOT, "POST", f"{api}/{number}/comments", said).status == 201
    parts = CASES["issues.md"]().split("\n=====\n")
    issue = forge.server.api(BOT, "POST", api, {"title": parts[0], "body": parts[1]}).data["number"]

    assert (CHARTS, [], []) == told(forge.shown(f"pulls/{number}", 3))
    assert (CHARTS, [], []) == told(forge.shown(f"issues/{issue}", 3))


def test_a_status_says_its_verdict_beside_the_commit(forge: Forge) -> None:
    """Our one line about a run is on the pull request's page, with its context."""
    number = forge.pull("status", "Status", "With a status.")
    head = forge.server.tip(forge.repository, "status")
    said = {"state": "failure", "context": "gitslo/staging", "description": render.status_description(FAILED)}
    assert forge.server.api(OWNER, "POST", f"/repos/{forge.repository}/statuses/{head}", said).status == 201
    page = forge.shown(f"pulls/{number}", 0)
    lines = page.evaluate("[...document.querySelectorAll('.commit-status-item')].map(it => it.innerText.trim())")

    assert [f"gitslo/staging {render.status_description(FAILED)}"] == lines
