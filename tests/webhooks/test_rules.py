"""Deliveries: who is believed, what counts once, and how often a repository is looked at for them."""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from itertools import count

import pytest

from gitslo.core.webhooks import Sender, fault
from gitslo.errors import Refused
from gitslo.loop.webhooks import REMEMBERED, TELL_EVERY, WINDOW, Endpoint, Webhooks
from gitslo.testing.manual_clock import ManualClock
from tests.webhooks.deliveries import EVERY, SECRET, Desk, mac, signed

EVERYBODY = pytest.mark.parametrize("sender", list(Sender))
BODY = b'{"ref": "refs/heads/main"}'


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def desk(clock):
    return Desk(clock)


@EVERYBODY
def test_what_a_forge_signs_is_believed(desk, sender) -> None:
    """Each forge in its own way; one look follows."""
    assert (202, 1) == (desk.receive(sender, signed(sender, BODY), BODY), desk.looks)


def test_the_published_example_of_a_signature_is_believed() -> None:
    """The example in GitHub's documentation of webhooks: secret, body and signature."""
    headers = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}

    assert "" == fault(Sender.GITHUB, "It's a Secret to Everybody", headers, b"Hello, World!")


@EVERYBODY
@pytest.mark.parametrize("wrong", ["no header", "another secret", "empty", "cut", "longer", "upper case", "not ascii"])
def test_what_is_not_signed_is_not_believed(desk, sender, wrong: str) -> None:
    """401, and nobody looks."""
    headers = signed(sender, BODY)
    name, value = next(iter(headers.items()))
    match wrong:
        case "no header":
            headers = {}
        case "another secret":
            headers = signed(sender, BODY, secret="another")
        case _:
            spoilt = {"empty": "", "cut": value[:-1], "longer": value + "0", "not ascii": "\xff" + value[1:]}
            headers = {name: spoilt.get(wrong, value.swapcase())}

    assert (401, 0) == (desk.receive(sender, headers, BODY), desk.looks)


@pytest.mark.parametrize("sender", [each for each in Sender if each is not Sender.GITLAB])
def test_a_body_that_was_changed_is_not_believed(desk, sender) -> None:
    """A signature is of the whole body, byte by byte; a token is of nothing."""
    headers = signed(sender, BODY)

    assert [401] * 3 == [desk.receive(sender, headers, body) for body in (BODY + b" ", BODY[:-1], b"")]


@EVERYBODY
def test_one_forges_proof_is_not_anothers(desk, sender) -> None:
    """What stands under another forge's header counts for nothing."""
    others = [each for each in Sender if each is not sender and each not in (Sender.GITEA, Sender.FORGEJO)]

    assert {401} == {desk.receive(sender, signed(each, BODY), BODY) for each in others}


def test_a_weaker_signature_is_not_looked_at(desk) -> None:
    """GitHub still sends SHA-1 beside SHA-256; it is no proof here."""
    weak = hmac.new(SECRET.encode(), BODY, hashlib.sha1).hexdigest()

    assert 401 == desk.receive(Sender.GITHUB, {"X-Hub-Signature": f"sha1={weak}"}, BODY)


def test_forgejo_may_sign_as_gitea_does(desk) -> None:
    """It sends both headers, older versions only the other one."""
    assert 202 == desk.receive(Sender.FORGEJO, {"X-Gitea-Signature": mac(BODY)}, BODY)


@EVERYBODY
def test_the_same_delivery_counts_once(desk, clock, sender) -> None:
    """Within the window a repetition changes nothing, also under another id; after it, a look is worth so little."""
    first = desk.receive(sender, signed(sender, BODY, "one"), BODY)
    clock.advance(EVERY)
    again = desk.receive(sender, signed(sender, BODY, "one"), BODY)
    renamed = desk.receive(sender, signed(sender, BODY, "two"), BODY)
    looks = desk.looks
    clock.advance(WINDOW + 1.0)

    assert (202, 200, 200, 1) == (first, again, renamed, looks)
    assert 202 == desk.receive(sender, signed(sender, BODY, "one"), BODY)


