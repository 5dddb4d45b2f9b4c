"""`safepoint serve` and `doctor` on buckets: what can be relied on, and why something cannot be."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.s3.bucket import Bucket
from tests.servers.process import free_ports
from tests.servers.s3 import S3Server

from safepoint import Store
from safepoint_server.cli import main
from safepoint_server.cli.exits import Exit

pytestmark = pytest.mark.anyio


def serve(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safepoint_server", "serve"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass(frozen=True)
class Told:
    """What `safepoint doctor --json` said: its exit code and its checks by name."""

    code: int
    checks: dict[str, dict[str, Any]]
    text: str


Doctor = Callable[[dict[str, str]], Told]


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Runs it in an environment."""

    def run(environ: dict[str, str]) -> Told:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SAFEPOINT_KEY_FILE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        code = main(["doctor", "--json"])
        out, err = capsys.readouterr()
        return Told(code, {check["name"]: check for check in json.loads(out)["checks"]}, out + err)

    return run


@pytest.fixture
def careless(rclone_server: S3Server, prefix: str, key_file: Path) -> Bucket:
    """On a server that lets every writer win."""
    return Bucket(rclone_server, prefix, key_file)


def test_a_server_that_lets_every_writer_win_is_not_served_from(careless: Bucket) -> None:
    ran = serve(careless.environ())
    assert (ran.returncode, ran.stdout) == (Exit.UNSUPPORTED, "")
    assert "error: " in ran.stderr
    assert "does not enforce conditional puts" in ran.stderr
    assert "overwrite each other" in ran.stderr
    assert "hint: Use Amazon S3 or a server that enforces them" in ran.stderr


def test_doctor_explains_why_such_a_server_is_refused(doctor: Doctor, careless: Bucket) -> None:
    told = doctor(careless.environ())
    assert told.code == Exit.FAILED
    assert told.checks["bucket"]["status"] == "ok"
    assert told.checks["store"]["status"] == "failed"
    assert "does not enforce conditional puts" in told.checks["store"]["detail"]
    assert "write access" not in told.checks


async def test_doctor_says_where_a_good_bucket_is_and_leaves_nothing_in_it(
    doctor: Doctor, bucket: Bucket
) -> None:
    told = await asyncio.to_thread(doctor, bucket.environ())
    assert told.code == Exit.OK, told.text
    assert "made on first use" in told.checks["store"]["detail"]
    objects = bucket.server.objects(bucket.prefix)
    assert await objects.list("probe/") == await objects.list("safepoint/") == []
    async with Store.open(objects, key_file=bucket.key_file):
        pass
    told = await asyncio.to_thread(doctor, bucket.environ())
    assert {check["status"] for check in told.checks.values()} == {"ok"}
    names = {"versions", "key file", "bucket", "write access", "store", "clock"}
    assert set(told.checks) == names
    assert told.checks["bucket"]["detail"] == (
        f"bucket {bucket.server.bucket} at {bucket.server.endpoint}, region us-east-1"
    )
    assert told.checks["store"]["detail"] == f"{bucket.url}: opened; 1 key slot"


def test_a_new_store_in_a_bucket_needs_a_key(doctor: Doctor, fake: Bucket) -> None:
    environ = fake.environ()
    del environ["SAFEPOINT_KEY_FILE"]
    told = doctor(environ)
    assert told.code == Exit.FAILED
    assert "no key is given" in told.checks["store"]["detail"]
    assert "SAFEPOINT_PASSPHRASE" in told.checks["store"]["hint"]
    served = serve(environ)
    assert served.returncode == Exit.USAGE
    assert "SAFEPOINT_PASSPHRASE" in served.stderr


@pytest.mark.parametrize(
    ("changed", "detail", "hint"),
    [
        ({"bucket": "missing-bucket"}, "there is no such bucket", "Create it"),
        ({"access_key": "unknown"}, "access key is not known", "AWS_ACCESS_KEY_ID"),
        ({"secret_key": "not-its-secret"}, "secret key does not belong", "AWS_SECRET_ACCESS_KEY"),
        ({"endpoint": ""}, "nothing answers at this endpoint", "AWS_ENDPOINT_URL_S3"),
    ],
    ids=["bucket", "access key", "secret key", "endpoint"],
)
def test_what_is_wrong_with_an_address_or_its_credentials_is_said(
    doctor: Doctor, real: Bucket, changed: dict[str, str], detail: str, hint: str
) -> None:
    if "endpoint" in changed:
        changed = {"endpoint": f"http://127.0.0.1:{free_ports(1)[0]}"}
    wrong = replace(real, server=replace(real.server, **changed))
    told = doctor(wrong.environ())
    assert told.code == Exit.FAILED
    failed = told.checks["store"]
    assert failed["status"] == "failed"
    assert detail in failed["detail"]
    assert wrong.server.bucket in failed["detail"]
    assert hint in failed["hint"]
    assert wrong.server.secret_key not in told.text


def test_missing_credentials_are_said(doctor: Doctor, real: Bucket) -> None:
    environ = real.environ()
    del environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"]
    told = doctor(environ)
    assert "no credentials were found" in told.checks["store"]["detail"]
    assert "AWS_PROFILE" in told.checks["store"]["hint"]
    served = serve(environ)
    assert served.returncode == Exit.UNAVAILABLE
    assert "no credentials were found" in served.stderr
