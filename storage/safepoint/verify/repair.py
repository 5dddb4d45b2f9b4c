"""Repairs one workspace: what is damaged is set aside, and the newest intact version is restored.

In this order, so that a repair which stops anywhere is finished by a repeat:
  1. numbers that were seen and are gone are taken, lowest first
  2. damaged objects are copied to `damaged/`
  3. the restored version is put, if absent, under the next number
  4. if what new versions would be deltas of is lost, a manifest says that deltas begin anew there
  5. in the place of each lost record comes an object that says so
Whoever commits meanwhile wins: the repair looks again, and goes by what it finds then.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import replace

from safepoint.errors import Conflict, Damaged, Unavailable, Unsupported
from safepoint.format.keys import log_folder, log_key
from safepoint.format.record import NO_PREVIOUS
from safepoint.format.versions import Versions
from safepoint.log.codec import Codec
from safepoint.log.generations import put_ours
from safepoint.log.lost import LOST, REPAIR, open_lost, seal_lost
from safepoint.log.manifests import newest_keys
from safepoint.log.newest import newest_version
from safepoint.log.shared import Shared
from safepoint.model import Actor, Limits, Problem, RepairReport
from safepoint.values import dataclass
from safepoint.verify.aside import keep_aside, replace_object
from safepoint.verify.chain import dependents_end
from safepoint.verify.check import Found, check_workspace
from safepoint.verify.manifests import cut_keys, mend_manifest
from safepoint.verify.reader import UNKNOWN_KEY, Intact, codec_of
from safepoint.verify.restore import Known, known_of, restored
from safepoint.verify.tally import OnProgress, Tally

__all__ = ["Repair"]

_MENDED = frozenset({"missing", "damaged", "broken_chain", "rolled_back"})
_ATTEMPTS = 5
_READ_BACK = 1000
_TOLD = 20


@dataclass(frozen=True, slots=True)
class _Plan:
    """`give_up` are the versions whose place is taken by something that says that they are lost;
    `fill` those of them beyond the log's end. `restore` is set when `version` is to be made."""

    found: Found
    give_up: tuple[int, ...]
    fill: tuple[int, ...]
    restore: Intact | None
    version: int
    lost: Versions
    known: Known
    manifests: tuple[str, ...]
    left: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """`now_ms` is the time by the store's clock."""

    shared: Shared
    name: str
    actor: Actor
    limits: Limits
    now_ms: int
    on_progress: OnProgress | None = None

    async def plan(self) -> RepairReport:
        """What `run` would do now. Raises what `run` raises; nothing is changed."""
        plan = await self._plan()
        if plan is None:
            return RepairReport(self.name, dry_run=True)
        keys = (*plan.manifests, *(log_key(self.name, one) for one in plan.give_up))
        return self._report(plan, dict.fromkeys(keys), dry_run=True)

    async def run(self) -> RepairReport:
        """Repair. Repeating it is harmless.

        Raises:
            Damaged: `nothing_intact`: no version can be rebuilt, or no key opens it.
            Unavailable: something cannot be read now, and may be intact; or written.
            Unsupported: something was written by a newer version, and may be intact.
            Conflict: others kept writing.
        """
        for _ in range(_ATTEMPTS):
            await self._finish()
            plan = await self._plan()
            if plan is None:
                return RepairReport(self.name)
            done = await self._do(plan)
            if done is not None:
                return self._report(plan, done, dry_run=False)
        raise Conflict(
            f"workspace {self.name!r} was written to all the while; nothing is lost by that",
            hint="Run the repair again.",
            code="contention",
        )

    async def _plan(self) -> _Plan | None:
        tally = Tally(self.on_progress)
        found = await check_workspace(self.shared, self.name, tally, deep=False)
        report = tally.report
        if report.unread_count:
            raise Unavailable(
                f"{report.unread[0].key} cannot be read now, and may be intact: "
                f"{report.unread[0].detail}",
                hint="Nothing was changed. Repair when the store can be read.",
            )
        broken = tuple(p.key for p in report.problems if p.version is None and "/keys/" in p.key)
        if found is None:
            if broken:
                raise _nothing(self.name, "no key of it opens")
            return None
        if found.head == found.seen == 0:
            return None  # keys were made, and no version yet
        faults = found.checked.faults
        for fault in faults.values():
            if fault.what == "unsupported":
                raise Unsupported(
                    f"version {fault.version} of workspace {self.name!r} may be intact: "
                    f"{fault.detail}",
                    hint="Upgrade Safepoint, and verify again. Nothing was changed.",
                    code="unknown_format",
                )
        lacking = any(fault.what == UNKNOWN_KEY for fault in faults.values())
        if lacking or (broken and any(fault.what == "damaged" for fault in faults.values())):
            raise _nothing(self.name, "records need keys that its manifests do not hold any more")
        return await self._planned(found, broken, report.problems)

    async def _planned(
        self, found: Found, broken: tuple[str, ...], problems: tuple[Problem, ...]
    ) -> _Plan:
        reader, codec, newest = found.reader, found.reader.codec, found.newest
        if newest is None:
            raise _nothing(self.name, "no version of it can be rebuilt")
        bad = tuple(v for v, fault in found.checked.faults.items() if fault.what in _MENDED)
        fill = tuple(range(found.head + 1, found.seen + 1))
        last = max(found.head, found.seen)
        spans = [(v, min(last, dependents_end(codec, v))) for v in bad]
        needs_new = newest.version < last
        if needs_new:
            spans.append((newest.version + 1, last))
        since = range(max(newest.version + 1, found.head - _READ_BACK), found.head + 1)
        records = [(await reader.link(version)).record for version in since]
        if fill or found.head - newest.version > _READ_BACK:
            records.append(None)
        return _Plan(
            found=found,
            give_up=tuple(sorted({*bad, *fill})),
            fill=fill,
            restore=newest if needs_new else None,
            version=last + 1,
            lost=Versions.covering(spans),
            known=known_of(records),
            manifests=broken,
            left=tuple(
                problem
                for problem in problems
                if problem.what not in _MENDED or "/artifacts/" in problem.key
            ),
        )

    async def _do(self, plan: _Plan) -> dict[str, str | None] | None:
        """Each key that was set aside, with its new place; None when somebody else was faster."""
        codec, objects = plan.found.reader.codec, self.shared.objects
        aside: dict[str, str | None] = {}
        for version in plan.fill:
            if not await put_ours(objects, log_key(self.name, version), self._lost(codec, version)):
                return None
        given_up = [version for version in plan.give_up if version not in plan.fill]
        before: dict[int, bytes | None] = {}
        for version in given_up:
            key = log_key(self.name, version)
            data = before[version] = await objects.get(key)
            if data is not None and not await self._is_wrong(plan, version, data):
                return None
            aside[key] = None if data is None else await keep_aside(objects, key, data)
        for key in plan.manifests:
            aside[key] = await mend_manifest(self.shared, self.name, key)
        if plan.restore is not None and not await self._restore(plan, plan.restore):
            return None
        for version in given_up:
            key = log_key(self.name, version)
            await self._give_up(plan, version, before[version], aside[key])
        aside |= dict.fromkeys((log_key(self.name, version) for version in plan.fill), None)
        return aside

    async def _is_wrong(self, plan: _Plan, version: int, data: bytes) -> bool:
        """Whether it still is: somebody may have put it right since it was verified."""
        reader = plan.found.reader
        link = reader.open(version, data)
        if link.record is None:
            return link.lost is None
        if plan.found.checked.faults[version].what != "broken_chain":
            return await reader.rebuild(version) == version
        following = (await reader.link(version + 1)).record
        return following is None or following.previous != link.digest

    async def _restore(self, plan: _Plan, intact: Intact) -> bool:
        """Put the restored version; False when another writer took its number."""
        objects, version = self.shared.objects, plan.version
        codec = plan.found.reader.codec
        unusable = plan.found.checked.unusable | frozenset(plan.fill)
        cut = not unusable.isdisjoint(codec.chain(version))
        if cut:
            codec = replace(codec, cuts=(*codec.cuts, version))
        before = await objects.get(log_key(self.name, version - 1))
        previous = NO_PREVIOUS if before is None else hashlib.sha256(before).digest()
        encoded = None
        if (base := codec.base(version)) is not None:
            built = await plan.found.reader.rebuild(base)
            if not isinstance(built, Intact):
                return False
            encoded = built.encoded
        document = restored(
            intact.document, plan.known, version=version, last_lost=version - 1,
            now_ms=self.now_ms, actor=self.actor,
        )  # fmt: skip
        event = _event(plan, intact)
        sealed = await asyncio.to_thread(
            codec.seal, document, event, self.actor,
            previous=previous, base=encoded, limit=self.limits.document_bytes,
        )  # fmt: skip
        if not await put_ours(objects, sealed.key, sealed.data):
            return False
        if cut:
            await self._cut(version)
        self.shared.seen.note(self.name, version)
        return True

    async def _cut(self, version: int) -> None:
        """Said only once the version is there: another's under this number may be a delta."""
        for _ in range(_ATTEMPTS):
            if await cut_keys(self.shared, self.name, version) is not None:
                return
        raise Conflict(
            f"the keys of workspace {self.name!r} are changed all the time",
            hint="End whatever rotates them, and run the repair again.",
        )

    async def _finish(self) -> None:
        """A repair that stopped after it had put a version that is no delta: say so now."""
        objects = self.shared.objects
        version = await newest_version(objects, log_folder(self.name))
        data = await objects.get(log_key(self.name, version)) if version else None
        with contextlib.suppress(Damaged, Unsupported):  # that is for the check to tell
            newest = await newest_keys(objects, self.shared.keys, self.name, begun=None)
            if data is None or newest.keys is None or newest.keys.deleted is not None:
                return
            codec = codec_of(self.shared, newest.keys)
            whole = replace(codec, cuts=(*codec.cuts, version))
            if codec.base(version) is None or whole.open(version, data).event["kind"] != REPAIR:
                return
            await self._cut(version)

    async def _give_up(
        self, plan: _Plan, version: int, before: bytes | None, place: str | None
    ) -> None:
        """Unless it has been put right by somebody meanwhile."""
        reader, objects = plan.found.reader, self.shared.objects
        key = log_key(self.name, version)
        if await objects.get(key) != before:
            return
        following = await reader.link(version + 1)
        stands_for = following.record.previous.hex() if following.record is not None else None
        if version + 1 in plan.found.checked.faults:
            stands_for = None
        fault = plan.found.checked.faults[version]
        event = {"what": fault.what, "aside": place, "stands_for": stands_for}
        data = self._lost(reader.codec, version, event)
        if before is None:
            await put_ours(objects, key, data)
        elif open_lost(reader.codec, version, before) is None:
            await replace_object(objects, key, data)

    def _lost(self, codec: Codec, version: int, event: Mapping[str, object] | None = None) -> bytes:
        told: Mapping[str, object] = {"what": "rolled_back"} if event is None else event
        given = {name: value for name, value in told.items() if value is not None}
        return seal_lost(
            codec, version, {**given, "kind": LOST, "actor": {"name": self.actor.name}},
            at_ms=self.now_ms, random=self.shared.random,
        )  # fmt: skip

    def _report(self, plan: _Plan, aside: dict[str, str | None], *, dry_run: bool) -> RepairReport:
        return RepairReport(
            workspace=self.name,
            dry_run=dry_run,
            version=plan.version if plan.restore is not None else None,
            restored=plan.restore.version if plan.restore is not None else None,
            lost=plan.lost.ranges,
            known=plan.known.told,
            aside=tuple(aside.items()),
            left=plan.left,
        )


def _event(plan: _Plan, intact: Intact) -> dict[str, object]:
    """What the history says of the restored version."""
    return {
        "kind": REPAIR,
        "restored": intact.version,
        "lost": [list(span) for span in plan.lost.ranges[-_TOLD:]],
        "lost_versions": len(plan.lost),
        "known": list(plan.known.told) or None,
    }


def _nothing(name: str, why: str) -> Damaged:
    return Damaged(
        f"workspace {name!r} cannot be repaired: {why}",
        hint="Restore it from a copy of the store. Nothing was changed.",
        code="nothing_intact",
    )
