"""Callers with an access token of an OAuth 2.1 issuer: a JWT (RFC 9068), checked here."""

from __future__ import annotations

import json
from typing import Any, Final

import jwt
from jwt.exceptions import ExpiredSignatureError, PyJWTError

from safepoint import InvalidInput
from safepoint.address import check_tenant
from safepoint_server.auth.callers import Caller, Refused, bad_token
from safepoint_server.auth.jwks import ALGORITHMS, IssuerKeys
from safepoint_server.oauth_settings import OAuthSettings
from safepoint_server.scopes import Scope

__all__ = ["OAuthTokens"]

LEEWAY_SECONDS: Final = 30
_MOST_CHARS: Final = 8192
_TYPES: Final = ("at+jwt", "application/at+jwt", "jwt")
_NOT_VALID: Final = "This access token is not valid here."


class OAuthTokens:
    """See Verifier. Takes tokens of one issuer for one audience, signed by a key that the issuer
    shows now. No address that a token names is ever fetched."""

    def __init__(self, settings: OAuthSettings, keys: IssuerKeys) -> None:
        self._settings = settings
        self._keys = keys

    def takes(self, token: str) -> bool:
        """See Verifier.takes."""
        return token.count(".") == 2 and len(token) <= _MOST_CHARS

    async def verify(self, token: str) -> Caller:
        """See Verifier.verify."""
        try:
            header = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError):
            raise bad_token(_NOT_VALID) from None
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "jwt")
        if algorithm not in ALGORITHMS or str(kind).lower() not in _TYPES:
            raise bad_token(_NOT_VALID)
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise bad_token(_NOT_VALID)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
            )
        except ExpiredSignatureError:
            raise bad_token("This access token has expired.") from None
        except (PyJWTError, ValueError, TypeError, OverflowError):
            raise bad_token(_NOT_VALID) from None
        return self._caller(claims)

    def _caller(self, claims: dict[str, Any]) -> Caller:
        subject = next((claims[c] for c in ("sub", "client_id", "azp") if claims.get(c)), None)
        if not isinstance(subject, str) or not subject.isprintable() or not subject.strip():
            # What cannot be seen would make two of them look like one in a history.
            raise bad_token("This access token does not say whose it is.")
        client = claims.get("client_id") or claims.get("azp") or ""
        return Caller(
            principal=subject,
            id=json.dumps([self._settings.issuer, client, subject]),
            by="oauth",
            scopes=self._scopes(claims),
            tenant=self._tenant(claims),
        )

    def _scopes(self, claims: dict[str, Any]) -> frozenset[Scope]:
        """From `scope`, a text, or `scp`, a text or list."""
        given = claims.get("scope", claims.get("scp"))
        words = given.split() if isinstance(given, str) else given
        theirs = words if isinstance(words, list) else []
        return frozenset(one for one, name in self._settings.scopes.items() if name in theirs)

    def _tenant(self, claims: dict[str, Any]) -> str | None:
        claim = self._settings.tenant_claim
        if claim is None:
            return None
        tenant = claims.get(claim)
        try:
            check_tenant(tenant if isinstance(tenant, str) else "")
        except InvalidInput:
            raise Refused(
                403, "access_denied", f"This access token names no tenant, as its claim {claim}."
            ) from None
        return str(tenant)
