"""Between LangGraph's configs, checkpoints and writes, and operations and stored values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from safepoint.errors import InvalidInput
from safepoint.integrations.langgraph.commands import AddWrites, Put
from safepoint.integrations.langgraph.packed import Blob, NewWrite, pack, unpack
from safepoint.integrations.langgraph.view import Raw

__all__ = [
    "config_of",
    "histories_of",
    "place_of",
    "put_of",
    "size_of",
    "tuple_of",
    "whole_put",
    "writes_of",
]


def place_of(config: RunnableConfig) -> tuple[Any, str, str | None]:
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


def config_of(thread: Any, ns: str, id_: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": id_}}


def put_of(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    new_versions: ChannelVersions,
    serde: SerializerProtocol,
) -> Put:
    """With the values of the channels that changed; the parent should have the others."""
    _, ns, parent = place_of(config)
    body: dict[str, Any] = {**checkpoint}
    versions: dict[str, Any] = body.pop("channel_versions")
    values: dict[str, Any] = body.pop("channel_values")
    kept = {name for name in values if parent and name in versions and name not in new_versions}
    about = cast("dict[str, Any]", get_checkpoint_metadata(config, metadata))
    return Put(
        ns,
        checkpoint["id"],
        parent,
        pack(body, serde),
        pack(about, serde),
        {**versions, **{name: None for name in values if name not in versions}},
        {name: Blob(*serde.dumps_typed(v)) for name, v in values.items() if name not in kept},
        frozenset(kept),
    )


def whole_put(put: Put, checkpoint: Checkpoint, serde: SerializerProtocol) -> Put:
    """The same with the values that the parent turned out not to have."""
    values = checkpoint["channel_values"]
    more = {name: Blob(*serde.dumps_typed(values[name])) for name in put.kept}
    return replace(put, values={**put.values, **more}, kept=frozenset())


def writes_of(
    config: RunnableConfig,
    writes: Sequence[tuple[str, Any]],
    task: str,
    path: str,
    serde: SerializerProtocol,
) -> AddWrites:
    _, ns, id_ = place_of(config)
    if id_ is None:
        raise InvalidInput(
            "writes belong to a checkpoint, and the config names none",
            hint="Pass the config that put returned.",
        )
    return AddWrites(
        ns,
        id_,
        tuple(
            NewWrite(
                task,
                path,
                WRITES_IDX_MAP.get(channel, number),
                channel,
                Blob(*serde.dumps_typed(value)),
            )
            for number, (channel, value) in enumerate(writes)
        ),
    )


def size_of(operation: Put | AddWrites) -> int:
    """Its data in bytes."""
    if isinstance(operation, Put):
        return sum(len(blob.data) for blob in operation.values.values())
    return sum(len(write.blob.data) for write in operation.writes)


def tuple_of(thread: Any, raw: Raw, serde: SerializerProtocol) -> CheckpointTuple:
    found = raw.found
    checkpoint = {
        **unpack(raw.body, serde),
        "channel_versions": {n: v for n, v in raw.versions.items() if v is not None},
        "channel_values": {name: _value(blob, serde) for name, blob in raw.values.items()},
    }
    return CheckpointTuple(
        config=config_of(thread, found.ns, found.id),
        checkpoint=cast("Checkpoint", checkpoint),
        metadata=cast("CheckpointMetadata", unpack(found.metadata, serde)),
        parent_config=config_of(thread, found.ns, found.parent) if found.parent else None,
        pending_writes=[(w.task, w.channel, _value(w.blob, serde)) for w in raw.writes],
    )


def histories_of(
    found: Mapping[str, tuple[Sequence[NewWrite], Blob | None]], serde: SerializerProtocol
) -> Mapping[str, DeltaChannelHistory]:
    histories: dict[str, DeltaChannelHistory] = {}
    for name, (writes, seed) in found.items():
        histories[name] = {"writes": [(w.task, w.channel, _value(w.blob, serde)) for w in writes]}
        if seed is not None:
            histories[name]["seed"] = _value(seed, serde)
    return histories


def _value(blob: Blob, serde: SerializerProtocol) -> Any:
    return serde.loads_typed((blob.kind, blob.data))
