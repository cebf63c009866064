"""Deliveries: who is believed, what counts once, and how often a repository is looked at for them."""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from itertools import count

import pytest

from gitslo.core.webhooks import TOLERANCE, Sender, fault
from gitslo.errors import Problem, Refused
from gitslo.loop.webhooks import REMEMBERED, TELL_EVERY, WINDOW, Endpoint, Webhooks
from gitslo.secret import SecretRef
from gitslo.serve_settings import ServeSettings, WebhookConfig
from gitslo.testing.manual_clock import ManualClock
from gitslo.wiring_serve import webhooks_of
from tests.webhooks.deliveries import EVERY, NOW, SECRET, Desk, mac, signed, timed_mac

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

    assert "" == fault(Sender.GITHUB, "It's a Secret to Everybody", headers, b"Hello, World!", 0.0)


def test_the_published_example_of_standard_webhooks_is_believed() -> None:
    """The one that its libraries are tested by: token, id, time, body and signature."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    token, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'

    assert "" == fault(Sender.GITLAB_SIGNED, token, headers, body, 1614265330.0)


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
    assert 202 == desk.receive(sender, signed(sender, BODY, "one", at=clock.now().wall), BODY)


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


# --------------------------------------------------------------------------- GitLab's signing token

SIGNED = Sender.GITLAB_SIGNED


@pytest.mark.parametrize(("late", "status"), [(-301, 401), (-300, 202), (300, 202), (301, 401)])
def test_a_signed_time_is_believed_for_five_minutes(desk, clock, late: int, status: int) -> None:
    """Early or late: what was overheard is of no use after that, and until then it is known already."""
    assert status == desk.receive(SIGNED, signed(SIGNED, BODY, at=clock.now().wall - late), BODY)


def test_what_was_overheard_is_never_taken_twice(desk, clock) -> None:
    """It is remembered for longer than it could be believed, also where the forge's clock is ahead."""
    overheard = signed(SIGNED, BODY, "one", at=clock.now().wall + TOLERANCE)
    statuses = []
    for _ in range(62):
        statuses.append(desk.receive(SIGNED, overheard, BODY))
        clock.advance(10.0)

    assert ([202], {200, 401}) == (statuses[:1], set(statuses[1:]))


@pytest.mark.parametrize("name", ["webhook-signature", "webhook-id", "webhook-timestamp"])
def test_all_three_headers_are_needed(desk, name: str) -> None:
    """And the two that are signed cannot be other ones: neither the id nor the time is the sender's to choose again."""
    headers = signed(SIGNED, BODY, "one")
    without = {key: value for key, value in headers.items() if key != name}
    changed = {**headers, name: headers[name] + "0"}

    assert [401, 401] == [desk.receive(SIGNED, each, BODY) for each in (without, changed)]


@pytest.mark.parametrize("time", ["", "soon", "-5", "1.7e9", "١٧٠٠٠٠٠٠٠٠", "9" * 400, " 1700000000", "1700000000.5"])
def test_a_time_that_is_none_is_not_believed(time: str) -> None:
    """Even where it is signed; nothing of it is an error of ours."""
    headers = {"webhook-id": "one", "webhook-timestamp": time, "webhook-signature": timed_mac(BODY, "one", time)}

    assert "" != fault(SIGNED, SECRET, headers, BODY, NOW)


def test_one_of_several_signatures_is_enough(desk) -> None:
    """While a token is replaced there are two; versions that are not known are passed over."""
    headers = signed(SIGNED, BODY)
    another = timed_mac(BODY, "msg", headers["webhook-timestamp"], "another")
    several = " ".join([another, "v1a,xyz", "", headers["webhook-signature"]])
    version = headers["webhook-signature"].replace("v1,", "v2,")

    assert [202, 401, 401] == [
        desk.receive(SIGNED, {**headers, "webhook-signature": each}, BODY) for each in (several, another, version)
    ]


def test_a_secret_token_is_no_signature(desk) -> None:
    """A webhook may have both tokens: only the one that the operator's file names counts."""
    both = {**signed(Sender.GITLAB, BODY), **signed(SIGNED, BODY, secret="another")}

    assert [401, 202] == [desk.receive(each, both, BODY) for each in (SIGNED, Sender.GITLAB)]


@pytest.mark.parametrize(
    "token",
    [
        "hunter2",
        "whsec_",
        "whsec_AAAA",
        SECRET.removeprefix("whsec_"),
        f"{SECRET}!",
        SECRET[:-1],
        f" {SECRET}",
        "whsec_é",
    ],
)
def test_what_is_no_signing_token_lets_nobody_in(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty or a short key is none; the daemon does not start with it, and does not say what it was."""
    place = Problem("", "operator.yaml", 6, 33)
    settings = ServeSettings(webhooks={"shop": WebhookConfig(SIGNED, SecretRef(env="HOOK", place=place))})
    monkeypatch.setenv("HOOK", token)
    with pytest.raises(Refused) as refused:
        webhooks_of(settings, [], ManualClock(), [])

    assert str(refused.value).startswith("operator.yaml:6:33: this is no signing token: expected `whsec_`")
    assert token == "whsec_" or token not in str(refused.value)
    assert fault(SIGNED, token, signed(SIGNED, BODY, secret=""), BODY, NOW) == (
        "the secret of this webhook is no signing token"
    )
