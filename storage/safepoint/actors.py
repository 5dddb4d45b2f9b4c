"""Who changes are attributed to where nobody else is named."""

from __future__ import annotations

import getpass
import os
import socket

from safepoint._version import __version__
from safepoint.log.transitions.base import check_text
from safepoint.model import Actor, Limits

__all__ = ["checked_actor"]

_NAME_CHARS = 200


def checked_actor(actor: Actor | None, limits: Limits) -> Actor:
    """`actor`, or without one this user. Raises InvalidInput or LimitExceeded."""
    if actor is None:
        return _this_user()
    for text in (actor.name, actor.version, actor.host, actor.process, actor.transport):
        check_text(text, "actor", limit=limits.summary_bytes)
    return actor


def _this_user() -> Actor:
    """This user's program on this machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown"
    user, host = (_as_text(name) for name in (user, socket.gethostname()))
    return Actor(user, f"safepoint {__version__}", host, str(os.getpid()), "library")


def _as_text(name: str) -> str:
    """Without bytes that are no text, which an environment may hold, and not too long."""
    return name.encode(errors="replace").decode()[:_NAME_CHARS]
