"""Ceph's object gateway with one monitor and one store in memory, unpacked, not installed.

It runs from a folder of its own, as any user: nothing of the machine is changed. It wants Debian,
whose packages it downloads once, and takes about 15 seconds to start.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.servers.process import ServerProcess, answers_http, free_ports
from tests.servers.s3 import S3Server

__all__ = ["ceph"]

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw")
SYSTEM = f"{platform.machine()}-linux-gnu"
CONFIG = """\
[global]
fsid = {fsid}
keyring = {folder}/keyring
run dir = {folder}
crash dir = {folder}
admin socket = {folder}/$name.asok
log file = {folder}/$name.log
mon cluster log file = {folder}/cluster.log
mon host = v1:127.0.0.1:{mon_port}
mon data = {folder}/mon
mon data avail warn = 1
mon data avail crit = 1
mon allow pool size one = true
public addr = 127.0.0.1
ms bind msgr2 = false
ms tcp nodelay = true
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 2147483648
osd class dir = {libraries}/rados-classes
erasure code dir = {libraries}/ceph/erasure-code
plugin dir = {libraries}/ceph
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw data = {folder}
rgw frontends = beast endpoint=127.0.0.1:{rgw_port} tcp_nodelay=1
"""


class Ceph:
    """The programs below `root`, and the data, configuration and logs of one cluster in `folder`.

    Paths of sockets are at most 107 bytes long, so `folder` should not lie deep.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self._folder = folder
        mon_port, self._port = free_ports(2)
        self._mon = f"v1:127.0.0.1:{mon_port}"
        self.s3 = S3Server(f"http://127.0.0.1:{self._port}")
        libraries = root / "usr/lib" / SYSTEM
        self._environ = {
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/ceph:{root / 'lib' / SYSTEM}",
            "PYTHONPATH": str(root / "usr/lib/python3/dist-packages"),
            "PATH": os.defpath,
        }
        self._fsid = str(uuid.uuid4())
        for name in ("mon", "osd"):
            (folder / name).mkdir()
        (folder / "ceph.conf").write_text(
            CONFIG.format(
                fsid=self._fsid,
                folder=folder,
                libraries=libraries,
                mon_port=mon_port,
                rgw_port=self._port,
            )
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        with ExitStack() as stack:
            self._make_keys()
            stack.callback(self._started_monitor().kill)
            stack.callback(self._started_store().kill)
            stack.callback(self._started_gateway().kill)
            self._make_user()
            yield

    def _make_keys(self) -> None:
        everything = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
        store = ("--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")
        keyring = str(self._folder / "keyring")
        self._run("ceph-authtool", "--create-keyring", keyring)
        self._run("ceph-authtool", keyring, "--gen-key", "-n", "mon.", *everything[:3])
        rights = {"client.admin": everything, "client.rgw": everything, "osd.0": store}
        for name, granted in rights.items():
            self._run("ceph-authtool", keyring, "--gen-key", "-n", name, *granted)

    def _started_monitor(self) -> ServerProcess:
        monmap, keyring = self._folder / "monmap", self._folder / "keyring"
        self._run(
            "monmaptool", "--create", "--addv", "a", self._mon, "--fsid", self._fsid, str(monmap)
        )
        self._run(
            "ceph-mon", "-i", "a", "--mkfs", "--monmap", str(monmap), "--keyring", str(keyring)
        )
        return self._started("ceph-mon", "-i", "a", ready=lambda: self._asked("mon", "stat") != {})

    def _started_store(self) -> ServerProcess:
        identity = str(uuid.uuid4())
        self._run("ceph", "osd", "new", identity)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
        return self._started(
            "ceph-osd",
            "-i",
            "0",
            ready=lambda: self._asked("osd", "stat").get("num_up_osds") == 1,
        )

    def _started_gateway(self) -> ServerProcess:
        return self._started("radosgw", "-n", "client.rgw", ready=lambda: answers_http(self._port))

    def _make_user(self) -> None:
        keys = ("--access-key", self.s3.access_key, "--secret-key", self.s3.secret_key)
        self._run("radosgw-admin", "user", "create", "--uid=test", "--display-name=test", *keys)

    def _command(self, program: str, *arguments: str) -> list[str]:
        config = ("-c", str(self._folder / "ceph.conf"))
        takes_none = program in ("ceph-authtool", "monmaptool")
        return [str(self._root / "usr/bin" / program), *(() if takes_none else config), *arguments]

    def _started(self, program: str, *arguments: str, ready: Callable[[], bool]) -> ServerProcess:
        command = self._command(program, *arguments, "-f")
        process = ServerProcess(command, self._folder / f"{program}.out", self._environ)
        process.start(ready)
        return process

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            self._command(program, *arguments),
            env={**os.environ, **self._environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {arguments[:2]}: {done.stderr[-2000:]}")
        return done.stdout

    def _asked(self, *question: str) -> dict[str, object]:
        """The monitor's answer, empty while there is none."""
        try:
            answer: dict[str, object] = json.loads(
                self._run("ceph", *question, "--format=json", "--connect-timeout=5")
            )
        except (RuntimeError, subprocess.TimeoutExpired):
            return {}
        return answer


def unpack(root: Path) -> None:
    """Download the packages, with all that they need and this machine lacks, and unpack them.

    If apt knows none of them, `apt-get update` has to be run before.
    """
    if (root / "usr/bin/radosgw").exists():
        return
    packages = root / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    quiet = {"capture_output": True, "text": True, "check": True}
    wanted = ["apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES]
    told = subprocess.run(wanted, **quiet).stdout.splitlines()
    names = [line.split()[1] for line in told if line.startswith("Inst ")]
    subprocess.run(["apt-get", "download", *(names or PACKAGES)], cwd=packages, **quiet)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], **quiet)
        package.unlink()


@contextmanager
def ceph(root: Path) -> Iterator[S3Server]:
    """A running gateway with an empty bucket without versions; its programs are kept in `root`."""
    unpack(root)
    with tempfile.TemporaryDirectory(prefix="ceph-") as folder:
        cluster = Ceph(root, Path(folder))
        with cluster.running():
            cluster.s3.make_bucket()
            yield cluster.s3
