"""What was acknowledged survives a power loss, on real file systems whose disk is cut off.

A file system in an image file is mounted; after each acknowledged put the image is copied as it is:
what the kernel had not written to the disk by then is missing from the copy, as after a power cut.
Needs root, loop devices and mkfs.ext4.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from safepoint.errors import OutcomeUnknown, Unavailable
from safepoint.objects._durable import OsCalls, one_sync_is_sound
from safepoint.objects.local import LocalObjects

pytestmark = pytest.mark.skipif(
    sys.platform != "linux"
    or os.geteuid() != 0
    or not os.path.exists("/dev/loop-control")
    or not shutil.which("mkfs.ext4"),
    reason="needs Linux, root, loop devices and mkfs.ext4",
)

FEATURES = {"journal": (), "no journal": ("-O", "^has_journal"), "fast": ("-O", "fast_commit")}


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "loop", image, folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"may not mount here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def make_image(path: Path, megabytes: int, *features: str) -> None:
    size = f"{megabytes}M"
    subprocess.run(["mkfs.ext4", "-q", "-F", *features, path, size], check=True)


async def surviving(root: Path) -> dict[str, bytes | None]:
    objects = LocalObjects(root, create=False)
    return {key: await objects.get(key) for key in await objects.list("", limit=100_000)}


@contextmanager
def after_power_loss(image: Path) -> Iterator[Path]:
    cut, folder = image.with_name("cut.img"), image.with_name("cut")
    shutil.copyfile(image, cut)
    with mounted(cut, folder):
        yield folder / "store"


@pytest.mark.parametrize("features", FEATURES)
def test_every_acknowledged_put_survives_a_power_loss(tmp_path: Path, features: str) -> None:
    image = tmp_path / "disk.img"
    make_image(image, 64, *FEATURES[features])

    async def scenario(root: Path) -> None:
        wanted: dict[str, bytes] = {}
        for n in range(6):
            objects = LocalObjects(root)
            key = f"workspaces/w{n % 2}/log{n}/{n:08d}"
            for end, body in (("", bytes([n]) * 9_000), ("-b", b""), ("-c", b"c")):
                assert await objects.put(key + end, body, if_absent=True)
                wanted[key + end] = body
            with after_power_loss(image) as left:
                assert {k: v for k, v in (await surviving(left)).items() if k in wanted} == wanted
            await objects.put("summary", b"%d" % n)
            wanted["summary"] = b"%d" % n

    with mounted(image, tmp_path / "disk") as disk:
        asyncio.run(scenario(disk / "store"))


def test_an_unsynced_object_is_made_durable_by_building_on_it(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    make_image(image, 64)

    async def scenario(root: Path) -> None:
        await LocalObjects(root).put("log/0", b"", if_absent=True)
        killed = LocalObjects(
            root, os_calls=OsCalls(fsync=lambda fd: None, one_sync_is_sound=lambda folder: True)
        )
        await killed.put("log/1", b"1" * 9_000, if_absent=True)
        with after_power_loss(image) as left:
            assert (await surviving(left)).get("log/1") != b"1" * 9_000
        await LocalObjects(root).put("log/2", b"2", if_absent=True, after="log/1")
        with after_power_loss(image) as left:
            assert (await surviving(left))["log/1"] == b"1" * 9_000

    with mounted(image, tmp_path / "disk") as disk:
        asyncio.run(scenario(disk / "store"))


def test_ext4_with_fast_commits_is_not_trusted_with_one_sync(tmp_path: Path) -> None:
    for features, trusted in (("journal", True), ("fast", False)):
        image = tmp_path / f"{features}.img"
        make_image(image, 64, *FEATURES[features])
        with mounted(image, tmp_path / features) as disk:
            assert one_sync_is_sound(str(disk)) is trusted
            assert os.listdir(disk) == ["lost+found"]


def test_a_full_disk_stores_nothing_and_says_so(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    make_image(image, 8)

    async def scenario(root: Path) -> None:
        objects = LocalObjects(root)
        await objects.put("kept", b"kept", if_absent=True)
        for key, if_absent in (("a/new", True), ("kept", False)):
            with pytest.raises(Unavailable, match=key) as refused:
                await objects.put(key, bytes(16 * 1024 * 1024), if_absent=if_absent)
            assert not isinstance(refused.value, OutcomeUnknown)
            assert "full" in refused.value.hint
        assert await surviving(root) == {"kept": b"kept"}
        assert os.listdir(root / ".tmp") in ([], ["lock"])
        assert await objects.put("a/new", b"fits", if_absent=True, after="kept")

    with mounted(image, tmp_path / "disk") as disk:
        asyncio.run(scenario(disk / "store"))
