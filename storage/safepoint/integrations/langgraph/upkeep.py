"""What is forgotten of a thread, and what must stay: pruning and deleting runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from safepoint.integrations.langgraph.commands import Rewrite
from safepoint.integrations.langgraph.index import Key, Line, space_record
from safepoint.integrations.langgraph.view import Found, View

__all__ = ["forget_runs", "keep_newest"]

_COUNTERS = "counters_since_delta_snapshot"

Metadata = Callable[[Any], Mapping[str, Any]]


async def keep_newest(view: View, metadata: Metadata) -> Rewrite | None:
    """Keep the newest checkpoint of each namespace with its writes, and, hidden, what its delta
    channels are rebuilt from. None if nothing would go."""
    known, others = await view.all()
    newest: dict[str, Found] = {}
    for found in known:
        if not found.hidden and (found.ns not in newest or found.id > newest[found.ns].id):
            newest[found.ns] = found
    keep = {found.key for found in newest.values()}
    hide = await _needed(view, newest.values(), metadata) - keep
    if len(keep | hide) == len(known):
        return None
    return _rewrite(view, known, keep, hide, others, view.index.spaces)


async def forget_runs(view: View, runs: frozenset[str], metadata: Metadata) -> Rewrite | None:
    """Forget the checkpoints of these runs with their writes; hide what the delta channels of the
    others are rebuilt from. None if there are none."""
    known, others = await view.all()
    gone = [f for f in known if not f.hidden and metadata(f.metadata).get("run_id") in runs]
    if not gone:
        return None
    lost = {found.key for found in gone}
    stay = [found for found in known if not found.hidden and found.key not in lost]
    keep = {found.key for found in stay}
    hide = await _needed(view, stay, metadata) - keep
    spaces = view.index.spaces
    for ns in {found.ns for found in gone}:
        rest = [found for found in stay if found.ns == ns]
        newest = max(rest, key=lambda found: found.id, default=None)
        spaces += space_record(ns, 0)
        if newest is not None and newest.version != view.version:
            spaces += space_record(ns, newest.version)
    return _rewrite(view, known, keep, hide, others, spaces)


async def _needed(view: View, kept: Iterable[Found], metadata: Metadata) -> set[Key]:
    """The ancestors back to where each delta channel of each kept checkpoint has a value.

    LangGraph counts in a checkpoint's metadata what was written since; without a count a channel
    has its value there."""
    needed: set[Key] = set()
    for found in kept:
        rest = set(metadata(found.metadata).get(_COUNTERS) or ())
        seen = {found.id}
        parent = found.parent
        while rest and parent is not None and parent not in seen:
            seen.add(parent)
            above = await view.checkpoint(found.ns, parent)
            if above is None:
                break
            needed.add(above.key)
            rest -= (await view.raw(above, rest)).values.keys()
            parent = above.parent
    return needed


def _rewrite(
    view: View,
    known: list[Found],
    keep: set[Key],
    hide: set[Key],
    others: list[Line],
    spaces: bytes,
) -> Rewrite:
    """Those to keep stay in play where they are; what is hidden leaves; `others` stay."""
    there = {found.key for found in known}
    stay = {
        held.key
        for held in view.index.held
        if (held.key in keep or held.key not in there) or (held.loose and held.key in hide)
    }
    lines = [line for line in others if line.version != view.version]
    for found in known:
        hidden = found.key in hide
        if not hidden and found.key not in keep:
            continue
        for version in found.versions:
            if version == view.version and found.key in stay:
                continue
            if version == found.version:
                line = Line(*found.key, version, found.parent, found.metadata, hidden=hidden)
            else:
                line = Line(*found.key, version, loose=True)
            lines.append(line)
    return Rewrite(view.version, frozenset(stay), tuple(lines), spaces)
