"""The how-to page: its example follows the contract, its tables are whole, and the other tool asks what we answer."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, urlsplit

import jsonschema
from ruamel.yaml import YAML

from gitslo.loop.api import Api
from gitslo.ports import ServedRequest
from tests.gate.gates import Watched
from tests.project.source import ROOT

PAGE = (ROOT / "docs" / "how-to" / "ask-for-a-verdict.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "schemas" / "api.json").read_text(encoding="utf-8"))


def blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_follows_the_contract() -> None:
    """What the page shows is what a daemon would say."""
    [example] = blocks("json")

    jsonschema.validate(json.loads(example), {**SCHEMA["$defs"]["verdict"], "$defs": SCHEMA["$defs"]})


def test_every_error_is_explained() -> None:
    """The table has each code of the schema but the one for a fault of ours, and no other."""
    table = "\n".join(re.findall(r"^\| [45]\d\d \|.*$", PAGE, re.MULTILINE))
    codes = SCHEMA["$defs"]["error"]["properties"]["error"]["properties"]["code"]["enum"]

    assert set(codes) - {"internal"} == set(re.findall(r"`([a-z]+_[a-z_]+|busy|unauthorized)`", table)) - {"hint"}


def test_every_word_of_a_verdict_is_explained() -> None:
    """The table of verdicts is that of the schema, in its order."""
    words = re.findall(r"^\| `([a-z]+)` \| .* \| .* \|$", PAGE, re.MULTILINE)

    assert SCHEMA["$defs"]["verdict"]["properties"]["verdict"]["enum"] == words


def test_the_gate_of_another_promoter_asks_what_we_answer(tmp_path) -> None:
    """Its template, filled in as that tool would, is a question that is answered with 200 and the word it waits for."""
    [text] = [block for block in blocks("yaml") if "WebRequestCommitStatus" in block]
    gate, strategy = list(YAML(typ="safe").load_all(text))
    watched = Watched(tmp_path)
    watched.poll()
    filled = re.sub(r"\{\{\s*trimPrefix .*?\}\}", "s00/dev", gate["spec"]["httpRequest"]["urlTemplate"])
    filled = filled.replace("{{ .Environment.Active.Dry.Sha }}", str(watched.mono.head))
    url = urlsplit(filled)
    reply = Api({"shop": watched.gate}, None).ask(
        ServedRequest(gate["spec"]["httpRequest"]["method"], url.path, tuple(parse_qsl(url.query)), {})
    )
    said = json.loads(reply.body)

    assert 'Response.StatusCode == 200 && Response.Body.verdict == "pass"' == gate["spec"]["expression"]
    assert (200, "pass") == (reply.status, said["verdict"])
    assert ({"key": gate["spec"]["key"]}, "active") == (
        strategy["spec"]["activeCommitStatuses"][0],
        gate["spec"]["reportOn"],
    )
