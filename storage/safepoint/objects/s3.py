"""Objects in an S3 bucket, on AWS or on a server that speaks its protocol.

Opening one loads boto3, so this module is imported only when an `s3://` store is opened. Objects
are put in one request each; streams of unknown length are not for this class.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from itertools import count
from typing import Any, TypeVar
from urllib.parse import urlsplit

from safepoint.errors import InvalidInput, OutcomeUnknown, Unavailable, Unsupported
from safepoint.objects import _s3_listing as listing
from safepoint.objects._keys import check_key, check_prefix
from safepoint.objects._s3_address import S3Address, check_endpoint
from safepoint.objects._s3_calls import Calls, genuine, pause
from safepoint.objects._s3_client import S3Client, is_aws, make_client
from safepoint.objects._s3_failures import Failure, Verdict
from safepoint.objects._s3_listing import ListPage, ListRequest

__all__ = ["S3Objects", "open_s3"]

T = TypeVar("T")

MAX_KEY_BYTES = 1024
_SLOWEST_UPLOAD = 256 * 1024  # bytes a second, by which large puts get more time
_CONTENT_TYPES = {".html": "text/html; charset=utf-8", ".json": "application/json"}
_ACTIONS = {"store": "PutObject", "read": "GetObject", "delete": "DeleteObject"}


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
    """See ObjectStore. `prefix` is put before every key.

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
        self._timeout = timeout
        self._margin = min(2.0, timeout / 3)  # what is sent again should have time to be answered
        self._by_bytes = is_aws(client)
        self._calls = Calls(client.meta.config.max_pool_connections)

    @property
    def url(self) -> str:
        """See ObjectStore.url."""
        return self._address.url

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
        parameters = self._object(key) | {"Body": data, "ContentType": _content_type(key)}
        if metadata:
            parameters["Metadata"] = dict(metadata)
        if if_absent:
            parameters["IfNoneMatch"] = "*"
        give_up = time.monotonic() + self._timeout + len(data) / _SLOWEST_UPLOAD
        unclear = False  # whether an attempt may have stored it
        for attempt in count():
            failure = await self._calls.run(partial(self._send, parameters), give_up)
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
            if not await pause(attempt, give_up - self._margin):
                break
        assert failure is not None  # noqa: S101 - else it has returned
        if failure.reason.code == "not_implemented" and if_absent and not unclear:
            raise Unsupported(
                f"{self._place} does not know conditional puts (If-None-Match), "
                "so writers would overwrite each other",
                hint="Use a server that enforces them.",
                code="no_conditional_put",
            )
        raise self._error("store", key, failure, unclear=unclear)

    async def get(self, key: str) -> bytes | None:
        """See ObjectStore.get."""
        parameters = self._object(key)

        def read() -> bytes:
            answer = self._client.get_object(**parameters)
            with closing(answer["Body"]) as body:
                genuine(answer, "ETag")
                data: bytes = body.read()
                return data

        answer = await self._repeat(read)
        if not isinstance(answer, Failure):
            return answer
        if answer.verdict is Verdict.MISSING:
            return None
        raise self._error("read", key, answer)

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
            self._fetch, below + prefix, start, limit, by_bytes=self._by_bytes
        )
        return [key[len(below) :] for key in found]

    async def delete(self, key: str) -> None:
        """See ObjectStore.delete.

        Raises:
            OutcomeUnknown: it may or may not be deleted.
        """
        answer = await self._repeat(partial(self._client.delete_object, **self._object(key)))
        if isinstance(answer, Failure) and answer.verdict is not Verdict.MISSING:
            raise self._error("delete", key, answer, unclear=not answer.certain)

    async def close(self) -> None:
        """See ObjectStore.close. The client is left to the caller who made it."""
        self._calls.close()
        if self._close_client:
            await asyncio.to_thread(self._client.close)

    async def _repeat(self, call: Callable[[], T]) -> T | Failure:
        """The answer to what may be asked any number of times, or the last failure."""
        give_up = time.monotonic() + self._timeout
        for attempt in count():
            answer = await self._calls.run(call, give_up)
            if not isinstance(answer, Failure):
                return answer
            again = answer.verdict in (Verdict.BUSY, Verdict.UNCLEAR)
            if not (again and await pause(attempt, give_up - self._margin)):
                break
        return answer

    def _send(self, parameters: dict[str, Any]) -> None:
        genuine(self._client.put_object(**parameters), "ETag")

    async def _holds(self, key: str, data: bytes) -> bool | None:
        """Whether the object there has these bytes; None when there is no object any more."""
        try:
            found = await self.get(key)
        except Unavailable as error:
            raise OutcomeUnknown(
                f"{key} in {self._place} was stored, by this attempt or by another writer: "
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

        answer = await self._repeat(send)
        if isinstance(answer, Failure):
            raise self._error("list", request.prefix[len(self._address.prefix) :], answer)
        start = len(request.prefix)
        return ListPage(
            [found["Key"] for found in answer.get("Contents", ())],
            [found["Prefix"][start:-1] for found in answer.get("CommonPrefixes", ())],
            answer.get("NextContinuationToken") if answer.get("IsTruncated") else None,
        )

    def _object(self, key: str) -> dict[str, Any]:
        check_key(key)
        full = self._address.prefix + key
        if len(full) > MAX_KEY_BYTES:
            raise InvalidInput(
                f"{key[:300]!r} is too long: with its prefix a key has at most {MAX_KEY_BYTES} "
                "bytes in S3",
                hint="Use a shorter prefix or shorter names.",
            )
        return {"Bucket": self._address.bucket, "Key": full}

    @property
    def _place(self) -> str:
        if self._by_bytes:
            return self._address.url.partition("?")[0]
        endpoint = urlsplit(self._client.meta.endpoint_url)
        return f"{self._address.url.partition('?')[0]} at {endpoint.scheme}://{endpoint.netloc}"

    def _error(
        self, doing: str, key: str, failure: Failure, *, unclear: bool = False
    ) -> Unavailable:
        text, hint, code, denied = failure.reason
        if denied:
            hint = self._needed(doing)
        if unclear:
            return OutcomeUnknown(
                f"trying to {doing} {key} in {self._place} failed and may have happened: {text}",
                hint=hint,
            )
        return Unavailable(
            f"cannot {doing} {key or 'the store'} in {self._place}: {text}", hint=hint, code=code
        )

    def _needed(self, doing: str) -> str:
        """The permission that is missing. S3 hides that an object is not there from some."""
        list_bucket = f"s3:ListBucket on {self._address.bucket_resource}"
        if doing == "list":
            return f"The credentials need {list_bucket}."
        needed = f"The credentials need s3:{_ACTIONS[doing]} on {self._address.objects_resource}"
        if doing == "read":
            return f"{needed}, and {list_bucket}: without that S3 denies what is not there."
        return f"{needed}."


def _content_type(key: str) -> str:
    """So that a browser shows pages as pages."""
    return _CONTENT_TYPES.get(key[key.rfind(".") :], "application/octet-stream")
