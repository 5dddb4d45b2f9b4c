"""A store that is there already: looking must not make one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from safepoint import Store
from safepoint_server.cli import options
from safepoint_server.settings import Settings

__all__ = ["existing_store", "folder_of"]


def folder_of(store: str) -> Path | None:
    """The folder of a store on local disk; None for any other."""
    parts = urlsplit(store)
    if parts.scheme == "file":
        from urllib.request import url2pathname  # loads a client of HTTP

        return Path(url2pathname(parts.path))
    if "://" in store:
        return None
    return Path(store).expanduser().absolute()


@asynccontextmanager
async def existing_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of these settings, open for the block.

    Raises:
        NotFound: there is none; nothing was made, not even a folder.
    """
    async with settings.open_store(options.actor(), create=False) as store:
        yield store
