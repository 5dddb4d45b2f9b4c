"""Begin with a new data key: a version that changes nothing, sealed by it."""

from __future__ import annotations

from safepoint.format.document import Document
from safepoint.log.transitions.base import Context, Outcome, advance, check_exists, upkeep
from safepoint.values import dataclass

__all__ = ["Rotate"]


@dataclass(frozen=True, slots=True)
class Rotate:
    """The reply is the version. Whoever commits after it has met the new key: no later record is
    sealed by an older one. `key` is its number, and `store_key` that of the store key."""

    key: int
    store_key: int

    def __call__(self, document: Document, context: Context) -> Outcome[int]:
        check_exists(document, context)
        event = {"kind": "rotate_keys", "key": self.key, "store_key": self.store_key or None}
        return Outcome(context.version, advance(document, context, **upkeep(document)), event)
