"""What a thread's document holds for LangGraph: the checkpoints in play, and where all others lie.

A checkpoint in play is whole in the document: body, metadata, the value of every channel, writes.
One that leaves play stays readable in the version that held it last. The trail remembers that
version, one line for each checkpoint that left; a long trail becomes a page: the version that holds
it is noted, and a new trail begins. `spaces` tells, for each namespace that has no checkpoint in
play any more, which version held its newest.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from safepoint.errors import Unsupported
from safepoint.format.document import Document
from safepoint.values import dataclass

__all__ = [
    "EMPTY",
    "Channel",
    "Held",
    "Index",
    "Key",
    "Line",
    "Page",
    "Version",
    "Write",
    "index_of",
    "is_below",
    "is_thread",
    "lines_of",
    "space_record",
    "space_versions",
    "text_of",
    "with_index",
]

FORMAT: Final = 1
_PREFIX: Final = "langgraph/"
_INDEX: Final = _PREFIX + "index"
_TRAIL: Final = _PREFIX + "trail"
_SPACES: Final = _PREFIX + "spaces"
_SPACE = struct.Struct(">8sI")

Version: TypeAlias = "str | int | float"
Key: TypeAlias = tuple[str, str]
"""A checkpoint's namespace and id."""


class Channel(NamedTuple):
    """A channel's version, None if it has none, and where its value lies: no region, no value."""

    version: Version | None
    kind: str
    region: str


class Write(NamedTuple):
    """A write of a task, and where its value lies."""

    task: str
    path: str
    idx: int
    channel: str
    kind: str
    region: str


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint in play. Without a body it is `loose`: writes to a checkpoint that is not in
    play, because it is not there yet or because it left play before."""

    ns: str
    id: str
    parent: str | None = None
    body: Any = None
    metadata: Any = None
    channels: Mapping[str, Channel] = field(default_factory=dict)
    writes: tuple[Write, ...] = ()
    hidden: bool = False

    @property
    def key(self) -> Key:
        return (self.ns, self.id)

    @property
    def loose(self) -> bool:
        return self.body is None

    def regions(self) -> Iterator[str]:
        """The regions that its values lie in."""
        yield from (channel.region for channel in self.channels.values() if channel.region)
        yield from (write.region for write in self.writes)

    def stored(self) -> list[Any]:
        return [
            self.ns,
            self.id,
            self.parent,
            self.body,
            self.metadata,
            {name: tuple(channel) for name, channel in self.channels.items()},
            [tuple(write) for write in self.writes],
            self.hidden,
        ]

    @classmethod
    def read(cls, stored: list[Any]) -> Held:
        ns, id_, parent, body, metadata, channels, writes, hidden = stored
        return cls(
            ns,
            id_,
            parent,
            body,
            metadata,
            {name: Channel(*channel) for name, channel in channels.items()},
            tuple(Write(*write) for write in writes),
            hidden,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """A checkpoint that left play, last held by `version`; or, `loose`, only writes to one. What is
    `hidden` was deleted and stays for the delta channels of what came after it."""

    ns: str
    id: str
    version: int
    parent: str | None = None
    metadata: Any = None
    loose: bool = False
    hidden: bool = False

    @property
    def key(self) -> Key:
        return (self.ns, self.id)

    @classmethod
    def of(cls, held: Held, version: int) -> Line:
        return cls(held.ns, held.id, version, held.parent, held.metadata, held.loose, held.hidden)

    def stored(self) -> list[Any]:
        return [
            self.ns, self.id, self.version, self.parent, self.metadata, self.loose, self.hidden
        ]  # fmt: skip


class Page(NamedTuple):
    """An earlier trail: the version that holds it, and the range of the ids in it."""

    version: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Index:
    """All of it but the values. `next` numbers the regions; none is named twice."""

    held: tuple[Held, ...] = ()
    pages: tuple[Page, ...] = ()
    trail: bytes = b""
    spaces: bytes = b""
    next: int = 1

    def newest(self, ns: str) -> Held | None:
        """The checkpoint in play with the greatest id of a namespace."""
        own = [held for held in self.held if held.ns == ns and not held.loose and not held.hidden]
        return max(own, key=lambda held: held.id, default=None)


EMPTY: Final = Index()


def is_thread(document: Document) -> bool:
    """Whether LangGraph has put anything there."""
    return _INDEX in document.regions


def index_of(document: Document) -> Index:
    """Raises Unsupported for one that a newer version of Safepoint wrote.

    A fork has the checkpoints in play and nothing before: versions are those of its origin.
    """
    stored = document.regions.get(_INDEX)
    if stored is None:
        return EMPTY
    head = orjson.loads(stored)
    if head["format"] != FORMAT:
        raise Unsupported(
            f"this thread is of format {head['format']}, which this version of Safepoint does not "
            "know",
            hint="Upgrade Safepoint: a newer version wrote it.",
            code="unknown_format",
        )
    own = head["origin"] == _origin(document)
    return Index(
        held=tuple(map(Held.read, head["held"])),
        pages=tuple(Page(*page) for page in head["pages"]) if own else (),
        trail=document.regions.get(_TRAIL, b"") if own else b"",
        spaces=document.regions.get(_SPACES, b"") if own else b"",
        next=head["next"],
    )


def with_index(document: Document, index: Index, values: Mapping[str, bytes]) -> Document:
    """`document` with this index; of the values, old or in `values`, those that it names."""
    named = {region for held in index.held for region in held.regions()}
    head = {
        "format": FORMAT,
        "origin": _origin(document),
        "next": index.next,
        "pages": [tuple(page) for page in index.pages],
        "held": [held.stored() for held in index.held],
    }
    regions = {n: data for n, data in document.regions.items() if not n.startswith(_PREFIX)}
    regions |= {_INDEX: orjson.dumps(head), _TRAIL: index.trail, _SPACES: index.spaces}
    regions |= {name: data for name, data in document.regions.items() if name in named}
    regions |= {name: data for name, data in values.items() if name in named}
    return document.changed(regions=regions)


def lines_of(trail: bytes) -> list[Line]:
    return [Line(*orjson.loads(line)) for line in trail.splitlines()]


def text_of(lines: Iterable[Line]) -> bytes:
    """The inverse of `lines_of`."""
    return b"".join(orjson.dumps(line.stored()) + b"\n" for line in lines)


def space_record(ns: str, version: int) -> bytes:
    """To append to `spaces`: that version held the newest checkpoint of `ns` when it left play. 0
    takes back all records before."""
    return _SPACE.pack(_digest(ns), version)


def space_versions(spaces: bytes, ns: str) -> tuple[int, ...]:
    """The versions of which one held the newest checkpoint of `ns` that is not in play."""
    wanted, end, found = _digest(ns), len(spaces), list[int]()
    while (at := spaces.rfind(wanted, 0, end)) >= 0:
        end = at + len(wanted) - 1
        if at % _SPACE.size == 0:
            version: int = _SPACE.unpack_from(spaces, at)[1]
            if version == 0:
                break
            found.append(version)
    return tuple(found)


def is_below(ns: str, above: str) -> bool:
    """Whether a namespace is that of a subgraph, at any depth, of another."""
    return ns != above and (not above or ns.startswith(above + "|"))


def _digest(ns: str) -> bytes:
    return hashlib.sha256(ns.encode()).digest()[:8]


def _origin(document: Document) -> list[Any] | None:
    origin = document.origin
    return None if origin is None else [origin.workspace, origin.version]
