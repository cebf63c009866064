"""Links between two versions of a promoted value."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.compare import compare_url, parse_compare
from gitslo.core.messages import moved, template_values
from gitslo.core.render import pull_request_body
from gitslo.errors import Refused
from gitslo.model import Change, Locator, LocatorForm, Promoted, PromotedKind, Release, ReleaseValue
from tests.render.cases import COMPARE, FAILED, HOSTILE, PROMOTION, REVERT, environment

GITLAB = "https://gitlab.example.com/acme/platform/hello/-/compare/{before}...{after}"
STAGING = environment("staging")


def url(change: Change, kind: PromotedKind = PromotedKind.IMAGE, pattern: str = COMPARE) -> str:
    """The link of a change's first move."""
    [(was, now), *_] = moved(change.from_release, change.to_release)
    promoted = Promoted(kind, now.name, Locator(LocatorForm.MANIFESTS), pattern)
    return compare_url(change, replace(STAGING, promoted=(promoted,)), was, now)


def moves(before: str, after: str, kind: PromotedKind = PromotedKind.IMAGE, name: str = "x") -> Change:
    """A promotion from one value to another."""
    old, new = (Release((ReleaseValue(kind, name, value),), "d") for value in (before, after))
    return replace(PROMOTION, from_release=old, to_release=new)


def test_a_promotion_links_what_it_brings() -> None:
    """From the version that runs to the one that comes, without their digests."""
    assert "https://git.example.com/acme/hello/compare/v1...v2" == url(PROMOTION)
    assert "https://gitlab.example.com/acme/platform/hello/-/compare/v1...v2" == url(PROMOTION, pattern=GITLAB)


def test_a_revert_links_what_it_undoes() -> None:
    """The older version first: a comparison the other way round is empty on every forge."""
    assert "https://git.example.com/acme/hello/compare/v2...v3" == url(REVERT)
    assert "([compare](https://git.example.com/acme/hello/compare/v2...v3))" in pull_request_body(
        REVERT, environment("dev"), FAILED
    )


@pytest.mark.parametrize(
    "change",
    [
        moves("@sha256:" + "a" * 64, "v2"),
        moves("v1@sha256:" + "a" * 64, "v1@sha256:" + "b" * 64),
        moves("v1", "v" * 200, PromotedKind.FIELD),
        moves("a" * 40, "b" * 40, PromotedKind.FILE),
        replace(PROMOTION, from_release=Release((), "d")),
    ],
)
def test_what_cannot_be_compared_has_no_link(change: Change) -> None:
    """A digest alone, one tag that was pushed again, a long text, a blob, and what was not there before."""
    assert "" == url(change, change.to_release.values[0].kind)


def test_a_value_stays_a_part_of_the_path() -> None:
    """Whatever a version is called, it ends neither the link nor its path."""
    change = moves("1.0/../x?y#z", "2) [a](http://evil.example", PromotedKind.FIELD)

    expected = "/compare/1.0%2F..%2Fx%3Fy%23z...2%29%20%5Ba%5D%28http%3A%2F%2Fevil.example"
    assert f"https://git.example.com/acme/hello{expected}" == url(change, PromotedKind.FIELD)
    assert url(moves(HOSTILE, "v2")).endswith("/compare/v9%20...v2")


def test_templates_have_the_link_too() -> None:
    """`move.compare` in a template of the operator's; empty where there is none."""
    found = template_values(PROMOTION, STAGING, str)["moves"]

    assert ["https://git.example.com/acme/hello/compare/v1...v2", ""] == [move["compare"] for move in found]  # type: ignore[index,call-overload,union-attr]


@pytest.mark.parametrize("text", [COMPARE, GITLAB, "http://10.0.0.7:3000/a/{service}/compare/{before}...{after}?w=1"])
def test_a_pattern_is_a_url_with_both_versions(text: str) -> None:
    """As GitHub, Gitea, Forgejo and GitLab have them."""
    assert text == parse_compare(text)


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert({before},{after})",
        "https://git.example.com/compare/{before}",
        "https://{before}.example.com/{after}",
        "https://git.example.com/{before}...{after}/{other}",
        "git.example.com/{before}...{after}",
        "https://git.example.com/({before})...{after}",
        "https://git.example.com/{before} {after}",
        "https://bot:secret@git.example.com/{before}...{after}",
        "https://git.example.com/{before}...{after}?x=<b>",
    ],
)
def test_any_other_pattern_is_refused(text: str) -> None:
    """No other scheme, nothing left out, no host that a version could choose, nothing that ends a link."""
    with pytest.raises(Refused):
        parse_compare(text)
