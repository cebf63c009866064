from __future__ import annotations

import pytest

from gitslo.adapters.git_repository.askpass import answer
from gitslo.adapters.git_repository.faults import cleaned, masked, remote_error
from gitslo.adapters.git_repository.replies import CatReplies, parse_log, parse_ls_remote, parse_push
from gitslo.errors import Refused, Retry

ID = "0123456789" * 4


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("fatal: unable to access 'http://h/x/': The requested URL returned error: 503", Retry),
        ("fatal: unable to access 'http://h/x/': The requested URL returned error: 429", Retry),
        ("fatal: unable to access 'http://h/x/': The requested URL returned error: 403", Refused),
        ("fatal: unable to access 'http://h/x/': The requested URL returned error: 301", Refused),
        ("fatal: unable to access 'http://h/x/': Could not resolve host: h", Retry),
        ("fatal: unable to access 'http://h/x/': Failed to connect to h port 1", Retry),
        ("fatal: unable to access 'https://h/x/': SSL certificate problem: self-signed certificate", Retry),
        ("fatal: Authentication failed for 'http://h/x/'", Refused),
        ("fatal: could not read Username for 'http://h': terminal prompts disabled", Refused),
        ("fatal: repository 'http://h/x/' not found", Refused),
        ("fatal: '/x' does not appear to be a git repository", Refused),
        ("fatal: detected dubious ownership in repository at '/x'", Refused),
        ("fatal: transport 'ext' not allowed", Refused),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer", Retry),
        ("fatal: the remote end hung up unexpectedly", Retry),
        ("fatal: write error: No space left on device", Retry),
        ("fatal: index-pack failed", type(None)),
        ("", type(None)),
    ],
)
def test_what_git_says_is_an_instruction_to_the_loop(said, expected) -> None:
    """A person must act, or the next look may do better; what says nothing about the remote is left open."""
    assert expected is type(remote_error("listing x", said, signed_in=False))


def test_the_hint_depends_on_whether_credentials_were_given() -> None:
    """Wrong credentials and none are different mistakes."""
    said = "The requested URL returned error: 401"
    hints = [str(remote_error("x", said, signed_in=signed_in)) for signed_in in (False, True)]

    assert ["give the repository credentials" in hints[0], "check the user name" in hints[1]] == [True, True]


def test_shown_text_is_one_harmless_line() -> None:
    """Nothing that acts on a terminal, hides or reorders text, or floods a log."""
    text = cleaned("a\r\n\x1b[31mb\u202ec\u200b\n\n d \x00")

    assert "a; \\x1b[31mb\\u202ec\\u200b; d \\x00" == text
    assert 603 == len(cleaned("x" * 5000))


def test_secrets_are_masked_in_every_form() -> None:
    """As it is, percent-encoded, in Base64; and user names in URLs, whoever wrote them."""
    said = "p%/w p%25/w p%25%2Fw cCUvdw== https://user:other@host/x"

    assert "*** *** *** *** https://***@host/x" == masked(said, ["p%/w", ""])


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Username for 'https://h:1': ", b"robot"),
        ("Password for 'https://robot@h:1': ", b"s3cret"),
        ("Password for 'https://a%40b@h:1/path/x.git': ", b"s3cret"),
        ("Password for 'https://h:1': ", b"s3cret"),
        ("Password for 'https://other': ", None),
        ("Password for 'https://h:1@other': ", None),
        ("Password for 'https://other/@h:1': ", None),
        ("Password for 'http://h:1': ", None),
        ("Password for 'https://h:12': ", None),
        ("Are you sure you want to continue connecting (yes/no)? ", None),
        ("Enter passphrase for key '/x': ", None),
        ("", None),
    ],
)
def test_credentials_are_for_one_origin(prompt, expected) -> None:
    """Whoever else Git is sent to learns nothing."""
    assert expected == answer(prompt, "https://h:1", b"robot\0s3cret")


def test_push_lines_are_read_by_flag() -> None:
    """Flags and fixed words; the rest of the output is not ours."""
    out = (
        b"To http://h/x\n"
        b" \tabc:refs/heads/main\tabc..def\n"
        b"*\tabc:refs/gitslo/a\t[new reference]\n"
        b"=\tabc:refs/gitslo/b\t[up to date]\n"
        b"-\t:refs/heads/gitslo/x\t[deleted]\n"
        b"!\tabc:refs/heads/y\t[remote rejected] (hook (mine) declined)\n"
        b"Done\n"
    )
    lines = parse_push(out)

    assert {
        "refs/heads/main": (" ", "abc..def", ""),
        "refs/gitslo/a": ("*", "[new reference]", ""),
        "refs/gitslo/b": ("=", "[up to date]", ""),
        "refs/heads/gitslo/x": ("-", "[deleted]", ""),
        "refs/heads/y": ("!", "[remote rejected]", "hook (mine) declined"),
    } == {ref: (line.flag, line.summary, line.reason) for ref, line in lines.items()}


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_cat_replies_are_read_in_any_pieces(size) -> None:
    """A content may hold what looks like a reply."""
    out = f"{ID} blob 9\n{ID} tree 7\na\nb c\nd\n{ID} missing\n".encode()
    replies = CatReplies((False, True, False))
    done = [replies.feed(out[at : at + size]) for at in range(0, len(out), size)]

    assert ([("blob", 9, None), ("tree", 7, b"a\nb c\nd"), None], True) == (
        [(held.kind, held.size, held.body) if held else None for held in replies.replies],
        done[-1],
    )


@pytest.mark.parametrize("out", [b"x" * 2000, b"nonsense\n", b"a b c\n"])
def test_cat_replies_that_are_none_are_damage(out) -> None:
    """Whatever else a broken Git prints."""
    with pytest.raises(ValueError, match=r"header|int"):
        CatReplies((True,)).feed(out)


def test_a_listing_without_tabs_is_no_listing() -> None:
    """A portal's page is not taken for an empty remote."""
    assert [(ID, "refs/heads/a")] == list(parse_ls_remote(f"{ID}\trefs/heads/a\n".encode()))
    assert [] == list(parse_ls_remote(ID.encode() + b"\trefs/heads/\xff\n"))
    with pytest.raises(ValueError, match="tab"):
        list(parse_ls_remote(b"<html>\n"))


def test_a_log_with_missing_fields_is_none() -> None:
    """Fields are counted."""
    assert () == parse_log(b"")
    with pytest.raises(ValueError, match="fields"):
        parse_log(b"a\0b\0")
