from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gitslo.config import parse_operator
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.core.schema import Contract, load_schema, mistakes
from gitslo.core.units import format_duration, format_rate, format_share, format_size
from tests.contracts.reading import beside, read

CONTRACTS = list(Contract)


def below(schema: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema with its place."""
    if isinstance(schema, dict):
        yield path, schema
        for key, value in schema.items():
            if key not in {"examples", "default"}:
                yield from below(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from below(value, f"{path}/{index}")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_schema_is_one(contract: Contract) -> None:
    """Valid JSON Schema 2020-12, and its own example follows it."""
    schema = load_schema(contract)
    Draft202012Validator.check_schema(schema)

    assert [[]] == [list(mistakes(contract, example)) for example in schema["examples"]]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_mapping_is_closed(contract: Contract) -> None:
    """An unknown field is refused everywhere: none is accepted and ignored."""
    opened = [
        path
        for path, each in below(load_schema(contract))
        if each.get("type") == "object" and "additionalProperties" not in each
    ]

    assert [] == opened


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_field_is_explained(contract: Contract) -> None:
    """An editor can show for each field what it is; messages can say what was expected."""
    schema = load_schema(contract)
    definitions = schema["$defs"]
    bare = []
    for path, each in below(schema):
        for name, field in each.get("properties", {}).items():
            whole = {**definitions.get(field.get("$ref", "").removeprefix("#/$defs/"), {}), **field}
            if "title" not in whole and "description" not in whole:
                bare.append(f"{path}/{name}")

    assert [] == bare


@pytest.mark.parametrize("contract", CONTRACTS)
def test_everything_that_can_be_wrong_has_a_title(contract: Contract) -> None:
    """`expected <title>` can be said of every value."""
    nameless = [
        path
        for path, each in below(load_schema(contract))
        if not path.endswith(("/properties", "/$defs"))
        and {"type", "enum", "pattern"} & set(each)
        and "title" not in each
    ]

    assert [] == nameless


@pytest.mark.parametrize("contract", CONTRACTS)
def test_references_stay_inside(contract: Contract) -> None:
    """Nothing can be fetched: every `$ref` is to a definition of the same file."""
    schema = load_schema(contract)
    references = [each["$ref"] for _, each in below(schema) if isinstance(each.get("$ref"), str)]

    assert [] == [each for each in references if each.removeprefix("#/$defs/") not in schema["$defs"]]


@pytest.mark.parametrize("contract", CONTRACTS)
def test_examples_and_defaults_follow_their_own_schema(contract: Contract) -> None:
    """What a message offers as an example is accepted."""
    schema = load_schema(contract)
    wrong = []
    for path, each in below(schema):
        if "properties" in path.rsplit("/", 1)[-1]:
            continue
        validator = Draft202012Validator({**each, "$defs": schema["$defs"]})
        offered = [*each.get("examples", ()), *([each["default"]] if "default" in each else [])]
        wrong += [(path, value) for value in offered if not validator.is_valid(value)]

    assert [] == wrong


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_examples_are_parsed(contract: Contract) -> None:
    """The examples are not only well-formed: they are files that work."""
    import json

    for example in load_schema(contract)["examples"]:
        assert read(contract.value, json.dumps(example).encode()) is not None


def default(contract: Contract, *path: str) -> object:
    """The default that the schema tells editors, at a path of properties."""
    schema = load_schema(contract)
    node = schema
    for name in path:
        node = {**schema["$defs"].get(node.get("$ref", "").removeprefix("#/$defs/"), {}), **node}
        node = (
            node["$defs"][name]
            if name in node.get("$defs", {}) and "properties" not in node
            else node["properties"][name]
        )
    return node["default"]


def test_the_defaults_in_the_schemas_are_the_parsers_own() -> None:
    """What an editor shows as the default is what happens."""
    pipeline = parse_pipeline(
        b"{schema: gitslo/v1, name: a, stages: [{name: dev, path: dev}], sync: process}", file="f"
    )
    plan = parse_plan(
        b"{schema: gitslo/v1, targets: {w: {http: 'http://w.svc'}}, readiness: [{http: w, path: /}],"
        b" load: {l: {target: w, get: /, stages: [{hold: 5/s, for: 2m}]}}, objectives: [l.errors < 50%]}",
        file="f",
        read_file=beside,
    )
    operator = parse_operator(
        b"{schema: gitslo/v1, repositories: [{name: a, url: 'file:///a'}], ceilings: {}}", file="f"
    )
    section, repository, ceilings = plan.load[0], operator.repositories[0], operator.ceilings
    assert pipeline.revalidation.every is not None

    assert {
        "plan": pipeline.plan,
        "revert": pipeline.revert,
        "newer": pipeline.newer_commit,
        "every": format_duration(pipeline.revalidation.every),
        "confirm": pipeline.revalidation.confirm,
        "false_fail": format_share(plan.judge.false_fail),
        "false_pass": format_share(plan.judge.false_pass),
        "min": format_duration(plan.judge.min_duration),
        "max": format_duration(plan.judge.max_duration),
        "rate": format_rate(ceilings.rate),
        "duration": format_duration(ceilings.duration),
        "connections": ceilings.connections,
        "bytes": format_size(ceilings.bytes),
        "runs": ceilings.concurrent_runs,
        "pushes": ceilings.pushes_per_minute,
        "branch": repository.branch,
        "poll": format_duration(repository.poll),
        "forge": repository.forge.kind,
        "namespace": repository.ledger_namespace,
    } == {
        "plan": default(Contract.PIPELINE, "plan"),
        "revert": default(Contract.PIPELINE, "revert"),
        "newer": default(Contract.PIPELINE, "newer_commit"),
        "every": default(Contract.PIPELINE, "revalidate", "every"),
        "confirm": default(Contract.PIPELINE, "revalidate", "confirm"),
        "false_fail": default(Contract.PLAN, "judge", "false_fail"),
        "false_pass": default(Contract.PLAN, "judge", "false_pass"),
        "min": default(Contract.PLAN, "judge", "min_duration"),
        "max": default(Contract.PLAN, "judge", "max_duration"),
        "rate": default(Contract.OPERATOR, "ceilings", "rate"),
        "duration": default(Contract.OPERATOR, "ceilings", "duration"),
        "connections": default(Contract.OPERATOR, "ceilings", "connections"),
        "bytes": default(Contract.OPERATOR, "ceilings", "bytes"),
        "runs": default(Contract.OPERATOR, "ceilings", "concurrent_runs"),
        "pushes": default(Contract.OPERATOR, "ceilings", "pushes_per_minute"),
        "branch": repository_default("branch"),
        "poll": repository_default("poll"),
        "forge": repository_default("forge"),
        "namespace": repository_default("ledger", "namespace"),
    }
    schema = load_schema(Contract.PLAN)["$defs"]["section"]["anyOf"][0]["properties"]
    check = load_schema(Contract.PLAN)["$defs"]["readiness"]["anyOf"][0]["properties"]

    assert (format_duration(section.timeout), format_duration(section.warmup)) == (
        schema["timeout"]["default"],
        schema["warmup"]["default"],
    )
    assert (format_duration(plan.readiness[0].within), 200) == (check["within"]["default"], check["expect"]["default"])


def repository_default(*path: str) -> object:
    node = load_schema(Contract.OPERATOR)["$defs"]["repository"]
    for name in path:
        node = node["properties"][name]
    return node["default"]
