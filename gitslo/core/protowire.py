"""Protobuf's wire format, as much as reflection needs without any types: fields that are numbers or bytes. Pure.

Called by the gRPC client, which asks a server for the types of a method before anything is known of them.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["fields", "text_field"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def text_field(number: int, value: str | bytes) -> bytes:
    """One field that holds text, bytes or a message."""
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of every field in a message's order; fixed-width values come as their bytes.

    Raises:
        ValueError: it is no message.
    """
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _read_varint(message, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _read_varint(message, at)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"a field of the wire type {wire}")
        if at + length > len(message):
            raise ValueError("a message that is cut short")
        yield number, message[at : at + length]
        at += length


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at >= len(message):
            raise ValueError("a message that is cut short")
        byte = message[at]
        at += 1
        value |= (byte & 127) << 7 * shift
        if byte < 128:  # noqa: PLR2004 - the last one
            return value, at
    raise ValueError("a number of more than 64 bits")
