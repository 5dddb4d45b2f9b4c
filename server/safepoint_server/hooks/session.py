"""The store's side of a hook: the library is loaded from here on."""

from __future__ import annotations

import asyncio
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from safepoint import Actor, InvalidInput, NotFound
from safepoint._version import __version__
from safepoint_server.hooks.binding import bind
from safepoint_server.hooks.given import Given
from safepoint_server.hooks.note import Note
from safepoint_server.hooks.project import Project
from safepoint_server.hooks.record import Found, find, loaded, record
from safepoint_server.settings import Settings

if TYPE_CHECKING:
    from safepoint_server.hooks.run import Hook

__all__ = ["keep", "tell"]


def tell(hook: Hook, settings: Settings, given: Given, project: Project) -> str:
    """What a session that starts is told. A store that does not exist is not made."""
    return asyncio.run(_tell(hook, settings, given, project))


def keep(hook: Hook, settings: Settings, given: Given, project: Project, note: Note) -> None:
    """Record the note of a session."""
    if not given.session:
        raise InvalidInput(
            "the client names no session, so there is nothing to record under",
            hint="Clients run this hook; docs/hooks.md says what they send.",
            code="bad_hook_input",
        )
    asyncio.run(_keep(hook, settings, given, project, note))


async def _tell(hook: Hook, settings: Settings, given: Given, project: Project) -> str:
    from safepoint_server.hooks.context import session_context  # late: stop runs at every turn

    binding = bind(project, hook.workspace, settings.store)
    hook.name = binding.names[0]
    now = datetime.now(UTC)
    try:
        async with settings.open_store(_actor(hook), create=False) as store:
            found = await find(store, binding, project)
            hook.name = found.name
            checkpoint = await loaded(store, found.name)
    except NotFound as error:
        if error.code != "store_not_found":
            raise
        found, checkpoint = Found(binding.names[0], 0, {}, binding.remark), None
    return session_context(found, checkpoint, given, project.root, now)


async def _keep(hook: Hook, settings: Settings, given: Given, project: Project, note: Note) -> None:
    binding = bind(project, hook.workspace, settings.store)
    hook.name = binding.names[0]
    about = {
        "client": hook.client,
        "event": hook.event,
        "why": given.why or None,
        "host": _host(),
        "folder": str(given.folder),
    }
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    async with settings.open_store(_actor(hook)) as store:
        found = await find(store, binding, project)
        hook.name = found.name
        saved = await record(
            store, found, project, given.session, {**about, **note}, event=hook.event, at=at
        )
    hook.fields["version"] = saved.version if saved else found.version
    hook.fields["saved"] = saved is not None


def _actor(hook: Hook) -> Actor:
    version = f"safepoint {__version__}"
    return Actor(hook.client, version, _host(), str(os.getpid()), transport="hook")


def _host() -> str:
    return "".join(char for char in socket.gethostname() if char.isprintable())[:100]
