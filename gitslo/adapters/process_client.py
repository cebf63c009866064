"""The daemon's side of the process syncer: asks the running `gitslo syncer` what it runs.

Used through `ports.Syncer`. Finds the syncer by its state folder, speaks HTTP with it on loopback, and starts nothing:
a syncer that is not there is a `Retry`.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from gitslo.errors import Retry
from gitslo.model import Environment
from gitslo.ports import Address, Expected, SyncReport, SyncState

__all__ = ["ProcessSyncer"]

STATE_FILE = "syncer.json"
STATE_CAP = 64 * 1024
ANSWER_CAP = 16 * 1024 * 1024
TIMEOUT = 3.0
LOOPBACK = "127.0.0.1"


class ProcessSyncer:
    """Asks one process syncer."""

    def __init__(self, state: Path) -> None:
        """Nothing is read before the first report.

        Args:
            state: the syncer's state folder, as the operator's file names it.
        """
        self._state = state

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """What the syncer runs in `environment`.

        Raises:
            Retry: the syncer is not running, or does not answer.
        """
        answer = self._ask()
        said = _mapping(_mapping(answer.get("environments")).get(environment.name))
        if not said:
            problem = answer.get("problem")
            return SyncReport(SyncState.WAITING, str(problem) if problem else "the syncer does not know it yet")
        state, detail = str(said.get("state")), str(said.get("detail"))
        if said.get("tree") != expected.tree:
            revision = str(said.get("revision"))[:12]
            what = "" if state == "synced" else f": {detail or state}"
            return SyncReport(SyncState.WAITING, f"the syncer is at {revision or 'no revision'}{what}")
        match state:
            case "synced":
                fingerprint = str(said.get("fingerprint", ""))
                return SyncReport(SyncState.SYNCED, detail, fingerprint, _addresses(said.get("addresses")))
            case "failed":
                return SyncReport(SyncState.FAILED, detail)
            case "progressing":
                return SyncReport(SyncState.WAITING, detail)
            case _:
                raise Retry(f"the process syncer says {state!r} of {environment.name}, which is not understood")

    def _ask(self) -> Mapping[str, object]:
        path = self._state / STATE_FILE
        try:
            with path.open("rb") as file:
                announced = _mapping(json.loads(file.read(STATE_CAP)))
            where = urlsplit(str(announced.get("control")))
            port, token = where.port, str(announced.get("token"))
        except FileNotFoundError as error:
            raise Retry(f"the process syncer is not running: there is no {path} (`gitslo syncer` starts it)") from error
        except (OSError, ValueError, RecursionError) as error:
            raise Retry(f"{path} cannot be read: {error}") from error
        if where.scheme != "http" or where.hostname != LOOPBACK or port is None:
            raise Retry(f"{path} names no control endpoint on {LOOPBACK}")
        try:
            return _mapping(json.loads(_get(port, token)))
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise Retry(f"the process syncer of {self._state} does not answer: {error}") from error


def _get(port: int, token: str) -> bytes:
    """The answer's body, complete within TIMEOUT and ANSWER_CAP."""
    deadline = time.monotonic() + TIMEOUT
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/environments", headers={"Authorization": f"Bearer {token}"})
        with connection.getresponse() as response:
            if response.status != http.client.OK:
                raise OSError(f"status {response.status}")
            body = bytearray()
            while chunk := response.read1(65536):
                body += chunk
                if len(body) > ANSWER_CAP:
                    raise OSError("the answer is too long")
                if time.monotonic() > deadline:
                    raise TimeoutError("no whole answer in time")
        return bytes(body)
    finally:
        connection.close()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _addresses(value: object) -> Mapping[str, Address]:
    addresses: dict[str, Address] = {}
    for name, where in _mapping(value).items():
        match where:
            case [str() as host, int() as port]:
                addresses[name] = (host, port)
            case _:
                raise Retry(f"the process syncer gives no usable address for {name}")
    return addresses
