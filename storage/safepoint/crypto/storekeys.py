"""An unlocked store: its id and its store keys by number, of which the highest is in force.

The first store key has number 0. A key that was replaced is kept only until everything that it
wraps was wrapped anew. What is wrapped or sealed by a store key names its number.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from safepoint.crypto import manifest
from safepoint.crypto.envelope import Place, Random, seal, unseal
from safepoint.errors import Damaged, WrongKey

__all__ = ["StoreKeys", "changed"]

KEY_NUMBER_MAX = 2**32 - 1


class StoreKeys:
    """Shared by all that an open store holds: `renew` changes the keys for all of them at once.

    `generation` is that of the newest store manifest known to name the key in force.
    """

    __slots__ = ("_secrets", "generation", "store_id")

    def __init__(
        self, store_id: bytes, secrets: Mapping[int, bytes], *, generation: int = 1
    ) -> None:
        self.store_id = store_id
        self.generation = generation
        self._secrets = dict(secrets)

    @property
    def secrets(self) -> Mapping[int, bytes]:
        return self._secrets

    @property
    def number(self) -> int:
        return max(self._secrets)

    @property
    def store_key(self) -> bytes:
        """The one in force."""
        return self._secrets[self.number]

    @property
    def previous(self) -> Mapping[int, bytes]:
        """Those that were replaced and still wrap something."""
        return {number: key for number, key in self._secrets.items() if number != self.number}

    def renew(self, secrets: Mapping[int, bytes], *, generation: int) -> None:
        """Go on with these keys, unless newer ones are held already."""
        if generation >= self.generation and max(secrets) >= self.number:
            self._secrets, self.generation = dict(secrets), generation

    def seal(self, place: Place, plaintext: bytes, *, random: Random) -> bytes:
        """Under the key in force."""
        return seal(self.store_key, self.number, place, plaintext, random=random)

    def open(self, place: Place, data: bytes) -> bytes:
        """What one of the keys sealed. Raises what `unseal` raises."""
        return unseal(self._secrets, place, data)

    def encode(self, body: Mapping[str, Any], *, key: str) -> bytes:
        """A manifest to store under `key`, authenticated by the key in force."""
        named = {name: value for name, value in body.items() if name not in ("mac", "store_key")}
        if self.number:
            named["store_key"] = self.number
        return manifest.encode(named, store_key=self.store_key, key=key)

    def check(self, body: dict[str, Any], *, key: str) -> None:
        """Raises Damaged unless a holder of one of the keys wrote this manifest for this place,
        WrongKey (`store_key_changed`) when it names a newer key than are held here."""
        number = number_of(body, key)
        secret = self._secrets.get(number)
        if secret is not None:
            manifest.check_mac(body, store_key=secret, key=key)
        elif number > self.number:
            raise changed(key)
        else:
            raise Damaged(
                f"{key} was written with a store key that was replaced and is no longer accepted",
                hint="An old object was put back into the store; restore the newer one.",
                code="replaced_store_key",
            )

    def wrapped_previous(self, *, random: Random) -> list[dict[str, Any]]:
        """The replaced keys as the store manifest holds them, sealed by the one in force."""
        return [
            {"number": number, "wrapped": _text(self.seal(self._place(number), key, random=random))}
            for number, key in sorted(self.previous.items())
        ]

    def with_previous(self, body: Mapping[str, Any], *, key: str) -> StoreKeys:
        """These keys, and those that the store manifest `body` (checked) keeps beside it."""
        try:
            more = {
                one["number"]: self.open(
                    self._place(one["number"]), base64.b64decode(one["wrapped"], validate=True)
                )
                for one in body.get("previous", ())
            }
        except (KeyError, TypeError, binascii.Error):
            raise Damaged(f"{key} keeps an earlier store key that is none") from None
        return StoreKeys(self.store_id, {**more, **self._secrets}, generation=self.generation)

    def _place(self, number: int) -> Place:
        return Place(self.store_id, b"", "store key", str(number))


def number_of(body: Mapping[str, Any], key: str) -> int:
    """The number of the store key that a manifest says it was written with. Raises Damaged."""
    number = body.get("store_key", 0)
    if not isinstance(number, int) or not 0 <= number < KEY_NUMBER_MAX:
        raise Damaged(f"{key} names a store key that there cannot be", code="not_authentic")
    return number


def changed(key: str) -> WrongKey:
    """Told to a process whose store key was replaced by another one."""
    return WrongKey(
        f"the store key was changed since this program opened the store: {key} names a newer one",
        hint="Nothing was written. Start the program again, or open the store again, with a key "
        "that opens it now (`safepoint keys list`).",
        code="store_key_changed",
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
