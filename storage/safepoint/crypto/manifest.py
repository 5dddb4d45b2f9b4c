"""Manifests: plain JSON for people, in one legal byte form, with checksum and MAC.

The checksum tells damage from a wrong key before any key is tried; the MAC, under a key derived
from the store key and bound to the object's place, tells that an owner of the store wrote it.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import orjson

from safepoint.crypto.envelope import derive
from safepoint.errors import Damaged, Unsupported

__all__ = ["FORMAT", "check_mac", "decode", "encode"]

FORMAT = 1
_MAX_BYTES = 4 * 1024 * 1024


def encode(body: dict[str, Any], *, store_key: bytes, key: str) -> bytes:
    """The object to store under `key`."""
    mac = _mac(body, store_key, key)
    return _text({**body, "mac": mac, "sha256": _checksum({**body, "mac": mac})})


def decode(data: bytes, *, key: str, kind: str) -> dict[str, Any]:
    """The manifest, with its `mac` still to be checked.

    Raises:
        Damaged: any byte of it is not as written, or it is another kind of object.
        Unsupported: written by a newer format.
    """
    try:
        whole = orjson.loads(data) if len(data) <= _MAX_BYTES else None
        text = _text(whole)
    except (ValueError, TypeError):  # no JSON, or nested more deeply than any manifest
        whole = text = None
    if not isinstance(whole, dict) or text != data:
        raise _damaged(key, "it is not a manifest as Safepoint writes it")
    if whole.pop("sha256", None) != _checksum(whole):
        raise _damaged(key, "its checksum does not match")
    if whole.get("kind") != kind:
        raise _damaged(key, f"it is not the manifest of a {kind}")
    if whole.get("format") != FORMAT:
        raise Unsupported(
            f"{key} is of format {whole.get('format')!r}; this version knows {FORMAT}",
            hint="Upgrade Safepoint.",
            code="unknown_format",
        )
    return whole


def check_mac(manifest: dict[str, Any], *, store_key: bytes, key: str) -> None:
    """Raises Damaged unless a holder of the store key wrote this manifest for this place."""
    body = {name: value for name, value in manifest.items() if name != "mac"}
    mac = str(manifest.get("mac")).encode()
    if not hmac.compare_digest(mac, _mac(body, store_key, key).encode()):
        raise _damaged(key, "its seal does not match: it was altered or belongs elsewhere")


def _text(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(_text(body)).hexdigest()


def _mac(body: dict[str, Any], store_key: bytes, key: str) -> str:
    secret = derive(store_key, b"", b"safepoint manifest 1", 32)
    return hmac.digest(secret, key.encode() + b"\0" + _text(body), "sha256").hex()


def _damaged(key: str, why: str) -> Damaged:
    return Damaged(
        f"{key} is damaged: {why}",
        hint="Restore it from a copy of the store.",
        code="not_authentic",
    )
