"""Whose access tokens a server takes, and what their claims mean here."""

from __future__ import annotations

import ipaddress
from dataclasses import field
from urllib.parse import urlsplit

from safepoint.values import dataclass
from safepoint_server.reading import Reader, refuse
from safepoint_server.scopes import Scope

__all__ = ["OAuthSettings", "is_loopback"]


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """`scopes` is what a scope of Safepoint is called in a token. With `tenant_claim` every token
    must name its tenant there."""

    issuer: str
    audience: str
    jwks_url: str | None = None
    scopes: dict[Scope, str] = field(
        default_factory=lambda: {scope: f"safepoint:{scope}" for scope in Scope}
    )
    tenant_claim: str | None = None

    @classmethod
    def load(cls, read: Reader, public_url: str | None) -> OAuthSettings:
        """From the environment. Raises InvalidInput naming what is missing or wrong."""
        issuer = _secure(read, "SAFEPOINT_OAUTH_ISSUER")
        if issuer is None:
            refuse("SAFEPOINT_OAUTH_ISSUER", "", "OAuth needs the URL of who issues the tokens")
        if public_url is None:
            refuse(
                "SAFEPOINT_PUBLIC_URL",
                "",
                "OAuth needs the URL of this server, for which its tokens are issued",
            )
        return cls(
            issuer=issuer,
            audience=read.text("SAFEPOINT_OAUTH_AUDIENCE") or public_url,
            jwks_url=_secure(read, "SAFEPOINT_OAUTH_JWKS_URL"),
            scopes=_scopes(read),
            tenant_claim=read.text("SAFEPOINT_OAUTH_TENANT_CLAIM"),
        )


def _secure(read: Reader, name: str) -> str | None:
    """A URL by which keys may be fetched: nobody between may exchange them."""
    url = read.url(name)
    if url is not None and not may_fetch(url):
        refuse(name, url, "it begins with https://, but for issuers on this machine itself")
    return url


def may_fetch(url: str) -> bool:
    """Whether what comes from there comes from whom it says."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _scopes(read: Reader) -> dict[Scope, str]:
    name = "SAFEPOINT_OAUTH_SCOPES"
    named = {scope: f"safepoint:{scope}" for scope in Scope}
    for word in read.words(name):
        scope, sign, theirs = word.partition("=")
        if not sign or scope not in list(Scope) or not theirs:
            refuse(name, word, f"it holds words like read=safepoint:read, of {', '.join(Scope)}")
        named[Scope(scope)] = theirs
    return named
