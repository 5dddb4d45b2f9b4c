"""keys rotate, and what list and remove say of the slot in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest

Cli = Callable[..., Any]
WORDS = "correct horse battery"


@pytest.fixture
def second(cli: Cli, place: Any) -> list[str]:
    """Options that open the store by a second key file."""
    path = place.key_file.with_name("second")
    assert cli("keys", "add", "--new-key-file", str(path), *place.options).code == 0
    return ["--store", place.url, "--key-file", str(path)]


def slots(cli: Cli, options: list[str]) -> list[str]:
    return [slot["id"] for slot in cli("keys", "list", *options, "--json").json["slots"]]


def test_every_workspace_gets_a_new_data_key_or_those_that_are_named(cli: Cli, place: Any) -> None:
    told = cli("keys", "rotate", *place.options, "--json").json
    assert told["finished"] is True
    assert {one["data_keys"] for one in told["workspaces"]} == {2}
    name = told["workspaces"][0]["name"]
    ran = cli("keys", "rotate", name, *place.options)
    assert ran.code == 0
    assert f"{name}: 3 data keys, from version " in ran.out
    listed = cli("keys", "list", "--workspaces", *place.options, "--json").json["workspaces"]
    assert sorted(one["data_keys"] for one in listed) == sorted(
        [3] + [2] * (len(told["workspaces"]) - 1)
    )
    assert cli("show", name, "--state", *place.options).code == 0


def test_a_workspace_that_is_not_there_gets_no_key(cli: Cli, place: Any) -> None:
    assert cli("keys", "rotate", "nothing", *place.options).code == 3


def test_a_new_store_key_drops_other_slots_only_when_told_to(
    cli: Cli, place: Any, second: list[str]
) -> None:
    mine, other = slots(cli, place.options)
    refused = cli("keys", "rotate", "--store-key", *place.options)
    assert refused.code == 4
    assert f"{other} (key-file)" in refused.err
    assert "--keep-key-file" in refused.err
    assert cli("ls", *second).code == 0
    done = cli("keys", "rotate", "--store-key", "--yes", *place.options, "--json").json
    assert (done["kept_slots"], done["dropped_slots"]) == ([mine], [other])
    assert cli("ls", *place.options).code == 0
    assert cli("ls", *second).code == 6
    assert "replaced once" in cli("keys", "list", *place.options).out


def test_slots_whose_secrets_are_given_stay(
    cli: Cli, place: Any, second: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_NEW_PASSPHRASE", WORDS)
    assert cli("keys", "add", "--passphrase", *place.options).code == 0
    monkeypatch.setenv("SAFEPOINT_KEEP_PASSPHRASE", WORDS)
    keep = ["--keep-passphrase", "--keep-key-file", second[-1]]
    ran = cli("keys", "rotate", "--store-key", *keep, *place.options)
    assert ran.code == 0, ran.err
    assert "Start the programs that have the store open again" in ran.out
    assert cli("ls", *second).code == 0
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", WORDS)
    assert cli("ls", "--store", place.url).code == 0


def test_a_slot_of_kms_stays_when_its_key_is_given(
    cli: Cli, place: Any, ministack_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name.replace("URL_S3", "URL_KMS"), value)
    arn = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]["Arn"]
    assert cli("keys", "add", "--kms", arn, *place.options).code == 0
    assert cli("keys", "rotate", "--store-key", "--keep-kms", arn, *place.options).code == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.key_file.with_name("nobody")))
    assert cli("ls", "--store", place.url).code == 0
    assert cli("keys", "rotate", "--store-key", "--yes", "--store", place.url).code == 0
    assert cli("ls", "--store", place.url).code == 0
    assert cli("ls", *place.options).code == 6


@pytest.mark.parametrize(
    "wrong",
    [["--store-key", "work"], ["--keep-passphrase"], ["--keep-key-file", "x"], ["--keep-kms", "x"]],
)
def test_options_that_do_not_go_together_change_nothing(
    cli: Cli, place: Any, wrong: list[str]
) -> None:
    assert cli("keys", "rotate", *wrong, *place.options).code == 2


def test_a_secret_that_opens_no_slot_changes_nothing(cli: Cli, place: Any, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert cli("keys", "init", "--store", str(tmp_path / "s"), "--key-file", str(other)).code == 0
    ran = cli("keys", "rotate", "--store-key", "--keep-key-file", str(other), *place.options)
    assert ran.code == 6
    assert "opens no key slot" in ran.err
    assert "never replaced" in cli("keys", "list", *place.options).out


def test_list_marks_the_slot_that_opens_the_store_now(
    cli: Cli, place: Any, second: list[str]
) -> None:
    mine, other = slots(cli, place.options)
    assert cli("keys", "list", *place.options, "--json").json["opened_by"] == mine
    assert cli("keys", "list", *second, "--json").json["opened_by"] == other
    (line,) = [one for one in cli("keys", "list", *second).out.splitlines() if "used now" in one]
    assert line.startswith(other)


def test_the_slot_in_use_is_removed_only_when_that_is_confirmed(
    cli: Cli, place: Any, second: list[str]
) -> None:
    mine, _ = slots(cli, place.options)
    refused = cli("keys", "remove", mine, *place.options)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert cli("ls", *place.options).code == 0
    assert cli("keys", "remove", mine, "--yes", *place.options, "--json").code == 0
    assert cli("ls", *place.options).code == 6
    assert cli("ls", *second).code == 0
