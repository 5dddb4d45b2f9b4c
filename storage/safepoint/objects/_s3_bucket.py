"""A place in a bucket: its keys, requests repeated in time, and words for what failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar
from urllib.parse import urlsplit

from safepoint.errors import InvalidInput, OutcomeUnknown, Unavailable
from safepoint.objects._keys import check_key
from safepoint.objects._s3_address import S3Address
from safepoint.objects._s3_calls import Calls
from safepoint.objects._s3_client import S3Client, is_aws
from safepoint.objects._s3_failures import Failure, Verdict

__all__ = ["S3Bucket"]

T = TypeVar("T")

MAX_KEY_BYTES = 1024
_SLOWEST_UPLOAD = 256 * 1024  # bytes a second, by which large puts get more time
_ACTIONS = {"store": "PutObject", "read": "GetObject", "delete": "DeleteObject"}


class S3Bucket:
    """`timeout` is the limit in seconds for one operation with all its repetitions."""

    def __init__(self, client: S3Client, address: S3Address, timeout: float) -> None:
        self.client = client
        self.address = address
        self.calls = Calls(client.meta.config.max_pool_connections)
        self.by_bytes = is_aws(client)
        self.margin = min(2.0, timeout / 3)  # what is sent again should have time to be answered
        self._timeout = timeout

    def give_up(self, sent: int = 0) -> float:
        """When to end an operation that begins now and sends so many bytes (time.monotonic)."""
        return time.monotonic() + self._timeout + sent / _SLOWEST_UPLOAD

    async def repeat(
        self,
        call: Callable[[], T],
        *,
        sent: int = 0,
        stopped: Callable[[], bool] = lambda: False,
    ) -> T | Failure:
        """The answer to what may be asked any number of times, or the last failure.

        That is certain only if all were.
        """
        give_up = self.give_up(sent)
        certain = True
        for attempt in count():
            answer = await self.calls.run(call, give_up)
            if not isinstance(answer, Failure):
                return answer
            certain = certain and answer.certain
            answer = replace(answer, certain=certain)
            again = answer.verdict in (Verdict.BUSY, Verdict.UNCLEAR) and not stopped()
            if not (again and await self.calls.pause(attempt, give_up - self.margin)):
                break
        return answer

    def object(self, key: str) -> dict[str, Any]:
        """Parameters that name an object."""
        check_key(key)
        full = self.address.prefix + key
        if len(full) > MAX_KEY_BYTES:
            raise InvalidInput(
                f"{key[:300]!r} is too long: with its prefix a key has at most {MAX_KEY_BYTES} "
                "bytes in S3",
                hint="Use a shorter prefix or shorter names.",
            )
        return {"Bucket": self.address.bucket, "Key": full}

    @property
    def place(self) -> str:
        """The bucket and prefix in messages, and the server unless it is AWS."""
        if self.by_bytes:
            return self.address.url.partition("?")[0]
        endpoint = urlsplit(self.client.meta.endpoint_url)
        return f"{self.address.url.partition('?')[0]} at {endpoint.scheme}://{endpoint.netloc}"

    def error(
        self, doing: str, key: str, failure: Failure, *, unclear: bool = False
    ) -> Unavailable:
        """`doing` is a verb; `unclear` says that it may have happened."""
        text, hint, code, denied = failure.reason
        if denied:
            hint = self._needed(doing)
        if unclear:
            return OutcomeUnknown(
                f"trying to {doing} {key} in {self.place} failed and may have happened: {text}",
                hint=hint,
            )
        return Unavailable(
            f"cannot {doing} {key or 'the store'} in {self.place}: {text}", hint=hint, code=code
        )

    def _needed(self, doing: str) -> str:
        """The permission that is missing. S3 hides that an object is not there from some."""
        bucket, objects = self.address.bucket_resource, self.address.objects_resource
        if doing == "list":
            return f"The credentials need s3:ListBucket on {bucket}."
        if doing == "sweep":
            return (
                f"The credentials need s3:ListBucketMultipartUploads on {bucket}, and "
                f"s3:ListMultipartUploadParts and s3:AbortMultipartUpload on {objects}."
            )
        needed = f"The credentials need s3:{_ACTIONS[doing]} on {objects}"
        if doing == "read":
            return (
                f"{needed}, and s3:ListBucket on {bucket}: without that S3 denies what is not "
                "there."
            )
        return f"{needed}."
