"""Multipart uploads and ranged reads over a bad network, and what abandoned ones leave behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import anyio
import pytest
from botocore.config import Config  # type: ignore[import-untyped]
from tests.servers.proxy import Proxy, Request, Trouble
from tests.servers.s3 import S3Server, count_requests

from safepoint.errors import Conflict, LimitExceeded, OutcomeUnknown, Unavailable
from safepoint.objects import _s3_upload
from safepoint.objects.s3 import S3Objects
from safepoint.testing.streams import read, stream

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
PART = 8 * MIB
HOUR = timedelta(hours=1)
CHUNKS = [bytes((first + n) % 256 for n in range(256)) * (MIB // 256) for first in range(17)]
DATA = b"".join(CHUNKS)


@pytest.fixture
def objects(ministack_server: S3Server, proxy: Proxy, prefix: str) -> S3Objects:
    """Through the proxy."""
    return ministack_server.at(proxy.url).objects(prefix)


@pytest.fixture
def direct(ministack_server: S3Server, prefix: str) -> S3Objects:
    """The same place, not through the proxy."""
    return ministack_server.objects(prefix)


def step_of(request: Request) -> str:
    """What a request is in the life of an upload."""
    match request.method:
        case "POST":
            return "create" if request.path.endswith("?uploads") else "complete"
        case "PUT":
            return "part" if "partNumber" in request.path else "put"
        case "DELETE":
            return "abort" if "uploadId" in request.path else "delete"
    return "get"


class At:
    """Trouble for the first requests of one step; `served` counts them all."""

    def __init__(self, proxy: Proxy, step: str, trouble: Trouble, times: int = 1) -> None:
        self.step, self.trouble, self.times, self.served = step, trouble, times, 0
        proxy.decide = self.decide

    def decide(self, number: int, request: Request) -> Trouble | None:
        if step_of(request) != self.step:
            return None
        self.served += 1
        return self.trouble if self.served <= self.times else None


REPEATED = [
    Trouble.CUT_BEFORE,
    Trouble.CUT_AFTER,
    Trouble.ERROR_BEFORE,
    Trouble.ERROR_AFTER,
    Trouble.DUPLICATE,
    Trouble.LATE,
]


@pytest.mark.parametrize("trouble", REPEATED)
@pytest.mark.parametrize("step", ["create", "part", "complete"])
async def test_a_request_of_an_upload_that_goes_wrong_is_sent_again(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, step: str, trouble: Trouble
) -> None:
    at = At(proxy, step, trouble, times=2 if step == "part" else 1)
    assert await objects.put_stream("k", stream(CHUNKS[:9])) == 9 * MIB
    assert await direct.get("k") == DATA[: 9 * MIB]
    assert at.served >= 1
    if step != "create":
        assert await direct.sweep(older_than=-HOUR) == 0


@pytest.mark.parametrize("trouble", REPEATED)
async def test_a_small_stream_is_one_request_that_is_sent_again(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, trouble: Trouble
) -> None:
    at = At(proxy, "put", trouble)
    assert await objects.put_stream("k", stream([b"small"])) == 5
    assert await direct.get("k") == b"small"
    assert at.served == (1 if trouble is Trouble.DUPLICATE else 2)


@pytest.mark.parametrize("trouble", [Trouble.CUT_AFTER, Trouble.ERROR_AFTER])
async def test_a_completion_whose_answer_is_lost_is_settled_by_looking(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, trouble: Trouble
) -> None:
    at = At(proxy, "complete", trouble, times=1000)
    await objects.put_stream("k", stream(CHUNKS))
    assert at.served == 1
    assert await direct.get("k") == DATA


async def test_an_older_object_does_not_pass_for_a_completion(
    ministack_server: S3Server, proxy: Proxy, prefix: str, direct: S3Objects
) -> None:
    await direct.put_stream("k", stream(CHUNKS))
    objects = ministack_server.at(proxy.url).objects(prefix, timeout=2.0)
    At(proxy, "complete", Trouble.CUT_BEFORE, times=1000)
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        await objects.put_stream("k", stream(CHUNKS))
    assert await direct.sweep(older_than=-HOUR) == 1, "what may still be completed is for sweep"


async def test_a_part_that_is_never_taken_ends_the_upload_and_leaves_nothing(
    objects: S3Objects, direct: S3Objects, proxy: Proxy
) -> None:
    proxy.error = (403, "AccessDenied")
    At(proxy, "part", Trouble.ERROR_BEFORE, times=1000)
    with pytest.raises(Unavailable, match="access is denied") as failed:
        await objects.put_stream("k", stream(CHUNKS))
    assert type(failed.value) is Unavailable
    assert await direct.get("k") is None
    assert await direct.sweep(older_than=-HOUR) == 0


async def test_an_upload_that_somebody_ended_is_certainly_not_stored(direct: S3Objects) -> None:
    async def source() -> AsyncIterator[bytes]:
        for chunk in CHUNKS[:-1]:
            yield chunk
        while not await direct.sweep(older_than=-HOUR):
            pass
        yield CHUNKS[-1]

    with pytest.raises(Unavailable, match="was ended meanwhile") as failed:
        await direct.put_stream("k", source())
    assert failed.value.code == "upload_gone"
    assert await direct.get("k") is None


@pytest.mark.parametrize("server", ["ministack_server", "seaweedfs_server"])
async def test_what_dead_uploads_left_is_swept_by_age_and_prefix(
    server: str, prefix: str, request: pytest.FixtureRequest
) -> None:
    there: S3Server = request.getfixturevalue(server)
    client, objects = there.client(), there.objects(f"{prefix}/mine")
    ids: dict[str, Any] = {}
    for key in ("mine/a", "mine/deep/b", "mine/empty", "other/c"):
        named = {"Bucket": there.bucket, "Key": f"{prefix}/{key}"}
        ids[key] = client.create_multipart_upload(**named)["UploadId"]
        if key != "mine/empty":
            client.upload_part(**named, UploadId=ids[key], PartNumber=1, Body=b"x")
    assert await objects.sweep(older_than=HOUR) == 0
    assert await objects.sweep(older_than=-HOUR) == 3
    assert await objects.sweep(older_than=-HOUR) == 0
    left = client.list_multipart_uploads(Bucket=there.bucket, Prefix=f"{prefix}/")
    assert [upload["UploadId"] for upload in left["Uploads"]] == [ids["other/c"]]
    client.close()


async def test_a_cancelled_upload_whose_removal_fails_is_swept(
    objects: S3Objects, direct: S3Objects, proxy: Proxy
) -> None:
    proxy.error = (403, "AccessDenied")
    At(proxy, "abort", Trouble.ERROR_BEFORE, times=1000)
    taken = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        for chunk in CHUNKS:
            yield chunk
        taken.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(objects.put_stream("k", source()))
    await taken.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await direct.list("") == []
    assert await direct.sweep(older_than=-HOUR) == 1


@pytest.mark.parametrize(("step", "chunks"), [("put", CHUNKS[:1]), ("complete", CHUNKS)])
async def test_a_cancellation_during_the_last_request_undoes_it(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, step: str, chunks: list[bytes]
) -> None:
    At(proxy, step, Trouble.HELD)
    upload = asyncio.create_task(objects.put_stream("k", stream(chunks)))
    await asyncio.to_thread(proxy.held.wait)
    upload.cancel()
    proxy.release()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert proxy.landed.is_set()
    assert await direct.get("k") is None
    assert await direct.sweep(older_than=-HOUR) == 0


async def test_a_scope_that_cancels_again_and_again_does_not_stop_the_removal(
    objects: S3Objects, direct: S3Objects
) -> None:
    with anyio.CancelScope() as scope:

        async def source() -> AsyncIterator[bytes]:
            for chunk in CHUNKS:
                yield chunk
            scope.cancel()
            await anyio.sleep_forever()

        await objects.put_stream("k", source())
    await objects.close()
    assert await direct.list("") == []
    assert await direct.sweep(older_than=-HOUR) == 0


@pytest.mark.parametrize("trouble", [Trouble.CUT_BEFORE, Trouble.CUT_ANSWER, Trouble.ERROR_AFTER])
async def test_a_read_that_is_cut_goes_on_where_it_was(
    objects: S3Objects, direct: S3Objects, proxy: Proxy, trouble: Trouble
) -> None:
    await direct.put_stream("k", stream(CHUNKS))
    proxy.schedule = {1: trouble, 2: trouble}
    assert await read(objects, "k") == DATA
    ranges = [request.headers["Range"] for request in proxy.requests]
    assert ranges == [f"bytes={at}-{at + PART - 1}" for at in (0, PART, PART, PART, 2 * PART)]


async def test_a_server_that_ignores_the_condition_does_not_mix_two_objects(
    objects: S3Objects, direct: S3Objects, proxy: Proxy
) -> None:
    def without_condition(number: int, request: Request) -> None:
        request.headers.pop("If-Match", None)

    proxy.decide = without_condition
    await direct.put_stream("k", stream(CHUNKS))
    for replacement in (CHUNKS[::-1], CHUNKS[:5]):
        reader = objects.get_stream("k")
        found = await anext(reader)
        await direct.put_stream("k", stream(replacement))
        for _ in range(PART // MIB - 1):
            found += await anext(reader)
        with pytest.raises(Conflict, match="while it was read") as failed:
            await anext(reader)
        assert failed.value.code == "changed_while_read"
        assert found in (DATA[:PART], b"".join(CHUNKS[:-9:-1]))


async def test_parts_are_equal_few_at_once_and_at_most_ten_thousand(
    ministack_server: S3Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ministack_server.client()
    objects = S3Objects(client, ministack_server.bucket, prefix, close_client=True)
    counts = count_requests(client)
    await objects.put_stream("k", stream([DATA[:PART], DATA[:PART]]))
    await objects.put_stream("one", stream([DATA[:PART]]))
    assert counts == {
        "CreateMultipartUpload": 1,
        "UploadPart": 2,
        "CompleteMultipartUpload": 1,
        "PutObject": 1,
    }
    monkeypatch.setattr(_s3_upload, "_MOST_PARTS", 2)
    with pytest.raises(LimitExceeded, match="larger than"):
        await objects.put_stream("large", stream(CHUNKS))
    assert sorted(await objects.list("")) == ["k", "one"]
    assert await objects.sweep(older_than=-HOUR) == 0
    await objects.close()


async def test_on_aws_every_part_and_the_whole_carry_checksums(
    ministack_server: S3Server, prefix: str
) -> None:
    """A client for AWS whose requests end up at the fake."""
    aws = "http://s3.us-east-1.amazonaws.com"
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    client = ministack_server.client(endpoint_url=aws, config=config)
    sent: dict[str, Any] = {}

    def divert(request: Any, event_name: str, **_: Any) -> None:
        sent[event_name.rpartition(".")[2]] = request
        request.url = request.url.replace(aws, ministack_server.endpoint)

    client.meta.events.register("before-send.s3", divert)
    objects = S3Objects(client, ministack_server.bucket, prefix, close_client=True)
    await objects.put_stream("k", stream(CHUNKS))
    assert await read(objects, "k") == DATA
    assert sent["CreateMultipartUpload"].headers["x-amz-checksum-algorithm"] == b"CRC32"
    assert "x-amz-checksum-crc32" in sent["UploadPart"].headers
    assert sent["CompleteMultipartUpload"].body.count(b"<ChecksumCRC32>") == 3
    await objects.close()
