"""What every request to a forge has in common, on scripted answers and a clock that only tests move."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.adapters.forges.marks import fitted, marked, unmarked
from gitslo.errors import Refused, Retry
from gitslo.model import Instant, Seconds
from gitslo.ports import HttpAnswer

CANARY = "canary-51d0c1"
WALL = 1_790_000_000.0


@dataclass
class Script:
    """Answers in order, the last one for ever; what was asked, and how much time has passed."""

    answers: list[HttpAnswer]
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    passed: float = 0.0
    inside: int = 0
    most_inside: int = 0

    def __call__(
        self, method: str, target: object, path: str, *, headers: Sequence[tuple[str, str]], body: bytes, **_: object
    ) -> HttpAnswer:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        threading.Event().wait(0.01)
        self.asked.append((method, path, dict(headers), body))
        self.inside -= 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def now(self) -> Instant:
        return Instant(1000.0 + self.passed, WALL + self.passed)

    def sleep(self, seconds: Seconds) -> None:
        self.passed += seconds

    def http(self, repository: str = "acme/shop", spacing: float = 0.0, tokens: Sequence[str] = (CANARY,)) -> ForgeHttp:
        left = list(tokens)
        return ForgeHttp(
            self,
            "https://git.example.com/hub",
            lambda: [("Authorization", f"token {left[0]}")],
            name="Gitea",
            repository=repository,
            now=self.now,
            sleep=self.sleep,
            renew=lambda: len(left) > 1 and left.pop(0) != "",
            spacing=spacing,
        )


def answer(status: int, body: object = None, *, whole: bool = True, **headers: str) -> HttpAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpAnswer(status, named, content, whole)


@pytest.mark.parametrize(
    ("given", "delay"),
    [
        (answer(429, retry_after="17"), 17.0),
        (answer(503, retry_after="3"), 3.0),
        (answer(403, {"message": "slow down"}, retry_after="120"), 120.0),
        (answer(429, retry_after="Mon, 21 Sep 2026 14:13:50 GMT"), 30.0),
        (answer(429), 60.0),
        (answer(403, {"message": "You have exceeded a secondary rate limit"}), 60.0),
        (answer(403, {"message": "You have triggered an abuse detection mechanism."}), 60.0),
        (answer(403, {}, x_ratelimit_remaining="0", x_ratelimit_reset=str(int(WALL) + 90)), 90.0),
        (answer(429, {}, ratelimit_remaining="0", ratelimit_reset="45"), 45.0),
        (answer(429, {}, ratelimit_remaining="0", ratelimit_reset=str(int(WALL) + 10**7)), 3600.0),
        (answer(429, retry_after="soon"), 60.0),
    ],
)
def test_a_limit_is_kept_to_the_second(given: HttpAnswer, delay: float) -> None:
    """However a forge says it: until then nothing goes out; from then on it does."""
    script = Script([given, answer(200, {})])
    http = script.http()
    with pytest.raises(Retry) as first:
        http.get("/x")
    script.sleep(Seconds(delay - 1.0))
    with pytest.raises(Retry) as second:
        http.get("/x")
    early = len(script.asked)
    script.sleep(Seconds(1.0))

    assert http.get("/x").data == {}
    assert (1, 2) == (early, len(script.asked))
    assert [delay, 1.0] == [pytest.approx(caught.value.delay) for caught in (first, second)]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(200, b"<html>maintenance</html>"), "a page instead of JSON"),
        (answer(200, b'{"number": 1'), "what is no JSON"),
        (answer(200, b"[" * 100_000), "what is no JSON"),
        (answer(200, [], whole=False), "larger than"),
        (answer(500, b"<html>"), "status 500"),
        (answer(502, b""), "status 502"),
        (answer(503, {"message": "starting"}), "starting"),
    ],
)
def test_an_answer_that_cannot_be_used_is_none(given: HttpAnswer, said: str) -> None:
    """Pages, torn, endless and failed answers: look again later."""
    with pytest.raises(Retry, match=said):
        Script([given]).http().get("/x")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(301, b"", location="https://elsewhere.example.com/"), "it points to https://elsewhere.example.com/"),
        (answer(401, {"message": f"no {CANARY}"}), "does not accept the token: no ***"),
        (answer(403, {"message": "token does not have scope\x1b[31m"}), "does not let us /x"),
        (answer(404, {"message": "gone"}), "status 404 to /x: gone"),
        (answer(423, {"message": "archived"}), "archived"),
        (answer(422, {"message": "Bad", "errors": [{"field": "head", "code": "invalid"}]}), "Bad: head invalid"),
        (answer(422, {"message": "Bad", "errors": ["too long", {"message": "and late"}]}), "Bad: too long; and late"),
        (answer(409, {"message": ["Another open one exists: !7"]}), "Another open one exists: !7"),
        (answer(400, {"message": {"title": ["is too long", "is odd"]}}), "title is too long; title is odd"),
        (answer(400, {"error": "source_branch is missing"}), "source_branch is missing"),
    ],
)
def test_what_a_person_has_to_mend_is_refused(given: HttpAnswer, said: str) -> None:
    """No redirect is followed, and no message has the token or anything that acts on a terminal in it."""
    script = Script([given])
    with pytest.raises(Refused) as caught:
        script.http().get("/x")

    assert said in str(caught.value)
    assert 1 == len(script.asked)
    assert [] == [bad for bad in (CANARY, "\x1b") if bad in str(caught.value)]


def test_who_is_not_known_any_more_asks_again_with_new_credentials() -> None:
    """Once: should those not do either, a person has to look, and neither token stands in the message."""
    script = Script([answer(401, {"message": "expired"}), answer(201, [1]), answer(401, {"message": f"no {CANARY}-2"})])
    http = script.http(tokens=(CANARY, f"{CANARY}-2", f"{CANARY}-3"))
    found = http.write("POST", "/x", {}).data
    with pytest.raises(Refused, match=r"does not accept the token: no \*\*\*") as caught:
        http.get("/x")

    assert [1] == found
    assert [f"token {CANARY}{end}" for end in ("", "-2", "-2", "-3")] == [
        headers["Authorization"] for _, _, headers, _ in script.asked
    ]
    assert CANARY not in str(caught.value)


def test_what_has_not_changed_is_not_sent_again() -> None:
    """An ETag that the forge gave comes back to it; "not modified" is the answer from before."""
    script = Script([answer(200, [1], etag='"a"'), answer(304, b""), answer(200, [2], etag='"b"')])
    http = script.http()
    found = [http.get("/x", {"page": 1}).data for _ in range(3)]

    assert [[1], [1], [2]] == found
    assert [None, '"a"', '"a"'] == [headers.get("If-None-Match") for _, _, headers, _ in script.asked]


def test_two_writes_never_go_out_at_once_to_one_repository() -> None:
    """Whoever asks: another client of the same repository waits for its turn."""
    script = Script([answer(201, {})])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: script.http().write("POST", "/x", {}), range(8)))

    assert (8, 1) == (len(script.asked), script.most_inside)


def test_writes_keep_their_distance() -> None:
    """Where a forge asks for a pause between writes, there is one; reads have none."""
    script = Script([answer(201, {})])
    http = script.http("acme/spaced", spacing=1.0)
    for _ in range(3):
        http.write("POST", "/x", {})
        http.get("/x")

    assert pytest.approx(2.0) == script.passed


@pytest.mark.parametrize("value", ["shop/checkout/dev/1/1790000000", "a--b", "--> <b>", "über", "verdict-1", "%2D"])
def test_a_mark_is_found_again_letter_by_letter(value: str) -> None:
    """Whatever a key holds, the text and the key come back, also where a forge has turned the line ends."""
    text = marked("the numbers\n", "pull", value)

    assert ("the numbers\n", value) == unmarked(text, "pull")
    assert ("the numbers\n", value) == unmarked(text.replace("\n", "\r\n"), "pull")
    assert (text, "") == unmarked(text, "comment")
    assert 1 == text.count("--") - 1


def test_a_slash_in_a_branch_is_no_folder() -> None:
    """A branch's name is one part of a path."""
    assert "gitslo%2Fshop%2Fdev%2Fpromote" == segment("gitslo/shop/dev/promote")


def test_a_list_says_whether_there_is_more() -> None:
    """By the link to the next page, which is not followed, also where the answer comes from memory."""
    link = '<https://elsewhere.example.com/x?page=2>; rel="next", <https://git.example.com/x?page=9>; rel="last"'
    script = Script([answer(200, [1], link=link, etag='"1"'), answer(304), answer(200, [2], link='<x>; rel="prev"')])
    http = script.http()

    assert [True, True, False] == [http.get("/x").more for _ in range(3)]
    assert ["/x"] * 3 == [path for _, path, _, _ in script.asked]


def test_a_text_is_cut_where_a_forge_holds_no_more() -> None:
    """At the end of a line, with a word about it; an open block of code is closed, so that the mark stays hidden."""
    whole, long, code = "| 1 |\n" * 100, "| 1 |\n" * 1000, "```\n" + "1 ms\n" * 1000
    found = [fitted(text, 2000) for text in (long, code)]

    assert whole == fitted(whole, 2000)
    assert [True, True] == [len(marked(text, "pull", "k" * 400)) <= 2000 for text in found]
    assert ["| 1 |", "```"] == [text.partition("\n\n*Cut off here")[0].rpartition("\n")[2] for text in found]
