"""The stores that a server holds open: its own, and those of tenants while they are used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from safepoint import SafepointError, Store, Unavailable

__all__ = ["OpenTenant", "Stores"]

logger = logging.getLogger(__name__)

OpenTenant = Callable[[str], AbstractAsyncContextManager[Store]]
"""The store of a tenant, open for the length of the block."""

IDLE_SECONDS: Final = 600.0


@dataclass(slots=True)
class _Tenant:
    opening: asyncio.Task[Store]
    leaving: AsyncExitStack
    users: int = 0
    timer: asyncio.TimerHandle | None = field(default=None)

    @property
    def failed(self) -> bool:
        return self.opening.done() and (
            self.opening.cancelled() or self.opening.exception() is not None
        )


class Stores:
    """A tenant's store is opened by the first call for it, while the others wait, and closed when
    nobody has used it for `idle_seconds`. At most `most` are open at once."""

    def __init__(
        self,
        root: Store,
        open_tenant: OpenTenant,
        *,
        most: int,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._root = root
        self._open_tenant = open_tenant
        self._most = most
        self._idle_seconds = idle_seconds
        self._tenants: dict[str, _Tenant] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def open_tenants(self) -> tuple[str, ...]:
        """Whose stores are open, the longest unused first."""
        return tuple(self._tenants)

    @asynccontextmanager
    async def hold(self, tenant: str | None) -> AsyncIterator[Store]:
        """The store of this tenant, or without one the root, open for the length of the block.

        Raises:
            Unavailable: as many as may be are open, and all are in use (`too_many_tenants`).
            SafepointError: it cannot be opened.
        """
        if tenant is None:
            yield self._root
            return
        held = self._tenants.pop(tenant, None)
        if held is not None and held.timer is not None:
            held.timer.cancel()
        if held is None or held.failed:
            held = self._begin(tenant)
        self._tenants[tenant] = held  # the last in order: used just now
        held.users += 1
        try:
            yield await asyncio.shield(held.opening)
        finally:
            held.users -= 1
            if not held.users:
                self._let_go(tenant, held)

    def _begin(self, tenant: str) -> _Tenant:
        if len(self._tenants) >= self._most:
            idle = next((name for name, one in self._tenants.items() if not one.users), None)
            if idle is None:
                raise Unavailable(
                    f"all {self._most} stores of tenants that may be open are in use",
                    hint="Try again soon, or raise SAFEPOINT_MAX_TENANTS.",
                    code="too_many_tenants",
                )
            self._close(idle)
        leaving = AsyncExitStack()
        opening = asyncio.create_task(leaving.enter_async_context(self._open_tenant(tenant)))
        opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        return _Tenant(opening, leaving)

    def _let_go(self, tenant: str, held: _Tenant) -> None:
        """Nobody uses it now. One that did not open is tried again by the next who comes."""
        if self._tenants.get(tenant) is not held:
            return  # closed already: the server has stopped
        if held.failed:
            del self._tenants[tenant]
        else:
            loop = asyncio.get_running_loop()
            held.timer = loop.call_later(self._idle_seconds, self._close, tenant)

    def _close(self, tenant: str) -> None:
        held = self._tenants.pop(tenant)
        if held.timer is not None:
            held.timer.cancel()
        task = asyncio.create_task(self._closed(tenant, held))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _closed(self, tenant: str, held: _Tenant) -> None:
        await asyncio.wait([held.opening])
        try:
            await held.leaving.aclose()
        except SafepointError as error:  # nobody waits for it, and what was acknowledged is stored
            logger.error("the store of tenant %s does not close: %s", tenant, error.code)

    async def close(self) -> None:
        """Close what is open, each with what it has to write behind its commits."""
        for tenant in self.open_tenants:
            self._close(tenant)
        while self._closing:
            await asyncio.wait(self._closing)
