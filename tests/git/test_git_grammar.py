from __future__ import annotations

import pytest

from gitslo.adapters.git_repository import grammar
from gitslo.errors import Refused
from gitslo.model import ByteCount
from gitslo.ports import RefUpdate, TreeEntry
from tests.git.audit import processes
from tests.git.worlds import client

HOSTILE_URLS = [
    "",
    "-u/tmp/x",
    "--upload-pack=touch /tmp/sprung",
    "ext::sh -c touch% /tmp/sprung",
    "fd::17/foo",
    "git://host/x.git",
    "ssh://-oProxyCommand=touch/x",
    "git@host:x.git",
    "/tmp/x.git",
    "x.git",
    "file://host/x.git",
    "file:///",
    "file://",
    "file:////etc",
    "file:///x\n.git",
    "file:///x.git?a",
    "http://",
    "http:///x.git",
    "http://-oProxy/x.git",
    "http://user@host/x.git",
    "http://user:s3cret@host/x.git",
    "https://host/x.git?service=git-receive-pack",
    "https://host/x.git#x",
    "https://host/x.git?",
    "https://host:0/x.git",
    "https://host:99999/x.git",
    "https://host:x/x.git",
    "https://host/../x.git",
    "https://host/x y.git",
    "https://ho st/x.git",
    "https://host/x.git\r\nHost: other",
    "https://host/\u202egit.x",
    "https://host",
    "http://[::1/x.git",
    "http::https://host/x.git",
    "https://host/%0/x.git",
    "https://" + "a" * 3000 + "/x.git",
]

HOSTILE_REFS = [
    "",
    "HEAD",
    "main",
    "-f",
    "--force",
    "--receive-pack=touch",
    "refs",
    "refs/heads",
    "refs/heads/",
    "refs/heads/-x",
    "refs/heads/--upload-pack=x",
    "refs/heads/a..b",
    "refs/heads/a b",
    "refs/heads/a:b",
    "refs/heads/a^{}",
    "refs/heads/a~1",
    "refs/heads/a*b",
    "refs/heads/a?b",
    "refs/heads/a[b",
    "refs/heads/a\\b",
    "refs/heads/@{u}",
    "refs/heads/.a",
    "refs/heads/a/",
    "refs/heads/a//b",
    "refs/heads/a.lock",
    "refs/heads/a.lock/b",
    "refs/heads/a.",
    "refs/heads/a\nb",
    "refs/heads/a\x00b",
    "refs/heads/a\x7fb",
    "refs/heads/\u202eb",
    "+refs/heads/a",
    "^refs/heads/a",
    "refs/heads/../../x",
    "refs/heads/" + "a" * 500,
]

HOSTILE_PATHS = [
    "/etc/passwd",
    "../x",
    "a/../b",
    "a/./b",
    "./a",
    "a//b",
    "a/",
    "-r",
    "--stdin",
    ":(top)x",
    ":/x",
    "a\nb",
    "a\x00b",
    "a\tb",
    "a\x1b[2Jb",
    "a\\b",
    ".git/config",
    "a/.GIT/hooks/x",
    ".git./config",
    "git~1/config",
    ".g\u200cit/config",
    "a\udcffb",
    "x/" * 3000,
]

HOSTILE_IDS = ["", "HEAD", "-x", "0" * 39, "0" * 41, "A" * 40, "g" * 40, "0" * 39 + "\n", "main", "0" * 40 + ":a"]

NOBODY = "0123456789" * 4


@pytest.mark.parametrize("url", HOSTILE_URLS, ids=ascii)
def test_hostile_urls_are_refused_before_anything_starts(tmp_path, url) -> None:
    """Only https, http and file, in plain form; and a password in a URL is not repeated."""
    with processes() as started, pytest.raises(Refused) as caught:
        client(url, tmp_path / "cache")

    assert ([], False, False) == (started, "s3cret" in str(caught.value), (tmp_path / "cache").exists())


@pytest.mark.parametrize(
    ("url", "scheme", "origin"),
    [
        ("https://git.example.com/a/b.git", "https", "https://git.example.com"),
        ("http://127.0.0.1:8080/b~c/%20d.git", "http", "http://127.0.0.1:8080"),
        ("http://[::1]:80/x", "http", "http://[::1]:80"),
        ("file:///srv/git repos/größe.git", "file", ""),
    ],
)
def test_plain_urls_are_taken_as_they_are(url, scheme, origin) -> None:
    """What clients use to clone."""
    assert grammar.Remote(url, scheme, origin) == grammar.remote(url)


@pytest.mark.parametrize("ref", HOSTILE_REFS, ids=ascii)
def test_hostile_refs_start_no_process(tmp_path, bare_repository, ref) -> None:
    """Every entry point that takes a ref checks it first."""
    repository = client(bare_repository.url, tmp_path / "cache")
    with processes() as started:
        for work in (
            lambda: repository.fetch({ref: NOBODY}),
            lambda: repository.swap([RefUpdate(ref, None, NOBODY)]),
            lambda: repository.list_refs((ref.replace("*", "["),)),
            lambda: client(bare_repository.url, tmp_path / "cache", branch=ref.removeprefix("refs/heads/") or "-"),
            lambda: client(bare_repository.url, tmp_path / "cache", ledger_prefix=f"{ref}/"),
        ):
            if ref in {"main", "HEAD", "refs", "+refs/heads/a"} and work.__code__.co_names[:1] == ("client",):
                continue  # these are fine as a branch's short name
            with pytest.raises(Refused):
                work()

    assert [] == started


