"""LocalObjects keeps the contract on each of its paths, fails clearly, and stays in its folder."""

import asyncio
import errno
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from safepoint.errors import InvalidInput, OutcomeUnknown, Unavailable, Unsupported
from safepoint.objects._calls import Calls
from safepoint.objects._durable import OsCalls, file_system_type, sync_fully
from safepoint.objects._lock import file_lock
from safepoint.objects.base import ObjectStore, SetsAside
from safepoint.objects.local import LocalObjects
from safepoint.testing.contract import ObjectStoreContract

ONE_SYNC = OsCalls(one_sync_is_sound=lambda folder: True)
PORTABLE = OsCalls(one_sync_is_sound=lambda folder: False)

linux = pytest.mark.skipif(sys.platform != "linux", reason="one fsync is for Linux only")
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")


@linux
class TestLocalObjectsWithOneSync(ObjectStoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Callable[[], ObjectStore]:
        return lambda: LocalObjects(tmp_path / "store", os_calls=ONE_SYNC)


class TestLocalObjectsOnThePortablePath(ObjectStoreContract):
    @pytest.fixture
    def place(self, tmp_path: Path) -> Callable[[], ObjectStore]:
        return lambda: LocalObjects(tmp_path / "store", os_calls=PORTABLE)


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="needs a tmpfs")
class TestLocalObjectsOnTmpfs(ObjectStoreContract):
    @pytest.fixture
    def place(self) -> Iterator[Callable[[], ObjectStore]]:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            yield lambda: LocalObjects(Path(folder) / "store")


@pytest.fixture(
    params=[pytest.param(ONE_SYNC, marks=linux), PORTABLE], ids=["one-sync", "portable"]
)
def calls(request: pytest.FixtureRequest) -> OsCalls:
    found: OsCalls = request.param
    return found


def everything_below(root: Path) -> set[str]:
    return {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.name != "lock"}


# Where things lie


def test_a_key_is_the_path_of_its_file(tmp_path: Path, calls: OsCalls) -> None:
    objects = LocalObjects(tmp_path / "deep" / "store", os_calls=calls)
    asyncio.run(objects.put("workspaces/a%2fb/log/1", b"one", if_absent=True))
    asyncio.run(objects.put("workspaces/a%2fb/summary", b"two"))
    assert everything_below(tmp_path / "deep/store") == {
        "workspaces/a%2fb/log/1",
        "workspaces/a%2fb/summary",
    }
    assert objects.url == (tmp_path / "deep" / "store").as_uri()


