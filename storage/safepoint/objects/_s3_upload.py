"""One object on its way into a bucket in parts, which appear together or are removed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from itertools import count
from typing import Any, TypeVar

from safepoint.errors import LimitExceeded, OutcomeUnknown
from safepoint.objects._s3_bucket import S3Bucket
from safepoint.objects._s3_calls import genuine
from safepoint.objects._s3_failures import Failure, Verdict
from safepoint.objects._streams import heard

__all__ = ["PART_BYTES", "S3Upload"]

T = TypeVar("T")

PART_BYTES = 8 * 1024 * 1024
"""Of all parts but the last: some servers want them equal. 10,000 of them make 78 GiB."""

_MOST_PARTS = 10_000
_IN_FLIGHT = 2
_MARK = "upload"  # metadata by which an upload whose answer was lost is known again
_COMPLETED_PER_SECOND = 8  # parts that S3 puts together, at the slowest, for the time limit
_CHECKSUM = "CRC32"


class S3Upload:
    """See Sink. Up to one part is put in one request; more than that as a multipart upload.

    Requests are repeated, since nobody else writes the key and the bytes are the same.
    """

    def __init__(self, bucket: S3Bucket, key: str, content_type: str) -> None:
        self._bucket = bucket
        self._key = key
        self._object = bucket.object(key)
        self._mark = secrets.token_hex(16)
        self._about = {"ContentType": content_type}
        self._checked = {"ChecksumAlgorithm": _CHECKSUM} if bucket.by_bytes else {}
        self._buffer = bytearray()
        self._begun = 0
        self._size = 0
        self._id: str | None = None
        self._parts: dict[int, dict[str, Any]] = {}
        self._sending: set[asyncio.Future[None]] = set()
        self._under_way: asyncio.Future[None] | None = None
        self._may_be_there = False
        self._stopped = False

    async def write(self, chunk: bytes) -> None:
        """See Sink. Waits while enough parts are being sent."""
        rest = memoryview(chunk)
        while rest:
            if len(self._buffer) == PART_BYTES:
                await self._send_part()
            room = PART_BYTES - len(self._buffer)
            self._buffer += rest[:room]
            rest = rest[room:]

    async def commit(self) -> None:
        """See Sink."""
        if self._id is not None:
            await self._send_part()
            while self._sending:
                await self._wait_for_one()
        await self._step(self._appear())

    async def discard(self) -> None:
        """See Sink. What has been sent once is not sent again."""
        self._stopped = True
        under_way = self._sending | ({self._under_way} if self._under_way else set())
        if under_way:
            await asyncio.wait(under_way)
        client = self._bucket.client
        if self._id is not None:
            await self._ask(partial(client.abort_multipart_upload, **self._upload))
        if self._may_be_there:
            await self._ask(partial(client.delete_object, **self._object))

    @property
    def _upload(self) -> dict[str, Any]:
        return {**self._object, "UploadId": self._id}

    async def _step(self, work: Awaitable[None]) -> None:
        """Let it go on when the caller is cancelled; `discard` waits for it."""
        self._under_way = asyncio.ensure_future(work)
        self._under_way.add_done_callback(heard)
        await asyncio.shield(self._under_way)

    async def _send_part(self) -> None:
        if self._begun == _MOST_PARTS:
            raise LimitExceeded(
                f"{self._key} is larger than {_MOST_PARTS * PART_BYTES} bytes",
                hint="Store it as several objects.",
            )
        if self._id is None:
            await self._step(self._begin())
        while len(self._sending) >= _IN_FLIGHT:
            await self._wait_for_one()
        body, self._buffer = bytes(self._buffer), bytearray()  # botocore copies a bytearray
        self._begun += 1
        self._size += len(body)
        sending = asyncio.ensure_future(self._send(self._begun, body))
        sending.add_done_callback(heard)
        self._sending.add(sending)

    async def _wait_for_one(self) -> None:
        done, self._sending = await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
        for sent in done:
            sent.result()

    async def _begin(self) -> None:
        def send() -> str:
            answer = self._bucket.client.create_multipart_upload(
                **self._object, **self._about, **self._checked, Metadata={_MARK: self._mark}
            )
            made: str = genuine(answer, "UploadId")["UploadId"]
            return made

        self._id = await self._stored(send)

    async def _send(self, number: int, body: bytes) -> None:
        def send() -> dict[str, Any]:
            answer = self._bucket.client.upload_part(
                **self._upload, **self._checked, PartNumber=number, Body=body
            )
            return genuine(answer, "ETag")

        answer = await self._stored(send, sent=len(body))
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        checksum = f"Checksum{_CHECKSUM}"
        if self._checked and checksum in answer:
            part[checksum] = answer[checksum]
        self._parts[number] = part

    async def _appear(self) -> None:
        try:
            if self._id is None:
                await self._put_whole()
            else:
                await self._complete()
        except OutcomeUnknown:
            self._may_be_there = True
            raise
        self._may_be_there = True

    async def _put_whole(self) -> None:
        def send() -> None:
            answer = self._bucket.client.put_object(
                **self._object, **self._about, Body=bytes(self._buffer)
            )
            genuine(answer, "ETag")

        answer = await self._ask(send, sent=len(self._buffer))
        if isinstance(answer, Failure):
            raise self._bucket.error("store", self._key, answer, unclear=not answer.certain)

    async def _complete(self) -> None:
        """A lost answer is settled by looking; completing again is harmless."""
        parts = [self._parts[number] for number in sorted(self._parts)]

        def send() -> None:
            answer = self._bucket.client.complete_multipart_upload(
                **self._upload, MultipartUpload={"Parts": parts}
            )
            genuine(answer, "ETag")

        give_up = self._bucket.give_up() + len(parts) / _COMPLETED_PER_SECOND
        unclear = False
        for attempt in count():
            failure = await self._bucket.calls.run(send, give_up)
            if failure is None:
                return
            unclear = unclear or not failure.certain
            if unclear and await self._is_there():
                return
            if failure.verdict not in (Verdict.BUSY, Verdict.UNCLEAR) or self._stopped:
                break
            if not await self._bucket.calls.pause(attempt, give_up - self._bucket.margin):
                break
        assert failure is not None  # noqa: S101 - else it has returned
        raise self._bucket.error("store", self._key, failure, unclear=unclear)

    async def _is_there(self) -> bool:
        """Whether this very upload is what is there. False also when that cannot be found out."""

        def read() -> bool:
            answer = self._bucket.client.get_object(**self._object, Range="bytes=0-0")
            with closing(answer["Body"]):
                genuine(answer, "ETag")
                whole = str(answer.get("ContentRange", "")).endswith(f"/{self._size}")
                return whole and answer.get("Metadata", {}).get(_MARK) == self._mark

        return await self._ask(read) is True

    async def _stored(self, call: Callable[[], T], *, sent: int = 0) -> T:
        """The answer to a request that lets nothing appear yet."""
        answer = await self._ask(call, sent=sent)
        if isinstance(answer, Failure):
            raise self._bucket.error("store", self._key, answer)
        return answer

    async def _ask(self, call: Callable[[], T], *, sent: int = 0) -> T | Failure:
        return await self._bucket.repeat(call, sent=sent, stopped=lambda: self._stopped)
