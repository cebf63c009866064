"""Where the types of gRPC methods come from: `ports.MethodSchemas`, choosing by what the plan says.

Composed by the wiring, which gives it the two adapters that really look; called by the load engine before a load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

from gitslo.errors import Problem, Refused
from gitslo.model import Call, SchemaForm, Target
from gitslo.ports import Address, TlsMaterial

__all__ = ["SchemasByForm"]


class SchemasByForm:
    """A `MethodSchemas` that asks the server, compiles sources, or takes what was compiled already."""

    def __init__(
        self,
        reflect: Callable[[Target, Address, str, TlsMaterial], bytes],
        compile_proto: Callable[[Sequence[tuple[str, bytes]]], bytes],
    ) -> None:
        """Bind the two.

        Args:
            reflect: asks a server for a service's types.
            compile_proto: compiles `.proto` sources, the first of them with what it imports.
        """
        self._reflect = reflect
        self._compile = compile_proto

    def descriptors(self, target: Target, address: Address, call: Call, tls: TlsMaterial) -> bytes:
        """The types of a call's method; see `ports.MethodSchemas`."""
        schema = call.schema
        match schema.form:
            case SchemaForm.REFLECTION:
                return self._reflect(target, address, call.method.rpartition("/")[0], tls)
            case SchemaForm.PROTO:
                return self._compile(schema.files)
            case SchemaForm.PROTOSET:
                if len(schema.files) != 1:
                    raise Refused(Problem(f"a protoset is one file, and {len(schema.files)} are given"))
                return schema.files[0][1]
            case _:
                assert_never(schema.form)