@posix
def test_files_and_folders_are_for_their_owner_only(tmp_path: Path, calls: OsCalls) -> None:
    root = tmp_path / "store"
    objects = LocalObjects(root, os_calls=calls)
    asyncio.run(objects.put("a/b/new", b"1", if_absent=True))
    asyncio.run(objects.put("a/c/replaced", b"1"))
    for path in (root, *root.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


@posix
def test_a_symbolic_link_inside_the_store_is_never_followed(tmp_path: Path, calls: OsCalls) -> None:
    outside, root = tmp_path / "outside", tmp_path / "store"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    root.mkdir()
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")

    async def scenario() -> None:
        objects = LocalObjects(root, os_calls=calls)
        for key in ("folder/secret", "file"):
            with pytest.raises(Unavailable):
                await objects.get(key)
        for if_absent in (True, False):
            with pytest.raises(Unavailable):
                await objects.put("folder/new", b"x", if_absent=if_absent)
        with pytest.raises(Unavailable):
            await objects.delete("folder/secret")
        with pytest.raises(Unavailable):
            await objects.list("folder/")
        assert await objects.list("") == []
        assert await objects.put("file", b"x", if_absent=True) is False
        await objects.put("file", b"mine")

    asyncio.run(scenario())
    assert (outside / "secret").read_bytes() == b"secret"
    assert os.listdir(outside) == ["secret"]


@posix
def test_the_root_itself_may_be_a_symbolic_link(tmp_path: Path, calls: OsCalls) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    objects = LocalObjects(tmp_path / "link", os_calls=calls)
    assert asyncio.run(objects.put("a/k", b"1", if_absent=True))
    assert (tmp_path / "real/a/k").read_bytes() == b"1"


def test_the_folder_of_temporary_files_is_no_place_for_objects(tmp_path: Path) -> None:
    async def scenario() -> None:
        objects = LocalObjects(tmp_path)
        await objects.put("k", b"1")
        assert (tmp_path / ".tmp").is_dir()
        assert await objects.list("") == ["k"]
        assert await objects.list("", folders=True) == []
        for refused in (objects.get(".tmp/lock"), objects.list(".tmp/"), objects.delete(".tmp/x")):
            with pytest.raises(InvalidInput):
                await refused

    asyncio.run(scenario())


def test_what_a_dead_process_left_is_removed_when_a_day_old(tmp_path: Path) -> None:
    temporary = tmp_path / ".tmp"
    temporary.mkdir()
    for name in ("1-old", "2-new", "lock"):
        (temporary / name).write_bytes(b"left over")
    for name in ("1-old", "lock"):
        os.utime(temporary / name, (1_000_000, 1_000_000))
    asyncio.run(LocalObjects(tmp_path).list(""))
    assert sorted(os.listdir(temporary)) == ["2-new", "lock"]


def test_no_put_leaves_a_temporary_file(tmp_path: Path, calls: OsCalls) -> None:
    async def scenario() -> None:
        objects = LocalObjects(tmp_path, os_calls=calls)
        for key in ("k", "k", "l"):
            await objects.put(key, b"1", if_absent=True)
            await objects.put(key, b"2")

    asyncio.run(scenario())
    assert everything_below(tmp_path) == {"k", "l"}


def test_the_newest_of_many_records_is_found_in_a_flat_folder(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    for version in range(3000):
        (folder / f"{99999999 - version:08d}-{version:08d}").touch()
    objects = LocalObjects(tmp_path)
    assert asyncio.run(objects.list("log/", limit=1)) == ["log/99997000-00002999"]
    assert len(asyncio.run(objects.list("log/", limit=5000))) == 3000


# Cannot read is not "not there"


def test_a_vanished_root_is_unavailable_and_not_empty(tmp_path: Path, calls: OsCalls) -> None:
    async def scenario() -> None:
        objects = LocalObjects(tmp_path / "store", os_calls=calls)
        await objects.put("a/k", b"1", if_absent=True)
        for replacement in (None, tmp_path / "empty"):
            if replacement is None:
                (tmp_path / "store").rename(tmp_path / "elsewhere")
            else:
                (tmp_path / "store").mkdir()
            for refused in (
                objects.get("a/k"),
                objects.list("a/"),
                objects.list("", folders=True),
                objects.delete("a/k"),
                objects.put("a/l", b"1", if_absent=True),
                objects.put("a/l", b"1"),
            ):
                with pytest.raises(Unavailable, match="gone or another") as caught:
                    await refused
                assert not isinstance(caught.value, OutcomeUnknown)
        (tmp_path / "store").rmdir()
        (tmp_path / "elsewhere").rename(tmp_path / "store")
        assert await objects.get("a/k") == b"1"

    asyncio.run(scenario())


def test_without_create_a_missing_root_is_unavailable_and_stays_missing(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path / "none", create=False)
    for refused in (objects.get("k"), objects.put("k", b"1", if_absent=True), objects.list("")):
        with pytest.raises(Unavailable, match="no folder"):
            asyncio.run(refused)
    assert os.listdir(tmp_path) == []


def test_a_root_that_is_a_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable):
        asyncio.run(LocalObjects(tmp_path / "file").get("k"))


@posix
def test_what_may_not_be_read_is_unavailable_and_named(tmp_path: Path) -> None:
    program = """
import asyncio, os, sys
from pathlib import Path
from safepoint.errors import Unavailable
from safepoint.objects.local import LocalObjects
asyncio.run(asyncio.to_thread(repr, 1))
if sys.argv[2] != "None":
    os.setuid(int(sys.argv[2]))
objects = LocalObjects(Path(sys.argv[1]))
for call in ('get("a/k")', 'list("a/")', 'get("b/k")', 'put("a/l", b"", if_absent=True)',
             'put("c/l", b"", if_absent=True)', 'put("c/l", b"")', 'delete("c/k")'):
    try:
        print(call, "answered", asyncio.run(eval("objects." + call)))
    except Unavailable as error:
        print(call, type(error).__name__, error, bool(error.hint))
"""
    for key in ("a/k", "b/k", "c/k"):
        asyncio.run(LocalObjects(tmp_path / "s").put(key, b"1"))
    user = 65534 if os.geteuid() == 0 else None
    if user is not None:
        for path in (tmp_path / "s", *(tmp_path / "s").rglob("*")):
            os.chown(path, user, user)
        for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            path.chmod(0o755)
    modes = {"a": 0, "b/k": 0, "c": 0o500}
    for name, mode in modes.items():
        (tmp_path / "s" / name).chmod(mode)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "s"), str(user)],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    for name in modes:
        (tmp_path / "s" / name).chmod(0o700)
    lines = done.stdout.splitlines()
    assert len(lines) == 7, done.stderr
    for line in lines:
        call, _, rest = line.partition(" Unavailable ")
        assert call.split('"')[1] + " in file:///" in rest, line
        assert "Permission denied" in rest, line
        assert rest.endswith("True"), line


