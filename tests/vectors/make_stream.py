"""Write stream.json: objects sealed in segments whose salt is fixed, to be opened for ever.

    .venv/bin/python tests/vectors/make_stream.py

Run it only to add vectors for a new format; those that are there must come out as they are. Of what
is long the SHA-256 and both ends are kept.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safepoint.crypto.envelope import Place
from safepoint.crypto.stream import SEGMENT_BYTES, segment_count, start_sealing

CASES: list[dict[str, Any]] = [
    {"key": "workspaces/a/artifacts/b/0123456789abcdef0123456789abcdef", "key_id": 1, "size": 0},
    {"key": "workspaces/a/artifacts/%c3%a9%2fb/00", "key_id": 7, "size": 5},
    {"key": "k", "key_id": 2**32 - 1, "size": SEGMENT_BYTES},
    {"key": "k", "key_id": 2, "size": 2 * SEGMENT_BYTES + 1},
]


def pattern(size: int) -> bytes:
    """The plaintext of a vector: its 4-byte words count up."""
    return b"".join(word.to_bytes(4, "big") for word in range(-(-size // 4)))[:size]


def sealed(vector: dict[str, Any]) -> bytes:
    """The whole object of a vector."""
    place = Place(
        bytes.fromhex(vector["store_id"]),
        bytes.fromhex(vector["workspace_id"]),
        "artifact",
        vector["key"],
    )
    segments = start_sealing(
        bytes.fromhex(vector["secret"]),
        vector["key_id"],
        place,
        random=lambda count: bytes.fromhex(vector["salt"]),
    )
    plain, count = pattern(vector["size"]), segment_count(vector["size"])
    parts = [plain[n * SEGMENT_BYTES : (n + 1) * SEGMENT_BYTES] for n in range(count)]
    return segments.header + b"".join(
        segments.seal(n, part, last=n == count - 1) for n, part in enumerate(parts)
    )


def vector(number: int, case: dict[str, Any]) -> dict[str, Any]:
    made = {
        "secret": (bytes([number * 16 + 1]) * 32).hex(),
        "key_id": case["key_id"],
        "store_id": bytes(range(16)).hex(),
        "workspace_id": bytes(range(16, 32)).hex(),
        "key": case["key"],
        "salt": (bytes([number * 16 + 2]) * 16).hex(),
        "size": case["size"],
    }
    data = sealed(made)
    return {
        **made,
        "sealed_bytes": len(data),
        "sealed_sha256": hashlib.sha256(data).hexdigest(),
        "begins": data[:96].hex(),
        "ends": data[-32:].hex(),
    }


if __name__ == "__main__":
    vectors = [vector(number, case) for number, case in enumerate(CASES)]
    target = Path(__file__).with_name("stream.json")
    target.write_text(json.dumps(vectors, indent=2) + "\n", encoding="utf-8")
