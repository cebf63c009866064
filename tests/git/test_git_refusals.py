from __future__ import annotations

import subprocess
import threading
from base64 import b64encode
from urllib.parse import quote

import pytest

from gitslo.errors import Conflict, Refused, Retry
from gitslo.ports import RefUpdate
from gitslo.testing.git_server import BareRepository, Fault, GitServer
from tests.closed_port import closed_port
from tests.git.worlds import PASSWORD, USERNAME, client

LEDGER = "refs/gitslo/shop/dev"
HEAD = "refs/heads/gitslo/shop/dev/promote"


def ledger_entry(repository, parent=None):
    return repository.commit([parent] if parent else [], None, {"ledger.json": b"{}"}, "an entry", 5.0)


def raised(kind, work) -> str:
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def served(tmp_path, **given):
    return BareRepository.create(tmp_path / "remotes" / "shop.git", **given)


@pytest.mark.parametrize("setting", ["transfer.hideRefs", "receive.hideRefs"])
def test_a_hidden_namespace_is_refused_by_its_name(tmp_path, setting) -> None:
    """Where a server hides our namespace, the error names it and the setting that moves it."""
    bare = served(tmp_path, config={setting: "refs/gitslo"})
    bare.commit({"a": b"1"})
    repository = client(bare.url, tmp_path / "cache")
    repository.list_refs()

    said = raised(Refused, lambda: repository.swap([RefUpdate(LEDGER, None, ledger_entry(repository))]))

    assert (True, True, {"refs/heads/main"}) == ("refs/gitslo/shop/*" in said, "namespace" in said, set(bare.refs()))


def test_a_ledger_that_is_taken_and_not_shown_is_refused(tmp_path) -> None:
    """A server that hides only its answers takes the first entry; it must not look like a ledger all the same."""
    bare = served(tmp_path, config={"uploadpack.hideRefs": "refs/gitslo"})
    bare.commit({"a": b"1"})
    repository = client(bare.url, tmp_path / "cache")

    said = raised(Refused, lambda: repository.swap([RefUpdate(LEDGER, None, ledger_entry(repository))]))

    assert "does not show it" in said


def test_a_fallback_namespace_works_where_the_usual_one_is_hidden(tmp_path) -> None:
    """The setting that the error names mends it: a namespace among the branches."""
    bare = served(tmp_path, config={"transfer.hideRefs": "refs/gitslo"})
    bare.commit({"a": b"1"})
    repository = client(bare.url, tmp_path / "cache", ledger_prefix="refs/heads/gitslo-ledger/")
    entry = ledger_entry(repository)
    repository.swap([RefUpdate("refs/heads/gitslo-ledger/dev", None, entry)])

    assert entry == repository.list_refs()["refs/heads/gitslo-ledger/dev"]


REFUSING = """#!/bin/sh
while read old new ref; do
  case "$ref" in refs/heads/gitslo/*)
    printf 'no robots here \\033[31mred\\033[0m %s\\n' "$ref" >&2; exit 1;;
  esac
done
"""


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_hook_that_refuses_our_branch_is_refused_in_its_words(tmp_path, scheme) -> None:
    """A policy is no lost race: it is told with the hook's words, which cannot act on a terminal."""
    bare = served(tmp_path, hooks={"pre-receive": REFUSING})
    bare.commit({"a": b"1"})
    with GitServer(tmp_path / "remotes") as server:
        repository = client(bare.url if scheme == "file" else server.url("shop.git"), tmp_path / "cache")
        tip = repository.list_refs()["refs/heads/main"]
        said = raised(Refused, lambda: repository.swap([RefUpdate(HEAD, None, tip)]))
        repository.swap([RefUpdate("refs/heads/free", None, tip)])

    assert (True, True, False, False) == ("no robots here" in said, HEAD in said, "\x1b" in said, HEAD in bare.refs())


def test_a_race_that_a_hook_also_sees_is_a_conflict(tmp_path) -> None:
    """A ref that moved while the server looked at our push was a lost race, whatever the server says."""
    bare = served(tmp_path)
    tip = bare.commit({"a": b"1"})
    # The hook is somebody else's push that lands just before ours.
    bare.hook("pre-receive", f"#!/bin/sh\nunset GIT_QUARANTINE_PATH\ngit update-ref {HEAD} {tip}\nexit 1\n")
    repository = client(bare.url, tmp_path / "cache")
    repository.list_refs()
    ours = repository.commit([tip], tip, {"a": b"2"}, "two", 5.0)

    raised(Conflict, lambda: repository.swap([RefUpdate(HEAD, None, ours)]))


def test_a_half_refused_swap_is_refused_and_says_which(tmp_path) -> None:
    """Without atomic pushes one ref may move; the refused one is named."""
    script = f'#!/bin/sh\n[ "$1" != {HEAD} ]\n'
    bare = served(tmp_path, hooks={"update": script}, config={"receive.advertiseAtomic": "false"})
    tip = bare.commit({"a": b"1"})
    repository = client(bare.url, tmp_path / "cache")
    repository.list_refs()
    entry = ledger_entry(repository)

    said = raised(Refused, lambda: repository.swap([RefUpdate(LEDGER, None, entry), RefUpdate(HEAD, None, tip)]))

    assert (True, False, entry) == (HEAD in said, LEDGER in said, bare.refs()[LEDGER])