# A sync that fails, a disk that is full


class Disk:
    """fsync that fails from the nth call on, as often as told, and counts."""

    def __init__(self, *failing: int) -> None:
        self.failing = failing
        self.calls = 0

    def fsync(self, fd: int) -> None:
        self.calls += 1
        if self.calls in self.failing:
            raise OSError(errno.EIO, "Input/output error")
        sync_fully(fd)


@linux
def test_a_record_costs_one_fsync_and_no_second_for_building_on_it(tmp_path: Path) -> None:
    disk = Disk()
    objects = LocalObjects(tmp_path, os_calls=OsCalls(disk.fsync, one_sync_is_sound=lambda f: True))

    async def scenario() -> None:
        await objects.put("log/0", b"", if_absent=True)
        for n in range(1, 21):
            await objects.put(f"log/{n}", b"", if_absent=True, after=f"log/{n - 1}")

    asyncio.run(scenario())
    assert disk.calls == 21


def test_what_another_process_wrote_is_synced_once_before_building_on_it(
    tmp_path: Path, calls: OsCalls
) -> None:
    disk = Disk()

    async def scenario() -> None:
        other = LocalObjects(tmp_path, os_calls=calls)
        await other.put("log/1", b"", if_absent=True)
        counted = OsCalls(disk.fsync, one_sync_is_sound=calls.one_sync_is_sound)
        objects = LocalObjects(tmp_path, os_calls=counted)
        await objects.make_durable("log/1")
        assert disk.calls > 0
        before = disk.calls
        await objects.make_durable("log/1")
        assert disk.calls == before
        await other.delete("log/1")
        await other.put("log/1", b"another", if_absent=True)
        await objects.make_durable("log/1")
        assert disk.calls > before

    asyncio.run(scenario())


