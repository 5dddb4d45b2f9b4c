"""How a store is opened: by which key, and where watched, once its place has shown that it can be
relied on."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from safepoint.address import Place
from safepoint.behind.following import Following, PagesPolicy
from safepoint.behind.pruning import AutoPrune
from safepoint.behind.schedule import Pace
from safepoint.crypto.keyring import KeyFile, Unlock
from safepoint.crypto.storekeys import StoreKeys
from safepoint.errors import NotFound
from safepoint.keysource import KeySource
from safepoint.log.commit import Patience
from safepoint.manifest import Opened, unlock_store
from safepoint.model import Limits
from safepoint.objects.base import ObjectStore
from safepoint.objects.observed import ObservedObjects
from safepoint.objects.probe import probe
from safepoint.observer import Observer

if TYPE_CHECKING:
    from safepoint.crypto.kms import KmsKey

__all__ = ["following", "memory_of", "source_of", "unlock", "watched"]


def memory_of(url: str, keys: StoreKeys) -> str:
    """Where the heads seen at this address are remembered: a copy elsewhere has the same store id,
    and may rightly be older."""
    return f"{keys.store_id.hex()}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def source_of(
    place: Place, key_file: Path | None, passphrase: str | None, kms_key: str | KmsKey | None
) -> KeySource:
    throwaway: Unlock | None = KeyFile(os.urandom(32)) if place.private else None
    return KeySource(
        key_file=key_file,
        passphrase=passphrase,
        kms_key=kms_key,
        key=throwaway,
        given_only=place.foreign,
    )


def following(
    objects: ObjectStore,
    keys: StoreKeys,
    limits: Limits,
    clock: Callable[[], datetime],
    patience: Patience,
    pages: PagesPolicy,
    pace: Pace,
    *,
    prune: bool,
) -> Following:
    pruning = None
    if prune:
        pruning = AutoPrune(limits=limits, clock=clock, patience=patience, pace=pace)
    return Following(objects, keys, pruning, random=os.urandom, clock=clock, pages=pages, pace=pace)


async def unlock(place: Place, source: KeySource, *, create: bool) -> Opened:
    """The keys of the store at `place`, once it has shown that it can be relied on."""
    if not place.foreign:
        return await unlock_store(place.objects, source, create=create, random=os.urandom)
    probed, opened = await asyncio.gather(
        probe(place.objects),
        unlock_store(place.objects, source, create=False, random=os.urandom),
        return_exceptions=True,
    )
    if isinstance(probed, BaseException):
        raise probed
    if isinstance(opened, NotFound) and create:
        await probe(place.objects, thorough=True)
        return await unlock_store(place.objects, source, create=True, random=os.urandom)
    if isinstance(opened, BaseException):
        raise opened
    return opened


def watched(place: Place, observer: Observer | None) -> Place:
    """The same place, which tells of its operations."""
    if observer is None:
        return place
    return replace(place, objects=ObservedObjects(place.objects, observer))
