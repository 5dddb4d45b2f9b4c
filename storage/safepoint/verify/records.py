"""The records of one log, each fetched and opened once, a few at a time, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from safepoint.format.versions import Versions
from safepoint.verify.chain import Chain, Fault, Link
from safepoint.verify.reader import Reader
from safepoint.verify.tally import Tally

__all__ = ["Checked", "check_records"]

_AT_ONCE = 32
_BYTES_AT_ONCE = 16 * 1024 * 1024


@dataclass(slots=True)
class Checked:
    """What was found of the records: `faults` by version, and the versions `lost` in repairs."""

    faults: dict[int, Fault] = field(default_factory=dict)
    lost: set[int] = field(default_factory=set)

    def blame(self, fault: Fault) -> None:
        self.faults.setdefault(fault.version, fault)

    @property
    def unusable(self) -> frozenset[int]:
        """The versions that are nothing to rebuild others from."""
        bad = (fault.version for fault in self.faults.values() if fault.what != "wrong_index")
        return frozenset(bad) | frozenset(self.lost)


async def check_records(reader: Reader, versions: Versions, tally: Tally) -> Checked:
    """Check all records of these versions, ascending. Raises Unavailable when the store is gone."""
    checked = Checked()
    chain = Chain(reader.codec, checked.blame)
    async for links in _links(reader, versions):
        chain.codec = reader.codec
        await asyncio.to_thread(_walk, chain, links)
        checked.lost.update(link.version for link in links if link.lost is not None)
        opened = sum(link.record is not None for link in links)
        tally.add(records=opened)
        tally.done(len(links))
    chain.end()
    tally.add(documents=chain.documents, lost=len(checked.lost))
    return checked


def _walk(chain: Chain, links: list[Link]) -> None:
    for link in links:
        chain.step(link)


async def _links(reader: Reader, versions: Versions) -> AsyncIterator[list[Link]]:
    """Batches of links; the next batch is fetched while one is worked on."""
    order, count = iter(versions), _AT_ONCE
    fetching = asyncio.create_task(_fetch(reader, order, count))
    try:
        while batch := await fetching:
            weight = sum(len(data) for _, data in batch if isinstance(data, bytes)) // len(batch)
            count = max(1, min(_AT_ONCE, _BYTES_AT_ONCE // max(weight, 1)))
            fetching = asyncio.create_task(_fetch(reader, order, count))
            yield await _opened(reader, batch)
    finally:
        fetching.cancel()
        with suppress(asyncio.CancelledError):
            await fetching


_Found = tuple[int, "bytes | Fault | None"]


async def _fetch(reader: Reader, order: Iterator[int], count: int) -> list[_Found]:
    some = [version for _, version in zip(range(count), order, strict=False)]
    found = await asyncio.gather(*(reader.fetch(version) for version in some))
    return list(zip(some, found, strict=True))


async def _opened(reader: Reader, batch: list[_Found]) -> list[Link]:
    first = await asyncio.to_thread(_open_all, reader, batch)
    return [
        link if link is not None and link.fault is None else await reader.checked(version, data)
        for link, (version, data) in zip(first, batch, strict=True)
    ]


def _open_all(reader: Reader, batch: list[_Found]) -> list[Link | None]:
    return [
        reader.open(version, data) if isinstance(data, bytes) else None for version, data in batch
    ]
