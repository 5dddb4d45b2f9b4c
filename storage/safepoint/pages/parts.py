"""What both pages share: the progress bar, the pill that names a status, and the small signs."""

from __future__ import annotations

from html import escape

from safepoint.model import Progress

__all__ = ["BRAND", "STATUSES", "legend", "pill", "progress_bar", "tiles", "words"]

STATUSES = ("done", "skipped", "failed", "interrupted", "running", "pending")
_SIGNS = {
    "done": "\u2713",
    "skipped": "\u2013",
    "failed": "\u2715",
    "running": "\u25b6",
    "interrupted": "!",
    "pending": "\u25cb",
    "active": "\u25b6",
}
_WIDTH = 1000

BRAND = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" '
    'fill="#0f766e"/><path d="M9 16.5l5 5 9-11" fill="none" stroke="#fff" stroke-width="3.4" '
    'stroke-linecap="round" stroke-linejoin="round"/></svg>'
)


def pill(status: str) -> str:
    word = escape(status)
    sign = _SIGNS.get(status, "")
    return f'<span class="pill c-{word}"><span aria-hidden="true">{sign}</span> {word}</span>'


def words(progress: Progress) -> str:
    """`7 of 10 finished, 1 failed, 1 running`, or `no plan`."""
    if not progress.total:
        return "no plan"
    finished = progress.done + progress.skipped
    rest = [
        f"{getattr(progress, status)} {status}"
        for status in ("failed", "interrupted", "running")
        if getattr(progress, status)
    ]
    return ", ".join([f"{finished} of {progress.total} finished", *rest])


def progress_bar(progress: Progress) -> str:
    """The parts of the plan in the order of STATUSES; any part that is there can be seen."""
    parts, at = [], 0.0
    for status in STATUSES:
        count = getattr(progress, status)
        if not count or status == "pending":
            continue
        width = max(_WIDTH * count / progress.total, 8.0)
        parts.append(
            f'<rect class="f-{status}" x="{at:.1f}" width="{min(width, _WIDTH - at):.1f}" '
            'height="10"/>'
        )
        at = min(at + width, float(_WIDTH))
    return (
        f'<svg class="bar" viewBox="0 0 {_WIDTH} 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{words(progress)}">{"".join(parts)}</svg>'
    )


def legend(progress: Progress) -> str:
    """How many steps stand where, with the colour that the bar has for it."""
    items = [
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="f-{status}" width="10" '
        f'height="10" rx="3"/></svg><b>{getattr(progress, status)}</b> {status}</li>'
        for status in STATUSES
        if getattr(progress, status)
    ]
    return f'<ul class="legend">{"".join(items)}</ul>'


def tiles(*pairs: tuple[str, str]) -> str:
    """Names and values, the values as HTML."""
    inner = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in pairs)
    return f'<dl class="tiles">{inner}</dl>'