@linux
def test_a_failed_fsync_leaves_the_outcome_open_and_is_never_built_on(tmp_path: Path) -> None:
    disk = Disk(2)
    broken = OsCalls(disk.fsync, one_sync_is_sound=lambda f: True)

    async def scenario() -> None:
        objects = LocalObjects(tmp_path, os_calls=broken)
        await objects.put("log/1", b"one", if_absent=True)
        with pytest.raises(OutcomeUnknown, match="log/2"):
            await objects.put("log/2", b"two", if_absent=True, after="log/1")
        with pytest.raises(Unavailable) as refused:
            await objects.put("log/3", b"three", if_absent=True, after="log/2")
        assert not isinstance(refused.value, OutcomeUnknown)
        with pytest.raises(OutcomeUnknown):
            await objects.put("log/2", b"two", if_absent=True, after="log/1")
        with pytest.raises(Unavailable):
            await objects.get("log/2")
        with pytest.raises(Unavailable):
            await objects.make_durable("log/2")
        assert disk.calls == 2
        assert await LocalObjects(tmp_path).get("log/3") is None
        assert await objects.put("elsewhere/1", b"x", if_absent=True)

    asyncio.run(scenario())


def test_when_syncing_the_base_fails_the_new_record_is_certainly_not_stored(
    tmp_path: Path, calls: OsCalls
) -> None:
    async def scenario() -> None:
        await LocalObjects(tmp_path, os_calls=calls).put("log/1", b"one", if_absent=True)
        broken = OsCalls(Disk(1).fsync, one_sync_is_sound=calls.one_sync_is_sound)
        objects = LocalObjects(tmp_path, os_calls=broken)
        for _ in range(2):
            with pytest.raises(Unavailable) as refused:
                await objects.put("log/2", b"two", if_absent=True, after="log/1")
            assert not isinstance(refused.value, OutcomeUnknown)
        assert everything_below(tmp_path) == {"log/1"}

    asyncio.run(scenario())


@pytest.mark.parametrize("if_absent", [True, False])
def test_on_the_portable_path_a_failed_sync_of_the_bytes_stores_nothing(
    tmp_path: Path, if_absent: bool
) -> None:
    broken = OsCalls(Disk(1).fsync, one_sync_is_sound=lambda f: False)
    objects = LocalObjects(tmp_path, os_calls=broken)
    with pytest.raises(Unavailable) as refused:
        asyncio.run(objects.put("a/k", b"1", if_absent=if_absent))
    assert not isinstance(refused.value, OutcomeUnknown)
    assert everything_below(tmp_path) == set()
    assert asyncio.run(objects.put("a/k", b"1", if_absent=if_absent))


@posix
@pytest.mark.parametrize("if_absent", [True, False])
def test_on_the_portable_path_a_failed_sync_of_the_name_leaves_the_outcome_open(
    tmp_path: Path, if_absent: bool
) -> None:
    broken = OsCalls(Disk(2).fsync, one_sync_is_sound=lambda f: False)
    objects = LocalObjects(tmp_path, os_calls=broken)
    with pytest.raises(OutcomeUnknown):
        asyncio.run(objects.put("a/k", b"1", if_absent=if_absent))
    with pytest.raises(Unavailable):
        asyncio.run(objects.get("a/k"))


def test_a_base_that_is_gone_is_not_built_on(tmp_path: Path, calls: OsCalls) -> None:
    objects = LocalObjects(tmp_path, os_calls=calls)
    with pytest.raises(Unavailable, match="log/1"):
        asyncio.run(objects.put("log/2", b"", if_absent=True, after="log/1"))
    assert everything_below(tmp_path) == set()


