"""keys init, add, list and remove."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest

Cli = Callable[..., Any]


def test_init_makes_the_store_and_the_key_file_that_is_named(cli: Cli, tmp_path: Path) -> None:
    options = ["--store", str(tmp_path / "store"), "--key-file", str(tmp_path / "keys" / "mine")]
    made = cli("keys", "init", *options, "--json").json
    assert made["key_file_made"] is True
    assert [slot["kind"] for slot in made["slots"]] == ["key-file"]
    assert os.name == "nt" or stat.S_IMODE((tmp_path / "keys" / "mine").stat().st_mode) == 0o600
    assert cli("ls", *options).code == 0


def test_init_changes_nothing_that_is_there(cli: Cli, place: Any) -> None:
    before = place.key_file.read_bytes()
    ran = cli("keys", "init", *place.options)
    assert ran.code == 0
    assert "was there already" in ran.out
    assert "Back this file up" in ran.out
    assert place.key_file.read_bytes() == before


def test_init_makes_no_key_file_for_a_store_of_another_key(cli: Cli, place: Any) -> None:
    other = place.key_file.with_name("other")
    ran = cli("keys", "init", "--store", place.url, "--key-file", str(other))
    assert ran.code == 6
    assert not other.exists()


def test_a_passphrase_that_was_added_opens_the_store(
    cli: Cli, place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEPOINT_NEW_PASSPHRASE", "correct horse battery")
    added = cli("keys", "add", "--passphrase", "--label", "safe", *place.options, "--json").json
    assert added["added"]["kind"] == "passphrase"
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", "correct horse battery")
    assert cli("ls", "--store", place.url).code == 0
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", "incorrect horse battery")
    wrong = cli("ls", "--store", place.url)
    assert wrong.code == 6
    assert "incorrect horse" not in wrong.err


def test_a_passphrase_is_not_asked_for_without_a_terminal(cli: Cli, place: Any) -> None:
    ran = cli("keys", "add", "--passphrase", *place.options)
    assert ran.code == 2
    assert "SAFEPOINT_NEW_PASSPHRASE" in ran.err


def test_a_key_file_that_was_added_opens_the_store(cli: Cli, place: Any) -> None:
    second = place.key_file.with_name("second")
    assert cli("keys", "add", "--new-key-file", str(second), *place.options).code == 0
    assert cli("ls", "--store", place.url, "--key-file", str(second)).code == 0
    kinds = [slot["kind"] for slot in cli("keys", "list", *place.options, "--json").json["slots"]]
    assert kinds == ["key-file", "key-file"]


def test_a_removed_slot_opens_nothing_and_the_last_one_stays(cli: Cli, place: Any) -> None:
    second = place.key_file.with_name("second")
    options = ["--store", place.url, "--key-file", str(second)]
    first = cli("keys", "list", *place.options, "--json").json["slots"][0]["id"]
    added = cli("keys", "add", "--new-key-file", str(second), *place.options, "--json").json
    assert cli("keys", "remove", first, *options).code == 0
    assert cli("ls", *place.options).code == 6
    last = cli("keys", "remove", added["added"]["id"], *options)
    assert last.code == 2
    assert "last key slot" in last.err
    assert cli("ls", *options).code == 0


def test_removing_an_unknown_slot_is_exit_code_3(cli: Cli, place: Any) -> None:
    assert cli("keys", "remove", "nothing", *place.options).code == 3


def test_add_needs_to_know_what(cli: Cli, place: Any) -> None:
    assert cli("keys", "add", *place.options).code == 2


def test_a_kms_key_that_was_added_opens_the_store(
    cli: Cli, place: Any, ministack_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name.replace("URL_S3", "URL_KMS"), value)
    client = boto3.client("kms", region_name="us-east-1")
    arn = client.create_key()["KeyMetadata"]["Arn"]
    added = cli("keys", "add", "--kms", arn, *place.options, "--json").json
    assert (added["added"]["kind"], added["added"]["label"]) == ("aws-kms", arn)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.key_file.with_name("nobody")))
    assert cli("ls", "--store", place.url).code == 0
    client.disable_key(KeyId=arn)
    disabled = cli("ls", "--store", place.url)
    assert disabled.code == 5
    assert f"the KMS key {arn} is disabled" in disabled.err
    assert cli("keys", "add", "--kms", "alias/mine", *place.options).code == 2
