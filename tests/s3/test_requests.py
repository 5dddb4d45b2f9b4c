"""What a call costs in S3, counted at the client: two rounds when cold, one request when warm."""

from __future__ import annotations

import asyncio
import http.client
import threading
import uuid
from collections import Counter
from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.place import KEY
from tests.s3.bucket import SELDOM, Bucket
from tests.servers.s3 import S3Server, count_requests

from safepoint import Checkpoint, Store
from safepoint.format.keys import chain_of
from safepoint.objects.memory import MemoryObjects

pytestmark = pytest.mark.anyio

LENGTHS = (10, 1_000, 5_000)
SECONDS = 60.0


class Rounds:
    """Holds every request of a client, on the threads that send them, until its round is let go."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._came = threading.Condition()
        self._waiting: list[str] = []
        self._let_go = 0

    def __enter__(self) -> Rounds:
        self._client.meta.events.register("before-send.s3", self._hold)
        return self

    def __exit__(self, *failure: object) -> None:
        self._client.meta.events.unregister("before-send.s3", self._hold)
        with self._came:
            self._let_go += 1
            self._came.notify_all()

    def of(self, count: int) -> Counter[str]:
        """Wait until `count` requests are under way at once, and let them go: their operations."""
        with self._came:
            assert self._came.wait_for(lambda: len(self._waiting) >= count, SECONDS), self._waiting
            together, self._waiting = Counter(self._waiting), []
            self._let_go += 1
            self._came.notify_all()
            return together

    def _hold(self, request: Any, event_name: str, **_: Any) -> None:
        with self._came:
            turn = self._let_go
            self._waiting.append(event_name.rpartition(".")[2])
            self._came.notify_all()
            self._came.wait_for(lambda: self._let_go > turn, SECONDS)


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The objects of a store whose workspace `work` has as many versions as any test wants."""
    key_file = tmp_path_factory.mktemp("long") / "key"
    key_file.write_text(KEY.text())
    objects = MemoryObjects()

    async def write() -> dict[str, bytes]:
        async with Store.open(objects, key_file=key_file, pace=SELDOM, pages="off") as store:
            work = store.workspace("work")
            for version in range(1, max(LENGTHS) + 1):
                await work.save({"version": version})
            keys = await objects.list("safepoint/") + await objects.list("workspaces/", limit=9_999)
            return {key: await objects.get(key) or b"" for key in keys}

    return asyncio.run(write())


@pytest.fixture(scope="module", params=LENGTHS, ids=lambda length: f"{length}_versions")
def filled(
    request: pytest.FixtureRequest,
    ministack_server: S3Server,
    long_log: dict[str, bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Bucket:
    """The workspace with that many versions in a bucket."""
    key_file = tmp_path_factory.mktemp("filled") / "key"
    key_file.write_text(KEY.text())
    bucket = Bucket(ministack_server, uuid.uuid4().hex, key_file)
    wanted = [key for key in long_log if "/log/" not in key or int(key[-8:]) <= request.param]
    connection = http.client.HTTPConnection(urlsplit(ministack_server.endpoint).netloc, timeout=60)
    for key in wanted:
        path = f"/{ministack_server.bucket}/{bucket.prefix}/{key}"
        connection.request("PUT", path, long_log[key])  # the fake wants no signature
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()
    return bucket


@pytest.fixture
async def short(real: Bucket) -> Bucket:
    """Ten versions on the real server."""
    async with real.open(pages="off") as store:
        for version in range(1, 11):
            await store.workspace("work").save({"version": version})
    return real


async def the_newest(bucket: Bucket) -> Checkpoint:
    """As another process finds it."""
    async with bucket.open() as store:
        return await store.workspace("work").load()


async def load_in_two_rounds(bucket: Bucket) -> None:
    expected = await the_newest(bucket)
    wanted = 1 + len(chain_of(expected.version))
    client = bucket.client()
    async with bucket.open(client) as store:
        counted = count_requests(client)
        with Rounds(client) as rounds:
            loading = asyncio.create_task(store.workspace("work").load())
            assert await asyncio.to_thread(rounds.of, 2) == {"ListObjectsV2": 2}
            assert await asyncio.to_thread(rounds.of, wanted) == {"GetObject": wanted}
            assert (await loading).state_json == expected.state_json
        assert counted == {"ListObjectsV2": 2, "GetObject": wanted}


async def change_by_one_put_and_load_by_one_get(bucket: Bucket) -> None:
    client = bucket.client()
    async with bucket.open(client) as store:
        work = store.workspace("work")
        version = (await work.load()).version
        step = f"after {version}"
        counted = count_requests(client)

        async def cost(call: Awaitable[Any]) -> tuple[Any, dict[str, int]]:
            counted.clear()
            return await call, dict(counted)

        for extra in range(1, 4):
            saved, requests = await cost(work.save({"extra": extra}))
            assert (saved.version, requests) == (version + extra, {"PutObject": 1})
            loaded, requests = await cost(work.load())
            assert (loaded.state, requests) == ({"extra": extra}, {"GetObject": 1})
        started, requests = await cost(work.start_step(step))
        assert (started.decision, requests) == ("run", {"PutObject": 1})
        marked = work.mark_step_done(step, fencing_token=started.fencing_token, patch={"extra": 4})
        assert (await cost(marked))[1] == {"PutObject": 1}
    assert (await the_newest(bucket)).state == {"extra": 4}


async def test_a_cold_load_takes_two_rounds_of_requests_at_once(filled: Bucket) -> None:
    await load_in_two_rounds(filled)


async def test_a_warm_change_is_one_put_and_a_warm_load_one_get(filled: Bucket) -> None:
    await change_by_one_put_and_load_by_one_get(filled)


async def test_it_costs_the_same_on_a_real_server(short: Bucket) -> None:
    await load_in_two_rounds(short)
    await change_by_one_put_and_load_by_one_get(short)
