"""copy, export and import, as they are typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from safepoint import Store
from safepoint.keyfile import make_key_file

Cli = Callable[..., Any]


@pytest.fixture
def source(place: Any) -> list[str]:
    return [place.url, "--key-file", str(place.key_file)]


def test_a_whole_store_is_copied_and_opened_by_the_same_key(
    cli: Cli, place: Any, source: list[str], tmp_path: Path
) -> None:
    target = str(tmp_path / "copy")
    copied = cli("copy", source[0], target, *source[1:], "--json").json
    assert copied["resealed"] is False
    assert {one["name"]: one["written"] for one in copied["workspaces"]}["billing"] == 4
    options = ["--store", target, "--key-file", str(place.key_file)]
    shown = cli("show", "billing", *options, "--json").json
    assert shown == cli("show", "billing", *place.options, "--json").json
    again = cli("copy", source[0], target, *source[1:])
    assert again.code == 0
    assert "0 records copied" in again.out
    assert "5 were there already" in again.out


def test_a_copy_of_a_copy_that_went_on_is_not_overwritten(
    cli: Cli, place: Any, source: list[str], tmp_path: Path
) -> None:
    target = str(tmp_path / "copy")
    assert cli("copy", source[0], target, *source[1:]).code == 0

    async def save(url: str, state: str) -> None:
        async with Store.open(url, key_file=place.key_file) as store:
            await store.workspace("billing").save(state)

    asyncio.run(save(target, "there"))
    ahead = cli("copy", source[0], target, *source[1:])
    assert "the copy is ahead, at version 5" in ahead.out
    asyncio.run(save(place.url, "here"))
    refused = cli("copy", source[0], target, *source[1:])
    assert refused.code == 4
    assert "both have gone their own way" in refused.err


def test_one_workspace_goes_into_a_store_of_another_key(
    cli: Cli, source: list[str], tmp_path: Path
) -> None:
    key = tmp_path / "other key"
    make_key_file(key, random=lambda count: bytes(count))
    target = [str(tmp_path / "other"), "--dst-key-file", str(key)]
    copied = cli(
        "copy", source[0], target[0], "--workspace", "billing", *source[1:], *target[1:], "--json"
    ).json
    assert copied["resealed"] is True
    options = ["--store", target[0], "--key-file", str(key)]
    assert cli("show", "billing", "--state", *options).json == {"page": 9, "seen": ["a", "ä"]}
    refused = cli("copy", source[0], target[0], *source[1:], *target[1:])
    assert refused.code == 4
    assert "--workspace" in refused.err


def test_the_passphrase_of_the_target_comes_from_the_environment(
    cli: Cli, source: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = str(tmp_path / "other")
    monkeypatch.setenv("SAFEPOINT_DST_PASSPHRASE", "correct horse battery")
    assert cli("copy", "--workspace", "billing", source[0], target, *source[1:]).code == 0
    monkeypatch.setenv("SAFEPOINT_PASSPHRASE", "correct horse battery")
    assert cli("show", "billing", "--store", target).code == 0


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["nothing/here", "{tmp}/copy"], 3),
        (["{store}", "memory://"], 2),
        (["{store}", "ftp://x"], 2),
        (["{store}", "{tmp}/copy", "--workspace", "biling"], 3),
        (["{store}"], 2),
    ],
)
def test_what_cannot_be_copied_is_told(
    cli: Cli, place: Any, tmp_path: Path, argv: list[str], code: int
) -> None:
    words = [word.format(store=place.url, tmp=tmp_path) for word in argv]
    ran = cli("copy", *words, "--key-file", str(place.key_file))
    assert ran.code == code
    assert ran.err.startswith("error: ")
    assert not (tmp_path / "nothing").exists()


def test_a_damaged_source_is_exit_code_7(cli: Cli, source: list[str], tmp_path: Path) -> None:
    (record,) = Path(source[0]).glob("workspaces/billing/log/*-00000002")
    record.chmod(0o600)
    record.write_bytes(record.read_bytes()[:-3] + b"abc")
    ran = cli("copy", source[0], str(tmp_path / "copy"), *source[1:])
    assert ran.code == 7
    assert "00000002" in ran.err


def test_to_a_bucket_and_back(
    cli: Cli, place: Any, source: list[str], tmp_path: Path, ministack_server: Any, prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    bucket = f"s3://{ministack_server.bucket}/{prefix}"
    assert cli("copy", source[0], bucket, *source[1:]).code == 0

    async def save() -> None:
        async with Store.open(bucket, key_file=place.key_file, create=False) as store:
            await store.workspace("billing").save({"from": "the cloud"})

    asyncio.run(save())
    back = cli("copy", bucket, source[0], *source[1:], "--json").json
    assert {one["name"]: one["written"] for one in back["workspaces"]}["billing"] == 1
    assert cli("show", "billing", "--state", *place.options).json == {"from": "the cloud"}


def test_a_bucket_with_a_kms_slot_opens_without_a_key(
    cli: Cli, place: Any, source: list[str], ministack_server: Any, prefix: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import boto3  # type: ignore[import-untyped]

    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", ministack_server.endpoint)
    arn = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]["Arn"]
    bucket = f"s3://{ministack_server.bucket}/{prefix}"
    assert cli("copy", source[0], bucket, *source[1:]).code == 0
    options = ["--store", bucket, "--key-file", str(place.key_file)]
    assert cli("keys", "add", "--kms", arn, *options).code == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.key_file.parent / "config"))
    make_key_file(place.key_file.parent / "config/safepoint/key", random=lambda count: bytes(count))
    assert cli("show", "billing", "--store", bucket).code == 0
    monkeypatch.setenv("SAFEPOINT_KMS_KEY", arn[:-4] + "0000")
    other = cli("show", "billing", "--store", bucket)
    assert other.code == 6
    assert "somebody has put another store here" in other.err


def test_an_export_is_edited_and_imported(
    cli: Cli, place: Any, source: list[str], tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    exported = cli("export", "billing", out, *place.options, "--json").json
    assert exported["workspaces"] == [
        {
            "name": "billing",
            "version": 4,
            "folder": out,
            "checkpoints": 2,
            "steps": 2,
            "artifacts": 0,
        }
    ]
    assert "Nothing was edited" in cli("import", out, "--into", "billing", *place.options).out
    (newest,) = Path(out).glob("checkpoints/00000004*")
    newest.write_text(newest.read_text("utf-8").replace('"page": 9', '"page": 10'), "utf-8")
    saved = cli("import", out, "--into", "billing", "--label", "mended", *place.options, "--json")
    assert saved.json["saved"]["version"] == 5
    assert cli("show", "billing", "--state", *place.options).json["page"] == 10
    assert cli("import", out, "--into", "billing", *place.options).code == 4
    assert cli("import", out, *place.options).code == 4
    made = cli("import", out, "--as", "billing 2", *place.options)
    assert "Imported billing as billing 2: 2 checkpoints and 2 steps." in made.out
    assert cli("show", "billing 2", "--state", *place.options).json["page"] == 10
    again = cli("import", out, "--as", "billing 2", *place.options, "--json").json
    assert again["repeated"] is True


def test_everything_is_exported_and_comes_into_another_store(
    cli: Cli, place: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ran = cli("export", "--all", str(out), *place.options)
    assert ran.code == 0
    assert "\\u001b" in ran.out
    other = ["--store", str(tmp_path / "other"), "--key-file", str(place.key_file)]
    for one in json.loads((out / "store.json").read_bytes())["workspaces"]:
        assert cli("import", str(out / one["folder"]), *other).code == 0
    names = [info["name"] for info in cli("ls", *other, "--json").json["workspaces"]]
    assert names == [
        info["name"] for info in cli("ls", *place.options, "--json").json["workspaces"]
    ]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["export", "{tmp}/out"], 2),
        (["export", "billing", "{tmp}/out", "--all"], 2),
        (["export", "biling", "{tmp}/out"], 3),
        (["export", "billing", "{tmp}"], 4),
        (["export", "billing", "{tmp}", "--force"], 4),
        (["import", "{tmp}/nothing"], 2),
        (["import", "{tmp}/nothing", "--label", "x"], 2),
        (["import", "{tmp}/nothing", "--as", "a", "--into", "b"], 2),
    ],
)
def test_what_cannot_be_exported_or_imported_is_told(
    cli: Cli, place: Any, tmp_path: Path, argv: list[str], code: int
) -> None:
    ran = cli(*(word.format(tmp=tmp_path) for word in argv), *place.options)
    assert ran.code == code
    assert ran.err.startswith("error: ")
    assert not (tmp_path / "out").exists()


def test_files_that_are_wrong_make_no_store(cli: Cli, empty: Any, tmp_path: Path) -> None:
    assert cli("import", str(tmp_path), *empty.options).code == 2
    assert not Path(empty.url).exists()
