from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from gitslo import model
from gitslo.core.ledger import encode
from gitslo.model import EnvironmentState
from tests.ledger.states import large, states

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "ledger.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

RECORDS = {
    "": model.EnvironmentState,
    "attemptEvidence": model.AttemptEvidence,
    "burnCounts": model.BurnCounts,
    "burnStretch": model.BurnStretch,
    "change": model.Change,
    "claim": model.Claim,
    "evidence": model.Evidence,
    "fidelity": model.Fidelity,
    "finding": model.Finding,
    "hold": model.Hold,
    "baselineSample": model.BaselineSample,
    "concentration": model.Concentration,
    "loadSummary": model.LoadSummary,
    "look": model.Look,
    "metricSeries": model.MetricSeries,
    "passed": model.Passed,
    "passedLoad": model.PassedLoad,
    "percentiles": model.Percentiles,
    "rejection": model.Rejection,
    "release": model.Release,
    "releaseValue": model.ReleaseValue,
    "request": model.Request,
    "run": model.Run,
    "scoreRecord": model.ScoreRecord,
    "seen": model.Seen,
    "subject": model.Subject,
    "tally": model.Tally,
}


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(states())
def test_what_is_written_follows_the_schema(state: EnvironmentState) -> None:
    """Every entry validates against the published contract."""
    content = encode(state, key=None, repository="r", parent=None)["ledger.json"]

    assert [error.message for error in VALIDATOR.iter_errors(json.loads(content))] == []


def test_the_schema_is_one_and_its_example_follows_it() -> None:
    """The schema is a schema, and shows what it means."""
    VALIDATOR.check_schema(SCHEMA)

    assert [error.message for each in SCHEMA["examples"] for error in VALIDATOR.iter_errors(each)] == []


@pytest.mark.parametrize("name", RECORDS)
def test_schema_and_model_have_the_same_fields(name: str) -> None:
    """A field added to the model is added to the contract in the same change."""
    part = SCHEMA["$defs"][name] if name else SCHEMA
    fields = {item.name for item in dataclasses.fields(RECORDS[name])} | ({"schema"} if not name else set())

    assert set(part["properties"]) == fields
    # what came later is written by whoever knows it, and missing in what is older
    later = {item.name for item in dataclasses.fields(RECORDS[name]) if "since" in item.metadata}
    assert set(part["required"]) == fields - later


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema"], "gitslo/v2"),
        (["entry"], 0),
        (["added"], 1),
        (["run", "state"], "running"),
        (["run", "evidence", "attempts", 0, "tallies", 0, "seconds", 0], [1, 2, 3]),
        (["run", "evidence", "attempts", 0, "tallies", 0, "seconds", 0, 2], -1),
        (["run", "findings", 0, "log_e_fail"], "NaN"),
        (["run", "claim"], {}),
    ],
)
def test_the_schema_can_refuse(path: list[Any], value: object) -> None:
    """It is no schema that lets everything through."""
    data = json.loads(encode(large(1, 1, 5), key=None, repository="r", parent=None)["ledger.json"])
    assert VALIDATOR.is_valid(data)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert not VALIDATOR.is_valid(data)


def parts(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from parts(child)
    if isinstance(node, list):
        for child in node:
            yield from parts(child)


def test_every_field_is_described() -> None:
    """An editor can say what each field is, and each object is closed."""
    objects = [part for part in parts(SCHEMA) if part.get("type") == "object"]

    assert [part["title"] for part in objects if part["additionalProperties"]] == []
    assert [
        name
        for part in objects
        for name, field in part["properties"].items()
        if "description" not in field and not field.get("$ref")
    ] == []
