"""SafepointSaver: LangGraph's checkpointer over a store, with all its methods, sync and async."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from safepoint.errors import InvalidInput
from safepoint.integrations.langgraph.bridge import Bridge
from safepoint.integrations.langgraph.commands import Put
from safepoint.integrations.langgraph.convert import (
    config_of,
    histories_of,
    place_of,
    put_of,
    size_of,
    tuple_of,
    whole_put,
    writes_of,
)
from safepoint.integrations.langgraph.loads import Loads
from safepoint.integrations.langgraph.opening import Opening
from safepoint.integrations.langgraph.packed import unpack
from safepoint.integrations.langgraph.serializer import StrictSerializer
from safepoint.integrations.langgraph.threads import Threads
from safepoint.integrations.langgraph.view import Raw
from safepoint.objects.base import ObjectStore
from safepoint.store import Store

__all__ = ["SafepointSaver"]


class SafepointSaver(BaseCheckpointSaver[str]):
    """A LangGraph thread is the workspace of its id, a checkpoint or a task's writes one commit.

    Made inside the event loop that `store` was opened in. Asynchronous methods work in every event
    loop, synchronous ones in every thread but that loop's own; `SafepointSaver.open` has a loop of
    its own and knows no such limit.

    A call that returned is durable. A put raises Conflict (`checkpoint_conflict`) when its run
    loaded the newest checkpoint of the thread and another writer has gone on from that since;
    nothing is saved then. Branching off a checkpoint that was asked for by its id is no conflict.

    `allowed` are the classes that may be made on load besides LangGraph's list of safe ones; see
    StrictSerializer. A `serde` of one's own takes its place. `prefix` stands before thread ids in
    the names of workspaces.
    """

    def __init__(
        self,
        store: Store,
        *,
        allowed: Iterable[type | tuple[str, str]] = (),
        serde: SerializerProtocol | None = None,
        prefix: str = "",
    ) -> None:
        super().__init__(serde=serde or StrictSerializer(allowed))
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidInput(
                "SafepointSaver(store) has to be made in the event loop that the store was opened "
                "in",
                hint="Without one, use `with SafepointSaver.open(url) as saver:`.",
                code="no_event_loop",
            ) from None
        self._store = store
        self._bridge = Bridge(loop)
        self._loads = Loads()
        self._threads = Threads(store, prefix, self._metadata)

    @classmethod
    def open(
        cls,
        url: str | Path | ObjectStore,
        *,
        allowed: Iterable[type | tuple[str, str]] = (),
        serde: SerializerProtocol | None = None,
        prefix: str = "",
        **options: Any,
    ) -> Opening[SafepointSaver]:
        """`with` or `async with`: a saver over a store that it opens, in an event loop of its own.

        `options` are those of Store.open, which says what is raised.
        """
        opening = Store.open(url, **options)
        return Opening(
            opening, lambda store: cls(store, allowed=allowed, serde=serde, prefix=prefix)
        )

    @property
    def store(self) -> Store:
        return self._store

    async def settled(self) -> None:
        """Waits for what is still being committed for callers that were cancelled."""
        await self._bridge.run(self._threads.settled())

    # --- reading ---

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        thread, ns, id_ = place_of(config)
        raw = self._bridge.wait(self._threads.get(str(thread), ns, id_))
        return self._loaded(thread, ns, id_, raw)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        thread, ns, id_ = place_of(config)
        raw = await self._bridge.run(self._threads.get(str(thread), ns, id_))
        return self._loaded(thread, ns, id_, raw)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Greatest checkpoint id first. Without `config`, of all threads of the store."""
        found = self._bridge.each(self._listed(config, filter, before))
        if limit is None or limit > 0:
            for number, (thread, raw) in enumerate(found, start=1):
                yield tuple_of(thread, raw, self.serde)
                if number == limit:
                    return

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See list."""
        if limit is not None and limit <= 0:
            return
        number = 0
        async for thread, raw in self._bridge.each_async(self._listed(config, filter, before)):
            yield tuple_of(thread, raw, self.serde)
            number += 1
            if number == limit:
                return

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        thread, ns, id_ = place_of(config)
        found = self._bridge.wait(self._threads.history(str(thread), ns, id_, channels))
        return histories_of(found, self.serde)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        thread, ns, id_ = place_of(config)
        found = await self._bridge.run(self._threads.history(str(thread), ns, id_, channels))
        return histories_of(found, self.serde)

    # --- writing ---

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread, put = self._prepared(config, checkpoint, metadata, new_versions)
        if not self._bridge.wait(self._threads.commit(str(thread), put, size_of(put))):
            put = whole_put(put, checkpoint, self.serde)
            self._bridge.wait(self._threads.commit(str(thread), put, size_of(put)))
        return config_of(thread, put.ns, put.id)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread, put = self._prepared(config, checkpoint, metadata, new_versions)
        if not await self._bridge.run(self._threads.commit(str(thread), put, size_of(put))):
            put = whole_put(put, checkpoint, self.serde)
            await self._bridge.run(self._threads.commit(str(thread), put, size_of(put)))
        return config_of(thread, put.ns, put.id)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        thread, added = (
            place_of(config)[0],
            writes_of(config, writes, task_id, task_path, self.serde),
        )
        self._bridge.wait(self._threads.commit(str(thread), added, size_of(added)))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        thread, added = (
            place_of(config)[0],
            writes_of(config, writes, task_id, task_path, self.serde),
        )
        await self._bridge.run(self._threads.commit(str(thread), added, size_of(added)))

    # --- threads and runs ---

    def delete_thread(self, thread_id: str) -> None:
        """For good: the thread's keys are destroyed. See Store.delete."""
        self._bridge.wait(self._threads.delete(str(thread_id)))

    async def adelete_thread(self, thread_id: str) -> None:
        """See delete_thread."""
        await self._bridge.run(self._threads.delete(str(thread_id)))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Checkpoints and writes of these runs, in all threads: all are looked through. What the
        delta channels of other runs are rebuilt from stays, but is neither listed nor loaded."""
        self._bridge.wait(self._threads.delete_for_runs(run_ids))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """See delete_for_runs."""
        await self._bridge.run(self._threads.delete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """All checkpoints and writes, into a workspace with keys of its own. It may be repeated
        if it was stopped. Raises NotFound without a source, Conflict when the target has others."""
        self._bridge.wait(self._threads.copy(str(source_thread_id), str(target_thread_id)))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """See copy_thread."""
        await self._bridge.run(self._threads.copy(str(source_thread_id), str(target_thread_id)))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """`keep_latest` keeps the newest checkpoint of each namespace with its writes, so that
        interrupted runs go on, and, unlisted, what its delta channels are rebuilt from; `delete`
        is delete_thread."""
        self._bridge.wait(self._threads.prune([str(one) for one in thread_ids], strategy))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """See prune."""
        await self._bridge.run(self._threads.prune([str(one) for one in thread_ids], strategy))

    def get_next_version(self, current: str | float | None, channel: None) -> str:
        """A text that sorts after `current`; no two branches of a thread share one."""
        number = int(str(current).split(".")[0]) + 1 if current is not None else 1
        return f"{number:032}.{secrets.randbits(53):016}"

    # --- helpers of these ---

    def _metadata(self, packed: Any) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", unpack(packed, self.serde))

    def _prepared(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> tuple[Any, Put]:
        put = put_of(config, checkpoint, metadata, new_versions, self.serde)
        thread = place_of(config)[0]
        newest = self._loads.goes_on(str(thread), put.ns, put.parent)
        return thread, replace(put, newest=newest)

    def _loaded(
        self, thread: Any, ns: str, id_: str | None, raw: Raw | None
    ) -> CheckpointTuple | None:
        found = raw.found.id if raw is not None else None
        self._loads.note(str(thread), ns, asked=id_, found=found)
        return None if raw is None else tuple_of(thread, raw, self.serde)

    def _listed(
        self,
        config: RunnableConfig | None,
        filter: dict[str, Any] | None,
        before: RunnableConfig | None,
    ) -> AsyncIterator[tuple[Any, Raw]]:
        given = config.get("configurable", {}) if config is not None else {}
        until = before.get("configurable", {}) if before is not None else {}
        wanted = filter or {}

        def match(packed: Any) -> bool:
            metadata = self._metadata(packed)
            return all(metadata.get(name) == value for name, value in wanted.items())

        thread = given.get("thread_id")
        return self._threads.checkpoints(
            None if thread is None else str(thread),
            given.get("checkpoint_ns"),
            given.get("checkpoint_id") or None,
            until.get("checkpoint_id") or None,
            match,
        )
