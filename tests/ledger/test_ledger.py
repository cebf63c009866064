from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.ledger import LEDGER_CAP, decode, encode, environment_of, ledger_ref
from gitslo.errors import Refused
from gitslo.model import CommitId, EnvironmentState, Hold, HoldCause, Rejection
from tests.ledger.states import large, states

KEY = b"a key of the operator"
PARENT = CommitId("b" * 40)
STATE = EnvironmentState("shop", "checkout/dev", entry=1, why="hold", hold=Hold(HoldCause.PERSON, "why", "ada", 1.0))
WHERE = {"repository": "shop-env", "pipeline": "shop", "environment": "checkout/dev"}


def encoded(
    state: EnvironmentState = STATE, key: bytes | None = KEY, parent: CommitId | None = None
) -> dict[str, bytes]:
    return encode(state, key=key, repository="shop-env", parent=parent)


def refusal(files: dict[str, bytes], key: bytes | None = KEY, parent: CommitId | None = None, **where: str) -> str:
    with pytest.raises(Refused) as caught:
        decode(files, key=key, parent=parent, **(WHERE | where))
    return str(caught.value)


@settings(derandomize=True, database=None, deadline=None, max_examples=60)
@given(states(), st.sampled_from([None, KEY]))
def test_every_state_comes_back(state: EnvironmentState, key: bytes | None) -> None:
    """What was remembered is read back equal, sealed or not, and the same state always makes the same bytes."""
    files = encode(state, key=key, repository="r", parent=None)
    read = decode(files, key=key, repository="r", parent=None, pipeline=state.pipeline, environment=state.environment)

    assert read == state
    assert files == encode(read, key=key, repository="r", parent=None)


def test_the_file_is_plain_and_ends_with_a_newline() -> None:
    """`git show` of a ledger reads well; without a key there is nothing but the ledger."""
    files = encoded(key=None)

    assert list(files) == ["ledger.json"]
    assert b'\n "schema": "gitslo/v1",\n' in files["ledger.json"]
    assert files["ledger.json"].endswith(b"}\n")


# --------------------------------------------------------------------------- the seal


def test_the_seal_is_what_was_published() -> None:
    """The framing is part of the contract between versions: every part by its length, as spelled out here."""
    files = encoded()
    content = files["ledger.json"]
    framed = b"15:gitslo-ledger-1,8:shop-env,4:shop,12:checkout/dev,0:,%d:%s," % (len(content), content)

    assert files["ledger.hmac"] == hmac.new(KEY, framed, hashlib.sha256).hexdigest().encode() + b"\n"


@pytest.mark.parametrize(
    ("key", "parent", "repository", "pipeline", "environment"),
    [
        (b"another key", None, "shop-env", "shop", "checkout/dev"),
        (KEY, PARENT, "shop-env", "shop", "checkout/dev"),
        (KEY, None, "other-env", "shop", "checkout/dev"),
        (KEY, None, "shop-env", "shop2", "checkout/dev"),
        (KEY, None, "shop-env", "shop", "checkout/prod"),
        (KEY, None, "shop-envshop", "", "checkout/dev"),
    ],
)
def test_an_entry_cannot_be_moved(
    key: bytes, parent: CommitId | None, repository: str, pipeline: str, environment: str
) -> None:
    """The seal covers repository, pipeline, environment and parent: an entry copied elsewhere does not verify."""
    with pytest.raises(Refused, match="does not verify"):
        decode(encoded(), key=key, parent=parent, repository=repository, pipeline=pipeline, environment=environment)


def test_every_changed_byte_is_seen() -> None:
    """A forged entry does not verify, wherever it was changed."""
    files = encoded()
    content = files["ledger.json"]
    for index in range(0, len(content), 7):
        forged = content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :]
        assert "does not verify" in refusal(files | {"ledger.json": forged})


def test_an_unsealed_entry_is_refused_where_there_is_a_key() -> None:
    """Leaving the seal out is no way around it; a seal without a key to check is nobody's concern."""
    files = encoded()

    assert "is not sealed" in refusal(encoded(key=None))
    assert "does not verify" in refusal(files | {"ledger.hmac": b""})
    assert "does not verify" in refusal(files | {"ledger.hmac": "é".encode()})
    assert decode(files, key=None, parent=None, **WHERE) == STATE


# --------------------------------------------------------------------------- what is refused


def changed(**fields: object) -> dict[str, bytes]:
    data = json.loads(encoded(key=None)["ledger.json"])
    return {"ledger.json": json.dumps({**data, **fields}).encode()}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "ledger.json: a ledger entry without ledger.json"),
        ({"ledger.json": b"[]"}, "ledger.json: expected an object"),
        ({"ledger.json": b"{"}, "no JSON"),
        (changed(schema="gitslo/v2"), "/schema: written as gitslo/v2; this gitslo reads gitslo/v1 (run the version"),
        (changed(schema=1), "ledger.json: /schema: expected 'gitslo/v1'"),
        (changed(pipeline="bakery"), "/pipeline: this is the ledger of the pipeline 'bakery', expected 'shop'"),
        (changed(environment="x"), "/environment: this is the ledger of the environment 'x', expected 'checkout/dev'"),
        (changed(entry=2), "/entry: entry 2 is the first of its chain: the chain was cut or rewritten"),
        (changed(entry=0), "/entry: entry 0 is the first of its chain"),
        (changed(hold={"cause": "verdict"}), "/hold/reason: `reason` is missing"),
        ({"ledger.json": b" " * (LEDGER_CAP + 1)}, "262145 bytes are more than the 262144 that are read"),
    ],
)
def test_what_is_no_ledger_of_ours_is_refused(files: dict[str, bytes], expected: str) -> None:
    """Another version, another environment's, a cut chain and rubbish are each said as what they are."""
    assert expected in refusal(files, key=None)


