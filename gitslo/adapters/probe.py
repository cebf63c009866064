"""The probe syncer: something else deploys, and a version endpoint or header tells which image or commit answers.

Used through `ports.Syncer`. Calls only hosts that the operator allows, follows no redirect, reads a bounded answer.
Settings of `environment.sync`: `url`; `json` (JMESPath into the body) or `header`; `reports`: `image` or `commit`.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

from gitslo.core.wildcard import matches
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import Allowed, CommitId, Environment, PromotedKind, Release
from gitslo.ports import Expected, SyncReport, SyncState

__all__ = ["ProbeSyncer"]

TIMEOUT = 5.0
ANSWER_CAP = 256 * 1024
SHOWN = 120
"""Characters of an answer that are shown to people."""
COMMIT = re.compile(r"[0-9a-f]{7,64}")


class ProbeSyncer:
    """Asks the deployed service itself."""

    def __init__(self, allowed: Allowed, timeout: float = TIMEOUT) -> None:
        """Nothing is called before the first report.

        Args:
            allowed: only hosts that `targets` matches are called.
            timeout: seconds for one whole answer.
        """
        self._allowed = allowed
        self._timeout = timeout

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """Whether what answers is what is expected.

        Raises:
            Retry: nothing answers.
            Refused: the host is not allowed, or the settings cannot work.
        """
        settings = environment.sync.settings
        url = self._url(settings.get("url", ""))
        try:
            status, header, body = _get(url, settings.get("header"), self._timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Retry(f"{url.netloc} does not answer: {_shown(str(error))}") from error
        if status != http.client.OK:
            return SyncReport(SyncState.WAITING, f"{url.netloc} answers with status {status}")
        answer = header if "header" in settings else _from_json(body, settings.get("json", ""))
        if answer is None:
            where = f"header {settings['header']}" if "header" in settings else settings.get("json", "")
            return SyncReport(SyncState.WAITING, f"the answer of {url.netloc} has no text at {where}")
        wanted = _expected(settings.get("reports", "image"), expected)
        by_commit = settings.get("reports") == "commit"
        here = _is_commit(answer, expected) if by_commit else answer in wanted
        if not here:
            return SyncReport(SyncState.WAITING, f"{_shown(answer)} answers, waiting for {wanted[0]}")
        # Another commit with the same tree runs the same thing: it is no news.
        print_of = expected.tree if by_commit else answer
        return SyncReport(SyncState.SYNCED, f"{_shown(answer)} answers", hashlib.sha256(print_of.encode()).hexdigest())

    def _url(self, text: str) -> SplitResult:
        try:
            url = urlsplit(text)
            port = url.port
        except ValueError as error:
            raise Refused(Problem(f"the probe's url {text!r} is no URL: {error}")) from error
        if url.scheme not in {"http", "https"} or not url.hostname or url.username is not None or port == 0:
            raise Refused(Problem("the probe's url is not usable, expected http:// or https:// and a host, no user"))
        if not matches(self._allowed.targets, url.hostname):
            hint = "`allow.targets` of the operator's file names the hosts that may be called"
            raise Refused(Problem(f"the operator does not allow the probe's host {url.hostname}", hint=hint))
        return url


def _get(url: SplitResult, header: str | None, timeout: float) -> tuple[int, str | None, bytes]:
    """Status, the named header's value, and the body; within `timeout` seconds and ANSWER_CAP."""
    kind, usual = (http.client.HTTPSConnection, 443) if url.scheme == "https" else (http.client.HTTPConnection, 80)
    # The port is always said: the library would look for it in an IPv6 address.
    connection = kind(url.hostname or "", url.port or usual, timeout=timeout)
    deadline = time.monotonic() + timeout
    connected = _connected(connection.host, connection.port, deadline)
    # The library's time-out is per read: a server that sends a byte now and then, of its handshake even, would hold us
    # for hours.
    held = connected.dup()
    cut = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, (held,))
    cut.daemon = True
    cut.start()
    try:
        connection.sock = connected
        if url.scheme == "https":
            connection.sock = ssl.create_default_context().wrap_socket(connected, server_hostname=connection.host)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", path, headers={"Accept": "application/json, */*", "User-Agent": "gitslo-probe"})
        with connection.getresponse() as response:
            status, value = response.status, response.getheader(header) if header is not None else None
            body = bytearray()
            while header is None and (chunk := response.read1(65536)):
                body += chunk
                if len(body) > ANSWER_CAP:
                    raise OSError(f"the answer is longer than {ANSWER_CAP} bytes")
        if time.monotonic() >= deadline:
            raise TimeoutError("no whole answer in time")
        return status, value, bytes(body)
    finally:
        cut.cancel()
        held.close()
        connection.close()


def _connected(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to one of the host's addresses, tried one after the other within the deadline."""
    error: OSError = TimeoutError("no connection in time")
    for family, kind, protocol, _, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left)
            connection.connect(where)
        except OSError as refused:
            connection.close()
            error = refused
        else:
            return connection
    raise error


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _from_json(body: bytes, expression: str) -> str | None:
    from gitslo.core.jsonpath import search

    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = search(expression, document)
    return found if isinstance(found, str) and found else None


def _expected(reports: str, expected: Expected) -> tuple[str, ...]:
    """Every answer that means what is expected, the fullest first."""
    if reports == "commit":
        return (str(expected.revision),)
    if reports != "image":
        raise Refused(Problem(f"the probe reports {reports!r}, expected `image` or `commit`"))
    wanted = _image_forms(expected.release)
    if not wanted:
        raise Refused(Problem("the probe reports an image, and `promote` names none", hint="`reports: commit`"))
    return wanted


def _image_forms(release: Release) -> tuple[str, ...]:
    """Reference, tag and digest of every promoted image, as a service may name itself."""
    full: list[str] = list(release.images())
    short: list[str] = []
    for value in release.values:
        if value.kind is not PromotedKind.IMAGE:
            continue
        tag, _, digest = value.value.partition("@")
        if tag and digest:
            full += [f"{value.name}:{tag}", f"{value.name}@{digest}"]
        short += [part for part in (tag, digest) if part]
    return (*full, *short)


def _is_commit(answer: str, expected: Expected) -> bool:
    """Whether the answer is the expected revision (7 digits do), or in full another commit with the same tree."""
    commit = answer.lower()
    if COMMIT.fullmatch(commit) is None:
        return False
    return expected.revision.startswith(commit) or (
        len(commit) == len(expected.revision) and expected.carries(CommitId(commit))
    )


def _shown(text: str) -> str:
    """Text from outside, for one line of a report."""
    printable = "".join(character if character.isprintable() else " " for character in text[: SHOWN + 1])
    return f"{printable[:SHOWN]}…" if len(printable) > SHOWN else printable
