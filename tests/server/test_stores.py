"""Stores of tenants: opened once, shared, closed when nobody uses them, and never too many."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from safepoint import InvalidInput, NotFound, Store, Unavailable
from safepoint.address import check_tenant, tenant_address
from safepoint_server.auth.stores import Stores

pytestmark = pytest.mark.anyio


class Opener:
    """Opens stores of tenants on disk, and writes down what happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[str] = []
        self.unclosable = ""
        self.gate = asyncio.Event()
        self.gate.set()

    @asynccontextmanager
    async def open(self, tenant: str) -> AsyncIterator[Store]:
        self.events.append(f"open {tenant}")
        await self.gate.wait()
        if tenant == "missing":
            raise NotFound("there is no such store")
        url = tenant_address(str(self.folder), tenant)
        async with Store.open(url, key_file=self.folder / "key", pages="off") as store:
            yield store
        if tenant == self.unclosable:
            raise Unavailable("the connections do not close")
        self.events.append(f"close {tenant}")


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path)


@asynccontextmanager
async def stores_of(
    opener: Opener, *, most: int = 2, idle_seconds: float = 1000.0
) -> AsyncIterator[Stores]:
    async with Store.open("memory://") as root:
        stores = Stores(root, opener.open, most=most, idle_seconds=idle_seconds)
        try:
            yield stores
        finally:
            await stores.close()


async def test_many_calls_for_a_tenant_open_its_store_once(opener: Opener) -> None:
    opener.gate.clear()
    async with stores_of(opener) as stores:

        async def use() -> str:
            async with stores.hold("acme") as store:
                return store.id

        calls = [asyncio.create_task(use()) for _ in range(20)]
        await asyncio.wait(calls, timeout=0)
        calls[0].cancel()
        opener.gate.set()
        ids = set(await asyncio.gather(*calls[1:]))
        assert len(ids) == 1
        assert opener.events == ["open acme"]
        async with stores.hold(None) as root:
            assert root.id not in ids
    assert opener.events == ["open acme", "close acme"]


async def test_one_that_nobody_uses_is_closed_with_what_it_has_to_write(opener: Opener) -> None:
    async with stores_of(opener, idle_seconds=0) as stores:
        async with stores.hold("acme") as store:
            await store.workspace("w").save({"n": 1})
        while "close acme" not in opener.events:
            await asyncio.sleep(0)
        assert stores.open_tenants == ()
        assert (opener.folder / "tenants/acme/workspaces/w/summary").exists()
        async with stores.hold("acme") as again:
            assert (await again.workspace("w").load()).state == {"n": 1}


async def test_the_longest_unused_makes_room_and_none_in_use_does(opener: Opener) -> None:
    async with stores_of(opener, most=2) as stores:
        async with stores.hold("a"):
            async with stores.hold("b"):
                with pytest.raises(Unavailable, match="are in use"):
                    async with stores.hold("c"):
                        pass
            async with stores.hold("c"):
                assert stores.open_tenants == ("a", "c")
        async with stores.hold("b"):
            assert stores.open_tenants == ("c", "b")
    assert [event for event in opener.events if event.startswith("open")] == [
        *("open a", "open b", "open c", "open b"),
    ]
    assert sorted(opener.events)[:4] == ["close a", "close b", "close b", "close c"]


async def test_one_that_does_not_open_is_tried_again_by_the_next(opener: Opener) -> None:
    async with stores_of(opener) as stores:
        for _ in range(2):
            with pytest.raises(NotFound):
                async with stores.hold("missing"):
                    pass
        assert stores.open_tenants == ()
    assert opener.events == ["open missing", "open missing"]


async def test_what_failed_when_nobody_waited_any_more_is_tried_again(opener: Opener) -> None:
    opener.gate.clear()
    async with stores_of(opener) as stores:

        async def use() -> None:
            async with stores.hold("acme"):
                pass

        leaving = asyncio.create_task(use())
        await asyncio.wait([leaving], timeout=0)
        leaving.cancel()
        await asyncio.wait([leaving])
        (opener.folder / "tenants").write_text("no folder")
        opener.gate.set()
        failing = stores._tenants["acme"]
        await asyncio.wait([failing.opening])
        (opener.folder / "tenants").unlink()
        async with stores.hold("acme"):
            assert failing.timer is not None
            assert failing.timer.cancelled()  # it would close the new one
    assert opener.events == ["open acme", "open acme", "close acme"]


async def test_a_call_that_outlives_the_server_leaves_nothing_to_be_closed(opener: Opener) -> None:
    failures: list[object] = []
    loop, later = asyncio.get_running_loop(), asyncio.Event()
    loop.set_exception_handler(lambda _, told: failures.append(told))
    async with stores_of(opener, idle_seconds=0) as stores, stores.hold("acme"):
        await stores.close()
    loop.call_later(0, later.set)
    await later.wait()
    assert not failures
    assert opener.events == ["open acme", "close acme"]


async def test_one_that_cannot_be_closed_keeps_no_other_open(
    opener: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    opener.unclosable = "acme"
    async with stores_of(opener) as stores:
        for tenant in ("acme", "zeta"):
            async with stores.hold(tenant):
                pass
    gc.collect()
    assert opener.events[-1] == "close zeta"
    assert [record.getMessage() for record in caplog.records] == [
        "the store of tenant acme does not close: unavailable"
    ]


def test_an_address_of_a_tenant_lies_in_that_of_the_store() -> None:
    for url, found in {
        "/data/store": "/data/store/tenants/acme",
        "/data/store/": "/data/store/tenants/acme",
        "file:///data/store": "file:///data/store/tenants/acme",
        "s3://bucket": "s3://bucket/tenants/acme",
        "s3://bucket/agents?region=eu": "s3://bucket/agents/tenants/acme?region=eu",
    }.items():
        assert tenant_address(url, "acme") == found
    with pytest.raises(InvalidInput, match="no tenants"):
        tenant_address("memory://", "acme")


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "a.b", "a/b", "..", "-a", "a-", "a" * 64, "ä", "con", "com1", "a\n"]
)
def test_a_tenant_has_a_name_that_is_a_safe_part_of_a_path(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name of a tenant"):
        check_tenant(name)
    check_tenant("a")
    check_tenant("0123-abc")