def test_missing_state_is_never_guessed() -> None:
    """A ledger without its hold is not one without a hold; only what older entries cannot have may be missing."""
    whole = json.loads(encoded(key=None)["ledger.json"])
    later = {item.name for item in fields(EnvironmentState) if "since" in item.metadata}
    for name in whole.keys() - later:
        files = {"ledger.json": json.dumps({key: value for key, value in whole.items() if key != name}).encode()}
        assert f"/{name}: " in refusal(files, key=None)


def test_a_later_entry_has_a_parent() -> None:
    """Entry n follows something, entry 1 nothing: otherwise somebody cut the chain, or we numbered wrongly."""
    second = replace(STATE, entry=2)
    files = encoded(second, parent=PARENT)

    assert decode(files, key=KEY, parent=PARENT, **WHERE) == second
    assert "entry 1 has an entry before it" in refusal(encoded(key=None), key=None, parent=PARENT)
    for state, parent in (
        (second, None),
        (STATE, PARENT),
        (replace(STATE, entry=0), None),
        (replace(STATE, entry=0), PARENT),
    ):
        with pytest.raises(ValueError, match="cannot follow"):
            encoded(state, parent=parent)


# --------------------------------------------------------------------------- the cap


def sums(state: EnvironmentState) -> list[tuple[int, int, int]]:
    run = state.run
    assert run is not None
    return [(each.total, each.bad, each.late) for attempt in run.evidence.attempts for each in attempt.tallies]


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("attempts", "objectives", "seconds", "histogram", "width", "histograms"),
    [
        (3, 4, 600, "", 1, ["", "", ""]),
        (3, 1, 60, "h" * 100_000, 1, ["", 100_000, 100_000]),
        (3, 4, 60, "h" * 120_000, 1, ["", 120_000, 120_000]),
        (5, 6, 900, "h" * 1000, 2, [""] * 5),
        (10, 6, 900, "", 4, [""] * 10),
        (8, 40, 900, "", 32, [""] * 8),
        (2, 1, 60, "h" * 300_000, 1, ["", ""]),
    ],
)
def test_a_ledger_stays_below_its_cap(
    attempts: int, objectives: int, seconds: int, histogram: str, width: int, histograms: list[object]
) -> None:
    """Histograms go, the oldest first; then neighbouring seconds are counted together; sums and findings stay."""
    state = large(attempts, objectives, seconds, histogram)
    files = encoded(state)
    read = decode(files, key=KEY, parent=None, **WHERE)
    assert read.run is not None
    assert state.run is not None
    kept = [len(load.histogram) or "" for attempt in read.run.evidence.attempts for load in attempt.loads]

    assert len(files["ledger.json"]) <= LEDGER_CAP
    assert sums(read) == sums(state)
    assert read.run.findings == state.run.findings
    assert len(read.run.evidence.attempts[0].tallies[0].seconds) == -(-seconds // width)
    assert kept == histograms


@pytest.mark.heavy
def test_a_coarse_ledger_is_written_again_as_it_is() -> None:
    """What was coarsened once stays: the next entry loses nothing more."""
    once = decode(encoded(large(8, 40, 900)), key=KEY, parent=None, **WHERE)

    assert decode(encoded(once), key=KEY, parent=None, **WHERE) == once


@pytest.mark.heavy
def test_what_cannot_be_dropped_is_refused_when_it_is_too_large() -> None:
    """Rejections are never forgotten to make room."""
    rejected = tuple(Rejection("t" * 40, None, "p" * 64, str(index), "too slow") for index in range(3000))

    with pytest.raises(Refused, match="the ledger of checkout/dev would be"):
        encoded(replace(large(2, 2, 60), rejected=rejected))
    with pytest.raises(Refused, match="the ledger of checkout/dev would be"):
        encoded(replace(STATE, rejected=rejected))


# --------------------------------------------------------------------------- names


@pytest.mark.parametrize("environment", ["dev", "checkout/dev", "a.b/c_d-1"])
def test_ledger_refs_are_read_back(environment: str) -> None:
    """An environment's ref names it, slashes and all."""
    ref = ledger_ref("refs/gitslo/shop/", environment)

    assert ref == f"refs/gitslo/shop/{environment}"
    assert environment_of("refs/gitslo/shop/", ref) == environment
    assert environment_of("refs/gitslo/shop", ref) == environment
    assert environment_of("refs/gitslo/bakery/", ref) is None
    assert environment_of("refs/gitslo/shop/", "refs/gitslo/shop/") is None


@pytest.mark.parametrize(
    "name", ["", "/dev", "dev/", "a//b", "..", "a..b", "a.lock", "x.", ".x", "a b", "a:b", "-a", "é", "a\n"]
)
def test_a_name_that_is_no_ref_is_refused(name: str) -> None:
    """Git would refuse it, or worse, read it as something else."""
    with pytest.raises(Refused, match="cannot be part of a Git ref"):
        ledger_ref("refs/gitslo/shop/", name)
