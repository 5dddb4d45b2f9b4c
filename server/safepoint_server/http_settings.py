"""Where and for whom `serve` listens over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from safepoint.values import dataclass
from safepoint_server.oauth_settings import OAuthSettings
from safepoint_server.reading import Reader, refuse

__all__ = ["HttpSettings"]

AUTH: Final = ("none", "tokens", "oauth", "both")
TENANTS: Final = ("existing", "create")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`public_url` is the URL by which clients reach the MCP endpoint, where that is not the one
    that this process listens at. `auth` is what callers have to bring; `oauth` is there when that
    may be an access token. `create_tenants` is whether the first such token of a tenant makes its
    store. Forwarded headers count only from `trusted_proxies`."""

    host: str = "127.0.0.1"
    port: int = 8765
    path: str = "/mcp"
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    auth: str = "none"
    oauth: OAuthSettings | None = None
    create_tenants: bool = False
    max_tenants: int = 32
    trusted_proxies: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @classmethod
    def load(
        cls,
        read: Reader,
        *,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        auth: str | None = None,
    ) -> HttpSettings:
        """From the environment, each overridden by the option of its name if given."""
        chosen = read.one_of("SAFEPOINT_AUTH", AUTH, "none", auth)
        public_url = read.url("SAFEPOINT_PUBLIC_URL")
        tls_cert, tls_key = _pair(read, "SAFEPOINT_TLS_CERT", "SAFEPOINT_TLS_KEY")
        return cls(
            host=host or read.text("SAFEPOINT_HOST") or "127.0.0.1",
            port=read.number("SAFEPOINT_PORT", 8765, 0, 65535) if port is None else port,
            path=read.path("SAFEPOINT_PATH", path),
            public_url=public_url,
            allowed_hosts=read.words("SAFEPOINT_ALLOWED_HOSTS"),
            allowed_origins=read.words("SAFEPOINT_ALLOWED_ORIGINS"),
            auth=chosen,
            oauth=OAuthSettings.load(read, public_url) if chosen in ("oauth", "both") else None,
            create_tenants=read.one_of("SAFEPOINT_TENANTS", TENANTS, "existing", None) == "create",
            max_tenants=read.number("SAFEPOINT_MAX_TENANTS", 32, 1, 1000),
            trusted_proxies=read.words("SAFEPOINT_TRUSTED_PROXIES"),
            tls_cert=tls_cert,
            tls_key=tls_key,
        )


def _pair(read: Reader, first: str, second: str) -> tuple[Path | None, Path | None]:
    """Two files that only together are of use."""
    given = {name: read.text(name) for name in (first, second)}
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == 1:
        refuse(missing[0], "", f"{first} and {second} belong together")
    found = [Path(value).expanduser() for value in given.values() if value is not None]
    return (found[0], found[1]) if found else (None, None)
