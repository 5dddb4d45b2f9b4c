"""Reads, lists and deletes over a bad network: repeated in time, and never a wrong "not there"."""

from __future__ import annotations

import pytest
from tests.servers.proxy import Proxy, Trouble
from tests.servers.s3 import S3Server, count_requests

from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.objects.s3 import S3Objects

pytestmark = pytest.mark.anyio

DATA = b"data" * 1000


@pytest.fixture
def objects(ministack_server: S3Server, proxy: Proxy, prefix: str) -> S3Objects:
    return ministack_server.at(proxy.url).objects(prefix)


@pytest.fixture
async def kept(ministack_server: S3Server, prefix: str) -> S3Objects:
    """The same place without the proxy, holding `k`."""
    objects = ministack_server.objects(prefix)
    await objects.put("k", DATA)
    return objects


TROUBLES = [Trouble.CUT_BEFORE, Trouble.CUT_AFTER, Trouble.CUT_ANSWER, Trouble.ERROR_AFTER]


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("error", [(500, "InternalError"), (503, "SlowDown"), (502, "")])
async def test_reads_are_repeated_until_they_are_answered(
    kept: S3Objects,
    objects: S3Objects,
    proxy: Proxy,
    trouble: Trouble,
    error: tuple[int, str],
) -> None:
    proxy.error, proxy.schedule = error, {0: trouble, 1: trouble, 3: trouble}
    assert await objects.get("k") == DATA
    assert await objects.list("", limit=10) == ["k"]
    assert len(proxy.seen) == 5


async def test_a_read_that_is_never_answered_is_unavailable(
    kept: S3Objects, ministack_server: S3Server, proxy: Proxy, prefix: str
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix, timeout=0.3)
    proxy.decide = lambda *_: Trouble.CUT_AFTER
    for read in (objects.get("k"), objects.list("")):
        with pytest.raises(Unavailable, match=r"connection was lost|no answer in time") as failed:
            await read
        assert type(failed.value) is Unavailable


async def test_a_404_that_is_not_from_s3_is_not_an_answer(objects: S3Objects, proxy: Proxy) -> None:
    proxy.error, proxy.schedule = (404, ""), {0: Trouble.ERROR_BEFORE}
    with pytest.raises(Unavailable, match="what answered is not S3"):
        await objects.get("k")
    assert await objects.get("k") is None


async def test_a_page_of_a_gateway_is_neither_an_object_nor_an_empty_list_nor_a_receipt(
    kept: S3Objects, ministack_server: S3Server, prefix: str, proxy: Proxy
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix, timeout=1.5)
    proxy.error, proxy.decide = (200, ""), lambda *_: Trouble.ERROR_BEFORE
    for call in (objects.get("k"), objects.list(""), objects.put("new", DATA, if_absent=True)):
        with pytest.raises(Unavailable, match="what answered is not S3"):
            await call
    assert await kept.list("") == ["k"]


@pytest.mark.parametrize("trouble", [Trouble.CUT_BEFORE, Trouble.CUT_AFTER, Trouble.ERROR_AFTER])
async def test_a_delete_is_repeated_until_it_is_answered(
    kept: S3Objects, objects: S3Objects, proxy: Proxy, trouble: Trouble
) -> None:
    proxy.schedule = {0: trouble}
    await objects.delete("k")
    assert await kept.get("k") is None
    assert len(proxy.seen) == 2


async def test_a_delete_that_is_never_answered_is_unknown(
    kept: S3Objects, ministack_server: S3Server, proxy: Proxy, prefix: str
) -> None:
    objects = ministack_server.at(proxy.url).objects(prefix, timeout=1.5)
    proxy.decide = lambda *_: Trouble.CUT_AFTER
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        await objects.delete("k")
    assert await kept.get("k") is None


async def test_each_operation_is_one_request(ministack_server: S3Server, prefix: str) -> None:
    client = ministack_server.client()
    objects = S3Objects(client, ministack_server.bucket, prefix, close_client=True)
    counts = count_requests(client)
    for n in range(40):
        await objects.put(f"log/{n:02d}-{n:02d}", DATA, if_absent=True)
    assert await objects.put("log/00-00", DATA, if_absent=True) is False
    assert counts == {"PutObject": 41}
    counts.clear()
    assert await objects.get("log/00-00") == DATA
    assert await objects.get("log/none") is None
    assert counts == {"GetObject": 2}
    counts.clear()
    assert len(await objects.list("log/", limit=1)) == 1
    assert len(await objects.list("log/")) == 40
    assert await objects.list("", folders=True) == ["log"]
    assert counts == {"ListObjectsV2": 3}
    counts.clear()
    await objects.delete("log/00-00")
    assert counts == {"DeleteObject": 1}
    await objects.close()


async def test_closing_leaves_a_client_to_whoever_made_it(
    ministack_server: S3Server, prefix: str
) -> None:
    client = ministack_server.client()
    one = S3Objects(client, ministack_server.bucket, prefix)
    await one.put("k", DATA)
    await one.close()
    other = S3Objects(client, ministack_server.bucket, prefix, close_client=True)
    assert await other.get("k") == DATA
    await other.close()