def test_of_refs_that_were_to_move_together_the_refused_one_is_named(tmp_path) -> None:
    """A protected branch takes the ledger's entry with it; what is said is about the branch alone."""
    bare = served(tmp_path, hooks={"update": '#!/bin/sh\n[ "$1" != refs/heads/main ]\n'})
    tip = bare.commit({"a": b"1"})
    bare.set_ref(LEDGER, tip)
    repository = client(bare.url, tmp_path / "cache")
    repository.list_refs()
    ours = repository.commit([tip], tip, {"a": b"2"}, "two", 5.0)
    entry = ledger_entry(repository, tip)
    updates = [RefUpdate(LEDGER, tip, entry), RefUpdate("refs/heads/main", tip, ours)]

    said = raised(Refused, lambda: repository.swap(updates))

    assert (True, "refs/heads/main" in said, LEDGER in said) == (repository.atomic, True, False)
    assert {"refs/heads/main": tip, LEDGER: tip} == bare.refs()


def test_a_server_that_only_advertises_atomic_is_found_out(tmp_path) -> None:
    """Some servers create one ref and refuse the other even with --atomic; the scratch ref is removed again."""
    bare = served(tmp_path, config={"receive.hideRefs": "refs/gitslo/shop/dev/"})
    tip = bare.commit({"a": b"1"})
    bare.set_ref(LEDGER, tip)
    repository = client(bare.url, tmp_path / "cache")
    repository.list_refs()

    assert (False, {"refs/heads/main", LEDGER}) == (repository.atomic, set(bare.refs()))


def test_scratch_refs_of_a_probe_are_no_ledgers(tmp_path, bare_repository) -> None:
    """What another replica's probe leaves for a moment is not listed."""
    tip = bare_repository.commit({"a": b"1"})
    bare_repository.set_ref("refs/gitslo/shop/probe.0123", tip)

    assert {"refs/heads/main": tip} == client(bare_repository.url, tmp_path / "cache").list_refs()


@pytest.mark.parametrize(("username", "password"), [(USERNAME, "wrong-t0ken"), ("wrong", PASSWORD), (None, None)])
def test_wrong_credentials_are_refused_and_never_shown(tmp_path, username, password) -> None:
    """The server does not accept them: a person must act, and reads no secret."""
    served(tmp_path).commit({"a": b"1"})
    with GitServer(tmp_path / "remotes", credentials=(USERNAME, PASSWORD)) as server:
        given = {"username": username, "password": lambda: password} if password else {}
        repository = client(server.url("shop.git"), tmp_path / "cache", **given)
        said = raised(Refused, repository.list_refs)

    assert ("credentials" in said, [s for s in (password, PASSWORD) if s and s in said]) == (True, [])


def test_a_password_alone_is_enough(tmp_path) -> None:
    """Token servers take any user name; then `git` is said."""
    served(tmp_path).commit({"a": b"1"})
    with GitServer(tmp_path / "remotes", credentials=("git", PASSWORD)) as server:
        repository = client(server.url("shop.git"), tmp_path / "cache", password=lambda: PASSWORD)

        assert ["refs/heads/main"] == list(repository.list_refs())


def test_a_rotated_password_is_used_at_once(tmp_path) -> None:
    """The password is asked for anew for every exchange."""
    served(tmp_path).commit({"a": b"1"})
    given = iter(["old", PASSWORD])
    with GitServer(tmp_path / "remotes", credentials=(USERNAME, PASSWORD)) as server:
        repository = client(server.url("shop.git"), tmp_path / "cache", username=USERNAME, password=lambda: next(given))
        raised(Refused, repository.list_refs)

        assert ["refs/heads/main"] == list(repository.list_refs())


def test_a_token_that_a_hook_prints_is_masked(tmp_path) -> None:
    """Whatever form the server echoes a credential in, no error shows it."""
    forms = (PASSWORD, quote(PASSWORD, safe=""), b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode())
    script = "#!/bin/sh\n" + "".join(f"echo 'seen {form}' >&2\n" for form in forms) + "exit 1\n"
    bare = served(tmp_path, hooks={"pre-receive": script})
    bare.commit({"a": b"1"})
    with GitServer(tmp_path / "remotes", credentials=(USERNAME, PASSWORD)) as server:
        repository = client(server.url("shop.git"), tmp_path / "cache", username=USERNAME, password=lambda: PASSWORD)
        tip = repository.list_refs()["refs/heads/main"]
        said = raised(Refused, lambda: repository.swap([RefUpdate(HEAD, None, tip)]))

    assert (3, []) == (said.count("seen ***"), [form for form in forms if form in said])


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_a_repository_that_is_not_there_is_refused(tmp_path, scheme) -> None:
    """There is nothing to wait for: the URL is wrong."""
    with GitServer(tmp_path / "remotes") as server:
        url = server.url("absent.git") if scheme == "http" else f"file://{tmp_path}/remotes/absent.git"

        assert "URL" in raised(Refused, client(url, tmp_path / "cache").list_refs)


