"""A bearer token as text: `safepoint_<id>_<secret>_<check>`, lower-case letters and digits.

Scanners of repositories and logs find it by its beginning; the check tells a typo from a token that
is not known, without any secret.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Final

from safepoint.errors import InvalidInput

__all__ = ["TOKENS_FOLDER", "new_token", "read_token", "token_folder"]

TOKENS_FOLDER: Final = "tokens/"

_ID_BYTES: Final = 10
_SECRET_BYTES: Final = 32
_CHECK_CHARS: Final = 8
_ID = re.compile(r"[a-z2-7]{16}")
_TOKEN = re.compile(r"(safepoint_([a-z2-7]{16})_([a-z2-7]{52}))_([a-z2-7]{8})")


def new_token(random: Callable[[int], bytes]) -> tuple[str, str, bytes]:
    """A token, its id, and what is kept of its secret."""
    token_id, secret = _text(random(_ID_BYTES)), _text(random(_SECRET_BYTES))
    start = f"safepoint_{token_id}_{secret}"
    return f"{start}_{_check(start)}", token_id, _digest(secret)


def read_token(text: str) -> tuple[str, bytes]:
    """The id that a token names, and the digest of its secret.

    Raises InvalidInput for what is no token as `new_token` makes them; no part of it is repeated.
    """
    found = _TOKEN.fullmatch(text)
    if found is None or _check(found[1]) != found[4]:
        raise InvalidInput(
            "this is not a Safepoint token, or it was mistyped or cut off",
            hint="Copy it anew, whole: it begins with safepoint_ and has 88 characters.",
            code="malformed_token",
        )
    return found[2], _digest(found[3])


def token_folder(token_id: str) -> str:
    """Where a token lies in its store. Raises InvalidInput for what cannot be an id."""
    if not _ID.fullmatch(token_id):
        raise InvalidInput(
            "this is not the id of a token: it has 16 letters and digits",
            hint="`safepoint tokens list` shows the ids.",
            code="invalid_token_id",
        )
    return f"{TOKENS_FOLDER}{token_id}/"


def _text(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _digest(secret: str) -> bytes:
    """Of 256 random bits: nobody finds them by trying, so the hash need not be a slow one."""
    return hashlib.sha256(secret.encode()).digest()


def _check(start: str) -> str:
    return _text(hashlib.sha256(start.encode()).digest())[:_CHECK_CHARS]
