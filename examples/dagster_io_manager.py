"""A Dagster IO manager over artifacts: what ops and assets produce, sealed, with its revisions.

    python examples/dagster_io_manager.py

A job fails in the middle. It is executed again from the failure: what the first execution had
produced is loaded from the workspace, and only what failed and what comes after it runs.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import dagster as dg

from safepoint import Store

KEY = "correct horse battery"
BYTES = "application/octet-stream"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class ArtifactIOManager(dg.IOManager):
    """Bytes as they are, everything else as JSON: nothing is unpickled when it is loaded.

    The outputs of ops lie in a workspace of their run, assets in one for all, a revision for each
    materialization.
    """

    def __init__(self, runner: asyncio.Runner, store: Store, prefix: str = "dagster") -> None:
        self._runner = runner
        self._store = store
        self._prefix = prefix

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        workspace, name = self._place(context)
        plain = isinstance(obj, bytes)
        data = obj if plain else json.dumps(obj, allow_nan=False).encode()
        artifacts = self._store.workspace(workspace).artifacts
        saved = self._runner.run(
            artifacts.save(name, data, media_type=BYTES if plain else "application/json")
        )
        context.add_output_metadata(
            {"workspace": workspace, "artifact": name, "revision": saved.revision}
        )

    def load_input(self, context: dg.InputContext) -> Any:
        workspace, name = self._place(context.upstream_output or context)
        return self._runner.run(self._load(workspace, name))

    async def _load(self, workspace: str, name: str) -> Any:
        artifacts = self._store.workspace(workspace).artifacts
        info = await artifacts.info(name)
        data = await artifacts.load(name, revision=info.revision)
        return data if info.media_type == BYTES else json.loads(data)

    def _place(self, context: dg.OutputContext | dg.InputContext) -> tuple[str, str]:
        """The workspace and the name of the artifact."""
        if context.has_asset_key:
            return f"{self._prefix}-assets", "/".join(context.get_asset_identifier())
        run, *parts = context.get_identifier()  # the run that produced it
        return f"{self._prefix}-{run}", "/".join(parts)


@dg.io_manager
def artifacts(_context: dg.InitResourceContext) -> Iterator[ArtifactIOManager]:
    """Open as long as the process executes the job."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        opening = Store.open(os.environ["SAFEPOINT_STORE"], passphrase=KEY)
        store = runner.run(stack.enter_async_context(opening))
        try:
            yield ArtifactIOManager(runner, store)
        finally:
            runner.run(stack.aclose())


def note(step: str) -> None:
    """What ran, on disk: Dagster loads this file anew for every execution."""
    with open(os.environ["EXAMPLE_DIARY"], "a") as diary:
        diary.write(f"{step}\n")


@dg.op
def fetch() -> bytes:
    note("fetch")
    return b"one two three"


@dg.op
def count(page: bytes) -> dict[str, int]:
    note("count")
    if Path(os.environ["EXAMPLE_DIARY"]).read_text().count("count") == 1:
        raise RuntimeError("out of memory")
    return {"words": len(page.split())}


@dg.op
def report(counted: dict[str, int]) -> str:
    note("report")
    return f"{counted['words']} words"


@dg.asset(io_manager_key="io_manager")
def glossary() -> list[str]:
    note("glossary")
    return ["lease", "step"]


@dg.job(resource_defs={"io_manager": artifacts}, executor_def=dg.in_process_executor)
def pages() -> None:
    report(count(fetch()))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        diary = folder / "diary"
        os.environ.update(SAFEPOINT_STORE=str(folder / "store"), EXAMPLE_DIARY=str(diary))
        settings = {"telemetry": {"enabled": False}}
        with dg.DagsterInstance.ephemeral(str(folder), settings=settings) as instance:
            job = dg.reconstructable(pages)
            first = dg.execute_job(job, instance, run_config=QUIET)
            assert not first.success
            print("first execution: ", *diary.read_text().split())

            again = dg.ReexecutionOptions.from_failure(first.run_id, instance)
            with dg.execute_job(job, instance, run_config=QUIET, reexecution_options=again) as done:
                assert done.success
                assert done.output_for_node("report") == "3 words"
            print("from the failure:", *diary.read_text().split()[2:])
            assert diary.read_text().split() == ["fetch", "count", "count", "report"]

            for _ in range(2):
                assert dg.materialize(
                    [glossary], resources={"io_manager": artifacts}, instance=instance,
                    run_config=QUIET,
                ).success  # fmt: skip
        kept = asyncio.run(look(folder, first.run_id, done.run_id))
        print(*kept, sep="\n")
        assert [line.partition(" ")[2] for line in kept] == [
            "fetch/result (13 bytes)",
            "count/result (12 bytes)",
            "report/result (9 bytes)",
            "glossary (17 bytes)",
        ]
    print("Failed, executed again, and what had succeeded was done once.")


async def look(folder: Path, *runs: str) -> list[str]:
    """The artifacts as anybody finds them."""
    found = []
    async with Store.open(folder / "store", passphrase=KEY) as store:
        for workspace in (*(f"dagster-{run}" for run in runs), "dagster-assets"):
            page = await store.workspace(workspace).artifacts.list()
            found += [f"{workspace} {item.name} ({item.size} bytes)" for item in page.items]
    return found


if __name__ == "__main__":
    main()
