"""What it takes to make a place in an environment's folder carry another value.

Called by `change`, with what `places` found. Must stay true: reading a place after the change gives exactly the value
that was asked for, and nothing is asked where it already stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from gitslo.core.edit import Address, YamlFile
from gitslo.core.manifests import split_image
from gitslo.core.places import (
    Carrier,
    FieldPlace,
    FilePlace,
    HelmPlace,
    ImagePlaces,
    KustomizePlaces,
    Spot,
    field_value,
    image_value,
    text_of,
)
from gitslo.core.scalars import NewValue
from gitslo.errors import Refused
from gitslo.model import Promoted, PromotedKind

__all__ = ["wanted"]

Wanted = tuple[YamlFile, dict[Address, NewValue | None]]


def wanted(carrier: Carrier, promoted: Promoted, value: str, *, verbatim: bool = False) -> Iterator[Wanted]:
    """What each file of the carrier is to say so that it carries `value`; only what differs.

    Args:
        carrier: where it stands; a FilePlace has no text to change.
        promoted: what it is.
        value: as `ReleaseValue.value`.
        verbatim: see `NewValue`; fields only.

    Raises:
        Refused: the place has no room for a value of this form.
    """
    match carrier:
        case ImagePlaces():
            for spot, reference in carrier.images:
                if image_value(spot, reference) != value:
                    yield spot.file, {spot.address: NewValue(_reference(reference.name, value))}
        case KustomizePlaces():
            yield from _in_kustomization(carrier, value)
        case HelmPlace():
            yield from _in_values(carrier, value)
        case FieldPlace():
            if promoted.kind is PromotedKind.IMAGE:
                yield from _in_image_field(carrier.spot, promoted, value)
            elif carrier.spot.scalar.value != value:
                yield carrier.spot.file, {carrier.spot.address: NewValue(value, verbatim)}
        case FilePlace():
            return
        case _:
            assert_never(carrier)


def _parts(value: str) -> tuple[str, str]:
    tag, _, digest = value.partition("@")
    return tag, digest


def _reference(name: str, value: str) -> str:
    return f"{name}{value}" if value.startswith("@") else f"{name}:{value}"


def _in_kustomization(carrier: KustomizePlaces, value: str) -> Iterator[Wanted]:
    tag, digest = _parts(value)
    for entry in carrier.entries:
        at = entry.spot.address
        yield (
            entry.spot.file,
            {
                Address(at.document, (*at.path, key)): NewValue(new) if new else None
                for key, old, new in (("newTag", entry.tag, tag), ("digest", entry.digest, digest))
                if old != new
            },
        )


def _in_image_field(spot: Spot, promoted: Promoted, value: str) -> Iterator[Wanted]:
    if field_value(spot, promoted) != value:
        whole = split_image(text_of(spot)).name == promoted.name
        text = _reference(promoted.name, value) if whole else _room_for_digest(spot, value)
        yield spot.file, {spot.address: NewValue(text)}


def _in_values(carrier: HelmPlace, value: str) -> Iterator[Wanted]:
    tag, digest = _parts(value)
    if carrier.digest is None:
        pairs = [(carrier.tag, _room_for_digest(carrier.tag, value))]
    else:
        pairs = [(carrier.tag, tag), (carrier.digest, digest)]
    for spot, text in pairs:
        if text_of(spot) != text:
            yield spot.file, {spot.address: NewValue(text)}


def _room_for_digest(spot: Spot, value: str) -> str:
    """A tag's place takes a digest only if it had one before: many charts make labels of it, which cannot hold `@`."""
    if "@" in value and ("@" not in text_of(spot) or value.startswith("@")):
        hint = "name the digest's place as well: `digest: image.digest`"
        raise Refused(spot.problem(f"the release is pinned to a digest ({value}) and this is the tag's place", hint))
    return value
