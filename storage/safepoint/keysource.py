"""What opens a store: the key that the caller gave, or where one is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safepoint.crypto.envelope import Random
from safepoint.crypto.keyring import KMS, Passphrase, Unlock, forms_of
from safepoint.errors import InvalidInput
from safepoint.keyfile import default_key_file, make_key_file, read_key_file

if TYPE_CHECKING:
    from safepoint.crypto.kms import KmsKey

__all__ = ["KeySource", "as_kms_key"]


class KeySource:
    """What opens a store: a passphrase, a key file or a KMS key, whichever is given. With none, the
    user's own key file and, where the store has such a slot, the KMS key that the slot names."""

    def __init__(
        self,
        *,
        key_file: Path | None = None,
        passphrase: str | None = None,
        kms_key: str | KmsKey | None = None,
        key: Unlock | None = None,
        given_only: bool = False,
    ) -> None:
        given = [name for name, value in (
            ("a key file", key_file), ("a passphrase", passphrase), ("a KMS key", kms_key)
        ) if value is not None]  # fmt: skip
        if len(given) > 1:
            raise InvalidInput(f"{' and '.join(given)} are both given", hint="Give one of them.")
        self._path = key_file or default_key_file()
        self._default = not given
        self._given_only = given_only and key is None
        self._key = key
        if passphrase is not None:
            self._key = Passphrase(passphrase)
        elif kms_key is not None:
            self._key = as_kms_key(kms_key)

    def existing(self, slots: list[dict[str, Any]]) -> Iterator[Unlock]:
        """What to try on these slots, in this order; the network is asked last."""
        kms = self._default and any(slot.get("kind") == KMS for slot in slots)
        if self._key is not None:
            yield from forms_of(self._key)
        elif not kms or (self._path.exists() and not self._given_only):
            self._check_given()
            yield read_key_file(self._path)
        if self._key is None and kms:
            from safepoint.crypto.kms import KmsKey  # late: it loads botocore

            yield KmsKey()

    def for_new_store(self, random: Random) -> Unlock:
        """Makes the key file when it is not there yet: nothing depends on another one yet."""
        if self._key is not None:
            return self._key.normal() if isinstance(self._key, Passphrase) else self._key
        self._check_given()
        if self._given_only or self._path.exists():
            return read_key_file(self._path)
        return make_key_file(self._path, random=random)

    def _check_given(self) -> None:
        """Where the data outlives this machine, its key is not left to chance."""
        if self._given_only and self._default:
            raise InvalidInput(
                "a store in a bucket needs its key to be given, and none is",
                hint="Set SAFEPOINT_PASSPHRASE, or SAFEPOINT_KEY_FILE to a file that "
                "`safepoint keys init` made, or SAFEPOINT_KMS_KEY to a KMS key's ARN; the same "
                "one opens the bucket from every machine.",
                code="no_key_given",
            )


def as_kms_key(key: str | KmsKey) -> KmsKey:
    """The key of this ARN, by the ordinary chain of credentials. Raises InvalidInput."""
    from safepoint.crypto.kms import KmsKey  # late: it loads botocore

    return KmsKey(key) if isinstance(key, str) else key
