from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitslo.commit_settings import CommitSigning, Signing
from gitslo.config import parse_operator
from gitslo.errors import Refused
from gitslo.secret import SecretRef
from gitslo.wiring import secrets_of
from tests.signing.keys import ssh_key

FILE = """\
schema: gitslo/v1
repositories:
  - name: shop
    url: https://git.example.com/acme/shop-env.git
{rest}"""
AUTHOR = "    author: {name: gitslo, email: gitslo-bot@example.com}\n"


def parsed(commit: str, author: str = AUTHOR) -> CommitSigning | None:
    text = FILE.format(rest=f"{author}    commit: {commit}\n")
    return parse_operator(text.encode(), file="operator.yaml").repositories[0].signing


@pytest.mark.parametrize("kind", ["ssh", "gpg"])
def test_a_key_is_only_where_it_is(kind) -> None:
    """Which kind of signature, and a reference to the key."""
    assert CommitSigning(Signing(kind), SecretRef(file="/run/secrets/key")) == parsed(
        f"{{signing: {kind}, key: {{file: /run/secrets/key}}}}"
    )


@pytest.mark.parametrize("commit", ["{}", "{signing: none}"])
def test_nothing_is_signed_unless_it_is_said(commit) -> None:
    """The default, written out or not."""
    assert parsed(commit) is None


@pytest.mark.parametrize(
    ("commit", "author", "expected"),
    [
        ("{signing: pgp, key: {env: KEY}}", AUTHOR, "operator.yaml:6:23: /repositories/0/commit/signing: "),
        ("{signing: ssh}", AUTHOR, "operator.yaml:6:13: /repositories/0/commit: `signing: ssh` needs a `key`"),
        ("{key: {env: KEY}}", AUTHOR, "operator.yaml:6:14: /repositories/0/commit/key: there is a key and nothing is"),
        ("{signing: none, key: {env: KEY}}", AUTHOR, "/commit/key: there is a key and nothing is signed"),
        ("{signing: gpg, key: {env: KEY}}", "", "operator.yaml:5:5: /repositories/0/commit: commits are signed, and"),
        ("{signing: gpg, key: {env: KEY}}", "    author: {name: bot}\n", "`author` says no address"),
        ("{signing: ssh, key: a-key}", AUTHOR, "operator.yaml:6:33: /repositories/0/commit/key: "),
    ],
)
def test_half_a_setting_is_refused_where_it_stands(commit, author, expected) -> None:
    """With line, column, pointer, and what is missing."""
    with pytest.raises(Refused) as caught:
        parsed(commit, author)

    assert expected in str(caught.value)


def test_the_key_is_masked_wherever_text_goes_out(tmp_path) -> None:
    """It is one of the operator's secrets."""
    key = ssh_key(tmp_path)
    text = FILE.format(rest=f"{AUTHOR}    commit: {{signing: ssh, key: {{file: {key.private}}}}}\n")

    assert (key.private.read_text().strip(),) == secrets_of(parse_operator(text.encode(), file="operator.yaml"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "the secret cannot be read: No such file or directory"),
        ("hunter2\n", "operator.yaml:6:33: /repositories/0/commit/key: the signing key is no private key of OpenSSH"),
    ],
)
def test_the_daemon_does_not_start_with_a_key_that_cannot_sign(tmp_path: Path, content, expected) -> None:
    """Said at once, in one line, and not when the first change is ready."""
    key = tmp_path / "key"
    if content is not None:
        key.write_text(content)
    config = tmp_path / "operator.yaml"
    config.write_text(FILE.format(rest=f"{AUTHOR}    commit: {{signing: ssh, key: {{file: {key}}}}}\n"))
    done = subprocess.run(
        [sys.executable, "-m", "gitslo", "once", "--config", str(config)],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
