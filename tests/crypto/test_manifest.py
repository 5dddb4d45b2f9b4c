"""A manifest has one legal byte form; damage, forgery and a foreign place are told apart."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson
import pytest

from safepoint.crypto.manifest import check_mac, decode, encode
from safepoint.errors import Damaged, SafepointError, Unsupported

KEY = "safepoint/000001.json"
STORE_KEY = bytes(range(32))
BODY: dict[str, Any] = {
    "format": 1,
    "kind": "safepoint store",
    "store_id": "00" * 16,
    "slots": [{"id": "ab", "label": "Größe"}],
}
DATA = encode(BODY, store_key=STORE_KEY, key=KEY)


def read(data: bytes) -> dict[str, Any]:
    return decode(data, key=KEY, kind="safepoint store")


def without_key(**changes: Any) -> bytes:
    """What somebody who has no key can write: other contents under a right checksum."""
    body = {name: value for name, value in orjson.loads(DATA).items() if name != "sha256"} | changes
    return text({**body, "sha256": hashlib.sha256(text(body)).hexdigest()})


def text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def test_a_manifest_comes_back_and_its_mac_fits() -> None:
    manifest = read(DATA)
    assert {name: value for name, value in manifest.items() if name != "mac"} == BODY
    check_mac(manifest, store_key=STORE_KEY, key=KEY)


def test_people_can_read_it() -> None:
    assert DATA.startswith(b'{\n  "format": 1,\n  "kind": "safepoint store",\n')
    assert DATA.endswith(b'"\n}\n')


def test_every_flipped_bit_is_damage_that_names_the_object() -> None:
    for bit in range(len(DATA) * 8):
        flipped = bytearray(DATA)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged, match=KEY):
            read(bytes(flipped))


def test_every_cut_is_damage() -> None:
    for length in range(len(DATA)):
        with pytest.raises(Damaged):
            read(DATA[:length])


@pytest.mark.parametrize(
    "other",
    [
        DATA + b"\n",
        b" " + DATA,
        DATA.replace(b"\n", b"\r\n"),
        orjson.dumps(orjson.loads(DATA)),
        DATA.replace("ö".encode(), b"\\u00f6"),
        DATA.replace(b'"format": 1', b'"format": 1.0'),
        DATA.replace(b'  "format": 1,\n', b'  "format": 1,\n  "format": 1,\n'),
        b"null\n",
        b"[]\n",
        b"\xff",
        b'{"a":' * 400 + b"1" + b"}" * 400,
        b" " * 5_000_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_no_other_form_of_the_same_is_taken(other: bytes) -> None:
    with pytest.raises(Damaged):
        read(other)


def test_the_mac_belongs_to_one_place() -> None:
    with pytest.raises(Damaged):
        check_mac(read(DATA), store_key=STORE_KEY, key="safepoint/000002.json")


def test_the_mac_belongs_to_one_store_key() -> None:
    with pytest.raises(Damaged):
        check_mac(read(DATA), store_key=bytes(32), key=KEY)


@pytest.mark.parametrize(
    "changes",
    [{"slots": []}, {"mac": "00" * 32}, {"mac": None}, {"mac": ""}, {"mac": "é"}, {"more": 1}],
)
def test_who_has_no_key_cannot_change_it(changes: dict[str, Any]) -> None:
    manifest = read(without_key(**changes))
    with pytest.raises(Damaged):
        check_mac(manifest, store_key=STORE_KEY, key=KEY)


def test_another_kind_of_manifest_is_refused() -> None:
    with pytest.raises(Damaged, match="not the manifest of a safepoint workspace"):
        decode(DATA, key=KEY, kind="safepoint workspace")


def test_a_newer_format_asks_for_an_upgrade() -> None:
    with pytest.raises(Unsupported) as caught:
        read(without_key(format=2))
    assert caught.value.code == "unknown_format"
    assert isinstance(caught.value, SafepointError)
