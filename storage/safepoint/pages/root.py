"""The page of a whole store: every workspace at a glance, the last changed first."""

from __future__ import annotations

from collections import Counter

from safepoint.pages.html import document, href, moment, size, text
from safepoint.pages.parts import BRAND, pill, progress_bar, tiles, words
from safepoint.pages.values import RootPage, RootRow

__all__ = ["MAX_ROWS", "render_root"]

MAX_ROWS = 1000
_NAME_CHARS = 160


def render_root(page: RootPage) -> bytes:
    """`index.html` of a store. At most 1,000 rows."""
    body = [
        f'<p class="brand">{BRAND}Safepoint</p>',
        '<main>\n<div class="head"><h1>Workspaces</h1></div>',
    ]
    rows = page.rows[:MAX_ROWS]
    if rows:
        body += [_tiles(page), *_table(rows)]
    else:
        body.append(
            '<div class="card empty"><strong>No workspaces yet</strong>'
            "One appears here with the first checkpoint, plan or step that is saved.</div>"
        )
    if page.more or len(page.rows) > MAX_ROWS:
        body.append(
            f'<p class="note">These are the {len(rows):,} workspaces that changed last. There are '
            "more: <code>safepoint ls</code> lists all.</p>"
        )
    if page.unread:
        body.append(
            f'<p class="note">{page.unread:,} more have not been summarised yet: '
            "<code>safepoint ls</code> does that.</p>"
        )
    body.append("</main>")
    return document("Safepoint: workspaces", body, written=page.written)


def _tiles(page: RootPage) -> str:
    statuses = Counter(row.status for row in page.rows)
    finished = sum(row.progress.done + row.progress.skipped for row in page.rows)
    total = sum(row.progress.total for row in page.rows)
    pairs = [("Workspaces", f"{len(page.rows):,}{'+' if page.more else ''}")]
    pairs += [
        (word.capitalize(), f'<span class="c-{word}">{statuses[word]:,}</span>')
        for word in ("active", "done", "failed")
        if statuses[word]
    ]
    if total:
        pairs.append(("Steps finished", f"{finished:,} <small>of {total:,}</small>"))
    asked = sum(row.open_approvals for row in page.rows)
    if asked:
        pairs.append(("Approvals asked for", f"{asked:,}"))
    return tiles(*pairs)


def _table(rows: tuple[RootRow, ...]) -> list[str]:
    head = (
        '<h2 id="all">All workspaces <small>last changed first</small></h2>\n'
        '<div class="card"><table class="list" role="table" aria-labelledby="all">\n'
        '<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Workspace</th>'
        '<th role="columnheader" scope="col">Status</th>'
        '<th role="columnheader" scope="col">Progress</th>'
        '<th role="columnheader" scope="col" class="num">Version</th>'
        '<th role="columnheader" scope="col" class="num">State</th>'
        '<th role="columnheader" scope="col">Changed (UTC)</th></tr></thead>\n'
        '<tbody role="rowgroup">'
    )
    return [head, *map(_row, rows), "</tbody></table></div>"]


def _row(row: RootRow) -> str:
    link = href("workspaces", row.folder, "index.html")
    bar = '<span class="of">no plan</span>'
    if row.progress.total:
        bar = f'<span class="of">{words(row.progress)}</span>{progress_bar(row.progress)}'
    return (
        f'<tr role="row"><td role="cell" class="name"><a href="{link}">'
        f"{text(row.name, limit=_NAME_CHARS)}</a></td>"
        f'<td role="cell">{pill(row.status)}</td>'
        f'<td role="cell" class="prog">{bar}</td>'
        f'<td role="cell" class="num" data-label="version">{row.version:,}</td>'
        f'<td role="cell" class="num" data-label="state">{size(row.state_bytes)}</td>'
        f'<td role="cell" class="when">{moment(row.updated)}</td></tr>'
    )
