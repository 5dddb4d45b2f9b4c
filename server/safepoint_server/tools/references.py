"""References in tools: what a model gives when it saves, and what it is told when it loads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from safepoint import InvalidInput, Limits, NotFound, Reference, ReferenceStatus, SafepointError
from safepoint.references import check_references
from safepoint.values import dataclass
from safepoint_server.names import show_name
from safepoint_server.references import AllowedReferences
from safepoint_server.tools.base import Reply
from safepoint_server.tools.replies import cut

__all__ = ["ReferenceReply", "described", "reference_replies"]

SHOWN: Final = 20
LOCATION_CHARS: Final = 200
REASON_CHARS: Final = 160
WARNINGS: Final = 5
SECONDS: Final = 10.0
FIELDS: Final = {
    "location": str,
    "sha256": str,
    "size": int,
    "etag": str,
    "object_version": str,
}
_FIRST = (ReferenceStatus.CHANGED, ReferenceStatus.MISSING, ReferenceStatus.NOT_CHECKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceReply(Reply):
    location: str
    status: str
    reason: str | None = None


async def described(
    given: list[Any], checker: AllowedReferences | None
) -> tuple[list[Reference], list[str]]:
    """The references to save, and a warning for each that could not be looked at: it is kept, and
    cannot be compared later. Raises InvalidInput for what is none."""
    references = [_reference(item, number) for number, item in enumerate(given)]
    most = Limits().references
    if len(references) > most or checker is None:
        return references, []  # refused by the library, or nothing to look with
    plain = [one for one in references if (one.sha256, one.etag, one.object_version) == _NOTHING]
    looks = [asyncio.create_task(checker.look(one)) for one in plain]
    if looks:
        await asyncio.wait(looks, timeout=SECONDS)
    found: dict[str, Reference] = {}
    warnings: list[str] = []
    for one, look in zip(plain, looks, strict=True):
        try:
            if not look.done():
                raise NotFound(f"it could not be read within {SECONDS:g} seconds")
            found[one.location] = look.result()
        except SafepointError as error:
            told = cut(error.message, REASON_CHARS)
            warnings.append(
                f"Reference {show_name(one.location)} was kept without a digest, so that no load "
                f"can tell whether it changed: {told}"
            )
        finally:
            look.cancel()
    if len(warnings) > WARNINGS:
        warnings[WARNINGS:] = [f"So were {len(warnings) - WARNINGS} other references."]
    return [found.get(one.location, one) for one in references], warnings


_NOTHING = (None, None, None)


def _reference(item: Any, number: int) -> Reference:
    """A location, or an object with one and perhaps digests."""
    if isinstance(item, str):
        return Reference(item)
    if isinstance(item, dict):
        given = dict(item)
        if "path" in given and "location" not in given:
            given["location"] = given.pop("path")
        known = all(name in FIELDS and type(value) is FIELDS[name] for name, value in given.items())
        if known and "location" in given:
            return Reference(**given)
    raise InvalidInput(
        f"references[{number}] is neither a path or s3:// address, nor an object with one",
        hint='Give a string, or {"location": …} with sha256 and size, or etag and object_version. '
        "Nothing was saved.",
        code="bad_reference",
    )


async def reference_replies(
    references: Sequence[Reference], checker: AllowedReferences | None
) -> tuple[list[ReferenceReply], int]:
    """How each stands, what needs attention first, and how many were left out."""
    if not references or checker is None:
        return [], len(references)
    checks = await check_references(references, checker)
    ordered = sorted(checks, key=lambda one: one.status not in _FIRST)
    replies = [
        ReferenceReply(
            location=cut(one.reference.location, LOCATION_CHARS),
            status=one.status.value,
            reason=cut(one.reason, REASON_CHARS) if one.reason else None,
        )
        for one in ordered[:SHOWN]
    ]
    return replies, len(ordered) - len(replies)
