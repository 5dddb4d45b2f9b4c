"""The tools, one module each or by family, and the toolsets that an operator chooses from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from safepoint_server.tools.approval import REQUEST_APPROVAL
from safepoint_server.tools.artifacts import LOAD_ARTIFACT, SAVE_ARTIFACT
from safepoint_server.tools.base import ToolSpec
from safepoint_server.tools.listing import LIST_CHECKPOINTS, LIST_WORKSPACES
from safepoint_server.tools.load import LOAD
from safepoint_server.tools.plan import LIST_STEPS, PLAN
from safepoint_server.tools.save import SAVE
from safepoint_server.tools.steps import MARK, START

__all__ = ["BY_TOOLSET", "specs"]

Specs = tuple[ToolSpec[Any, Any], ...]


def _core() -> Specs:
    return (
        *(LOAD, SAVE, PLAN, START, MARK, REQUEST_APPROVAL),
        *(LIST_STEPS, LIST_CHECKPOINTS, LIST_WORKSPACES, SAVE_ARTIFACT, LOAD_ARTIFACT),
    )


def _history() -> Specs:
    from safepoint_server.tools.compare import COMPARE  # only servers that offer them pay
    from safepoint_server.tools.history import FORK, NEW_RUN, REWIND

    return (COMPARE, FORK, REWIND, NEW_RUN)


BY_TOOLSET: Final[dict[str, Callable[[], Specs]]] = {"core": _core, "history": _history}


def specs(toolsets: Iterable[str]) -> list[ToolSpec[Any, Any]]:
    """The tools of these toolsets, each once, in order."""
    return [spec for toolset in toolsets for spec in BY_TOOLSET[toolset]()]
