"""A PostgreSQL server of its own for the time of a run, where its programs are on the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["find_postgres", "running_postgres"]


def find_postgres() -> Path | None:
    """The folder of its programs: on the path, or the newest where Debian puts them."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb")
    if found is not None:
        places.append(Path(found).resolve().parent)
    whole = [place for place in places if (place / "postgres").exists() and _user() is not None]
    return whole[-1] if whole else None


@contextmanager
def running_postgres(programs: Path) -> Iterator[str]:
    """The address of a new server at its defaults (fsync and synchronous_commit are on), reached
    by a socket only; stopped in the end."""
    with (
        tempfile.TemporaryDirectory(prefix="safepoint-postgres-") as folder,
        _serving(programs, Path(folder)),
    ):
        yield f"host={folder} user=bench"


@contextmanager
def _serving(programs: Path, folder: Path) -> Iterator[None]:
    account = _user()
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if os.getuid() == 0 and account is not None:  # it refuses to run as root
        os.chown(folder, account.pw_uid, account.pw_gid)
        options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    data = folder / "data"
    own = {"cwd": folder, "env": {"PATH": str(programs), "LC_ALL": "C"}, **options}
    how = ["--encoding=UTF8", "--locale=C", "--auth=trust", "--no-instructions"]
    make: list[str | Path] = [programs / "initdb", "-D", data, "-U", "bench", *how]
    subprocess.run(make, check=True, **own)
    serve = f"-c listen_addresses='' -c unix_socket_directories='{folder}'"
    control: list[str | Path] = [programs / "pg_ctl", "-D", data, "-w"]
    subprocess.run([*control, "-o", serve, "-l", folder / "log", "start"], check=True, **own)
    try:
        yield
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **own)


def _user() -> pwd.struct_passwd | None:
    """Whose account it runs under: this one, or for root that of its package."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None
