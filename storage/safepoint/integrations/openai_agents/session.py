"""A session of the OpenAI Agents SDK that is a workspace: its items are the workspace's state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from agents import RunContextWrapper, TResponseInputItem
from agents.memory import OpenAIResponsesCompactionArgs, SessionSettings
from agents.memory.session_settings import coerce_session_settings, resolve_session_limit

from safepoint.integrations.openai_agents.history import (
    Add,
    Clear,
    Pop,
    ReplaceFirst,
    ReplaceLast,
)
from safepoint.integrations.openai_agents.items import decode, encode, inner
from safepoint.integrations.openai_agents.settled import settled
from safepoint.log.log import off_loop
from safepoint.model import Actor
from safepoint.objects.base import ObjectStore
from safepoint.store import Store
from safepoint.workspace import Workspace

if TYPE_CHECKING:
    from safepoint.crypto.kms import KmsKey

__all__ = ["Compact", "SafepointSession"]

Items: TypeAlias = list[TResponseInputItem]
Compact: TypeAlias = Callable[[Items], Awaitable[Items | None]]
"""What shortens a history: the items that take the place of these, None to leave them."""


@dataclass(frozen=True)
class _Snapshot:
    """The newest items, whether they are all, and what replaces those from an index on, if they
    are still the newest. As the SDK's own compaction expects it."""

    items: Items
    complete: bool
    replace_suffix: Callable[[int, Items], Awaitable[bool]]


class SafepointSession:
    """The SDK's `Session` protocol. Holds no items itself, so any number may exist for one session,
    here and in other processes.

    Every change is one atomic commit, durable when the call returns; a cancelled call has happened
    or not when the CancelledError arrives. Reads are of a version no older than the call. Methods
    raise what those of `Workspace` raise, and Conflict (`not_a_session`) when the workspace has
    another state. `wrapper`, the run's context, is taken and not used.
    """

    session_id: str
    session_settings: SessionSettings | None

    def __init__(
        self,
        session_id: str,
        store: Store,
        *,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        compact: Compact | None = None,
    ) -> None:
        """The session of this id: the workspace of this name, which begins with its first items.

        `compact` is asked after each turn of a run for a shorter history.
        """
        self.session_id = session_id
        self.session_settings = (
            SessionSettings()
            if session_settings is None
            else coerce_session_settings(session_settings)
        )
        self._store = store
        self._workspace = store.workspace(session_id)
        self._handle = self._workspace.handle
        self._compact = compact

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        session_id: str,
        url: str | Path | ObjectStore,
        *,
        key_file: Path | None = None,
        passphrase: str | None = None,
        kms_key: str | KmsKey | None = None,
        actor: Actor | None = None,
        session_settings: SessionSettings | dict[str, Any] | None = None,
        compact: Compact | None = None,
    ) -> AsyncIterator[SafepointSession]:
        """A session and the store that it lies in, for as long as the block; see Store.open."""
        async with Store.open(
            url, key_file=key_file, passphrase=passphrase, kms_key=kms_key, actor=actor
        ) as store:
            yield cls(session_id, store, session_settings=session_settings, compact=compact)

    @property
    def workspace(self) -> Workspace:
        """Where the session lies: its versions, approvals, files and history."""
        return self._workspace

    async def get_items(
        self, limit: int | None = None, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> Items:
        """The newest `limit` items (by default those of `session_settings`, else all), oldest
        first. As in the SDK's own sessions a negative limit is none."""
        limit = resolve_session_limit(limit, self.session_settings)
        text = await self._text()
        items = await off_loop(len(text), decode, text)
        if limit is None or limit < 0:
            return items
        return items[-limit:] if limit else []

    async def add_items(
        self, items: Items, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> None:
        """Add all of the items, in order, or none. No items are no change.

        Raises InvalidInput for an item that JSON cannot hold, LimitExceeded when the session
        becomes larger than a state may be.
        """
        if not items:
            return
        text = encode(items)
        await settled(self._handle.commit(Add(text), size=len(text)))

    async def pop_item(
        self, *, wrapper: RunContextWrapper[Any] | None = None
    ) -> TResponseInputItem | None:
        """Take the newest item away; each is given to one caller, in whatever process."""
        done = await settled(self._handle.commit(Pop()))
        return cast("TResponseInputItem | None", done.reply)

    async def clear_session(self, *, wrapper: RunContextWrapper[Any] | None = None) -> None:
        """Take all items away. Older versions of the workspace still have them."""
        await settled(self._handle.commit(Clear()))

    async def replace_items(self, seen: Items, items: Items) -> bool:
        """Put `items` in the place of `seen`, in one commit, if these are still the oldest items;
        what was added since stays behind them. Answers whether it was done."""
        change = ReplaceFirst(encode(seen), encode(items))
        return await self._replaced(change)

    async def run_compaction(
        self,
        args: OpenAIResponsesCompactionArgs | None = None,
        *,
        wrapper: RunContextWrapper[Any] | None = None,
    ) -> None:
        """Ask `compact` for a shorter history and put it in the place of the one it was shown.

        If that was changed meanwhile other than by adding to it, nothing happens. Called by the SDK
        after each turn; without `compact` it does nothing.
        """
        if self._compact is None:
            return
        text = await self._text()
        if not text:
            return
        shorter = await self._compact(await off_loop(len(text), decode, text))
        if shorter is not None:
            await self._replaced(ReplaceFirst(text, encode(shorter)))

    async def fork(
        self, session_id: str, *, version: int | None = None, label: str | None = None
    ) -> SafepointSession:
        """Another session that goes on from this one as it is, or was at `version` or `label`; see
        Workspace.fork."""
        await self._workspace.fork(session_id, version=version, label=label)
        return SafepointSession(
            session_id,
            self._store,
            session_settings=self.session_settings,
            compact=self._compact,
        )

    async def _get_compaction_snapshot(
        self, limit: int, *, prune_prefix: Callable[[TResponseInputItem], bool] | None = None
    ) -> _Snapshot | None:
        """What the SDK's OpenAIResponsesCompactionSession asks a store for that can replace the
        newest items atomically."""
        if prune_prefix is not None:
            return None  # then it reads and replaces everything
        text = await self._text()
        items = await off_loop(len(text), decode, text)
        newest = items[-limit:] if limit > 0 else []

        async def replace_suffix(start: int, output: Items) -> bool:
            expected = newest[start:]
            if not expected:
                return False
            return await self._replaced(ReplaceLast(encode(expected), encode(output)))

        return _Snapshot(newest, len(items) <= limit, replace_suffix)

    async def _text(self) -> bytes:
        return inner((await self._handle.log.durable_head()).document)

    async def _replaced(self, change: ReplaceFirst | ReplaceLast) -> bool:
        size = len(change.seen) + len(change.items)
        return (await settled(self._handle.commit(change, size=size))).reply
