"""How forges sign their deliveries, checked. Pure; compared in constant time.

Called by `gitslo.loop.webhooks`. Must stay true: only the headers named here and the body's bytes are looked at. What a
delivery says is never read: it is a hint to look, and the repository says the rest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["Sender", "fault", "keys", "secret_fault"]

TOLERANCE: Final = 300.0
"""Seconds that a signed time may differ from ours; the five minutes of the reference libraries of Standard Webhooks."""

_TOKEN: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)
"""How long the key of a signing token may be, by Standard Webhooks; GitLab's have 32."""


class Sender(StrEnum):
    """Whose way of signing is expected."""

    GITHUB = "github"
    GITLAB = "gitlab"
    """By the secret token."""
    GITLAB_SIGNED = "gitlab-signed"
    """By the signing token."""
    GITEA = "gitea"
    FORGEJO = "forgejo"
    BITBUCKET = "bitbucket"


@dataclass(frozen=True, slots=True)
class _Habit:
    """What one forge sends.

    Attributes:
        proofs: headers with the proof, the first one that is there counts; names in lower case.
        prefix: stands before the hexadecimal HMAC-SHA-256 of the body.
        plain: the proof is the secret itself.
        timed: the proof is of id, time and body, as Standard Webhooks has it.
        deliveries: headers with an id of the delivery. Only a timed one is signed.
    """

    proofs: tuple[str, ...]
    deliveries: tuple[str, ...]
    prefix: str = ""
    plain: bool = False
    timed: bool = False


_HABITS: Final = {
    # https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    Sender.GITHUB: _Habit(("x-hub-signature-256",), ("x-github-delivery",), "sha256="),
    # https://docs.gitlab.com/user/project/integrations/webhooks/
    Sender.GITLAB: _Habit(("x-gitlab-token",), ("idempotency-key", "x-gitlab-event-uuid"), plain=True),
    # https://docs.gitlab.com/user/project/integrations/webhooks/#signing-tokens, where it is made:
    # https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944
    Sender.GITLAB_SIGNED: _Habit(("webhook-signature",), ("webhook-id",), timed=True),
    # https://docs.gitea.com/usage/webhooks
    Sender.GITEA: _Habit(("x-gitea-signature",), ("x-gitea-delivery",)),
    # https://forgejo.org/docs/latest/user/webhooks/
    Sender.FORGEJO: _Habit(("x-forgejo-signature", "x-gitea-signature"), ("x-forgejo-delivery", "x-gitea-delivery")),
    # https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
    Sender.BITBUCKET: _Habit(("x-hub-signature",), ("x-request-uuid", "x-request-id"), "sha256="),
}


def secret_fault(sender: Sender, secret: str) -> str:
    """Why nothing can be believed with this secret, or empty."""
    if _HABITS[sender].timed and not _key(secret):
        return f"this is no signing token: expected `{_TOKEN}` and the key in Base64, as the forge shows it once"
    return ""


def fault(sender: Sender, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """Why a delivery is not believed, or empty.

    Args:
        sender: who should have sent it.
        secret: shared with it.
        headers: by name in lower case, each byte a character.
        body: as it came.
        now: wall-clock seconds since the epoch.
    """
    habit = _HABITS[sender]
    if habit.timed:
        return _timed_fault(secret, headers, body, now)
    given = next((headers[name] for name in habit.proofs if name in headers), None)
    if given is None:
        shown = " or ".join(name.title() for name in habit.proofs)
        return f"there is no {shown} header; set the secret of the webhook at the forge"
    # Of hashes where the secret itself is compared: the time says nothing of its length either.
    expected = _hash(secret.encode()) if habit.plain else f"{habit.prefix}{_signature(secret, body)}".encode()
    found = _hash(_bytes(given)) if habit.plain else _bytes(given)
    if hmac.compare_digest(found, expected):
        return ""
    return "the token is another one" if habit.plain else "the signature is not one of this body with this secret"


def _timed_fault(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> str:
    """By https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""
    missing = [name for name in ("webhook-signature", "webhook-id", "webhook-timestamp") if name not in headers]
    if missing:
        return f"there is no {missing[0].title()} header; set the signing token of the webhook at the forge"
    key = _key(secret)
    if not key:
        return "the secret of this webhook is no signing token"
    at = headers["webhook-timestamp"]
    signed = _bytes(f"{headers['webhook-id']}.{at}.") + body
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # There are several while a token is being replaced; all of them are compared.
    same = [hmac.compare_digest(_bytes(each), expected) for each in headers["webhook-signature"].split(" ")]
    if not any(same):
        return "the signature is not one of this id, time and body with this signing token"
    if not (at.isascii() and at.isdecimal() and abs(float(at) - now) <= TOLERANCE):
        return f"it was not signed within {TOLERANCE:.0f} s of now; is it a repetition, or a clock wrong?"
    return ""


def _key(token: str) -> bytes:
    """Of a signing token; empty where it is none."""
    try:
        found = base64.b64decode(token.removeprefix(_TOKEN), validate=True) if token.startswith(_TOKEN) else b""
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) in _KEY_BYTES else b""


def keys(repository: str, sender: Sender, headers: Mapping[str, str], body: bytes) -> tuple[bytes, ...]:
    """What a delivery is known by when it comes again, 16 bytes each: its content, and the forge's id where it has one.

    The content, because most ids are not signed: who repeats what was overheard can change them.
    """
    named = (_bytes(headers[name]) for name in _HABITS[sender].deliveries if headers.get(name))
    about = f"{repository}\n".encode()
    return (_hash(about + b"body\n" + body)[:16], *(_hash(about + b"id\n" + name)[:16] for name in named))


def _signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _bytes(text: str) -> bytes:
    """A header as it came."""
    return text.encode("latin-1", "replace")
