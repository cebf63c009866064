"""`/api/v1` as programs see it: every answer follows the published contract, and none of them gives anything away."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from gitslo.errors import Refused, Retry
from gitslo.loop.api import Api
from gitslo.loop.controller import Poll
from gitslo.loop.gate import Gate
from gitslo.model import CommitId, Hold, HoldCause, Seconds, Verdict
from gitslo.ports import Event, ServedReply, ServedRequest
from tests.gate.gates import EVERY, Watched

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "api.json").read_text(encoding="utf-8"))
TOKEN = "canary-51c2a9e0"


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """s00 has passed v1 and failed v2, which is there now; s01 has passed and has a newer commit; s02 has passed."""
    world = Watched(tmp_path_factory.mktemp("api"))
    world.first = world.mono.head
    world.bad = world.release("s00", "v2")
    world.judge("s00/dev", Verdict.FAIL)
    world.release("s01", "v2")
    world.poll()
    return world


def ask(
    watched: Watched,
    path: str,
    query: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
    *,
    method: str = "GET",
    token: Callable[[], str] | None = None,
    headers: Mapping[str, str] | None = None,
    gates: Mapping[str, Gate] | None = None,
) -> ServedReply:
    """One request, whose answer must follow the contract."""
    pairs = tuple(query.items()) if isinstance(query, Mapping) else query
    api = Api(gates or {"mono": watched.gate}, token)
    reply = api.ask(ServedRequest(method, f"/api/v1/{path}", pairs, headers or {}))
    if reply.media == "application/json":
        name = "error" if reply.status >= 400 else path
        validator = jsonschema.Draft202012Validator({**SCHEMA["$defs"][name], "$defs": SCHEMA["$defs"]})
        assert [] == [error.message for error in validator.iter_errors(json.loads(reply.body))]
    return reply


def document(reply: ServedReply) -> dict:
    return json.loads(reply.body)


def code(reply: ServedReply) -> tuple[int, str]:
    return reply.status, document(reply)["error"]["code"]


def test_the_contract_is_a_schema() -> None:
    """It is valid itself, and every field of it is explained."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    objects = [node for node in SCHEMA["$defs"].values() if "properties" in node]

    assert [] == [
        (node["title"], name)
        for node in objects
        for name, field in node["properties"].items()
        if not {"description", "$ref"} & set(field)
    ]


def test_a_verdict_is_told_with_its_run_and_findings(watched) -> None:
    """Of the head of the branch where no commit is named."""
    said = document(ask(watched, "verdict", {"repository": "mono", "environment": "s00/dev"}))

    assert ("fail", "run 2 (sync) failed", True, ["example/s00:v2"]) == (
        said["verdict"],
        said["reason"],
        said["running"],
        said["release"],
    )
    assert ("2", "sync", "1970-01-01T00:00:02Z") == (said["run"]["id"], said["run"]["cause"], said["since"])
    assert said["findings"][0].startswith("browse.errors < 10%: fail: ")
    assert said["run"]["report"] == "/api/v1/report?repository=mono&environment=s00%2Fdev&run=2"


def test_a_verdict_of_an_older_commit(watched) -> None:
    """By its content, which something else has taken the place of."""
    query = {"repository": "mono", "environment": "s00/dev", "commit": watched.first[:12]}
    said = document(ask(watched, "verdict", query))

    assert (watched.first, "pass", False) == (said["commit"], said["verdict"], said["running"])


def test_a_hold_is_told(tmp_path) -> None:
    """With who set it, since when and why; text of people is made harmless."""
    watched = Watched(tmp_path)
    sight = watched.controller.sight
    sight.look()
    tip = sight.ledger("s00/dev")
    held = Hold(HoldCause.PERSON, "freeze\x1b[2J\nuntil monday", "ann", 60.0)
    state = replace(tip.state, hold=held, entry=tip.state.entry + 1)
    sight.repository.swap([sight.ledgers.build(tip.id, state, "held", 1.0)])
    watched.poll()
    said = document(ask(watched, "verdict", {"repository": "mono", "environment": "s00/dev"}))

    assert (
        "pass",
        {
            "reason": "freeze\\x1b[2J until monday",
            "by": "ann",
            "cause": "person",
            "since": "1970-01-01T00:01:00Z",
        },
    ) == (said["verdict"], said["held"])


def test_environments_are_told_with_their_verdicts(watched) -> None:
    """One row each, and when their repository was looked at."""
    said = document(ask(watched, "environments"))

    assert [("s00/dev", "fail"), ("s01/dev", "pending"), ("s02/dev", "pass")] == [
        (each["environment"], each["verdict"]) for each in said["environments"]
    ]
    assert ([("mono", "")], None) == (
        [(each["repository"], each["problem"]) for each in said["repositories"]],
        said["next"],
    )


