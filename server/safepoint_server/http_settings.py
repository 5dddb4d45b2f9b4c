"""Where and for whom `serve` listens over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from safepoint_server.reading import Reader

__all__ = ["HttpSettings"]


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`public_url` is the URL by which clients reach the MCP endpoint, where that is not the one
    that this process listens at."""

    host: str = "127.0.0.1"
    port: int = 8765
    path: str = "/mcp"
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        read: Reader,
        *,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
    ) -> HttpSettings:
        """From the environment, each overridden by the option of its name if given."""
        return cls(
            host=host or read.text("SAFEPOINT_HOST") or "127.0.0.1",
            port=read.number("SAFEPOINT_PORT", 8765, 0, 65535) if port is None else port,
            path=read.path("SAFEPOINT_PATH", path),
            public_url=read.url("SAFEPOINT_PUBLIC_URL"),
            allowed_hosts=read.words("SAFEPOINT_ALLOWED_HOSTS"),
            allowed_origins=read.words("SAFEPOINT_ALLOWED_ORIGINS"),
        )
