"""The keys that an issuer signs with, fetched from it and kept.

They are asked for again when they are old or a token names one that is not known, then at most once
in half a minute (after a failure, in five seconds): forged key ids cannot make the server hammer
its issuer. While the issuer is down its last known keys are kept, for a day, and only the first
who meets that waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from safepoint_server.auth.callers import unavailable
from safepoint_server.oauth_settings import OAuthSettings, may_fetch

__all__ = ["ALGORITHMS", "Fetch", "IssuerKeys", "Unfetched", "fetch"]

logger = logging.getLogger(__name__)

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Whoever can check a signature of these cannot make one."""
FRESH_SECONDS: Final = 600.0
PAUSE_SECONDS: Final = 30.0
FAILED_PAUSE_SECONDS: Final = 5.0
KEPT_SECONDS: Final = 24 * 3600.0
_PATIENCE_SECONDS: Final = 5.0
_MOST_BYTES: Final = 256 * 1024
_MOST_KEYS: Final = 100
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}

Fetch = Callable[[str], Awaitable[Any]]
"""The JSON at a URL. Raises Unfetched."""


class Unfetched(Exception):
    """It cannot be had, or is not what was expected."""


async def fetch(url: str) -> Any:
    """See Fetch. Follows no redirects, inflates nothing, and reads a small document within seconds
    or none."""
    import httpx2  # only servers with OAuth pay for it

    body = bytearray()
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            httpx2.AsyncClient(follow_redirects=False) as client,
            client.stream("GET", url, headers=_HEADERS) as response,
        ):
            if response.status_code != 200:
                raise Unfetched(f"{url} answers {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise Unfetched(f"{url} answers more than {_MOST_BYTES} bytes")
        return orjson.loads(bytes(body))
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
        raise Unfetched(f"{url}: {type(error).__name__}") from None


class IssuerKeys:
    """The public keys of one issuer."""

    def __init__(
        self,
        settings: OAuthSettings,
        get: Fetch = fetch,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._get = get
        self._clock = clock
        self._keys: list[dict[str, Any]] = []
        self._fetched: float | None = None
        self._tried: float | None = None
        self._failed = False
        self._renewal: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> PyJWK | None:
        """The key of this id, or without an id the only one, for this algorithm; None when the
        issuer has no such key.

        Raises Refused (503) when it cannot be known.
        """
        found = self._known(kid, algorithm)
        if found is None or self._age() >= FRESH_SECONDS:
            renewal = self._renewing()
            if found is None or not self._failed:
                await asyncio.shield(renewal)
                found = self._known(kid, algorithm)
        if found is None and (self._failed or self._fetched is None):
            raise unavailable("The keys of the issuer cannot be had now")
        return found

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._clock() - self._fetched

    def _known(self, kid: str | None, algorithm: str) -> PyJWK | None:
        if self._age() >= KEPT_SECONDS:
            return None
        usable = [key for key in self._keys if kid is None or key.get("kid") == kid]
        found = [made for key in usable if (made := _usable(key, algorithm)) is not None]
        return found[0] if len(found) == 1 else None

    def _renewing(self) -> asyncio.Task[None]:
        """One at a time, and who goes away leaves it to those who wait."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew())
        return self._renewal

    async def _renew(self) -> None:
        """Ask the issuer, unless that was just done."""
        now = self._clock()
        pause = FAILED_PAUSE_SECONDS if self._failed else PAUSE_SECONDS
        if self._tried is not None and now - self._tried < pause:
            return
        self._tried = now
        try:
            self._keys = await self._asked()
        except Unfetched as error:
            self._failed = True
            logger.error("the keys of the OAuth issuer cannot be fetched: %s", error)
        else:
            self._failed, self._fetched = False, now

    async def _asked(self) -> list[dict[str, Any]]:
        url = self._settings.jwks_url or await self._discovered()
        document = await self._get(url)
        keys = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(keys, list) or len(keys) > _MOST_KEYS:
            raise Unfetched(f"{url} holds no list of at most {_MOST_KEYS} keys")
        return [key for key in keys if isinstance(key, dict)]

    async def _discovered(self) -> str:
        """Where the issuer's own metadata say that its keys are: by RFC 8414, or OpenID."""
        problem: Unfetched | None = None
        for url in _metadata_urls(self._settings.issuer):
            try:
                document = await self._get(url)
            except Unfetched as error:
                problem = problem or error
                continue
            named = document if isinstance(document, dict) else {}
            found = named.get("jwks_uri")
            if named.get("issuer") != self._settings.issuer:
                problem = Unfetched(f"{url} is the metadata of another issuer")
            elif not isinstance(found, str) or not may_fetch(found):
                problem = Unfetched(f"{url} names no https:// address of keys")
            else:
                return found
        raise problem or Unfetched("no metadata")


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{root}/.well-known/oauth-authorization-server{path}",
        f"{root}{path}/.well-known/openid-configuration",
    )


def _usable(key: dict[str, Any], algorithm: str) -> PyJWK | None:
    """The key, when it is a public one for signatures by this algorithm."""
    kinds = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("Ed",)}
    kind = kinds.get(str(key.get("kty")), ())
    if algorithm[:2] not in kind or key.get("use", "sig") != "sig":
        return None
    try:
        made = PyJWK(key, algorithm if key.get("kty") == "RSA" else None)
    except (PyJWTError, ValueError, TypeError):
        return None
    if made.algorithm_name != algorithm or key.get("alg", algorithm) != algorithm:
        return None
    return made
