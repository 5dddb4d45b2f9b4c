"""The page of one workspace: status, progress, timeline, steps, checkpoints."""

from __future__ import annotations

from safepoint.pages.html import document, duration, moment, plain, size, text
from safepoint.pages.parts import BRAND, legend, pill, progress_bar, tiles
from safepoint.pages.timeline import MAX_BARS, timeline
from safepoint.pages.values import CheckpointRow, StepRow, WorkspacePage

__all__ = ["render_workspace"]

_NONE = '<span class="quiet" aria-label="none">\u2013</span>'
_NAME_CHARS = 200


def render_workspace(page: WorkspacePage) -> bytes:
    """`workspaces/<name>/index.html`."""
    body = [
        '<nav aria-label="Store"><a href="../../index.html">\u2190 All workspaces</a></nav>',
        f'<p class="brand">{BRAND}Safepoint workspace</p>',
        f'<main>\n<div class="head"><h1>{text(page.name)}</h1>{pill(page.status)}</div>',
        f'<p class="lead">Run {page.run:,}, version {page.version:,}, changed '
        f"{moment(page.updated)} UTC</p>",
        _tiles(page),
    ]
    if page.progress.total:
        body.append(
            '<h2>Progress</h2>\n<div class="card big">'
            f"{progress_bar(page.progress)}{legend(page.progress)}</div>"
        )
    picture = timeline(page)
    if picture:
        body.append(
            f'<h2 id="timeline">Timeline <small>{_told(page)}</small></h2>\n'
            '<div class="card"><div class="scroll" tabindex="0" role="region" '
            f'aria-labelledby="timeline">{picture}</div></div>'
        )
    body += [_steps(page), _checkpoints(page), "</main>"]
    note = "" if page.names else (
        "Names of steps, labels and people are left out of this page "
        "(<code>SAFEPOINT_PAGES=full</code> shows them). "
    )  # fmt: skip
    title = f"{plain(page.name, limit=80)} \u00b7 Safepoint"
    return document(title, filter(None, body), written=page.written, note=note)


def _told(page: WorkspacePage) -> str:
    timed = sum(bool(row.started or row.finished) for row in page.steps)
    steps = f"the {MAX_BARS} steps that began last; " if timed > MAX_BARS else ""
    return f"{steps}grey stretches are cut short"


def _tiles(page: WorkspacePage) -> str:
    finished = page.progress.done + page.progress.skipped
    pairs = []
    if page.progress.total:
        pairs.append(("Steps finished", f"{finished:,} <small>of {page.progress.total:,}</small>"))
    if page.open_approvals:
        pairs.append(("Approvals asked for", f"{page.open_approvals:,}"))
    pairs += [
        ("Version", f"{page.version:,}"),
        ("State", size(page.state_bytes)),
        ("From first to last change", duration(page.updated - page.created)),
    ]
    return tiles(*pairs)


def _table(heading: str, note: str, columns: list[tuple[str, str]], rows: list[str]) -> str:
    """A section with a table that scrolls by itself where it is too wide."""
    ident = heading.lower()
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for name, kind in columns)
    return (
        f'<h2 id="{ident}">{heading} <small>{note}</small></h2>\n'
        f'<div class="card"><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="{ident}"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div></div>"
    )


def _steps(page: WorkspacePage) -> str:
    total = page.progress.total
    if not page.steps:
        return ""
    shown = len(page.steps)
    note = "in the order of the plan" if shown == total else f"{shown:,} of {total:,}"
    columns = [("#", ' class="num"'), ("Step", ""), ("Status", ""), ("Attempts", ' class="num"')]
    columns += [("Started (UTC)", ""), ("Took", ' class="num"')]
    if page.names:
        columns.append(("Who", ""))
    else:
        del columns[1]
    return _table("Steps", note, columns, [_step(row, names=page.names) for row in page.steps])


def _step(row: StepRow, *, names: bool) -> str:
    cells = [f'<td class="num quiet">{row.number}</td>']
    if names:
        title = f"<small>{text(row.title, limit=_NAME_CHARS)}</small>" if row.title else ""
        name = text(row.name or "", limit=_NAME_CHARS)
        cells.append(f'<td class="name"><strong>{name}</strong>{title}</td>')
    took = duration(row.finished - row.started) if row.finished and row.started else _NONE
    cells += [
        f"<td>{pill(row.status)}</td>",
        f'<td class="num">{row.attempts or _NONE}</td>',
        f'<td class="when">{moment(row.started) if row.started else _NONE}</td>',
        f'<td class="num">{took}</td>',
    ]
    if names:
        cells.append(f'<td class="who">{_or_none(row.who)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _checkpoints(page: WorkspacePage) -> str:
    if not page.checkpoints:
        return (
            '<h2>Checkpoints</h2>\n<div class="card empty"><strong>No checkpoint yet</strong>'
            "No state has been saved in this workspace.</div>"
        )
    count = len(page.checkpoints)
    note = f"the newest {count:,}" if page.more_checkpoints else "newest first"
    columns = [("Version", ' class="num"'), ("Saved (UTC)", ""), ("Kind", "")]
    if page.names:
        columns += [("Label", ""), ("Step", "")]
    columns.append(("State", ' class="num"'))
    if page.names:
        columns.append(("Who", ""))
    rows = [_checkpoint(row, names=page.names) for row in page.checkpoints]
    return _table("Checkpoints", note, columns, rows)


def _checkpoint(row: CheckpointRow, *, names: bool) -> str:
    kind = '<strong class="mark">\u25c6 milestone</strong>' if row.milestone else "step"
    cells = [
        f'<td class="num">{row.version:,}</td>',
        f'<td class="when">{moment(row.at)}</td>',
        f"<td>{kind}</td>",
    ]
    if names:
        cells += [f"<td>{_or_none(row.label)}</td>", f"<td>{_or_none(row.step)}</td>"]
    cells.append(f'<td class="num">{size(row.state_bytes)}</td>')
    if names:
        cells.append(f'<td class="who">{_or_none(row.who)}</td>')
    return f"<tr>{''.join(cells)}</tr>"


def _or_none(value: str | None) -> str:
    return text(value, limit=_NAME_CHARS) if value else _NONE
