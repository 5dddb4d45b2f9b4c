"""doctor: what it finds, what it leaves behind, and the configuration that it prints."""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from safepoint import Store
from safepoint.objects.memory import MemoryObjects
from safepoint_server.cli import checks
from safepoint_server.setup.clients import CLIENTS, Client

Cli = Callable[..., Any]


def _status(ran: Any) -> dict[str, str]:
    return {check["name"]: check["status"] for check in ran.json["checks"]}


def _files(folder: str) -> set[str]:
    """Every object and folder, but for the place's own lock in its private folder."""
    found = {path.relative_to(folder) for path in Path(folder).rglob("*")}
    return {path.as_posix() for path in found if path.parts[0] != ".tmp"}


def test_all_is_well_with_a_healthy_store_and_nothing_is_left_in_it(
    cli: Cli, place: Any, home: Path
) -> None:
    cli("ls", *place.options)
    before = _files(place.url)
    ran = cli("doctor", *place.options, "--json")
    assert ran.code == 0
    assert set(_status(ran).values()) == {"ok"}
    assert set(_status(ran)) == {"versions", "key file", "store", "write access", "clock"}
    assert _files(place.url) == before


def test_a_store_to_be_made_is_announced_and_not_made(cli: Cli, empty: Any) -> None:
    ran = cli("doctor", *empty.options)
    assert ran.code == 0
    assert "made on first use" in ran.out
    assert not Path(empty.url).exists()


def test_a_place_where_no_store_can_be_made_fails(cli: Cli, empty: Any) -> None:
    blocked = empty.key_file / "store"  # below a file
    ran = cli("doctor", "--store", str(blocked), "--key-file", str(empty.key_file), "--json")
    assert ran.code == 1
    assert _status(ran)["store"] == "failed"


def test_a_wrong_key_fails(cli: Cli, place: Any) -> None:
    other = place.key_file.with_name("other")
    cli("keys", "init", "--store", place.url + "2", "--key-file", str(other))
    ran = cli("doctor", "--store", place.url, "--key-file", str(other), "--json")
    assert ran.code == 1
    assert _status(ran)["store"] == "failed"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_a_key_file_that_others_can_read_fails(cli: Cli, place: Any) -> None:
    place.key_file.chmod(0o644)
    ran = cli("doctor", *place.options)
    assert ran.code == 1
    assert "FAILED" in ran.out
    assert f"chmod 600 {place.key_file}" in ran.out


def test_a_record_from_the_future_fails_the_clock(cli: Cli, place: Any) -> None:
    async def save() -> None:
        ahead = datetime.now(UTC) + timedelta(hours=1)
        async with Store.open(place.url, key_file=place.key_file, clock=lambda: ahead) as store:
            await store.workspace("early").save({})

    asyncio.run(save())
    assert _status(cli("doctor", *place.options, "--json"))["clock"] == "failed"


def test_a_place_that_overwrites_on_a_conditional_put_fails() -> None:
    class Overwrites(MemoryObjects):
        async def put(
            self, key: str, data: bytes, *, if_absent: bool = False, after: str | None = None
        ) -> bool:
            return await super().put(key, data, if_absent=False, after=after)

    async def probe() -> checks.Finding:
        objects = Overwrites()
        async with Store.open(objects) as store:
            found = await checks.probe_writes(store)
            assert await objects.list("probe/") == []
            return found

    assert asyncio.run(probe()).status == "failed"


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_the_configuration_of_every_client_has_absolute_paths(
    cli: Cli, place: Any, client: Client
) -> None:
    ran = cli("doctor", *place.options, "--json")
    shown = next(found for found in ran.json["clients"] if found["client"] == client.name)
    config = (tomllib if shown["language"] == "toml" else json).loads(shown["text"])
    server = config[client.servers]["safepoint"]
    assert server.get("type") == ("stdio" if "stdio" in client.typed else None)
    assert Path(server["command"]).is_file()
    assert Path(server["command"]).is_absolute()
    assert server["args"][-5:] == ["serve", *place.options]


def test_a_client_that_is_not_known_is_shown_what_most_take(cli: Cli, place: Any) -> None:
    ran = cli("doctor", *place.options)
    shown = json.loads(ran.out[ran.out.index("\n{\n") :])
    assert shown["mcpServers"]["safepoint"]["args"][-5:] == ["serve", *place.options]
    assert "safepoint setup" in ran.out


def test_a_relative_store_is_printed_as_absolute(
    cli: Cli, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(place.url).parent)
    ran = cli("doctor", "--store", "store", "--key-file", "key", "--json")
    config = json.loads(ran.json["clients"][0]["text"])
    assert config["mcpServers"]["safepoint"]["args"][-4:] == place.options


def test_a_passphrase_is_never_printed(
    cli: Cli, empty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", "correct horse battery")
    for more in ([], ["--json"]):
        ran = cli("doctor", "--store", empty.url, *more)
        assert ran.code == 0
        assert "correct horse" not in ran.out + ran.err
    vscode = next(found for found in ran.json["clients"] if found["client"] == "vscode")
    config = json.loads(vscode["text"])
    assert config["inputs"][0]["password"] is True
    passphrase = config["servers"]["safepoint"]["env"]["SAFEPOINT_PASSPHRASE"]
    assert passphrase == "${input:" + config["inputs"][0]["id"] + "}"


def test_a_misspelt_variable_is_a_warning(
    cli: Cli, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_STOER", "x")
    monkeypatch.setenv("SAFEPOINT_NEW_PASSPHRASE", "known to keys add")
    ran = cli("doctor", *place.options, "--json")
    assert ran.code == 0
    warned = [check["detail"] for check in ran.json["checks"] if check["status"] == "warning"]
    assert len(warned) == 1
    assert "SAFEPOINT_STOER" in warned[0]
