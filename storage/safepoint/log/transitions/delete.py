"""Delete a workspace: its last version, which holds nothing but that it is the last."""

from __future__ import annotations

from safepoint.format.document import Document
from safepoint.log.transitions.base import Context, Outcome
from safepoint.values import dataclass

__all__ = ["Delete"]


@dataclass(frozen=True, slots=True)
class Delete:
    """The reply is whether there was a workspace to delete.

    Version numbers and runs go on in a workspace that is begun under this name later, so that
    neither a number nor an idempotency key is ever used twice.
    """

    def __call__(self, document: Document, context: Context) -> Outcome[bool]:
        if not document.exists:
            return Outcome(False)
        last = Document(
            version=context.version,
            run=document.run + 1,
            updated_ms=context.now_ms,
            deleted=True,
        )
        return Outcome(True, last, {"kind": "delete"})