@posix
@pytest.mark.parametrize("path", ["one-sync", "portable"])
def test_a_write_cut_short_by_a_limit_stores_nothing_and_says_so(tmp_path: Path, path: str) -> None:
    if path == "one-sync" and sys.platform != "linux":
        pytest.skip("one fsync is for Linux only")
    program = f"""
import asyncio, resource, signal, sys
from pathlib import Path
from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.objects._durable import OsCalls
from safepoint.objects.local import LocalObjects
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
objects = LocalObjects(
    Path(sys.argv[1]), os_calls=OsCalls(one_sync_is_sound=lambda f: {path == "one-sync"})
)
async def scenario():
    await objects.put("k", b"kept")
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    for key, if_absent in (("new", True), ("k", False), ("other", False)):
        try:
            await objects.put(key, bytes(150_000), if_absent=if_absent)
        except Unavailable as error:
            assert not isinstance(error, OutcomeUnknown) and key in str(error) and error.hint
        else:
            raise AssertionError("stored")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert await objects.get("k") == b"kept" and await objects.list("") == ["k"]
    assert await objects.put("new", bytes(150_000), if_absent=True)
asyncio.run(scenario())
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert everything_below(tmp_path) == {"k", "new"}


def test_a_file_system_without_hard_links_is_refused_with_a_way_out(tmp_path: Path) -> None:
    def no_links(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", source, None, target)

    calls = OsCalls(link=no_links, one_sync_is_sound=lambda f: False)
    with pytest.raises(Unsupported) as refused:
        asyncio.run(LocalObjects(tmp_path, os_calls=calls).put("k", b"1", if_absent=True))
    assert "S3" in refused.value.hint
    assert everything_below(tmp_path) == set()


def test_a_folder_in_the_place_of_an_object_is_no_object_that_won(
    tmp_path: Path, calls: OsCalls
) -> None:
    (tmp_path / "k").mkdir()
    objects = LocalObjects(tmp_path, os_calls=calls)
    for if_absent in (True, False):
        with pytest.raises(Unavailable):
            asyncio.run(objects.put("k", b"1", if_absent=if_absent))
    assert everything_below(tmp_path) == set()


@linux
@pytest.mark.parametrize("reason", [errno.EROFS, errno.EACCES])
def test_where_nothing_can_be_written_objects_are_read_all_the_same(
    tmp_path: Path, reason: int
) -> None:
    asyncio.run(LocalObjects(tmp_path).put("a/1", b"one", if_absent=True))

    def refused(*_: str) -> bool:
        raise OSError(reason, os.strerror(reason))

    async def run() -> None:
        objects = LocalObjects(tmp_path, os_calls=OsCalls(one_sync_is_sound=refused))
        await objects.make_durable("a/1")
        assert await objects.get("a/1") == b"one"

    asyncio.run(run())


def test_while_another_process_holds_the_lock_only_who_replaces_waits(tmp_path: Path) -> None:
    locked, free = threading.Event(), threading.Event()

    def hold() -> bool:
        with file_lock(str(tmp_path / ".tmp" / "lock")):
            locked.set()
            return free.wait(20)

    async def run() -> None:
        objects = LocalObjects(tmp_path)
        objects._calls = Calls(lambda: True, lambda: 0.0)  # as on a quick disk
        for n in range(40):
            await objects.put(f"k{n}", b"1", if_absent=True)
        holding = asyncio.create_task(asyncio.to_thread(hold))
        await asyncio.to_thread(locked.wait)
        replacing = asyncio.create_task(objects.put("k0", b"2"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not await objects.put("k1", b"3", if_absent=True)
        assert not replacing.done()
        free.set()
        assert await holding
        assert await replacing
        assert await objects.get("k0") == b"2"

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_in_the_place_of_an_object_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    objects = LocalObjects(tmp_path)

    async def run() -> None:
        with pytest.raises(Unavailable, match=r"cannot read pipe .* no ordinary file"):
            await asyncio.wait_for(objects.get("pipe"), 10)
        with pytest.raises(Unavailable):
            await asyncio.wait_for(objects.make_durable("pipe"), 10)

    asyncio.run(run())


def test_on_the_portable_path_every_folder_up_to_the_root_is_synced_once(tmp_path: Path) -> None:
    synced: list[str] = []
    root = tmp_path.resolve()

    def fsync(fd: int) -> None:
        name = os.readlink(f"/proc/self/fd/{fd}")
        synced.append(os.path.relpath(name, root) if os.path.isdir(name) else "file")

    calls = OsCalls(fsync, one_sync_is_sound=lambda folder: False)
    objects = LocalObjects(root, os_calls=calls)
    asyncio.run(objects.put("a/b/1", b"1", if_absent=True))
    assert synced == ["file", "a/b", "a", "."]
    asyncio.run(objects.put("a/b/2", b"2", if_absent=True, after="a/b/1"))
    assert synced[4:] == ["file", "a/b"]


# Stumps


def test_a_stump_is_set_aside_under_a_key_that_is_listed(tmp_path: Path, calls: OsCalls) -> None:
    async def scenario() -> None:
        objects = LocalObjects(tmp_path, os_calls=calls)
        assert isinstance(objects, SetsAside)
        for stump in (b"", b"SFPT torn"):
            await objects.put("w/log/7", stump, if_absent=True)
            moved = await objects.set_aside("w/log/7", stump)
            assert moved is not None
            assert await objects.get(moved) == stump
            assert await objects.get("w/log/7") is None
        assert await objects.list("damaged/") == [
            "damaged/000001/w/log/7",
            "damaged/000002/w/log/7",
        ]
        assert await objects.put("w/log/7", b"whole", if_absent=True)

    asyncio.run(scenario())


def test_an_object_that_has_taken_the_name_since_stays(tmp_path: Path, calls: OsCalls) -> None:
    async def scenario() -> None:
        objects = LocalObjects(tmp_path, os_calls=calls)
        await objects.put("k", b"whole", if_absent=True)
        assert await objects.set_aside("k", b"stump") is None
        assert await objects.set_aside("none", b"") is None
        assert await objects.get("k") == b"whole"
        assert await objects.list("damaged/") == []

    asyncio.run(scenario())


def test_a_stump_is_judged_only_when_nobody_is_changing_names(
    tmp_path: Path, calls: OsCalls
) -> None:
    async def scenario() -> None:
        objects = LocalObjects(tmp_path, os_calls=calls)
        await objects.put("k", b"stump", if_absent=True)
        with file_lock(str(tmp_path / ".tmp" / "lock"), shared=True):
            moving = asyncio.create_task(objects.set_aside("k", b"stump"))
            for _ in range(50):  # time for it to get to the lock, and past it if there were none
                assert await objects.get("k") is not None
            (tmp_path / "k").write_bytes(b"whole")
        assert await moving is None
        assert await objects.get("k") == b"whole"

    (tmp_path / ".tmp").mkdir()
    asyncio.run(scenario())


def test_of_many_that_set_a_stump_aside_one_does_and_what_comes_after_stays(
    tmp_path: Path, calls: OsCalls
) -> None:
    async def mend(objects: LocalObjects, racer: int) -> tuple[bool, bool]:
        moved = await objects.set_aside("log/7", b"stump")
        put = await objects.put("log/7", b"whole %d" % racer, if_absent=True)
        return moved is not None, put

    async def scenario() -> None:
        for n in range(10):
            root = tmp_path / str(n)
            stores = [LocalObjects(root, os_calls=calls) for _ in range(6)]
            await stores[0].put("log/7", b"stump", if_absent=True)
            results = await asyncio.gather(*(mend(s, i) for i, s in enumerate(stores)))
            assert [moved for moved, _ in results].count(True) == 1
            winners = [i for i, (_, put) in enumerate(results) if put]
            assert len(winners) == 1
            assert await stores[0].get("log/7") == b"whole %d" % winners[0]

    asyncio.run(scenario())


# Which file systems


def test_the_type_of_a_file_system_is_read_from_the_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(
        b"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n"
        b"30 27 0:25 / /dev/shm\\040x\xff rw,relatime shared:3 master:1 - tmpfs tmpfs rw\n"
    )
    if sys.platform != "linux":
        assert file_system_type(0, mounts) is None
        return
    assert file_system_type(os.makedev(254, 0), mounts) == "ext4"
    assert file_system_type(os.makedev(0, 25), mounts) == "tmpfs"
    assert file_system_type(os.makedev(9, 9), mounts) is None
    assert file_system_type(os.makedev(254, 0), tmp_path / "none") is None