@EVERYBODY
def test_a_forges_id_counts_once_too(desk, sender) -> None:
    """A forge that tries again with a changed body means the same delivery."""
    desk.receive(sender, signed(sender, BODY, "one"), BODY)

    assert 200 == desk.receive(sender, signed(sender, BODY + b" ", "one"), BODY + b" ")


def test_a_storm_is_one_look_an_interval(desk, clock) -> None:
    """However many different deliveries come: the first one of an interval is looked for, the others wait for polls."""
    numbers = count()
    for _ in range(5):
        for _ in range(300):
            body = b"%d" % next(numbers)
            assert 202 == desk.receive(Sender.GITHUB, signed(Sender.GITHUB, body), body)
        clock.advance(EVERY)

    assert 5 == desk.looks


def test_repositories_do_not_share_a_look(desk) -> None:
    """A storm about one keeps no other one waiting."""
    for sender in Sender:
        desk.receive(sender, signed(sender, BODY), BODY)

    assert len(Sender) == desk.looks


def test_what_is_remembered_is_bounded(desk, clock) -> None:
    """Ever other deliveries push out the oldest ones, of which a repetition is then no more than a look."""
    statuses = []
    for number in (*range(REMEMBERED // 2 + 1), 1, 0):
        body = b"%d" % number
        statuses.append(desk.receive(Sender.GITLAB, signed(Sender.GITLAB, body, str(number)), body))

    assert [202, 200, 202] == statuses[-3:]
    assert {202} == set(statuses[:-2])


def test_what_was_not_believed_is_not_remembered(desk) -> None:
    """Strangers push nothing out, and cannot have a delivery counted before it comes."""
    desk.receive(Sender.GITHUB, signed(Sender.GITHUB, BODY, "one", secret="another"), BODY)

    assert 202 == desk.receive(Sender.GITHUB, signed(Sender.GITHUB, BODY, "one"), BODY)


def test_the_same_delivery_for_another_repository_is_another_one(clock) -> None:
    """Two repositories may have one secret, and a forge one id for both."""
    looks: list[str] = []
    endpoints = {name: Endpoint(Sender.GITLAB, lambda: SECRET, EVERY, partial(looks.append, name)) for name in "ab"}
    webhooks = Webhooks(endpoints, clock, [])
    headers = {name.lower(): value for name, value in signed(Sender.GITLAB, BODY, "one").items()}

    assert ([202, 202], ["a", "b"]) == ([webhooks.receive(name, headers, BODY).status for name in "ab"], looks)


def test_a_new_secret_is_taken_up(desk) -> None:
    """It is read for each delivery."""
    desk.secret = "the next one"

    assert [401, 202] == [
        desk.receive(Sender.GITEA, signed(Sender.GITEA, BODY), BODY),
        desk.receive(Sender.GITEA, signed(Sender.GITEA, BODY, secret="the next one"), BODY),
    ]


def test_a_secret_that_is_gone_lets_nobody_in(clock) -> None:
    """503: the forge tries again, and nothing is said of where the secret should be."""

    def gone() -> str:
        raise Refused("/run/secrets/hook cannot be read")

    webhooks = Webhooks({"shop": Endpoint(Sender.GITLAB, gone, EVERY, lambda: None)}, clock, [])
    reply = webhooks.receive("shop", {"x-gitlab-token": ""}, BODY)

    assert (503, False) == (reply.status, b"/run" in reply.body)


def test_what_is_not_believed_is_told_once_in_a_while(desk, clock) -> None:
    """One line a minute with their number, whoever sends however many; the secret in none of them."""
    for _ in range(100):
        desk.receive(Sender.GITHUB, {}, BODY)
    clock.advance(TELL_EVERY)
    desk.receive(Sender.GITHUB, {"X-Hub-Signature-256": SECRET}, BODY)
    told = [event for event in desk.heard.events if event.name == "webhook.refused"]

    assert [1, 100] == [event.fields["times"] for event in told]
    assert not any(SECRET in str(event) for event in desk.heard.events)


def test_a_look_is_told(desk) -> None:
    """One event for each poll that a delivery has caused."""
    for body in (b"1", b"2"):
        desk.receive(Sender.GITHUB, signed(Sender.GITHUB, body), body)

    assert [("webhook.looked", {"repository": "github"})] == [
        (event.name, dict(event.fields)) for event in desk.heard.events
    ]