def test_environments_of_several_repositories_come_in_pages(watched, tmp_path) -> None:
    """`next` leads through all of them, each once; a repository that cannot be read hides no other one."""
    dark = Gate("dark", watched.reads, watched.ledgers, every=Seconds(30.0), clock=watched.clock)
    gates = {"dark": dark, "mono": watched.gate}
    rows, problems, after = [], [], None
    for _ in range(5):
        query = {"limit": "2", **({"after": after} if after else {})}
        said = document(ask(watched, "environments", query, gates=gates))
        rows += [each["environment"] for each in said["environments"]]
        problems += [each["problem"] for each in said["repositories"] if each["problem"]]
        after = said["next"]
        if after is None:
            break

    assert ["s00/dev", "s01/dev", "s02/dev"] == rows
    assert 1 == len(problems)
    assert problems[0].startswith("nothing is known of repository dark yet")


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("verdict", {}, (400, "missing_parameter")),
        ("verdict", {"repository": "mono"}, (400, "missing_parameter")),
        ("verdict", {"repository": "mono", "environment": ""}, (400, "bad_parameter")),
        ("verdict", {"repository": "mono", "environment": "s00/dev", "sha": "1"}, (400, "unknown_parameter")),
        ("verdict", (("repository", "mono"), ("repository", "mono")), (400, "bad_parameter")),
        ("verdict", {"repository": "nomo", "environment": "s00/dev"}, (404, "unknown_repository")),
        ("verdict", {"repository": "mono", "environment": "s00/prod"}, (404, "unknown_environment")),
        ("verdict", {"repository": "mono", "environment": "s00/dev", "commit": "main"}, (400, "bad_commit")),
        ("verdict", {"repository": "mono", "environment": "s00/dev", "commit": "0" * 40}, (404, "unknown_commit")),
        ("environments", {"limit": "0"}, (400, "bad_parameter")),
        ("environments", {"limit": "1001"}, (400, "bad_parameter")),
        ("environments", {"limit": "²"}, (400, "bad_parameter")),
        ("environments", {"after": "mono/s99/dev"}, (404, "unknown_environment")),
        ("environments", {"after": "nomo/"}, (404, "unknown_repository")),
        ("report", {"repository": "mono", "environment": "s00/dev", "run": "99"}, (404, "unknown_run")),
        ("verdicts", {}, (404, "unknown_path")),
        ("", {}, (404, "unknown_path")),
    ],
)
def test_a_question_that_is_wrong_is_told_so(watched, path: str, query, expected: tuple[int, str]) -> None:
    """A status, a word for programs and a sentence for people."""
    assert expected == code(ask(watched, path, query))


def test_the_nearest_name_is_offered(watched) -> None:
    """A slip of the pen is answered with what was probably meant."""
    hints = [
        document(ask(watched, "verdict", query))["error"]["hint"]
        for query in (
            {"repository": "momo", "environment": "s00/dev"},
            {"repository": "mono", "environment": "s00/dve"},
            {"repository": "mono", "enviroment": "s00/dev"},
        )
    ]

    assert ["did you mean `mono`?", "did you mean `s00/dev`?", "did you mean `environment`?"] == hints


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(watched, method: str) -> None:
    """Only reading is answered, and which methods there are is said."""
    reply = ask(watched, "verdict", {"repository": "mono", "environment": "s00/dev"}, method=method)

    assert ((405, "method_not_allowed"), (("Allow", "GET, HEAD"),)) == (code(reply), reply.headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {TOKEN}x"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": TOKEN},
        {"authorization": "Bearer \xff"},
    ],
)
def test_without_the_token_nothing_is_said(watched, headers: dict[str, str]) -> None:
    """Not even whether a path or a repository is there; the token stands in no answer."""
    for path in ("verdict", "environments", "nothing"):
        reply = ask(watched, path, token=lambda: TOKEN, headers=headers)

        assert (401, "unauthorized") == code(reply)
        assert (("WWW-Authenticate", 'Bearer realm="gitslo"'),) == reply.headers
        assert TOKEN.encode() not in reply.body


def test_with_the_token_everything_is_said(watched) -> None:
    """The scheme's name is not case-sensitive, and a token that was changed is taken up at once."""
    tokens = [TOKEN, "another"]

    assert [200, 401] == [
        ask(watched, "environments", token=lambda: tokens.pop(0), headers={"authorization": f"bearer {TOKEN}"}).status
        for _ in range(2)
    ]


def test_a_token_that_cannot_be_read_opens_nothing(watched) -> None:
    """Nobody is let in because a file is gone, and nobody is told where it should be."""

    def gone() -> str:
        raise Refused("/run/secrets/api cannot be read")

    reply = ask(watched, "environments", token=gone, headers={"authorization": "Bearer "})

    assert ((503, "not_ready"), False) == (code(reply), b"/run/secrets" in reply.body)


def test_a_repository_that_was_not_looked_at_lately_is_not_answered_about(watched, tmp_path) -> None:
    """503 with when to ask again: a client waits, and a gate stays shut."""
    other = Watched(tmp_path)
    other.poll()
    other.gate.publish(other.controller.sight, Poll((), 0, Retry("the remote is away")))
    other.clock.advance(4 * EVERY + 60.0)
    reply = ask(other, "verdict", {"repository": "mono", "environment": "s00/dev"})

    assert ((503, "not_ready"), (("Retry-After", "5"),)) == (code(reply), reply.headers)
    assert "the remote is away" in document(reply)["error"]["message"]


def test_a_fault_of_ours_is_told_to_the_log_and_not_to_the_caller(watched) -> None:
    """500 with its kind alone; the log has the rest."""

    class Broken(Gate):
        def __init__(self) -> None:
            pass

        def verdict(self, environment: str, commit: str | None) -> object:  # type: ignore[override]
            raise ZeroDivisionError(f"about {CommitId('secret')}")

    heard = Heard()
    query = (("repository", "mono"), ("environment", "x"))
    reply = Api({"mono": Broken()}, None, [heard]).ask(ServedRequest("GET", "/api/v1/verdict", query, {}))

    assert ((500, "internal"), False) == (code(reply), b"secret" in reply.body)
    assert [("error.unexpected", True)] == [(each.name, "secret" in each.message) for each in heard.events]


def test_a_report_is_markdown(watched) -> None:
    """What the verdict's answer names is there."""
    path = document(ask(watched, "verdict", {"repository": "mono", "environment": "s00/dev"}))["run"]["report"]
    query = tuple(tuple(part.split("=")) for part in path.partition("?")[2].replace("%2F", "/").split("&"))
    reply = ask(watched, "report", query)

    assert (200, "text/markdown; charset=utf-8", True) == (reply.status, reply.media, b"run 2" in reply.body)
