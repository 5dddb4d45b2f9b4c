"""The timeline of a workspace as a picture: steps, checkpoints and the size of the state."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from safepoint.pages.axis import Axis
from safepoint.pages.html import duration, plain, size
from safepoint.pages.values import CheckpointRow, StepRow, WorkspacePage
from safepoint.values import dataclass

__all__ = ["MAX_BARS", "timeline"]

MAX_BARS = 24
_WIDTH, _LEFT, _RIGHT = 1040, 208, 1016
_TOP, _ROW, _DOTS, _SIZES = 48, 26, 40, 56
_LABEL_CELLS = 30


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    tip: str
    status: str
    start: float
    end: float


def timeline(page: WorkspacePage) -> str:
    """An SVG figure, or nothing when nothing has happened that has a time."""
    bars = _bars(page)
    points = sorted(page.checkpoints, key=lambda row: row.version)
    times = [time for bar in bars for time in (bar.start, bar.end)]
    times += [row.at.timestamp() for row in points]
    if not times:
        return ""
    axis = Axis(times, _LEFT, _RIGHT)
    lanes = _TOP + _ROW * len(bars)
    bottom = lanes + (_DOTS + _SIZES if points else 8)
    parts = [_grid(axis, bottom)]
    parts += [_bar(axis, bar, _TOP + _ROW * index) for index, bar in enumerate(bars)]
    if points:
        parts += [_sizes(axis, points, lanes + _DOTS), _dots(axis, points, lanes)]
    told = f"{len(bars)} steps and {len(points)} checkpoints between {_stamp(min(times))} and "
    return (
        f'<svg class="time" viewBox="0 0 {_WIDTH} {bottom + 8}" role="img" '
        'aria-labelledby="time-title time-desc">'
        '<title id="time-title">Timeline</title>'
        f'<desc id="time-desc">{told}{_stamp(max(times))} UTC. '
        "The tables below hold the same.</desc>\n" + "\n".join(parts) + "\n</svg>"
    )


def _bars(page: WorkspacePage) -> list[_Bar]:
    """The steps that were started or finished last, in the order in which they began."""
    rows = [row for row in page.steps if row.started or row.finished]
    rows.sort(key=lambda row: (_began(row), row.number))
    return [_bar_of(row, page.written) for row in rows[-MAX_BARS:]]


def _began(row: StepRow) -> datetime:
    began = row.started or row.finished
    assert began is not None  # noqa: S101 - the caller has checked
    return began


def _bar_of(row: StepRow, now: datetime) -> _Bar:
    began = _began(row)
    ended = max(began, row.finished or min(now, row.until or now))
    name = f"Step {row.number}" if row.name is None else row.name
    took = duration(ended - began) if row.started else "not started"
    again = f", attempt {row.attempts}" if row.attempts > 1 else ""
    tip = f"{name}: {row.status}, {took}{again}"
    return _Bar(name, tip, row.status, began.timestamp(), ended.timestamp())


def _grid(axis: Axis, bottom: int) -> str:
    parts = [f'<clipPath id="names"><path d="M0 0H{_LEFT - 6}V{bottom}H0z"/></clipPath>']
    parts += [_gap(gap.left, gap.right, gap.end - gap.start, bottom) for gap in axis.gaps]
    ticks = axis.ticks()
    fine = len({int(time) for time, _ in ticks}) < len(ticks)  # several in one second
    day = told = ""
    for time, place in ticks:
        at = datetime.fromtimestamp(time, UTC)
        today = f"{at:%Y-%m-%d}"
        clock = at.time().isoformat("milliseconds" if fine else "seconds")
        if (today, clock) == (day, told):
            continue
        told = clock
        parts.append(
            f'<line class="grid" x1="{place:.1f}" y1="{_TOP - 8}" x2="{place:.1f}" y2="{bottom}"/>'
            f'<text x="{place:.1f}" y="32">{clock}</text>'
        )
        if today != day:
            parts.append(f'<text class="label" x="{place:.1f}" y="16">{today}</text>')
        day = today
    return "".join(parts)


def _gap(left: float, right: float, seconds: float, bottom: int) -> str:
    span = duration(timedelta(seconds=seconds))
    short = " ".join(span.split()[:2])
    return (
        f'<g><title>{span} without a change</title><rect class="gap" x="{left:.1f}" '
        f'y="{_TOP - 8}" width="{right - left:.1f}" height="{bottom - _TOP + 8}"/>'
        f'<text x="{(left + right) / 2:.1f}" y="{bottom - 4}" text-anchor="middle">{short}</text>'
        "</g>"
    )


def _bar(axis: Axis, bar: _Bar, top: int) -> str:
    left = axis.place(bar.start)
    width = max(axis.place(bar.end) - left, 5.0)
    return (
        f'<line class="row" x1="0" y1="{top + _ROW}" x2="{_WIDTH}" y2="{top + _ROW}"/>'
        f'<g><title>{plain(bar.tip)}</title><text class="label" x="14" y="{top + 17}" '
        f'clip-path="url(#names)">'
        f"{plain(_fit(bar.label))}</text>"
        f'<rect class="f-{bar.status}" x="{left:.1f}" y="{top + 7}" width="{width:.1f}" '
        'height="12" rx="4"/></g>'
    )


def _dots(axis: Axis, points: Sequence[CheckpointRow], top: int) -> str:
    middle = top + _DOTS // 2
    parts = [f'<text class="label" x="14" y="{middle + 4}">Checkpoints</text>']
    for row in points:
        x = axis.place(row.at.timestamp())
        tip = f"Version {row.version}: {size(row.state_bytes)}"
        if row.label is not None:
            tip += f", {row.label}"
        if row.milestone:
            shape = f'<path class="dot" d="M{x:.1f} {middle - 9}l9 9-9 9-9-9z"/>'
            tip += ", milestone"
        else:
            shape = f'<circle class="dot" cx="{x:.1f}" cy="{middle}" r="5"/>'
        parts.append(f"<g><title>{plain(tip)}</title>{shape}</g>")
    return "".join(parts)


def _sizes(axis: Axis, points: Sequence[CheckpointRow], top: int) -> str:
    """The size of the state from checkpoint to checkpoint, as steps: it changes at commits only."""
    largest = max(row.state_bytes for row in points) or 1
    base, tall = top + _SIZES - 8, _SIZES - 20
    path, last = "", 0.0
    for row in points:
        x = axis.place(row.at.timestamp())
        y = base - tall * row.state_bytes / largest
        path += f"H{x:.1f}V{y:.1f}" if path else f"M{x:.1f} {y:.1f}"
        last = x
    path += f"H{_RIGHT}"
    first = axis.place(points[0].at.timestamp())
    right = max(last, float(_RIGHT))
    return (
        f'<text class="label" x="14" y="{base - tall // 2 + 2}">State</text>'
        f'<text x="58" y="{base - tall // 2 + 2}">up to {size(largest)}</text>'
        f'<path class="area" d="{path}H{right:.1f}V{base}H{first:.1f}z"/>'
        f'<path class="edge" d="{path}"/>'
    )


def _fit(label: str) -> str:
    """As much of a label as fits into its column; wide characters count twice."""
    used = 0
    for index, character in enumerate(label):
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > _LABEL_CELLS:
            return label[:index].rstrip() + "…"
    return label


def _stamp(time: float) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M:%S}"