def test_an_empty_repository_has_no_branch(tmp_path, bare_repository) -> None:
    """Nothing was pushed yet: said so, not listed as empty."""
    assert "main" in raised(Refused, client(bare_repository.url, tmp_path / "cache").list_refs)


def test_a_sha256_repository_is_not_in_this_version(tmp_path) -> None:
    """Longer ids are refused, not cut."""
    path = tmp_path / "sha256.git"
    subprocess.run(["git", "init", "-q", "--bare", "--object-format=sha256", str(path)], check=True)
    BareRepository(path).commit({"a": b"1"})

    assert "not in this version" in raised(Refused, client(f"file://{path}", tmp_path / "cache").list_refs)


def test_a_file_is_no_repository(tmp_path) -> None:
    """Tried again it would be a file again: refused, with what to look at."""
    (tmp_path / "operator.yaml").write_text("schema: gitslo/v1\n")

    said = raised(Refused, client(f"file://{tmp_path}/operator.yaml", tmp_path / "cache").list_refs)

    assert "there is no such repository" in said


def test_a_port_with_nothing_on_it_is_tried_again(tmp_path) -> None:
    """The network's faults pass: Retry."""
    with closed_port() as port:
        raised(Retry, client(f"http://127.0.0.1:{port}/shop.git", tmp_path / "cache").list_refs)


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.LOSE_REPLY])
def test_a_server_in_trouble_is_tried_again(tmp_path, git_server, bare_repository, fault) -> None:
    """A 503 or a lost connection is Retry for reading and for writing alike."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(git_server.url("shop.git"), tmp_path / "cache")
    repository.fetch(repository.list_refs())
    git_server.fault = lambda _: fault

    raised(Retry, repository.list_refs)
    raised(Retry, lambda: client(git_server.url("shop.git"), tmp_path / "other").fetch({"refs/heads/main": tip}))
    raised(Retry, lambda: repository.swap([RefUpdate(HEAD, None, tip)]))


def test_a_page_that_is_not_git_is_refused(tmp_path, git_server, bare_repository) -> None:
    """A portal or a wrong URL answers 200 with something else."""
    bare_repository.commit({"a": b"1"})
    git_server.fault = lambda _: Fault.GARBAGE

    raised(Refused, client(git_server.url("shop.git"), tmp_path / "cache").list_refs)


def test_a_lost_reply_to_a_push_is_an_unknown_outcome(tmp_path, git_server, bare_repository) -> None:
    """The push was carried out and nobody said so: Retry, and the next look shows our own value."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(git_server.url("shop.git"), tmp_path / "cache")
    repository.fetch(repository.list_refs())
    git_server.fault = lambda access: Fault.LOSE_REPLY if access.is_push else None

    raised(Retry, lambda: repository.swap([RefUpdate(HEAD, None, tip)]))

    assert tip == repository.list_refs()[HEAD]


@pytest.mark.parametrize("what", ["list", "fetch", "push"])
def test_a_server_that_hangs_is_left(tmp_path, git_server, bare_repository, what) -> None:
    """The time-out ends Git and what it started, and is Retry."""
    tip = bare_repository.commit({"a": b"1"})
    repository = client(git_server.url("shop.git"), tmp_path / "cache", timeout=1.0)
    repository.fetch(repository.list_refs())
    hung = threading.Event()

    def fault(access):
        if (what == "push") == (access.service == "git-receive-pack") and (what == "list" or access.method == "POST"):
            hung.set()
            return Fault.HANG
        return None

    git_server.fault = fault
    fresh = client(git_server.url("shop.git"), tmp_path / "fresh", timeout=1.0)
    work = {
        "list": repository.list_refs,
        "fetch": lambda: fresh.fetch({"refs/heads/main": tip}),
        "push": lambda: repository.swap([RefUpdate(HEAD, None, tip)]),
    }[what]

    raised(Retry, work)

    assert hung.is_set()


def test_a_redirect_is_not_followed(tmp_path, git_server, bare_repository) -> None:
    """A server cannot send us, or our credentials, elsewhere."""
    bare_repository.commit({"a": b"1"})
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", git_server.origin + self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/shop.git"
            raised(Refused, client(url, tmp_path / "cache").list_refs)
        finally:
            server.shutdown()
            thread.join()

    assert () == git_server.journal


def test_a_git_that_is_too_old_is_refused(tmp_path, bare_repository, monkeypatch) -> None:
    """The needed version is named."""
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho git version 2.30.2\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")

    assert "2.38" in raised(Refused, client(bare_repository.url, tmp_path / "cache").list_refs)
