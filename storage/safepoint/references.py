"""References of a workspace, and how they stand now.

This library reaches nothing outside by itself: whoever asks hands in what looks for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

from safepoint.errors import InvalidInput, LimitExceeded, NotFound, SafepointError
from safepoint.format.entries import ReferenceEntry
from safepoint.log.transitions.base import check_text
from safepoint.model import Limits, Reference, ReferenceCheck, ReferenceStatus

__all__ = [
    "ReferenceChecker",
    "check_references",
    "entries_of",
    "references_of",
]

_AT_ONCE = 4
_LOCATION_BYTES = 2048
_DIGEST_BYTES = 1024
_WITHIN = timedelta(seconds=10)


class ReferenceChecker(Protocol):
    """Looks at things outside, as far as it may."""

    async def look(self, reference: Reference) -> Reference:
        """The thing as it is now, with all that tells it from another. Where its size already
        differs from that of `reference`, digests may be left out. Ends when it is cancelled.

        Raises:
            NotFound: it is certainly not there.
            SafepointError: it cannot be told, or is not to be looked at; the message says why.
        """


async def check_references(
    references: Iterable[Reference],
    checker: ReferenceChecker,
    *,
    within: timedelta = _WITHIN,
) -> tuple[ReferenceCheck, ...]:
    """How each of them stands, in their order. What is not known after `within` is not checked."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(reference: Reference) -> ReferenceCheck:
        async with turns:
            return await _check(reference, checker)

    asked = list(references)
    if not asked:
        return ()
    tasks = [asyncio.create_task(one(reference)) for reference in asked]
    try:
        await asyncio.wait(tasks, timeout=within.total_seconds())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    late = f"it took longer than {within.total_seconds():g} seconds"
    return tuple(
        ReferenceCheck(reference, ReferenceStatus.NOT_CHECKED, late)
        if task.cancelled()
        else task.result()
        for reference, task in zip(asked, tasks, strict=True)
    )


async def _check(reference: Reference, checker: ReferenceChecker) -> ReferenceCheck:
    known = (reference.sha256, reference.etag, reference.object_version)
    if known == (None, None, None):
        why = "no digest was recorded when it was saved"
        return ReferenceCheck(reference, ReferenceStatus.NOT_CHECKED, why)
    try:
        return _compared(reference, await checker.look(reference))
    except NotFound:
        return ReferenceCheck(reference, ReferenceStatus.MISSING)
    except SafepointError as error:
        return ReferenceCheck(reference, ReferenceStatus.NOT_CHECKED, error.message)


def _compared(was: Reference, now: Reference) -> ReferenceCheck:
    if None not in (was.size, now.size) and was.size != now.size:
        told = f"it had {was.size} bytes and has {now.size}"
        return ReferenceCheck(was, ReferenceStatus.CHANGED, told)
    pairs = (
        (was.sha256, now.sha256),
        (was.object_version, now.object_version),
        (was.etag, now.etag),
    )
    for before, after in pairs:
        if before is not None and after is not None:
            same = before == after
            status = ReferenceStatus.UNCHANGED if same else ReferenceStatus.CHANGED
            return ReferenceCheck(was, status)
    why = "what was recorded of it cannot be compared with what it is now"
    return ReferenceCheck(was, ReferenceStatus.NOT_CHECKED, why)


def references_of(entries: Sequence[ReferenceEntry]) -> tuple[Reference, ...]:
    """As they are given to callers."""
    return tuple(
        Reference(one.location, one.digest, one.size, one.etag, one.object_version)
        for one in entries
    )


def entries_of(
    references: Iterable[Reference] | None, limits: Limits
) -> tuple[ReferenceEntry, ...] | None:
    """As they are stored. Raises LimitExceeded or InvalidInput for what is too much, or names
    nothing."""
    if references is None:
        return None
    given = tuple(references)
    if len(given) > limits.references:
        raise LimitExceeded(
            f"{len(given)} references were given; the limit is {limits.references}",
            hint="Name a file that lists the others with their digests.",
        )
    for one in given:
        _check_texts(one)
    return tuple(
        ReferenceEntry(
            kind=one.kind,
            location=one.location,
            digest=one.sha256,
            etag=one.etag,
            object_version=one.object_version,
            size=one.size,
        )
        for one in given
    )


def _check_texts(reference: Reference) -> None:
    check_text(reference.location, "location of a reference", limit=_LOCATION_BYTES)
    for text in (reference.sha256, reference.etag, reference.object_version):
        check_text(text, "digest of a reference", limit=_DIGEST_BYTES)
    if not reference.location or not 0 <= (reference.size or 0) < 2**63:
        raise InvalidInput(
            "a reference has no location, or a size that is none",
            hint="Give a path or an s3:// address, and leave out what is not known.",
            code="bad_reference",
        )
