"""One store for all clients, with a server over HTTP and another for each client on stdio."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator

import pytest
from tests.clients.agents import Target
from tests.servers.process import ServerProcess


@pytest.fixture(scope="session")
def stdio(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """With the key beside the store: clients do not hand their whole environment on."""
    folder = tmp_path_factory.mktemp("clients")
    place = ("--store", str(folder / "store"), "--key-file", str(folder / "key"))
    serve = (sys.executable, "-m", "safepoint_server", "serve", "--toolsets", "core,history")
    return Target(command=(*serve, *place))


@pytest.fixture(scope="session")
def http(stdio: Target, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    log = tmp_path_factory.mktemp("http") / "log"
    options = ("--transport", "http", "--port", "0", "--log-format", "json")
    process = ServerProcess([*stdio.command, *options], log)
    process.start(lambda: "\n" in log.read_text())
    try:
        yield Target(json.loads(log.read_text().splitlines()[0])["address"])
    finally:
        process.kill()


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest) -> Target:
    """The server, over each transport."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def workspace() -> str:
    """One that no other test uses."""
    return uuid.uuid4().hex
