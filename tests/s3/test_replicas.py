"""Server processes over one bucket die at random, and so does the bucket's own server."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from tests.conftest import CAMPAIGN
from tests.s3.bucket import Bucket
from tests.s3.replica import Gone, Refused, Replica
from tests.servers.proxy import Proxy, Request, Trouble
from tests.servers.seaweedfs import SeaweedFS

from safepoint import Patience, Store, Unavailable, Workspace

CLIENTS = 2
SAVES = 20
KILLS = 3 * CAMPAIGN
SECONDS = 120.0


class Client:
    """Saves one thing after the other, each until it is told that it is saved."""

    def __init__(self, name: str, bucket: Bucket, seed: int) -> None:
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.deaths = 0
        self._name = name
        self._bucket = bucket
        self._chance = Random(f"{name} {seed}")
        self._usual = 0.05
        self._replicas = [Replica(bucket), Replica(bucket)]

    def save_all(self, saves: int, kills: int) -> None:
        """The replicas take turns; `kills` of them are killed about when they save."""
        doomed = set(self._chance.sample(range(2, saves), kills))
        for number in range(saves):
            request = f"{self._name} {number}"
            reply = self._save(request, doomed=number in doomed)
            while reply is None:
                reply = self._save(request, doomed=False)
            self.acknowledged[request] = reply

    def close(self) -> None:
        for replica in self._replicas:
            replica.close()

    def _save(self, request: str, *, doomed: bool) -> dict[str, Any] | None:
        """The next replica's answer; None if it dies, and then a new one starts in its place."""
        replica = self._replicas.pop(0)
        replica.greet()
        killer = (
            replica.kill_after(self._chance.uniform(0.0, 1.5 * self._usual)) if doomed else None
        )
        began = time.monotonic()
        try:
            reply = save(replica, request)
        except Gone:
            reply = None
        else:
            self._usual = time.monotonic() - began
        if killer is not None:
            killer.join()
            replica.close()
            replica = Replica(self._bucket)
            self.deaths += 1
        self._replicas.append(replica)
        return reply


def save(replica: Replica, request: str) -> dict[str, Any]:
    return replica.call(
        "save_checkpoint",
        workspace="work",
        state={"items": {request: "x" * 200}},
        merge=True,
        label=request,
        request_id=request,
    )


async def check(bucket: Bucket, acknowledged: dict[str, dict[str, Any]]) -> None:
    """Each request is a version of its own, as it was acknowledged, and there is no other."""
    async with bucket.open(create=False) as store:
        work = store.workspace("work")
        labels = {c.version: c.label for c in (await work.checkpoints(limit=1000)).items}
        assert labels == {reply["version"]: name for name, reply in acknowledged.items()}
        assert sorted(labels) == list(range(1, len(acknowledged) + 1))
        assert set((await work.load()).state["items"]) == set(acknowledged)
        for reply in acknowledged.values():
            assert (await work.load(version=reply["version"])).sha256 == reply["sha256"]


def made(bucket: Bucket) -> Bucket:
    """With a store in it, so that nobody races for that."""

    async def make() -> None:
        async with bucket.open():
            pass

    asyncio.run(make())
    return bucket


def test_saves_retried_on_other_replicas_happen_once_each_however_many_die(real: Bucket) -> None:
    made(real)
    seed = int(os.environ.get("PYTEST_SEED", "7"))
    clients = [Client(f"client{n}", real, seed) for n in range(CLIENTS)]
    saves = max(SAVES, 3 * KILLS)
    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            for done in [threads.submit(client.save_all, saves, KILLS) for client in clients]:
                done.result()
    finally:
        for client in clients:
            client.close()
    assert [client.deaths for client in clients] == [KILLS] * CLIENTS
    acknowledged = {name: r for client in clients for name, r in client.acknowledged.items()}
    assert len(acknowledged) == CLIENTS * saves
    asyncio.run(check(real, acknowledged))


@pytest.fixture
def two(fake: Bucket, proxy: Proxy) -> Iterator[tuple[Replica, Replica]]:
    """Replicas over one bucket that have saved; the first goes through the proxy."""
    made(fake)
    through = replace(fake, server=fake.server.at(proxy.url))
    with closing(Replica(through)) as one, closing(Replica(fake)) as other:
        for number, replica in enumerate((one, other)):
            replica.greet()
            save(replica, f"save {number}")
        yield one, other


