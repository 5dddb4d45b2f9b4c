"""Objects of any size to and from a bucket: reads in ranges, and the end of abandoned uploads."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple

from botocore.exceptions import ClientError  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from safepoint.errors import Conflict
from safepoint.objects._s3_bucket import S3Bucket
from safepoint.objects._s3_calls import genuine
from safepoint.objects._s3_failures import Failure, Verdict
from safepoint.objects._s3_upload import PART_BYTES, S3Upload
from safepoint.objects._streams import Pouring, chunks_of, not_found

__all__ = ["S3Streams"]

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_GONE = "upload_gone"


class _Piece(NamedTuple):
    """`total` is the size of the whole object; a piece beyond its end has no ETag."""

    data: bytes
    etag: str
    total: int


class S3Streams:
    """See StreamStore."""

    def __init__(self, bucket: S3Bucket) -> None:
        self._bucket = bucket
        self._pouring = Pouring()

    async def put(self, key: str, chunks: AsyncIterator[bytes], content_type: str) -> int:
        """See StreamStore.put_stream."""
        return await self._pouring.pour(chunks, S3Upload(self._bucket, key, content_type))

    async def settle(self) -> None:
        """Wait for uploads that are being discarded."""
        await self._pouring.settle()

    async def get(self, key: str, start: int, length: int | None) -> AsyncGenerator[bytes, None]:
        """See StreamStore.get_stream. A connection that was cut costs at most one piece again."""
        named = self._bucket.object(key)
        end = None if length is None else start + length
        at, etag = start, ""
        while True:
            left = PART_BYTES if end is None else min(PART_BYTES, end - at)
            answer = await self._bucket.repeat(partial(self._read, named, at, max(left, 1), etag))
            if isinstance(answer, Failure):
                if answer.verdict is Verdict.MISSING and not etag:
                    raise not_found(key, self._bucket.place)
                if answer.verdict not in (Verdict.MISSING, Verdict.TAKEN):
                    raise self._bucket.error("read", key, answer)
            if isinstance(answer, Failure) or answer.etag != (etag or answer.etag):
                raise Conflict(
                    f"{key} in {self._bucket.place} was replaced or deleted while it was read",
                    hint="Read it again from the start.",
                    code="changed_while_read",
                )
            for chunk in chunks_of(memoryview(answer.data)[:left]):
                yield chunk
            at, etag = at + len(answer.data), answer.etag
            if at >= answer.total or (end is not None and at >= end):
                return

    async def sweep(self, older_than: timedelta) -> int:
        """See StreamStore.sweep."""
        client, address = self._bucket.client, self._bucket.address
        asked: dict[str, Any] = {"Bucket": address.bucket, "Prefix": address.prefix}
        removed = 0
        while True:
            page = await self._ask(partial(client.list_multipart_uploads, **asked))
            assert page is not None  # noqa: S101 - no upload was named that could be gone
            before = _server_time(page) - older_than
            for found in page.get("Uploads", ()):
                upload = {
                    "Bucket": address.bucket,
                    "Key": found["Key"],
                    "UploadId": found["UploadId"],
                }
                if found["Initiated"] < before and await self._is_idle(upload, before):
                    removed += await self._abort(upload)
            if not page["IsTruncated"]:
                return removed
            asked["KeyMarker"] = page["NextKeyMarker"]
            asked["UploadIdMarker"] = page["NextUploadIdMarker"]

    async def age(self, key: str) -> timedelta | None:
        """See TellsAge."""

        def look() -> timedelta:
            try:  # no HEAD: its 404 does not say whether it is the bucket that is missing
                answer = self._bucket.client.get_object(
                    **self._bucket.object(key), Range="bytes=0-0"
                )
            except ClientError as error:
                if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 416:
                    return timedelta()  # it is empty, and nothing of Safepoint's
                raise
            with closing(answer["Body"]):
                genuine(answer, "ETag")
                stored: datetime = answer["LastModified"]
            return max(_server_time(answer) - stored, timedelta())

        answer = await self._bucket.repeat(look)
        if not isinstance(answer, Failure):
            return answer
        if answer.verdict is Verdict.MISSING:
            return None
        raise self._bucket.error("read", key, answer)

    def _read(self, named: dict[str, Any], at: int, size: int, etag: str) -> _Piece:
        condition = {"IfMatch": etag} if etag else {}
        try:
            answer = self._bucket.client.get_object(
                **named, **condition, Range=f"bytes={at}-{at + size - 1}"
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 416:
                return _Piece(b"", "", 0)
            raise
        with closing(answer["Body"]) as body:
            genuine(answer, "ETag")
            told = _RANGE.fullmatch(str(answer.get("ContentRange", "")))
            if not (told and int(told[1]) == at) and (at or answer["ContentLength"] > size):
                raise ResponseParserError("an answer with another range than the one asked for")
            data: bytes = body.read()
        total = int(told[2]) if told else len(data)
        if not data and at < total:
            raise ResponseParserError("an empty range")
        return _Piece(data, answer["ETag"], total)

    async def _is_idle(self, upload: dict[str, Any], before: datetime) -> bool:
        """Whether no part came since; False when the upload has ended."""
        asked = dict(upload)
        while True:
            page = await self._ask(partial(self._bucket.client.list_parts, **asked))
            if page is None or any(p["LastModified"] >= before for p in page.get("Parts", ())):
                return False
            if not page["IsTruncated"]:
                return True
            asked["PartNumberMarker"] = page["NextPartNumberMarker"]

    async def _abort(self, upload: dict[str, Any]) -> bool:
        call = partial(self._bucket.client.abort_multipart_upload, **upload)
        answer = await self._bucket.repeat(call)
        if not isinstance(answer, Failure):
            return True
        if answer.reason.code == _GONE:
            return False
        raise self._bucket.error("sweep", "", answer)

    async def _ask(self, call: partial[dict[str, Any]]) -> dict[str, Any] | None:
        """A page of a list; None when the upload that it is about has ended."""
        answer = await self._bucket.repeat(lambda: genuine(call(), "IsTruncated"))
        if not isinstance(answer, Failure):
            return answer
        if answer.reason.code == _GONE:
            return None
        raise self._bucket.error("sweep", "", answer)


def _server_time(answer: dict[str, Any]) -> datetime:
    """By the clock that dated the uploads, so that a wrong one here ends none of them."""
    told = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        time = parsedate_to_datetime(told)
    except (TypeError, ValueError):
        return datetime.now(UTC)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
