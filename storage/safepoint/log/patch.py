"""JSON Merge Patch, RFC 7396: a client sends only the part of its state that changes."""

from __future__ import annotations

from safepoint.model import JSON

__all__ = ["merge_patch"]


def merge_patch(target: JSON, patch: JSON) -> JSON:
    """The target with the patch applied: null removes a key, objects merge, all else replaces.

    Neither argument is changed; the answer shares the parts that the patch does not touch with
    `target` and the values it sets with `patch`. Kept keys keep their place, new ones come last.
    Takes time in what the patch touches, and no recursion.
    """
    if not isinstance(patch, dict):
        return patch
    merged = _copy(target)
    todo = [(merged, patch)]
    while todo:
        into, changes = todo.pop()
        for key, change in changes.items():
            if change is None:
                into.pop(key, None)
            elif isinstance(change, dict):
                inner = _copy(into.get(key))
                into[key] = inner
                todo.append((inner, change))
            else:
                into[key] = change
    return merged


def _copy(value: JSON) -> dict[str, JSON]:
    """A copy, one level deep, of an object; anything else gives way to an empty one."""
    return dict(value) if isinstance(value, dict) else {}
