"""Bearer tokens, as they are listed: never their secrets."""

from __future__ import annotations

from datetime import datetime

from safepoint.values import dataclass

__all__ = ["Token"]


@dataclass(frozen=True, slots=True)
class Token:
    """Who holds it may do what `scopes` name, in the store itself or in that of `tenant`, with the
    workspaces that one of the patterns `workspaces` matches, all without any."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    tenant: str | None = None
    workspaces: tuple[str, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None

    def valid_at(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
