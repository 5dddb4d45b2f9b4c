"""What rotating keys did, and which keys there are."""

from __future__ import annotations

from dataclasses import field

from safepoint.errors import SafepointError
from safepoint.values import dataclass

__all__ = ["DataKeys", "KeysRotated", "RotatedWorkspace"]


@dataclass(frozen=True, slots=True)
class RotatedWorkspace:
    """`data_keys` are all that it has now, old ones to read by; `version` is the one that tells of
    the newest, None where no data key was added."""

    name: str
    data_keys: int
    generation: int
    version: int | None


@dataclass(frozen=True, slots=True)
class DataKeys:
    """The data keys of a workspace, and the generation of the manifest that holds them. `problem`
    says why they cannot be read, if they cannot."""

    name: str
    data_keys: int
    generation: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class KeysRotated:
    """`finished` is false when a workspace failed: repeat it, it goes on where it stopped.

    With the store key, `kept_slots` and `dropped_slots` are ids of key slots: those that open the
    store now, and those that do no more. `resumed` says that an earlier rotation was finished,
    with the slots that it chose.
    """

    workspaces: tuple[RotatedWorkspace, ...]
    failed: tuple[tuple[str, SafepointError], ...] = ()
    store_key: bool = False
    finished: bool = True
    resumed: bool = False
    kept_slots: tuple[str, ...] = field(default=())
    dropped_slots: tuple[str, ...] = field(default=())
