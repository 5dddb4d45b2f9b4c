"""Callers with a token of the store. The store is asked, a few seconds old at most."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from safepoint import InvalidInput, SafepointError, Token
from safepoint.format.tokens import read_token
from safepoint.tokens import Tokens
from safepoint_server.auth.callers import Caller, bad_token, unavailable
from safepoint_server.auth.recent import Recent
from safepoint_server.patterns import Patterns
from safepoint_server.scopes import Scope

__all__ = ["FRESH_SECONDS", "StoredTokens"]

logger = logging.getLogger(__name__)

FRESH_SECONDS: Final = 5.0
"""How late, at most, a revocation is seen."""
UNKNOWN: Final = "This token is not known here."


class StoredTokens:
    """See Verifier. An unknown id and a wrong secret are told in the same words; that a token was
    revoked or has expired is told only to who has its secret."""

    def __init__(
        self,
        tokens: Tokens,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._found = Recent(tokens.find, FRESH_SECONDS, clock)

    def takes(self, token: str) -> bool:
        """See Verifier.takes."""
        return token.startswith("safepoint_")

    async def verify(self, token: str) -> Caller:
        """See Verifier.verify."""
        try:
            token_id, digest = read_token(token)
        except InvalidInput:
            raise bad_token("This token was mistyped or cut off.") from None
        try:
            stored = await self._found.get(token_id)
        except SafepointError as error:
            logger.error("token %s cannot be looked up: %s", token_id, error.code)
            raise unavailable("The token cannot be looked up now") from None
        if stored is None or not stored.opens_with(digest):
            raise bad_token(UNKNOWN)
        known = stored.token
        if not known.valid_at(self._now()):
            raise bad_token(
                "This token was revoked." if known.revoked_at else "This token has expired."
            )
        return _caller(known)


def _caller(token: Token) -> Caller:
    """What a later version calls a scope is none here."""
    return Caller(
        principal=token.name,
        id=token.id,
        by="token",
        scopes=frozenset(scope for scope in Scope if scope in token.scopes),
        tenant=token.tenant,
        patterns=Patterns(token.workspaces),
    )
