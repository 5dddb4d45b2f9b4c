"""The main job in a bucket: two MCP servers at once, killed with their agent, on a real server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.s3.bucket import Bucket

from safepoint import Store

PASSPHRASE = "an agent that survives"
FILES, KILLS, SERVERS = 2, 2, 2


def test_the_main_job_runs_in_a_bucket_by_two_servers_that_are_killed(
    real: Bucket, tmp_path: Path
) -> None:
    environ = real.environ(SAFEPOINT_PASSPHRASE=PASSPHRASE, TMPDIR=str(tmp_path))
    del environ["SAFEPOINT_KEY_FILE"]
    command = ["demo", "--json", f"--files={FILES}", f"--kills={KILLS}", "--seed=5"]
    done = subprocess.run(
        [sys.executable, "-m", "safepoint_server", *command],
        env=environ,
        capture_output=True,
        timeout=240,
        check=False,
    )
    shown = done.stderr.decode()
    assert done.returncode == 0, shown
    told = json.loads(done.stdout)
    assert told["ok"], shown
    assert {check["ok"] for check in told["checks"]} == {True}
    assert (told["store"], told["key_file"]) == (real.url, None)
    assert [life["killed"] for life in told["lives"]] == [True] * KILLS + [False]
    assert {step["status"] for step in told["steps"]} <= {"done", "skipped"}
    assert PASSPHRASE not in shown + done.stdout.decode()
    asyncio.run(check_the_bucket(real, told["workspace"], told["versions"]))


async def check_the_bucket(bucket: Bucket, workspace: str, versions: int) -> None:
    """What lies there is what was told, and each agent's servers took turns committing."""
    objects = bucket.server.objects(bucket.prefix)
    async with Store.open(objects, passphrase=PASSPHRASE, create=False) as store:
        work = store.workspace(workspace)
        assert (await work.load()).brief.status == "done"
        events = (await work.history(limit=1000)).items
    assert len(events) == versions
    by_agent: dict[str, set[str]] = {}
    for event in events:
        by_agent.setdefault(event.actor.name, set()).add(event.actor.process)
    last = max(by_agent, key=lambda name: int(name.rpartition("-")[2]))
    assert len(by_agent[last]) == SERVERS
