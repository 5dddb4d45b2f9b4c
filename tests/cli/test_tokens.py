"""tokens create, list and revoke."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_a_token_is_shown_once_and_listed_without_its_secret(cli: Cli, empty: Any) -> None:
    made = cli("tokens", "create", "anna", "--workspaces", "billing-*", *empty.options)
    assert made.code == 0
    (text,) = [line for line in made.out.splitlines() if line.startswith("safepoint_")]
    (token,) = cli("tokens", "list", *empty.options, "--json").json["tokens"]
    assert (token["name"], token["scopes"], token["status"]) == ("anna", ["read", "write"], "valid")
    assert token["workspaces"] == ["billing-*"]
    assert token["expires_at"] is not None
    for shown in (cli("tokens", "list", *empty.options).out, str(token)):
        assert text.split("_")[2] not in shown
    assert f"safepoint tokens revoke {token['id']}" in made.out


def test_a_revoked_token_is_listed_only_with_all(cli: Cli, empty: Any) -> None:
    made = cli("tokens", "create", "anna", "--json", *empty.options).json
    cli("tokens", "create", "ben", "--scope", "read,approve", "--expires", "never", *empty.options)
    assert cli("tokens", "revoke", made["token"], *empty.options).code == 0
    assert cli("tokens", "revoke", made["id"], *empty.options).code == 0
    (left,) = cli("tokens", "list", "--json", *empty.options).json["tokens"]
    assert (left["name"], left["scopes"], left["expires_at"]) == ("ben", ["read", "approve"], None)
    every = cli("tokens", "list", "--all", "--json", *empty.options).json["tokens"]
    assert [token["status"] for token in every] == ["revoked", "valid"]


def test_a_tenant_gets_a_store_that_its_address_and_the_same_key_open(cli: Cli, empty: Any) -> None:
    made = cli("tokens", "create", "acme", "--tenant", "acme", "--json", *empty.options)
    assert made.json["tenant"] == "acme"
    theirs = ["--store", f"{empty.url}/tenants/acme", "--key-file", str(empty.key_file)]
    assert cli("ls", *theirs).code == 0
    assert cli("tokens", "list", "--json", *theirs).json == {"tokens": []}
    assert cli("verify", *theirs).code == 0
    root = cli("verify", "--json", *empty.options).json
    assert (root["ok"], root["tokens"], root["foreign"]) == (True, 1, 0)
    assert cli("ls", "--json", *empty.options).json["workspaces"] == []
    manifests = [Path(empty.url, at, "safepoint", "000001.json") for at in ("", "tenants/acme")]
    first, second = (path.read_text() for path in manifests)
    assert first.split('"store_id"')[1][:40] != second.split('"store_id"')[1][:40]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--scope", "read,write,all"], "'all' is not a scope"),
        (["--scope", ","], "is not a scope"),
        (["--expires", "soon"], "is not a span of time"),
        (["--tenant", "../other"], "cannot be the name of a tenant"),
        (["--tenant", "Acme"], "cannot be the name of a tenant"),
        (["--tenant", "acme", "--scope", "read,admin"], "cannot have the scope admin"),
        (["--workspaces", ""], "workspace pattern"),
    ],
)
def test_what_cannot_be_meant_makes_no_token(
    cli: Cli, empty: Any, options: list[str], told: str
) -> None:
    ran = cli("tokens", "create", "anna", *options, *empty.options)
    assert ran.code == 2
    assert told in ran.err
    assert not Path(empty.url).exists()


def test_a_token_that_is_not_there_cannot_be_revoked(cli: Cli, place: Any) -> None:
    assert cli("tokens", "revoke", "a" * 16, *place.options).code == 3
    typo = cli("tokens", "revoke", "safepoint_abc", *place.options)
    assert typo.code == 2
    assert "mistyped" in typo.err
