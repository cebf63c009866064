"""Readiness over HTTP with what the operator gives: certificates, identity, authority, another address."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitslo.errors import Refused
from gitslo.identities import CertificateFiles, Identity
from gitslo.model import Allowed, HttpReadiness, Seconds, Target, TargetScheme, TlsSettings
from gitslo.secret import SecretRef
from gitslo.wiring_run import readiness_probe, target_access
from tests.authority import Authority

CHECK = HttpReadiness("shop", "/readyz", 200, None, Seconds(5.0))
SOON = Seconds(5.0)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority") / "ca")


@contextlib.contextmanager
def secured(authority: Authority) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """An HTTPS server for `shop.dev.svc` that wants a client certificate; its port, and the headers of requests."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificates))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*authority.sign("DNS:shop.dev.svc"))
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.server_address[1], seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_target_is_asked_with_what_the_operator_gives(authority: Authority, tmp_path: Path) -> None:
    """Its authority is trusted, our certificate shown, the identity's token sent, and Host is what the plan says.

    What the operator does not give is refused: it is no readiness that fails, and so no verdict and no revert.
    """
    (tmp_path / "token").write_text("abc\n")
    certificate, key = authority.sign("DNS:tester")
    access = target_access(
        {
            "shop-ca": CertificateFiles(ca=authority.certificates),
            "tester": CertificateFiles(certificate=certificate, key=key),
        },
        {"tester": Identity("tester", SecretRef(file=str(tmp_path / "token")), ("shop.dev.svc", "127.0.0.1"))},
        Allowed(),
    )
    with secured(authority) as (port, seen):
        target = Target(
            "shop",
            TargetScheme.HTTP,
            "shop.dev.svc",
            443,
            tls=True,
            settings=TlsSettings(ca="shop-ca", certificate="tester"),
            auth="tester",
            authority="shop.example.com",
            resolve=("127.0.0.1", port),
        )
        looks = {
            name: readiness_probe(access).look(CHECK, each, ("127.0.0.1", port), SOON)
            for name, each in {
                "whole": target,
                "no authority": replace(target, settings=TlsSettings(certificate="tester")),
                "another name": replace(target, settings=replace(target.settings, server_name="other.dev.svc")),
            }.items()
        }
        for each, said in (
            (replace(target, auth="nobody"), "asks for the identity `nobody`"),
            (replace(target, settings=TlsSettings(insecure=True)), "the operator does not allow that"),
        ):
            with pytest.raises(Refused, match=said):
                readiness_probe(access).look(CHECK, each, ("127.0.0.1", port), SOON)

    assert {"whole": True, "no authority": False, "another name": False} == {
        name: look.ready for name, look in looks.items()
    }
    assert [("Bearer abc", "shop.example.com")] == [(each["authorization"], each["host"]) for each in seen]
    assert "its certificate is not accepted" in looks["no authority"].reason
    assert "Hostname mismatch" in looks["another name"].reason
