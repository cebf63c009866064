"""A pipeline that asks a daemon: `gitslo serve` and `gitslo verdict` as processes; a forge says when to look."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema
import pytest

from gitslo.core.webhooks import Sender
from tests.e2e.world import Said, World, lines, until
from tests.project.source import ROOT
from tests.webhooks.deliveries import signed

TOKEN, SECRET = "canary-api-77d1", "canary-hook-30ab"
SERVE = """\
serve: {listen: "127.0.0.1:0", token: {env: API_TOKEN}}
webhooks: {shop: {from: github, secret: {env: HOOK}}}
"""
BODY = b'{"ref": "refs/heads/main"}'


@dataclass
class Story:
    """What was asked and what came of it, gathered once for all tests of this module."""

    first: str = ""
    bad: str = ""
    said: dict[str, Said] = field(default_factory=dict)
    hooks: list[int] = field(default_factory=list)
    log: Path = Path()


def _post(url: str, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, BODY, headers), timeout=10) as answer:  # noqa: S310 - loopback
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """v1 passes; bad2 is committed, which the daemon hears of by a webhook alone, and fails; the daemon ends."""
    folder = tmp_path_factory.mktemp("verdict")
    told = Story(log=folder / "serve.jsonl")
    with World(folder, only="checkout/dev") as world:
        written = world.config.read_text().replace("poll: 200ms", "poll: 1h")
        world.config.write_text(written.replace('serve: {listen: "127.0.0.1:0"}\n', SERVE))
        world.variables.update(API_TOKEN=TOKEN, HOOK=SECRET, WRONG="canary-wrong")
        daemon = world.serve(told.log)
        until(lambda: any(line["event"] == "serve.listening" for line in lines(told.log)), "it listens")
        base = str(next(line["url"] for line in lines(told.log) if line["event"] == "serve.listening"))

        def ask(name: str, *more: str, environment: str = "checkout/dev", variable: str = "API_TOKEN") -> None:
            asked = ("--repository", "shop", "--environment", environment, "--token-env", variable)
            told.said[name] = world.gitslo("verdict", "--url", base, *asked, *more, config=False)

        told.first = world.repository.tip()
        ask("passes", "--commit", told.first[:8], "--wait", "60s")
        ask("document", "--json")
        told.bad = world.release("checkout/dev", "bad2")
        ask("not polled", "--commit", told.bad)
        hook = f"{base}/webhooks/shop"
        told.hooks.append(_post(hook, signed(Sender.GITHUB, BODY, secret="another")))
        told.hooks += [_post(hook, signed(Sender.GITHUB, BODY, "1", SECRET)) for _ in range(2)]
        ask("fails", "--commit", told.bad, "--wait", "60s")
        ask("mistyped", environment="checkout/dve")
        ask("wrong token", variable="WRONG")
        ask("no duration", "--wait", "soon")
        daemon.terminate()
        daemon.wait(30)
        ask("away", "--wait", "1s")
        yield told


def test_a_pass_is_0(story: Story) -> None:
    """The pipeline waits for the run, and goes on; what was waited for stands in its log, line by line."""
    said = story.said["passes"]

    assert (0, f"pass: shop checkout/dev {story.first[:12]}") == (said.code, said.out.splitlines()[0])
    assert set() == {line for line in said.err.splitlines() if not line.startswith("waiting: ")}


def test_the_document_follows_the_contract(story: Story) -> None:
    """`--json` is the daemon's answer, and nothing else on standard output."""
    schema = json.loads((ROOT / "schemas" / "api.json").read_text(encoding="utf-8"))
    document = json.loads(story.said["document"].out)
    jsonschema.validate(document, {**schema["$defs"]["verdict"], "$defs": schema["$defs"]})

    assert (story.first, "pass") == (document["commit"], document["verdict"])


def test_a_commit_that_was_not_polled_yet_is_not_decided(story: Story) -> None:
    """3, and which commit is missing."""
    said = story.said["not polled"]

    assert (3, True) == (said.code, f"main holds no commit {story.bad}" in said.out)


def test_a_delivery_makes_the_daemon_look(story: Story) -> None:
    """Its interval is an hour: what came to be known of the commit came by the one delivery that was believed."""
    events = [str(line["event"]) for line in lines(story.log) if str(line["event"]).startswith("webhook.")]

    assert ([401, 202, 200], ["webhook.refused", "webhook.looked"]) == (story.hooks, events)


def test_a_fail_is_1(story: Story) -> None:
    """With the finding that decided it."""
    said = story.said["fails"]

    assert (1, f"fail: shop checkout/dev {story.bad[:12]}") == (said.code, said.out.splitlines()[0])
    assert "browse.errors < 20%: fail: " in said.out


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mistyped", "there is no environment `checkout/dve` (did you mean `checkout/dev`?)"),
        ("wrong token", "expected the header `Authorization: Bearer` with this daemon's token"),
        ("no duration", "--wait: "),
    ],
)
def test_a_mistake_is_2(story: Story, name: str, expected: str) -> None:
    """At once, in one line."""
    said = story.said[name]

    assert (2, "", 1, True) == (said.code, said.out, len(said.err.splitlines()), expected in said.err)


def test_no_daemon_is_4(story: Story) -> None:
    """No answer is no verdict."""
    said = story.said["away"]

    assert (4, True) == (said.code, "Connection refused" in said.out)


def test_no_secret_is_in_what_is_said(story: Story) -> None:
    """Neither the daemon's log nor what the client prints has the token or the webhook's secret."""
    said = [story.log.read_text(), *(text for each in story.said.values() for text in (each.out, each.err))]

    assert [] == [text[:200] for text in said if "canary" in text]