def in_the_log(request: Request) -> bool:
    return request.method == "PUT" and "/log/" in request.path


def test_a_save_that_was_stored_before_its_replica_died_is_not_made_again(
    fake: Bucket, proxy: Proxy, two: tuple[Replica, Replica]
) -> None:
    one, other = two
    stored = threading.Event()

    def die_without_an_answer(number: int, request: Request) -> Trouble | None:
        if stored.is_set():
            one.kill()
            return Trouble.CUT_BEFORE
        if in_the_log(request):
            stored.set()
            return Trouble.CUT_AFTER
        return None

    save(one, "save 2")  # now it knows of the other's save, and its next put is not in vain
    proxy.decide = die_without_an_answer
    with pytest.raises(Gone):
        save(one, "save 3")
    again = save(other, "save 3")
    assert (again["version"], again["repeated"]) == (4, True)
    asyncio.run(check_labels(fake, [f"save {number}" for number in range(4)]))


def test_a_save_that_arrives_after_its_repetition_elsewhere_changes_nothing(
    fake: Bucket, proxy: Proxy, two: tuple[Replica, Replica]
) -> None:
    one, other = two
    save(one, "save 2")
    proxy.decide = lambda number, request: Trouble.HELD if in_the_log(request) else None
    with ThreadPoolExecutor(1) as threads:
        lost = threads.submit(save, one, "save 3")
        assert proxy.held.wait(SECONDS)
        one.kill()
        assert isinstance(lost.exception(SECONDS), Gone)
    again = save(other, "save 3")
    assert (again["version"], again.get("repeated", False)) == (4, False)
    proxy.release()
    assert proxy.landed.wait(SECONDS)
    asyncio.run(check_labels(fake, [f"save {number}" for number in range(4)]))


async def check_labels(bucket: Bucket, labels: list[str]) -> None:
    """The checkpoints there are, oldest first."""
    async with bucket.open(create=False) as store:
        found = await store.workspace("work").checkpoints(limit=1000)
        assert [checkpoint.label for checkpoint in reversed(found.items)] == labels


def test_a_killed_and_restarted_server_has_what_was_acknowledged_and_was_never_empty(
    real: Bucket, seaweedfs_process: SeaweedFS, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(real)
    for name, value in real.server.environ().items():
        monkeypatch.setenv(name, value)
    with closing(Replica(real)) as replica:
        replica.greet()
        asyncio.run(_outlive(real, seaweedfs_process, replica))


async def _outlive(bucket: Bucket, server: SeaweedFS, replica: Replica) -> None:
    acknowledged: dict[str, dict[str, Any]] = {}
    enough = asyncio.Event()

    async def save_until_it_fails(work: Workspace) -> None:
        while True:
            name = f"save {len(acknowledged)}"
            saved = await work.save(patch={"items": {name: 1}}, label=name, request_id=name)
            acknowledged[name] = {"version": saved.version, "sha256": saved.sha256}
            if len(acknowledged) == SAVES:
                enough.set()

    async with bucket.open(patience=Patience(5.0, 1.0)) as store:
        work = store.workspace("work")
        saving = asyncio.create_task(save_until_it_fails(work))
        await enough.wait()
        server.kill()
        try:
            with pytest.raises(Unavailable):
                await saving
            with pytest.raises(Unavailable):
                await work.load()
            with pytest.raises(Refused) as refused:
                await asyncio.to_thread(replica.call, "load_checkpoint", workspace="work")
            assert refused.value.code == "unreachable"
            with pytest.raises(Unavailable):
                await open_by_address(bucket)
        finally:
            await asyncio.to_thread(server.start)
        name = f"save {len(acknowledged)}"
        saved = await work.save(patch={"items": {name: 1}}, label=name, request_id=name)
        acknowledged[name] = {"version": saved.version, "sha256": saved.sha256}
    last = f"save {len(acknowledged)}"
    acknowledged[last] = await asyncio.to_thread(save, replica, last)
    await check(bucket, acknowledged)


async def open_by_address(bucket: Bucket) -> None:
    async with Store.open(bucket.url, key_file=bucket.key_file, create=True):
        pass
