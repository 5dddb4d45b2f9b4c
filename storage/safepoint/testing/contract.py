"""The promises of ObjectStore as tests. A store passes them all or cannot be used.

class TestMyStore(ObjectStoreContract):
    @pytest.fixture
    def place(self) -> Iterator[Callable[[], ObjectStore]]:
        bucket = make_an_empty_bucket()
        yield lambda: MyStore(bucket)
        bucket.destroy()
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safepoint.errors import InvalidInput
from safepoint.objects.base import ObjectStore

__all__ = ["ObjectStoreContract"]

MIB = 1024 * 1024

_NAMES = st.text("abcz019-._~%", min_size=1, max_size=12).filter(lambda s: s.strip(".") == s)
_KEYS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_example = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

ODD_KEYS = (
    "a",
    "x" * 200,
    "/".join(["y" * 200] * 3),
    "percent%2fescape/%c3%a4%7c",
    "~tilde/-dash/_under.score",
    ".hidden/..dots.inside..x",
    "99999998-00000001",
)

REFUSED_KEYS = (
    "",
    "/",
    "/absolute",
    "a//b",
    "a/",
    "../up",
    "a/../b",
    "a/./b",
    "..",
    "back\\slash",
    "nul\0",
    "new\nline",
    "ä",
    "z" * 201,
)


class ObjectStoreContract:
    """Subclass it, name the class `Test…`, and give it the fixture `place`.

    `place` is a function that makes a store over one and the same place, which is empty when the
    test begins. It is called once by most tests and more often by those about two processes.
    A slow server may lower the three numbers.
    """

    race_rounds = 25
    racers = 8
    large_bytes = 20 * MIB

    @pytest.fixture
    def place(self) -> Callable[[], ObjectStore]:
        raise NotImplementedError("a subclass of ObjectStoreContract needs the fixture `place`")

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def objects(
        self, anyio_backend: str, place: Callable[[], ObjectStore]
    ) -> AsyncIterator[ObjectStore]:
        store = place()
        yield store
        await store.close()

    @pytest.fixture
    async def others(
        self, anyio_backend: str, place: Callable[[], ObjectStore]
    ) -> AsyncIterator[ObjectStore]:
        """A second store over the same place, as another process has it."""
        store = place()
        yield store
        await store.close()

    pytestmark = pytest.mark.anyio

    async def test_what_was_put_is_read_back_byte_for_byte(self, objects: ObjectStore) -> None:
        every_byte = bytes(range(256)) + b"\r\n\x1a\0"
        assert await objects.put("a/b", every_byte) is True
        assert await objects.get("a/b") == every_byte

    @given(data=st.binary(max_size=4096))
    @_example
    async def test_any_bytes_are_kept(self, objects: ObjectStore, data: bytes) -> None:
        key = f"any/{uuid.uuid4()}"
        assert await objects.put(key, data, if_absent=True)
        assert await objects.get(key) == data

    async def test_an_empty_object_is_there_and_empty(self, objects: ObjectStore) -> None:
        assert await objects.put("empty", b"", if_absent=True)
        assert await objects.get("empty") == b""
        assert await objects.put("empty", b"full", if_absent=False)
        assert await objects.put("empty", b"")
        assert await objects.get("empty") == b""
        assert await objects.put("empty", b"x", if_absent=True) is False

    async def test_a_large_object_is_whole(self, objects: ObjectStore) -> None:
        large = bytes(range(251)) * (self.large_bytes // 251)
        assert await objects.put("large/new", large, if_absent=True)
        assert await objects.put("large/replaced", b"small")
        assert await objects.put("large/replaced", large)
        assert await objects.get("large/new") == large
        assert await objects.get("large/replaced") == large

    async def test_a_missing_object_is_none(self, objects: ObjectStore) -> None:
        assert await objects.get("nothing") is None
        assert await objects.get("no/folder/either") is None
        await objects.put("folder/object", b"1")
        assert await objects.get("folder") is None
        assert await objects.get("folder/object/below") is None
        assert await objects.get("folder/objec") is None

    async def test_a_put_replaces_the_whole_object(self, objects: ObjectStore) -> None:
        assert await objects.put("k", b"a longer first value")
        assert await objects.put("k", b"short") is True
        assert await objects.get("k") == b"short"

    async def test_if_absent_refuses_a_taken_key_and_leaves_its_bytes(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        assert await objects.put("k", b"first", if_absent=True) is True
        assert await objects.put("k", b"second", if_absent=True) is False
        assert await others.put("k", b"third and longer", if_absent=True) is False
        assert await objects.put("k", b"first", if_absent=True) is False
        assert await objects.get("k") == b"first"
        assert await others.get("k") == b"first"

    async def test_of_racing_puts_exactly_one_wins_and_its_bytes_stay(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        stores = list(itertools.islice(itertools.cycle((objects, others)), self.racers))
        for n in range(self.race_rounds):
            bodies = [f"round {n} racer {i}".encode() * (i + 1) for i in range(self.racers)]
            won = await asyncio.gather(
                *(
                    store.put(f"race/{n}", body, if_absent=True)
                    for store, body in zip(stores, bodies, strict=True)
                )
            )
            assert won.count(True) == 1
            assert won.count(False) == self.racers - 1
            assert await objects.get(f"race/{n}") == bodies[won.index(True)]
            assert await others.get(f"race/{n}") == bodies[won.index(True)]

    async def test_a_reader_sees_one_whole_value_while_it_is_replaced(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        values = [bytes([n]) * (64 * 1024 + n) for n in range(10)]
        await objects.put("k", values[0])

        async def read() -> list[bytes | None]:
            return [await others.get("k") for _ in range(20)]

        async def write() -> None:
            for value in values:
                await objects.put("k", value)

        seen, _ = await asyncio.gather(read(), write())
        assert set(seen) <= set(values)
        assert await others.get("k") == values[-1]

    async def test_a_new_object_is_seen_whole_or_not_at_all(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        value = b"w" * (256 * 1024)
        for n in range(10):
            early, _, late = await asyncio.gather(
                others.get(f"new/{n}"),
                objects.put(f"new/{n}", value, if_absent=True),
                others.get(f"new/{n}"),
            )
            assert {early, late} <= {None, value}
            assert await others.get(f"new/{n}") == value

    async def test_after_may_name_any_object_that_is_there(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        assert await objects.put("log/1", b"1", if_absent=True)
        assert await others.put("log/2", b"2", if_absent=True, after="log/1")
        assert await objects.put("log/3", b"3", if_absent=True, after="log/2")
        assert await objects.put("log/3", b"x", if_absent=True, after="log/2") is False
        assert await others.put("summary", b"s", after="log/3")
        assert await others.get("log/3") == b"3"

    async def test_a_deleted_object_is_gone_and_its_key_free(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        await objects.put("d/1", b"1")
        await objects.put("d/2", b"2")
        await objects.delete("d/1")
        assert await others.get("d/1") is None
        assert await others.list("d/") == ["d/2"]
        assert await others.put("d/1", b"again", if_absent=True) is True
        assert await objects.get("d/1") == b"again"

    async def test_deleting_what_is_not_there_is_no_error(self, objects: ObjectStore) -> None:
        await objects.delete("nothing")
        await objects.delete("no/folder/either")
        await objects.put("k", b"1")
        await objects.delete("k")
        await objects.delete("k")
        assert await objects.get("k") is None

    async def test_a_list_is_in_ascending_byte_order_at_any_depth(
        self, objects: ObjectStore
    ) -> None:
        below = ["p/" + key for key in ("a-b", "a/z", "a.c", "a0", "b/c/d", "b/c-d", "~", "%41")]
        await _put_all(objects, [*below, "q/other", "p0", "p-", "p.x/y"])
        assert await objects.list("p/") == sorted(below)
        assert await objects.list("p/b/") == ["p/b/c-d", "p/b/c/d"]
        assert await objects.list("p/none/") == []
        assert await objects.list("none/") == []

    async def test_a_list_is_paged_by_after_and_limit(self, objects: ObjectStore) -> None:
        keys = [*(f"p/{n:03d}" for n in range(30)), "p/sub/1", "p/sub/2"]
        await _put_all(objects, keys)
        for size in (1, 7, 32, 1000):
            assert await _paged(objects, "p/", size) == keys
        assert await objects.list("p/", limit=1) == ["p/000"]
        assert await objects.list("p/", after="p/0115", limit=2) == ["p/012", "p/013"]
        assert await objects.list("p/", after="a") == keys
        assert await objects.list("p/", after="p/sub/1") == ["p/sub/2"]
        assert await objects.list("p/", after="p/sub/2") == []
        assert await objects.list("p/", after="q") == []

    @given(names=st.sets(_KEYS, max_size=12), size=st.integers(1, 13))
    @_example
    async def test_pages_of_any_size_make_the_whole_list(
        self, objects: ObjectStore, names: set[str], size: int
    ) -> None:
        prefix = f"{uuid.uuid4()}/"
        files = {name for name in names if not any(o.startswith(name + "/") for o in names)}
        await _put_all(objects, [prefix + name for name in files])
        assert await _paged(objects, prefix, size) == sorted(prefix + name for name in files)

    async def test_folders_are_those_directly_below(self, objects: ObjectStore) -> None:
        keys = ["w/b/log/1", "w/b/log/2", "w/b-c/x", "w/a/deep/er/k", "w/file", "v/x", "w0/y"]
        await _put_all(objects, keys)
        assert await objects.list("w/", folders=True) == ["a", "b", "b-c"]
        assert await objects.list("w/", folders=True, limit=2) == ["a", "b"]
        assert await objects.list("w/", folders=True, after="a", limit=1) == ["b"]
        assert await objects.list("w/", folders=True, after="b") == ["b-c"]
        assert await objects.list("w/", folders=True, after="b-c") == []
        assert await objects.list("w/b/", folders=True) == ["log"]
        assert await objects.list("w/b/log/", folders=True) == []
        assert await objects.list("none/", folders=True) == []

    async def test_a_folder_without_objects_is_no_folder(self, objects: ObjectStore) -> None:
        await _put_all(objects, ["w/gone/keys/1", "w/kept/keys/1"])
        await objects.delete("w/gone/keys/1")
        assert await objects.list("w/", folders=True) == ["kept"]
        assert await objects.list("w/") == ["w/kept/keys/1"]

    async def test_a_new_object_is_listed_at_once(
        self, objects: ObjectStore, others: ObjectStore
    ) -> None:
        for n in range(10):
            key = f"log/{99 - n}"
            await objects.put(key, b"x", if_absent=True)
            assert await others.list("log/", limit=1) == [key]

    async def test_an_empty_place_lists_nothing(self, objects: ObjectStore) -> None:
        assert await objects.list("workspaces/") == []
        assert await objects.list("workspaces/", folders=True) == []

    async def test_odd_but_legal_keys_are_kept_apart(self, objects: ObjectStore) -> None:
        for n, key in enumerate(ODD_KEYS):
            assert await objects.put(f"odd/{key}", b"%d" % n, if_absent=True)
        for n, key in enumerate(ODD_KEYS):
            assert await objects.get(f"odd/{key}") == b"%d" % n
        assert await objects.list("odd/") == sorted(f"odd/{key}" for key in ODD_KEYS)

    @pytest.mark.parametrize("key", REFUSED_KEYS)
    async def test_a_key_that_could_leave_the_store_is_refused(
        self, objects: ObjectStore, key: str
    ) -> None:
        with pytest.raises(InvalidInput):
            await objects.put(key, b"x", if_absent=True)
        with pytest.raises(InvalidInput):
            await objects.put(key, b"x")
        with pytest.raises(InvalidInput):
            await objects.get(key)
        with pytest.raises(InvalidInput):
            await objects.delete(key)

    async def test_many_operations_at_once_do_not_disturb_each_other(
        self, objects: ObjectStore
    ) -> None:
        async def one(n: int) -> None:
            key, body = f"many/{n % 7}/{n:03d}", b"%d" % n * (n * 37)
            assert await objects.put(key, body, if_absent=True)
            assert await objects.get(key) == body
            assert key in await objects.list(f"many/{n % 7}/")
            if n % 3 == 0:
                await objects.delete(key)
                assert await objects.get(key) is None

        await asyncio.gather(*(one(n) for n in range(60)))
        assert len(await objects.list("many/")) == 40

    async def test_a_store_opened_later_sees_everything(
        self, objects: ObjectStore, place: Callable[[], ObjectStore]
    ) -> None:
        await objects.put("k/1", b"1", if_absent=True)
        await objects.put("k/2", b"2")
        later = place()
        assert await later.get("k/1") == b"1"
        assert await later.list("k/") == ["k/1", "k/2"]
        assert later.url == objects.url
        await later.close()


async def _put_all(objects: ObjectStore, keys: Iterable[str]) -> None:
    for key in keys:
        assert await objects.put(key, key.encode(), if_absent=True)


async def _paged(objects: ObjectStore, prefix: str, size: int) -> list[str]:
    found: list[str] = []
    while True:
        page = await objects.list(prefix, after=found[-1] if found else "", limit=size)
        assert len(page) <= size
        assert all(key > last for key in page for last in found[-1:]), "a page went back"
        found += page
        if len(page) < size:
            return found
