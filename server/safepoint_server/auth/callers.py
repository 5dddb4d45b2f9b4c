"""Who a caller is, by what they brought; and how one is turned away."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Protocol

from safepoint.values import dataclass
from safepoint_server.patterns import Patterns
from safepoint_server.scopes import Scope

__all__ = ["Caller", "Refused", "Verifier", "bad_token", "unavailable"]


@dataclass(frozen=True, slots=True)
class Caller:
    """`principal` is who they are for people, `id` tells any two apart, `by` is what they brought:
    `token` or `oauth`. `tenant` is whose store they use, None for the root's."""

    principal: str
    id: str
    by: str
    scopes: frozenset[Scope]
    tenant: str | None = None
    patterns: Patterns = field(default_factory=Patterns)


class Refused(Exception):
    """The answer to a request that does not come in: an HTTP status, and the words of RFC 6750."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error
        self.description = description

    @property
    def body(self) -> dict[str, Any]:
        named = {"error": self.error} if self.error else {}
        return {**named, "error_description": self.description}


class Verifier(Protocol):
    """Tells who holds a token. Called for every request: what it has to look up it remembers."""

    def takes(self, token: str) -> bool:
        """Whether tokens of this kind look so; costs nothing."""

    async def verify(self, token: str) -> Caller:
        """Raises Refused: 401 for what is not valid, 503 when that cannot be told now."""


def bad_token(description: str) -> Refused:
    return Refused(401, "invalid_token", description)


def unavailable(description: str) -> Refused:
    """It is not known whether the token is good, so nobody comes in and nobody is sent away."""
    return Refused(503, "temporarily_unavailable", f"{description}. Try again.")
