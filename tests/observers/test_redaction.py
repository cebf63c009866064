from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.observers.redaction import MASK, Redactor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("push with s3cr3t-canary failed", "push with *** failed"),
        ("https://bot:hunter2@git.example.com/a.git", "https://***@git.example.com/a.git"),
        ("https://bot:p@ss@git.example.com/a.git", "https://***@git.example.com/a.git"),
        ("https://token@git.example.com/a.git", "https://***@git.example.com/a.git"),
        ("https://git.example.com/a.git?mail=x@y", "https://git.example.com/a.git?mail=x@y"),
        ("Authorization: Bearer abc.def, next", "Authorization: Bearer ***, next"),
        ("{'authorization': 'Basic Ym90Og=='}", "{'authorization': 'Basic ***'}"),
        ("encoded a%2Fb%3D in a query", "encoded *** in a query"),
        ("basic configuration is kept", "basic configuration is kept"),
    ],
)
def test_credentials_are_masked(text: str, expected: str) -> None:
    """A registered secret, in plain or percent-encoded form, and anything shaped like a credential is masked."""
    redactor = Redactor(["s3cr3t-canary", "a/b="])

    assert expected == redactor.clean(text)


def test_the_longer_secret_goes_first() -> None:
    """A secret that begins like another one leaves no tail, in whatever order they were registered."""
    redactor = Redactor(["token"])
    redactor.add("token-and-more", "")

    assert f"{MASK} {MASK}" == redactor.clean("token-and-more token")


@given(st.text(min_size=4), st.text(), st.text())
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    """Whatever stands around a registered secret, it is gone."""
    if secret in MASK or any(piece in secret for piece in ("*",)):
        return
    cleaned = Redactor([secret]).clean(before + secret + after)

    assert secret not in cleaned or secret in before + MASK + after
