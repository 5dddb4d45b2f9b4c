"""Objects in S3 that references name: HeadObject, below allowed prefixes and nowhere else."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from safepoint.errors import InvalidInput, NotFound, Unavailable
from safepoint.model import Reference
from safepoint.objects._s3_address import S3Address

__all__ = ["S3Look", "split_location"]

_LOCATION = re.compile(r"s3://([a-z0-9A-Z][a-zA-Z0-9._-]{1,253}[a-zA-Z0-9])/(.+)", re.DOTALL)
_SECONDS = 8.0
_THREADS = 4


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key. Raises InvalidInput."""
    found = _LOCATION.fullmatch(location)
    parts = found[2].split("/") if found is not None else []
    if found is None or not found[2].isprintable() or {".", ".."} & set(parts):
        raise InvalidInput(
            "it is not the address of an object in S3",
            hint="Write s3://bucket/key.",
            code="bad_reference",
        )
    return found[1], found[2]


class S3Look:
    """See ReferenceChecker. `allowed` are addresses as stores have them, with their options."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = [S3Address.parse(url) for url in allowed]
        self._clients: dict[S3Address, Any] = {}
        self._calls: Any = None

    async def look(self, reference: Reference) -> Reference:
        """See ReferenceChecker.look. A version that was recorded is not asked for: what counts is
        what the key gives now."""
        bucket, key = split_location(reference.location)
        address = self._address(bucket, key)
        if address is None:
            raise InvalidInput(
                "it is not below an address in S3 that this program may look at",
                hint="The operator can set SAFEPOINT_ALLOWED_S3.",
                code="reference_not_allowed",
            )
        from safepoint.objects._s3_calls import Calls  # late: it loads botocore
        from safepoint.objects._s3_failures import Failure

        if self._calls is None:
            self._calls = Calls(_THREADS)
        found = await self._calls.run(
            lambda: self._head(address, bucket, key), time.monotonic() + _SECONDS
        )
        if isinstance(found, Failure):
            raise Unavailable(f"S3 did not tell: {found.reason.text}")
        if found is None:
            raise NotFound(f"{reference.location} is not there")
        return Reference(
            reference.location,
            size=found.get("ContentLength"),
            etag=str(found.get("ETag", "")).strip('"') or None,
            object_version=_version(found),
        )

    def close(self) -> None:
        """Release connections and threads."""
        if self._calls is not None:
            self._calls.close()
        for client in self._clients.values():
            client.close()

    def _address(self, bucket: str, key: str) -> S3Address | None:
        for address in self._allowed:
            if address.bucket == bucket and key.startswith(address.prefix):
                return address
        return None

    def _head(self, address: S3Address, bucket: str, key: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError  # type: ignore[import-untyped]

        from safepoint.objects._s3_client import make_client

        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = make_client(
                region=address.region, endpoint=address.endpoint, profile=address.profile
            )
        try:
            answer: dict[str, Any] = client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        return answer


def _version(answer: dict[str, Any]) -> str | None:
    version = answer.get("VersionId")
    return str(version) if version not in (None, "", "null") else None
