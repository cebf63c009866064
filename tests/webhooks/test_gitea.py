"""What a real forge sends, over a real connection, is believed; and nothing that it sends under another secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gitslo.core.webhooks import Sender
from gitslo.wiring_run import SystemClock
from tests.gitea_server import OWNER, GiteaServer
from tests.webhooks.deliveries import SECRET, Desk

DEADLINE = 30.0


class Recorder:
    """Takes one delivery and keeps it as it came."""

    def __init__(self) -> None:
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.end_headers()
                recorder.found = dict(self.headers.items()), body
                recorder.came.set()

            def log_message(self, *_: object) -> None:
                pass

        self.found: tuple[dict[str, str], bytes] = ({}, b"")
        self.came = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def delivery(gitea: GiteaServer) -> Iterator[tuple[dict[str, str], bytes]]:
    """What Gitea sends for a push, its webhook made by its API as the how-to page says."""
    recorder = Recorder()
    try:
        repository = gitea.new_repository()
        host, port = recorder.server.server_address[:2]
        made = gitea.api(
            OWNER,
            "POST",
            f"/repos/{repository}/hooks",
            {
                "type": "gitea",
                "active": True,
                "events": ["push"],
                "config": {"url": f"http://{host}:{port}/webhooks/shop", "content_type": "json", "secret": SECRET},
            },
        )
        assert made.status == 201, made
        gitea.commit(repository, "main", {"a.txt": "a"})
        assert recorder.came.wait(DEADLINE)
        yield recorder.found
    finally:
        recorder.stop()


@pytest.mark.parametrize("sender", [Sender.GITEA, Sender.FORGEJO, Sender.GITHUB])
def test_a_real_push_is_believed(delivery, sender) -> None:
    """Gitea signs in its own way, which Forgejo has kept, and in GitHub's as well."""
    headers, body = delivery

    assert 202 == Desk(SystemClock()).receive(sender, headers, body)


def test_a_real_push_under_another_secret_is_not(delivery) -> None:
    """The body alone is no proof; and the same delivery counts once, by the forge's own id."""
    headers, body = delivery
    desk = Desk(SystemClock(), secret="another")
    one = Desk(SystemClock())

    assert [401, 202, 200] == [
        desk.receive(Sender.GITEA, headers, body),
        one.receive(Sender.GITEA, headers, body),
        one.receive(Sender.GITEA, headers, body),
    ]
    assert "X-Gitea-Delivery" in headers
