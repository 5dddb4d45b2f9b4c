"""The compose file says what image and program know, and its processes work together."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from tests.servers.process import ServerProcess, answers_http, free_ports
from tests.servers.seaweedfs import SeaweedFS
from tests.test_packaging import stages

from safepoint_server.cli.parser import parse
from safepoint_server.settings import Settings

FOLDER = Path(__file__).parents[1] / "examples" / "compose"
SECRETS = {"SAFEPOINT_PASSPHRASE": "several random words for a test"}
SAFEPOINT = [sys.executable, "-m", "safepoint_server"]


def service(name: str, **values: str) -> dict[str, Any]:
    """One service, with what its `.env` file would hold put in."""

    def value(found: re.Match[str]) -> str:
        return values[found[1]]

    text = (FOLDER / "compose.yaml").read_text("utf-8")
    found = yaml.safe_load(re.sub(r"\$\{(\w+):\?[^}]*\}", value, text))["services"][name]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """The service of this name, on ports of its own."""
    command = service("bucket", **values())["command"]
    (name,) = [word.removeprefix("-bucket=") for word in command if word.startswith("-bucket=")]
    server = SeaweedFS(tmp_path_factory.mktemp("bucket"), command, name)
    server.start()
    yield server
    server.kill()


def values(key: str = "key", secret: str = "secret") -> dict[str, str]:
    return SECRETS | {"S3_ACCESS_KEY": key, "S3_SECRET_KEY": secret}


def test_what_is_to_be_chosen_stands_in_the_example_and_nothing_else() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (FOLDER / "compose.yaml").read_text("utf-8")))
    example = (FOLDER / "example.env").read_text("utf-8")
    assert set(re.findall(r"^(\w+)=$", example, re.MULTILINE)) == asked == set(values())


def test_every_setting_is_one_that_the_program_knows() -> None:
    made = service("safepoint", **values())
    settings = Settings.load(made["environment"])
    assert settings.warnings == ()
    assert settings.transport == "http"
    (published,) = made["ports"]
    assert published == f"127.0.0.1:{settings.http.port}:{settings.http.port}"
    assert stages()[-1].last("EXPOSE") == str(settings.http.port)
    assert "command" not in made
    assert made["read_only"]
    assert int(made["stop_grace_period"].removesuffix("s")) >= 40


def test_the_server_waits_for_the_bucket_that_it_is_told_of() -> None:
    made, bucket = service("safepoint", **values()), service("bucket", **values())
    assert list(made["depends_on"]) == ["bucket"]
    given, check = made["environment"], bucket["healthcheck"]["test"]
    endpoint, asked = urlsplit(given["AWS_ENDPOINT_URL_S3"]), urlsplit(check[-1])
    assert (endpoint.hostname, endpoint.port) == ("bucket", asked.port)
    assert f"-bucket={urlsplit(given['SAFEPOINT_STORE']).hostname}" in bucket["command"]
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    assert {name: given[name] for name in keys} == bucket["environment"]


def test_its_processes_let_a_client_with_a_token_save_and_load(
    bucket: SeaweedFS, tmp_path: Path
) -> None:
    s3 = bucket.s3
    (port,) = free_ports(1)
    made = service("safepoint", **values(s3.access_key, s3.secret_key))
    here = {"SAFEPOINT_HOST": "127.0.0.1", "SAFEPOINT_PORT": str(port)}
    environ = made["environment"] | here | {"AWS_ENDPOINT_URL_S3": s3.endpoint}
    check = json.loads(stages()[-1].last("HEALTHCHECK").partition("CMD ")[2])
    parse(check[1:])
    asked = urlsplit(service("bucket", **values())["healthcheck"]["test"][-1])
    assert answers_http(urlsplit(s3.endpoint).port or 0, asked.path, range(200, 201))

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*SAFEPOINT, *arguments]
        return subprocess.run(
            command, env={**os.environ, **environ}, capture_output=True, text=True, check=False
        )

    server = ServerProcess([*SAFEPOINT, "serve"], tmp_path / "log", environ)
    server.start(lambda: answers_http(port, "/readyz", range(200, 201)))
    try:
        assert ran(*check[1:]).returncode == 0
        created = ran("tokens", "create", "alice", "--json")
        assert created.returncode == 0, created.stderr
        url = f"http://127.0.0.1:{port}/mcp"
        token = json.loads(created.stdout)["token"]
        assert asyncio.run(saved_and_loaded(url, token)) == {"shared": True}
        assert httpx2.post(url, json={}).status_code == 401
    finally:
        server.kill()


async def saved_and_loaded(url: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        arguments = {"workspace": "team", "state": {"shared": True}}
        saved = await client.call_tool("save_checkpoint", arguments)
        assert not saved.is_error, saved.content
        loaded = await client.call_tool("load_checkpoint", {"workspace": "team"})
        assert loaded.structured_content is not None
        return loaded.structured_content["state"]
