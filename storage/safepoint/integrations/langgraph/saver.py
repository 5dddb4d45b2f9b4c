"""SafepointSaver: LangGraph's checkpointer over a store, with all its methods, sync and async."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from safepoint.errors import InvalidInput
from safepoint.integrations.langgraph.bridge import Bridge, LoopThread
from safepoint.integrations.langgraph.commands import AddWrites, Put
from safepoint.integrations.langgraph.loads import Loads
from safepoint.integrations.langgraph.packed import Blob, NewWrite, pack, unpack
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
    ) -> OpenSaver:
        """`with` or `async with`: a saver over a store that it opens, in an event loop of its own.

        `options` are those of Store.open, which says what is raised.
        """
        opening = Store.open(url, **options)
        return OpenSaver(
            opening, lambda store: cls(store, allowed=allowed, serde=serde, prefix=prefix)
        )

    @property
    def store(self) -> Store:
        return self._store

    # --- reading ---

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        thread, ns, id_ = _place(config)
        raw = self._bridge.wait(self._threads.get(str(thread), ns, id_))
        return self._loaded(thread, ns, id_, raw)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        thread, ns, id_ = _place(config)
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
                yield self._tuple(thread, raw)
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
            yield self._tuple(thread, raw)
            number += 1
            if number == limit:
                return

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        thread, ns, id_ = _place(config)
        found = self._bridge.wait(self._threads.history(str(thread), ns, id_, channels))
        return self._histories(found)

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        thread, ns, id_ = _place(config)
        found = await self._bridge.run(self._threads.history(str(thread), ns, id_, channels))
        return self._histories(found)

    # --- writing ---

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread, ns, _ = _place(config)
        put = self._put(config, checkpoint, metadata, new_versions)
        if not self._bridge.wait(self._threads.commit(str(thread), put, _size(put))):
            put = self._whole(put, checkpoint)
            self._bridge.wait(self._threads.commit(str(thread), put, _size(put)))
        return _config(thread, ns, put.id)

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        thread, ns, _ = _place(config)
        put = self._put(config, checkpoint, metadata, new_versions)
        if not await self._bridge.run(self._threads.commit(str(thread), put, _size(put))):
            put = self._whole(put, checkpoint)
            await self._bridge.run(self._threads.commit(str(thread), put, _size(put)))
        return _config(thread, ns, put.id)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        thread, added, size = self._added(config, writes, task_id, task_path)
        self._bridge.wait(self._threads.commit(thread, added, size))

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        thread, added, size = self._added(config, writes, task_id, task_path)
        await self._bridge.run(self._threads.commit(thread, added, size))

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

    # --- between LangGraph's values and stored ones ---

    def _metadata(self, packed: Any) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", unpack(packed, self.serde))

    def _put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> Put:
        thread, ns, parent = _place(config)
        body: dict[str, Any] = {**checkpoint}
        versions: dict[str, Any] = body.pop("channel_versions")
        values: dict[str, Any] = body.pop("channel_values")
        kept = {n for n in values if parent and n in versions and n not in new_versions}
        return Put(
            ns,
            checkpoint["id"],
            parent,
            pack(body, self.serde),
            pack(cast("dict[str, Any]", get_checkpoint_metadata(config, metadata)), self.serde),
            {**versions, **{name: None for name in values if name not in versions}},
            {n: Blob(*self.serde.dumps_typed(v)) for n, v in values.items() if n not in kept},
            frozenset(kept),
            newest=self._loads.goes_on(str(thread), ns, parent),
        )

    def _whole(self, put: Put, checkpoint: Checkpoint) -> Put:
        """The same with the values that the parent turned out not to have."""
        values = checkpoint["channel_values"]
        more = {name: Blob(*self.serde.dumps_typed(values[name])) for name in put.kept}
        return replace(put, values={**put.values, **more}, kept=frozenset())

    def _added(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: str, path: str
    ) -> tuple[str, AddWrites, int]:
        thread, ns, id_ = _place(config)
        if id_ is None:
            raise InvalidInput(
                "writes belong to a checkpoint, and the config names none",
                hint="Pass the config that put returned.",
            )
        new = tuple(
            NewWrite(
                task,
                path,
                WRITES_IDX_MAP.get(channel, idx),
                channel,
                Blob(*self.serde.dumps_typed(value)),
            )
            for idx, (channel, value) in enumerate(writes)
        )
        return str(thread), AddWrites(ns, id_, new), sum(len(write.blob.data) for write in new)

    def _loaded(
        self, thread: Any, ns: str, id_: str | None, raw: Raw | None
    ) -> CheckpointTuple | None:
        found = raw.found.id if raw is not None else None
        self._loads.note(str(thread), ns, asked=id_, found=found)
        return None if raw is None else self._tuple(thread, raw)

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

    def _tuple(self, thread: Any, raw: Raw) -> CheckpointTuple:
        found = raw.found
        body = unpack(raw.body, self.serde)
        checkpoint = {
            **body,
            "channel_versions": {n: v for n, v in raw.versions.items() if v is not None},
            "channel_values": {n: self._value(blob) for n, blob in raw.values.items()},
        }
        return CheckpointTuple(
            config=_config(thread, found.ns, found.id),
            checkpoint=cast("Checkpoint", checkpoint),
            metadata=cast("CheckpointMetadata", self._metadata(found.metadata)),
            parent_config=_config(thread, found.ns, found.parent) if found.parent else None,
            pending_writes=[(w.task, w.channel, self._value(w.blob)) for w in raw.writes],
        )

    def _histories(
        self, found: Mapping[str, tuple[Sequence[NewWrite], Blob | None]]
    ) -> Mapping[str, DeltaChannelHistory]:
        histories: dict[str, DeltaChannelHistory] = {}
        for name, (writes, seed) in found.items():
            histories[name] = {"writes": [(w.task, w.channel, self._value(w.blob)) for w in writes]}
            if seed is not None:
                histories[name]["seed"] = self._value(seed)
        return histories

    def _value(self, blob: Blob) -> Any:
        return self.serde.loads_typed((blob.kind, blob.data))


class OpenSaver:
    """What SafepointSaver.open gives: to be entered once, with `with` or `async with`."""

    def __init__(self, opening: AbstractAsyncContextManager[Store], make: Any) -> None:
        self._opening = opening
        self._make = make
        self._loop: LoopThread | None = None

    def __enter__(self) -> SafepointSaver:
        self._loop = LoopThread()
        try:
            return Bridge(self._loop.loop).wait(self._start())
        except BaseException:
            self._loop.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._loop is not None  # noqa: S101 - it was entered
        try:
            Bridge(self._loop.loop).wait(self._end())
        finally:
            self._loop.close()

    async def __aenter__(self) -> SafepointSaver:
        return await asyncio.to_thread(self.__enter__)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    async def _start(self) -> SafepointSaver:
        store = await self._opening.__aenter__()
        saver: SafepointSaver = self._make(store)
        return saver

    async def _end(self) -> None:
        await self._opening.__aexit__(None, None, None)


def _place(config: RunnableConfig) -> tuple[Any, str, str | None]:
    """Thread id, namespace and checkpoint id of a config."""
    given = config.get("configurable") or {}
    thread = given.get("thread_id")
    if thread in (None, ""):
        raise InvalidInput(
            "the config names no thread",
            hint='Pass config={"configurable": {"thread_id": "…"}}.',
            code="no_thread",
        )
    return thread, given.get("checkpoint_ns") or "", given.get("checkpoint_id") or None


def _config(thread: Any, ns: str, id_: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id_}}


def _size(put: Put) -> int:
    return sum(len(blob.data) for blob in put.values.values())
