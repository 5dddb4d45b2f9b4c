"""References: things outside a workspace that its state speaks of."""

from __future__ import annotations

from enum import StrEnum

from safepoint.values import dataclass

__all__ = ["Reference", "ReferenceCheck", "ReferenceStatus"]

S3 = "s3://"


@dataclass(frozen=True, slots=True)
class Reference:
    """A file (its path) or an object (`s3://bucket/key`), and how it was when it was named.

    `sha256` (hex) and `size` are of a file, `etag` and `object_version` of an object. What is None
    was not known, and cannot be compared later.
    """

    location: str
    sha256: str | None = None
    size: int | None = None
    etag: str | None = None
    object_version: str | None = None

    @property
    def kind(self) -> str:
        """`s3` or `file`."""
        return "s3" if self.location.startswith(S3) else "file"


class ReferenceStatus(StrEnum):
    UNCHANGED = "unchanged"
    CHANGED = "changed"
    MISSING = "missing"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class ReferenceCheck:
    """How a reference stands now. `reason` says why it was not checked, or what has changed."""

    reference: Reference
    status: ReferenceStatus
    reason: str | None = None
