"""What an address opens: the place for the objects, and what is special about it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

from safepoint.errors import InvalidInput, NotFound
from safepoint.objects.base import ObjectStore
from safepoint.objects.local import LocalObjects
from safepoint.objects.memory import MemoryObjects
from safepoint.values import dataclass

__all__ = ["TENANTS_FOLDER", "Place", "check_tenant", "open_place", "tenant_address"]

TENANTS_FOLDER: Final = "tenants/"

_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")


@dataclass(frozen=True, slots=True)
class Place:
    """`private`: nobody else can reach it. `remembered`: its newest versions are to be kept in
    mind. `foreign`: somebody else's program keeps the objects, so it is probed first, and its key
    has to be given."""

    objects: ObjectStore
    private: bool = False
    remembered: bool = False
    foreign: bool = False


async def open_place(url: str | Path | ObjectStore, *, create: bool) -> Place:
    """The place at `s3://…`, `file:///…`, a path or `memory://`, or an ObjectStore as it is.

    Raises:
        InvalidInput: it is no such address.
        NotFound: the folder is not there and is not to be made.
    """
    if not isinstance(url, str | Path):
        return Place(url)
    text = str(url)
    if text == "memory://":
        return Place(MemoryObjects(), private=True)
    if text.startswith("s3://"):
        from safepoint.objects.s3 import open_s3  # boto3 costs half a second

        return Place(await open_s3(text), remembered=True, foreign=True)
    scheme, separator, rest = text.partition("://")
    if separator and scheme != "file":
        raise InvalidInput(
            f"there are no stores at {scheme}:// addresses",
            hint="Use s3://bucket/prefix, a folder's path, file:///folder, or memory://.",
            code="bad_url",
        )
    if text.startswith("file:"):
        if not rest.startswith("/"):
            raise InvalidInput(
                f"{text} is not a file address: it has to be absolute",
                hint="Write file:///absolute/folder, with three slashes.",
                code="bad_url",
            )
        from urllib.request import url2pathname  # loads a client of HTTP: few write such addresses

        text = url2pathname(rest)
    if not text or "\0" in text:
        raise InvalidInput("the store's address is empty or holds NUL", code="bad_url")
    return await asyncio.to_thread(_local, text, create)


def tenant_address(url: str, tenant: str) -> str:
    """The address of the store of this tenant, whose stores lie in the one at `url`.

    Raises InvalidInput for a name that a tenant cannot have, or a store that cannot have tenants.
    """
    check_tenant(tenant)
    if url == "memory://":
        raise InvalidInput(
            "a store in memory has no tenants", hint="Use a folder or a bucket.", code="bad_url"
        )
    place, mark, query = url.partition("?") if url.startswith("s3://") else (url, "", "")
    return f"{place.rstrip('/')}/{TENANTS_FOLDER}{tenant}{mark}{query}"


def check_tenant(tenant: str) -> None:
    """Raises InvalidInput unless a tenant may be called so: it is part of a key and of a path."""
    if not _TENANT.fullmatch(tenant) or _RESERVED.fullmatch(tenant):
        raise InvalidInput(
            f"{tenant[:80]!r} cannot be the name of a tenant",
            hint="Use 1 to 63 of a-z, 0-9 and -, with - neither first nor last.",
            code="invalid_tenant",
        )


def _local(text: str, create: bool) -> Place:
    folder = Path(text).expanduser().absolute()
    if not create and not folder.exists():
        raise NotFound(
            f"there is no store at {folder.as_uri()}",
            hint="It is made by the first save; check the address.",
            code="store_not_found",
        )
    return Place(LocalObjects(folder, create=create), remembered=True)
