"""Objects in an S3 bucket, on AWS or on a server that speaks its protocol.

Opening one loads boto3, so this module is imported only when an `s3://` store is opened. Objects
are put in one request each; streams, which are never commits, in parts (_s3_streams).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, closing
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from safepoint.errors import OutcomeUnknown, Unavailable, Unsupported
from safepoint.objects import _s3_listing as listing
from safepoint.objects._failures import too_large
from safepoint.objects._keys import check_key, check_prefix
from safepoint.objects._s3_address import S3Address, check_endpoint
from safepoint.objects._s3_bucket import S3Bucket
from safepoint.objects._s3_calls import genuine
from safepoint.objects._s3_client import S3Client, make_client
from safepoint.objects._s3_failures import Failure, Verdict
from safepoint.objects._s3_listing import ListPage, ListRequest
from safepoint.objects._s3_streams import S3Streams
from safepoint.objects._streams import check_range
from safepoint.objects.base import MAX_OBJECT_BYTES

__all__ = ["S3Objects", "open_s3"]

_CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}


async def open_s3(
    url: str,
    *,
    region: str | None = None,
    endpoint: str | None = None,
    profile: str | None = None,
    timeout: float = 30.0,  # noqa: ASYNC109 - of each operation, not of this call
) -> S3Objects:
    """The objects at `s3://bucket/prefix?region=…&endpoint=…&profile=…`, with a client of its own.

    Arguments come before the options of the address, those before the environment (AWS_PROFILE,
    AWS_REGION, AWS_ENDPOINT_URL_S3, …) and ~/.aws. Nothing is sent to the bucket: see `probe`.

    Raises:
        InvalidInput: the address or the settings cannot be used.
        Unsupported: it is a directory bucket.
    """
    address = S3Address.parse(url)
    if endpoint is not None:
        check_endpoint(endpoint)
    client = await asyncio.to_thread(
        make_client,
        region=region or address.region,
        endpoint=endpoint or address.endpoint,
        profile=profile or address.profile,
    )
    return S3Objects(
        client,
        address.bucket,
        address.prefix,
        timeout=timeout,
        query=address.query,
        close_client=True,
    )


class S3Objects:
    """See ObjectStore, StreamStore and CountsRepeats. `prefix` is put before every key.

    `client` is a boto3 S3 client. It should not repeat requests by itself (a lost response then
    costs a read more) and is called from as many threads as it has connections. `timeout` is the
    limit in seconds for one operation with all its repetitions; large puts get more. `query` is
    what follows `?` in `url`.

    A put that may or may not have happened raises OutcomeUnknown at once; one that S3 has refused
    for now (409, 429, 503) is sent again, the same bytes to the same key. Reads and deletes are
    repeated until their time is over. Every bucket is durable at once, so `after` costs nothing.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        prefix: str = "",
        *,
        timeout: float = 30.0,
        query: str = "",
        close_client: bool = False,
    ) -> None:
        prefix = prefix.strip("/")
        self._address = S3Address(bucket, prefix and prefix + "/", query=query)
        self._client = client
        self._close_client = close_client
        self._bucket = S3Bucket(client, self._address, timeout)
        self._streams = S3Streams(self._bucket)

    @property
    def url(self) -> str:
        """See ObjectStore.url."""
        return self._address.url

    @property
    def whereabouts(self) -> str:
        """Bucket, endpoint and region in words, as address, environment and profile come to."""
        region = self._client.meta.region_name or "none"
        endpoint = urlsplit(self._client.meta.endpoint_url)
        at = f"{endpoint.scheme}://{endpoint.netloc}"
        return f"bucket {self._address.bucket} at {at}, region {region}"

    @property
    def repeats(self) -> int:
        """See CountsRepeats."""
        return self._bucket.calls.repeats

    async def put(
        self,
        key: str,
        data: bytes,
        *,
        if_absent: bool = False,
        after: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> bool:
        """See ObjectStore.put.

        Raises:
            Unsupported: the server does not know conditional puts.
        """
        if after is not None:
            check_key(after)
        parameters = self._bucket.object(key) | {"Body": data, "ContentType": _content_type(key)}
        if metadata:
            parameters["Metadata"] = dict(metadata)
        if if_absent:
            parameters["IfNoneMatch"] = "*"
        give_up = self._bucket.give_up(len(data))
        unclear = False  # whether an attempt may have stored it
        for attempt in count():
            failure = await self._bucket.calls.run(partial(self._send, parameters), give_up)
            if failure is None:
                return True
            unclear = unclear or not failure.certain
            if failure.verdict is Verdict.TAKEN and if_absent:
                if not (unclear or failure.resent):
                    return False
                ours = await self._holds(key, data)
                if ours is not None:
                    return ours
            elif failure.verdict is not Verdict.BUSY:
                break
            if not await self._bucket.calls.pause(attempt, give_up - self._bucket.margin):
                break
        assert failure is not None  # noqa: S101 - else it has returned
        if failure.reason.code == "not_implemented" and if_absent and not unclear:
            raise Unsupported(
                f"{self._bucket.place} does not know conditional puts (If-None-Match), "
                "so writers would overwrite each other",
                hint="Use a server that enforces them.",
                code="no_conditional_put",
            )
        raise self._bucket.error("store", key, failure, unclear=unclear)

    async def get(self, key: str) -> bytes | None:
        """See ObjectStore.get."""
        parameters = self._bucket.object(key)

        def read() -> bytes:
            answer = self._client.get_object(**parameters)
            with closing(answer["Body"]) as body:
                genuine(answer, "ETag")
                if answer["ContentLength"] > MAX_OBJECT_BYTES:
                    raise too_large(key)
                data: bytes = body.read()
                return data

        answer = await self._bucket.repeat(read)
        if not isinstance(answer, Failure):
            return answer
        if answer.verdict is Verdict.MISSING:
            return None
        raise self._bucket.error("read", key, answer)

    async def list(
        self, prefix: str, *, after: str = "", limit: int = 1000, folders: bool = False
    ) -> list[str]:
        """See ObjectStore.list.

        One request for up to 1,000 keys or folders on AWS. Elsewhere the same for keys directly
        below `prefix`; for those deeper below it everything there is fetched, 1,000 at a time.
        SeaweedFS goes on naming a folder for some seconds after its last object is gone.
        """
        check_prefix(prefix)
        if limit < 1:
            return []
        below = self._address.prefix
        if folders:
            return await listing.folders_in(self._fetch, below + prefix, after, limit)
        start = below + after if after else ""
        found = await listing.keys_below(
            self._fetch, below + prefix, start, limit, by_bytes=self._bucket.by_bytes
        )
        return [key[len(below) :] for key in found]

    async def delete(self, key: str) -> None:
        """See ObjectStore.delete.

        Raises:
            OutcomeUnknown: it may or may not be deleted.
        """
        answer = await self._bucket.repeat(
            partial(self._client.delete_object, **self._bucket.object(key))
        )
        if isinstance(answer, Failure) and answer.verdict is not Verdict.MISSING:
            raise self._bucket.error("delete", key, answer, unclear=not answer.certain)

    async def put_stream(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        """See StreamStore.put_stream.

        One request for up to 8 MiB, else a multipart upload, of which five parts are in memory. The
        time limit is for each part. At most 78 GiB.
        """
        return await self._streams.put(key, chunks, _content_type(key))

    async def get_stream(
        self, key: str, *, start: int = 0, length: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """See StreamStore.get_stream. One request for each 8 MiB, with a time limit for each."""
        check_range(start, length)
        async with aclosing(self._streams.get(key, start, length)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def sweep(self, *, older_than: timedelta) -> int:
        """See StreamStore.sweep. Looks at all uploads below `prefix`, by the server's clock."""
        return await self._streams.sweep(older_than)

    async def age(self, key: str) -> timedelta | None:
        """See TellsAge. One request; by the server's clock."""
        return await self._streams.age(key)

    async def close(self) -> None:
        """See ObjectStore.close. The client is left to the caller who made it."""
        await self._streams.settle()
        self._bucket.calls.close()
        if self._close_client:
            await asyncio.to_thread(self._client.close)

    def _send(self, parameters: dict[str, Any]) -> None:
        genuine(self._client.put_object(**parameters), "ETag")

    async def _holds(self, key: str, data: bytes) -> bool | None:
        """Whether the object there has these bytes; None when there is no object any more."""
        try:
            found = await self.get(key)
        except Unavailable as error:
            raise OutcomeUnknown(
                f"{key} in {self._bucket.place} was stored, by this attempt or by another writer: "
                f"{error.message}",
                hint=error.hint,
            ) from error
        return None if found is None else found == data

    async def _fetch(self, request: ListRequest) -> ListPage:
        parameters: dict[str, Any] = {
            "Bucket": self._address.bucket,
            "Prefix": request.prefix,
            "MaxKeys": request.limit,
        }
        if request.folders:
            parameters["Delimiter"] = "/"
        if request.token is not None:
            parameters["ContinuationToken"] = request.token
        elif request.after:
            parameters["StartAfter"] = request.after

        def send() -> dict[str, Any]:
            return genuine(self._client.list_objects_v2(**parameters), "IsTruncated")

        answer = await self._bucket.repeat(send)
        if isinstance(answer, Failure):
            raise self._bucket.error("list", request.prefix[len(self._address.prefix) :], answer)
        start = len(request.prefix)
        return ListPage(
            [found["Key"] for found in answer.get("Contents", ())],
            [found["Prefix"][start:-1] for found in answer.get("CommonPrefixes", ())],
            answer.get("NextContinuationToken") if answer.get("IsTruncated") else None,
        )


def _content_type(key: str) -> str:
    """So that a browser shows pages as pages."""
    return _CONTENT_TYPES.get(key[key.rfind(".") :], "application/octet-stream")
