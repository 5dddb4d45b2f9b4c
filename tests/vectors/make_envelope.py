"""Write envelope.json: sealed objects whose randomness is fixed, to be opened for ever.

    .venv/bin/python tests/vectors/make_envelope.py

Run it only to add vectors for a new format; those that are there must come out as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safepoint.crypto.envelope import Place, seal

CASES: list[dict[str, Any]] = [
    {"kind": "record", "key": "workspaces/a/log/99999998-00000001", "key_id": 1, "plain": b"hello"},
    {"kind": "record", "key": "workspaces/%c3%a9/log/99999742-00000257", "key_id": 7, "plain": b""},
    {"kind": "data key", "key": "1", "key_id": 0, "plain": bytes(range(32))},
    {"kind": "name", "key": "", "key_id": 0, "plain": "Größe 😀".encode()},
    {"kind": "slot", "key": "0123456789ab", "key_id": 0, "plain": bytes(32), "workspace_id": b""},
    {"kind": "record", "key": "k", "key_id": 2**32 - 1, "plain": bytes(range(256)) * 5},
]


def vector(number: int, case: dict[str, Any]) -> dict[str, Any]:
    secret, salt, nonce = (
        bytes([number * 16 + part]) * n for part, n in ((1, 32), (2, 16), (3, 12))
    )
    store_id = bytes(range(16))
    workspace_id = case.get("workspace_id", bytes(range(16, 32)))
    randomness = iter((salt, nonce))
    place = Place(store_id, workspace_id, case["kind"], case["key"])
    sealed = seal(
        secret, case["key_id"], place, case["plain"], random=lambda count: next(randomness)
    )
    return {
        "secret": secret.hex(),
        "key_id": case["key_id"],
        "store_id": store_id.hex(),
        "workspace_id": workspace_id.hex(),
        "kind": case["kind"],
        "key": case["key"],
        "salt": salt.hex(),
        "nonce": nonce.hex(),
        "plaintext": case["plain"].hex(),
        "sealed": sealed.hex(),
    }


if __name__ == "__main__":
    vectors = [vector(number, case) for number, case in enumerate(CASES)]
    target = Path(__file__).with_name("envelope.json")
    target.write_text(json.dumps(vectors, indent=2) + "\n", encoding="utf-8")
