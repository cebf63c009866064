"""One gRPC server for the tests of a module."""

from __future__ import annotations

import pytest

from tests.load.grpc_server import GrpcServer, grpc_server


@pytest.fixture(scope="module")
def running():
    with grpc_server() as server:
        yield server


@pytest.fixture
def shop(running: GrpcServer) -> GrpcServer:
    running.seen.clear()
    running.messages.clear()
    return running
