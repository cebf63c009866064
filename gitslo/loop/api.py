"""`/api/v1`: what other programs ask the daemon, as JSON. `schemas/api.json` is its contract.

Called by the daemon's HTTP server, from several threads; composed by the wiring. **Invariants**: nothing that is asked
here has an effect; every answer, errors too, follows the schema; where there is a token, nothing is said without it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from gitslo.core.codec import JsonValue
from gitslo.core.escape import plain, short
from gitslo.core.gate import Answer, Answered, finding_lines
from gitslo.core.nearest import nearest
from gitslo.errors import GitsloError
from gitslo.loop.gate import Denied, EnvironmentView, Gate, VerdictView
from gitslo.model import Hold, Run
from gitslo.ports import Event, Observer, ServedReply, ServedRequest, tell_all

__all__ = ["PREFIX", "Api"]

SCHEMA: Final = "gitslo/v1"
PREFIX: Final = "/api/v1/"
PAGE: Final = 500
LARGEST_PAGE: Final = 1000
LONGEST: Final = 1000
"""Characters of one text that came from a repository or a person."""

Query = Mapping[str, str]


class Api:
    """Answers requests."""

    def __init__(
        self, gates: Mapping[str, Gate], token: Callable[[], str] | None, observers: Sequence[Observer] = ()
    ) -> None:
        """Bind what is asked.

        Args:
            gates: by the repository's name.
            token: read for each request; None: whoever reaches us may ask.
            observers: told of faults of ours.
        """
        self._gates, self._token, self._observers = gates, token, observers
        self._pages: Mapping[str, tuple[frozenset[str], frozenset[str], Callable[[Query], ServedReply]]] = {
            "verdict": (frozenset({"repository", "environment"}), frozenset({"commit"}), self._verdict),
            "environments": (frozenset(), frozenset({"repository", "after", "limit"}), self._environments),
            "report": (frozenset({"repository", "environment", "run"}), frozenset(), self._report),
        }

    def ask(self, request: ServedRequest) -> ServedReply:
        """Answer one request below `/api/v1/`; never raises."""
        try:
            self._admit(request)
            return self._page(request)
        except Denied as denied:
            return _denial(denied)
        except Exception as error:  # noqa: BLE001 - whoever asks must not see a traceback, nor end a thread
            message = f"answering {plain(short(request.path, 100))}: {type(error).__name__}: {plain(str(error))}"
            fields = {"kind": type(error).__name__, "reason": message}
            tell_all(self._observers, Event("error.unexpected", "", message, fields))
            return _denial(Denied(500, "internal", f"internal error: {type(error).__name__}"))

    def _page(self, request: ServedRequest) -> ServedReply:
        page = self._pages.get(request.path.removeprefix(PREFIX))
        if page is None:
            known = ", ".join(f"{PREFIX}{name}" for name in self._pages)
            raise Denied(404, "unknown_path", f"there is no {plain(short(request.path, 100))}", f"there are {known}")
        if request.method not in {"GET", "HEAD"}:
            raise Denied(405, "method_not_allowed", f"{plain(request.method)} is not answered here", "GET is")
        required, optional, answer = page
        return answer(_parameters(request, required, optional))

    def _admit(self, request: ServedRequest) -> None:
        if self._token is None:
            return
        try:
            expected = self._token()
        except GitsloError:
            raise Denied(503, "not_ready", "the token that was to be shown cannot be read") from None
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        # Of hashes: the comparison takes the same time whatever is given, its length included.
        same = hmac.compare_digest(_hashed(given.strip().encode("latin-1", "replace")), _hashed(expected.encode()))
        if scheme.lower() != "bearer" or not same:
            message = "expected the header `Authorization: Bearer` with this daemon's token"
            raise Denied(401, "unauthorized", message)

    # ----------------------------------------------------------------- pages

    def _verdict(self, query: Query) -> ServedReply:
        gate = self._gate(query["repository"])
        view = gate.verdict(query["environment"], query.get("commit"))
        return _json(200, _verdict_document(gate.name, view))

    def _environments(self, query: Query) -> ServedReply:
        gates = list(self._gates.values()) if "repository" not in query else [self._gate(query["repository"])]
        limit = _limit(query.get("limit", str(PAGE)))
        begin, _, behind = query.get("after", "").partition("/")
        if begin:
            at = gates.index(self._gate(begin)) if self._gate(begin) in gates else -1
            if at < 0:
                raise Denied(400, "bad_parameter", "`after` is not in this repository")
            gates = gates[at:]
        repositories: list[JsonValue] = []
        found: list[JsonValue] = []
        following = ""
        for gate in gates:
            if following or len(found) >= limit:
                following = following or f"{gate.name}/"
                break
            problem = ""
            try:
                views, name = gate.environments(behind, limit - len(found))
                found += [_environment_document(gate.name, view) for view in views]
                following = f"{gate.name}/{name}" if name else ""
            except Denied as denied:
                if denied.status != 503:  # noqa: PLR2004 - one repository that cannot be read does not hide the others
                    raise
                problem = denied.message
            looked = gate.looked
            repositories.append(
                {
                    "repository": gate.name,
                    "looked_at": None if looked is None else _iso(looked.wall),
                    "problem": _text(problem),
                }
            )
            behind = ""
        return _json(
            200,
            {"schema": SCHEMA, "repositories": repositories, "environments": found, "next": following or None},
        )

    def _report(self, query: Query) -> ServedReply:
        text = self._gate(query["repository"]).report(query["environment"], query["run"])
        return ServedReply(200, text.encode(), "text/markdown; charset=utf-8")

    def _gate(self, name: str) -> Gate:
        gate = self._gates.get(name)
        if gate is None:
            hint = nearest(name, self._gates) or "GET /api/v1/environments lists them"
            raise Denied(404, "unknown_repository", f"there is no repository `{plain(short(name, 100))}`", hint)
        return gate


# --------------------------------------------------------------------------- questions


def _parameters(request: ServedRequest, required: frozenset[str], optional: frozenset[str]) -> Query:
    found: dict[str, str] = {}
    for name, value in request.query:
        if name not in required | optional:
            shown = plain(short(name, 100))
            hint = nearest(name, required | optional) or f"there are {', '.join(sorted(required | optional))}"
            raise Denied(400, "unknown_parameter", f"there is no parameter `{shown}`", hint)
        if name in found:
            raise Denied(400, "bad_parameter", f"`{name}` is given twice")
        if not value:
            raise Denied(400, "bad_parameter", f"`{name}` is empty", "leave it out" if name in optional else "")
        found[name] = value
    missing = sorted(required - set(found))
    if missing:
        example = "&".join(f"{name}=..." for name in sorted(required))
        names = " and ".join(f"`{name}`" for name in missing)
        raise Denied(400, "missing_parameter", f"{names} must be given", f"{request.path}?{example}")
    return found


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= LARGEST_PAGE):
        raise Denied(400, "bad_parameter", f"`limit` is a whole number from 1 to {LARGEST_PAGE}")
    return int(text)


def _hashed(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# --------------------------------------------------------------------------- documents


def _verdict_document(repository: str, view: VerdictView) -> dict[str, JsonValue]:
    return {
        "schema": SCHEMA,
        "repository": repository,
        "environment": view.environment.name,
        "commit": view.commit,
        **_answer(view.answer, view.run),
        "running": view.running,
        "run": _run(repository, view.environment.name, view.answer.run, view.run),
        "findings": list(finding_lines(view.run.findings)) if view.run is not None else [],
        "release": [_text(image) for image in view.release.images()],
        "subject": {"tree": view.subject.tree, "plan": view.subject.plan},
        "looked_at": _iso(view.looked.wall),
    }


def _environment_document(repository: str, view: EnvironmentView) -> dict[str, JsonValue]:
    answer = view.answer
    return {
        "repository": repository,
        "environment": view.environment.name,
        "service": view.environment.service,
        "stage": view.environment.stage,
        "after": list(view.environment.after),
        **_answer(answer or Answer(Answered.UNKNOWN, "what the branch says of it is not known"), view.run),
        "run": None if answer is None else _run(repository, view.environment.name, answer.run, view.run),
        "release": [_text(image) for image in view.release.images()] if view.release is not None else [],
        "waiting": _text(view.waiting),
    }


def _answer(answer: Answer, run: Run | None) -> dict[str, JsonValue]:
    since = None if run is None else run.judged_wall
    if answer.verdict is Answered.PENDING and answer.held is not None:
        since = answer.held.since_wall or None
    return {
        "verdict": answer.verdict.value,
        "reason": _text(answer.reason),
        "since": None if since is None else _iso(since),
        "rejected": _text(answer.rejected) or None,
        "held": None if answer.held is None else _hold(answer.held),
    }


def _hold(hold: Hold) -> JsonValue:
    since = _iso(hold.since_wall) if hold.since_wall > 0.0 else None
    return {"reason": _text(hold.reason), "by": _text(hold.by), "cause": hold.cause.value, "since": since}


def _run(repository: str, environment: str, number: str | None, run: Run | None) -> JsonValue:
    if number is None:
        return None
    query = urlencode({"repository": repository, "environment": environment, "run": number})
    return {
        "id": number,
        "cause": None if run is None else run.cause.value,
        "attempt": None if run is None else run.attempt,
        "commit": None if run is None else run.revision,
        "report": f"{PREFIX}report?{query}",
    }


def _denial(denied: Denied) -> ServedReply:
    said: dict[str, JsonValue] = {
        "code": denied.code,
        "message": _text(denied.message),
        "hint": _text(denied.hint),
    }
    headers = {
        401: (("WWW-Authenticate", 'Bearer realm="gitslo"'),),
        405: (("Allow", "GET, HEAD"),),
        503: (("Retry-After", "5"),),
    }
    return _json(denied.status, {"schema": SCHEMA, "error": said}, headers.get(denied.status, ()))


def _json(status: int, document: JsonValue, headers: tuple[tuple[str, str], ...] = ()) -> ServedReply:
    return ServedReply(status, (json.dumps(document, indent=2) + "\n").encode(), headers=headers)


def _text(text: str) -> str:
    return short(plain(text), LONGEST)


def _iso(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