@pytest.mark.parametrize("path", HOSTILE_PATHS, ids=lambda path: ascii(path)[:40])
def test_hostile_paths_start_no_process(tmp_path, bare_repository, path) -> None:
    """Every entry point that takes a path checks it first."""
    repository = client(bare_repository.url, tmp_path / "cache")
    with processes() as started:
        for work in (
            lambda: repository.resolve(NOBODY, ["a", path]),
            lambda: repository.walk(NOBODY, path),
            lambda: repository.history(NOBODY, None, [path], 1),
            lambda: repository.commit([], None, {path: b"x"}, "m", 5.0),
            lambda: repository.commit([], None, {path: None}, "m", 5.0),
        ):
            with pytest.raises(Refused):
                work()

    assert [] == started


@pytest.mark.parametrize("identifier", HOSTILE_IDS, ids=ascii)
def test_hostile_ids_start_no_process(tmp_path, bare_repository, identifier) -> None:
    """Only a full id is one; nothing that Git could take for a revision or an option."""
    repository = client(bare_repository.url, tmp_path / "cache")
    with processes() as started:
        for work in (
            lambda: repository.fetch({"refs/heads/main": identifier}),
            lambda: repository.resolve(identifier, ["a"]),
            lambda: repository.walk(identifier, "a"),
            lambda: repository.read([identifier], ByteCount(1)),
            lambda: repository.commit_info([identifier]),
            lambda: repository.history(identifier, None, [], 1),
            lambda: repository.history(NOBODY, identifier, [], 1) if identifier else repository.walk("", ""),
            lambda: repository.is_ancestor(identifier, NOBODY),
            lambda: repository.is_ancestor(NOBODY, identifier),
            lambda: repository.merge_tree(NOBODY, identifier),
            lambda: repository.commit([identifier], None, {}, "m", 5.0),
            lambda: repository.commit([], identifier, {}, "m", 5.0),
            lambda: repository.commit([], None, {"a": TreeEntry("a", "100644", identifier)}, "m", 5.0),
            lambda: repository.commit_tree([], identifier, "m", 5.0),
            lambda: repository.swap([RefUpdate("refs/heads/gitslo/x", None, identifier)]),
            lambda: repository.swap([RefUpdate("refs/heads/gitslo/x", identifier, None)]),
        ):
            with pytest.raises(Refused):
                work()

    assert [] == started


@pytest.mark.parametrize(
    ("message", "wall"), [("", 5.0), (" \n", 5.0), ("a\0b", 5.0), ("a\udcff", 5.0), ("m", -1.0), ("m", 1e300)]
)
def test_what_git_cannot_keep_is_no_commit(tmp_path, bare_repository, message, wall) -> None:
    """Empty or broken messages and impossible dates."""
    repository = client(bare_repository.url, tmp_path / "cache")
    with processes() as started, pytest.raises(Refused):
        repository.commit([], None, {}, message, wall)

    assert [] == started


@pytest.mark.parametrize(
    "author",
    [("", "a@b"), ("a", ""), ("a\nb", "a@b"), ("a <x>", "a@b"), ("a", "a@b> 0 +0000\ncommitter x <y"), (" a", "a@b")],
)
def test_an_author_cannot_forge_a_header(tmp_path, bare_repository, author) -> None:
    """A name is one line without brackets."""
    with pytest.raises(Refused):
        client(bare_repository.url, tmp_path / "cache", author=author)


@pytest.mark.parametrize("given", [{"username": "x"}, {"username": "x", "password": lambda: "y"}])
def test_credentials_need_a_use(tmp_path, bare_repository, given) -> None:
    """A parameter is never accepted and ignored."""
    with pytest.raises(Refused):
        client(bare_repository.url, tmp_path / "cache", **given)


@pytest.mark.parametrize(("username", "password"), [("a\nb", "x"), ("a", "x\ny"), ("a", "x\0y")])
def test_a_credential_is_one_line(tmp_path, username, password) -> None:
    """A line break in a token would be a second answer; the token is not repeated."""
    repository = client("http://127.0.0.1:9/x.git", tmp_path / "cache", username=username, password=lambda: password)
    with pytest.raises(Refused) as caught:
        repository.list_refs()

    assert password not in str(caught.value)


def test_patterns_match_whole_names() -> None:
    """Git matches a pattern on any tail of a name, and `*` alone is special here."""
    matches = grammar.pattern_matcher(("refs/heads/main", "refs/gitslo/*", "refs/x/a.b"))
    names = (
        "refs/heads/main",
        "refs/heads/x/refs/heads/main",
        "refs/heads/main2",
        "refs/gitslo/a/b",
        "refs/x/a.b",
        "refs/x/aXb",
    )

    assert [True, False, False, True, True, False] == [bool(matches.match(name)) for name in names]
