"""What verify and repair tell: counts, what is wrong, and what became of it."""

from __future__ import annotations

from safepoint.values import dataclass

__all__ = ["Problem", "RepairReport", "VerifyReport"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One object that is not what was written, or that cannot be read now.

    `what` is a stable word: missing, damaged, broken_chain, wrong_index, rolled_back, unreadable …
    `effect` says what cannot be done because of it, `remedy` what to do.
    """

    workspace: str
    key: str
    what: str
    detail: str
    effect: str
    remedy: str
    version: int | None = None


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked, in counts, and what was found.

    `problems` is damage, `unread` what a store that failed kept from being checked: the two are
    different answers. Of each, and of `notes`, only the first are listed; `problem_count`,
    `unread_count` and the counts tell of all.

    `pruned` versions were removed by a retention policy, `lost` ones by damage that a repair has
    settled; `waiting` records belong to pruned versions or a deleted workspace, and are removed
    when that is safe. Nothing names `orphans`, objects that Safepoint wrote; `foreign` ones it did
    not write. `stumps` are what a power loss left of commits that were never acknowledged: the
    next opening sets them aside. `aside` is what lies in `damaged/`.
    """

    workspaces: int = 0
    tokens: int = 0
    deleted: int = 0
    manifests: int = 0
    records: int = 0
    documents: int = 0
    pruned: int = 0
    lost: int = 0
    artifacts: int = 0
    artifacts_read: int = 0
    read_bytes: int = 0
    advisory: int = 0
    stumps: int = 0
    waiting: int = 0
    orphans: int = 0
    foreign: int = 0
    aside: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    problem_count: int = 0
    unread: tuple[Problem, ...] = ()
    unread_count: int = 0

    @property
    def ok(self) -> bool:
        """Everything that should be there was read and is what was written."""
        return self.problem_count == 0 and self.unread_count == 0


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What a repair did, or with `dry_run` would do, to one workspace.

    `restored` is the newest intact version, when a later one was lost: `version` has its contents
    again. `lost` are versions that nothing brings back, as ranges of first and last. `known` tells
    of lost changes what their records still say. `aside` are the keys that were damaged, each with
    the place where its bytes are kept, None for one that was missing. `left` is what no repair
    mends.
    """

    workspace: str
    dry_run: bool = False
    version: int | None = None
    restored: int | None = None
    lost: tuple[tuple[int, int], ...] = ()
    known: tuple[str, ...] = ()
    aside: tuple[tuple[str, str | None], ...] = ()
    left: tuple[Problem, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there was, or is, anything to do."""
        return self.version is not None or bool(self.aside)
