"""Begin with a new data key: a version that changes nothing, sealed by it."""

from __future__ import annotations

from dataclasses import dataclass

from safepoint.errors import NotFound
from safepoint.format.document import Document
from safepoint.log.transitions.base import Context, Outcome, advance

__all__ = ["Rotate"]


@dataclass(frozen=True, slots=True)
class Rotate:
    """The reply is the version. Whoever commits after it has met the new key: no later record is
    sealed by an older one. `key` is its number, and `store_key` that of the store key."""

    key: int
    store_key: int

    def __call__(self, document: Document, context: Context) -> Outcome[int]:
        if not document.exists:
            raise NotFound(
                f"there is no workspace {context.workspace!r} in this store",
                hint="It was deleted, and its keys with it.",
                code="workspace_not_found",
            )
        event = {"kind": "rotate_keys", "key": self.key, "store_key": self.store_key or None}
        return Outcome(context.version, advance(document, context), event)
