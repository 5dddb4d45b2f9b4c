"""The pages in a real browser: nothing is run, nothing is asked for, every name is text."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urljoin, urlsplit
from urllib.request import url2pathname

import pytest
from tests.pages.browser import FOUND, MISSING, open_page
from tests.pages.markup import Markup
from tests.pages.values import HOSTILE

from safepoint import PlannedStep, Store

pytestmark = pytest.mark.skipif(not FOUND, reason=MISSING)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on disk whose workspaces, titles and labels have hostile names."""
    folder = tmp_path_factory.mktemp("pages") / "a store, 100% real"

    async def fill() -> None:
        async with Store.open(folder, passphrase="of the test", pages="full") as opened:
            for name in HOSTILE:
                work = opened.workspace(name)
                await work.plan_steps([PlannedStep("<b>step</b>", title=name), "next"])
                await work.start_step("<b>step</b>")
                await work.save({}, label=name, kind="milestone")

    asyncio.run(fill())
    return folder


def test_the_browser_would_tell(tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text(
        '<img src="http://127.0.0.1:9/x.png"><script>console.error("ran")</script>', "utf-8"
    )
    opened = open_page(bad.as_uri(), tmp_path)
    assert [line for line in opened.console if "ran" in line]
    assert opened.requests == ["http://127.0.0.1:9"]


def test_the_root_page_lists_every_name_as_text_and_links_to_its_page(
    store: Path, tmp_path: Path
) -> None:
    url = (store / "index.html").as_uri()
    opened = open_page(url, tmp_path)
    assert (opened.console, opened.requests) == ([], [])
    page = Markup(opened.dom)
    assert len(page.rows) == 1 + len(HOSTILE)
    assert "script" not in page.tags
    shown = "\n".join(row[0] for row in page.rows)
    for name in ("<script>alert(1)</script>", "&lt;b&gt; &amp; &#x202e;", "\u2039U+202E\u203agnp"):
        assert name in shown
    for link in page.links:
        target = Path(url2pathname(urlsplit(urljoin(url, link)).path))
        assert target.is_file()
        assert target.parent.parent == store / "workspaces"


def test_a_workspace_page_of_hostile_names_is_quiet(store: Path, tmp_path: Path) -> None:
    root = (store / "index.html").as_uri()
    for number, link in enumerate(Markup((store / "index.html").read_bytes()).links):
        url = urljoin(root, link)
        folder = tmp_path / str(number)
        folder.mkdir()
        opened = open_page(url, folder)
        assert (opened.console, opened.requests) == ([], [])
        page = Markup(opened.dom)
        assert page.tags.count("h1") == 1
        assert page.rows[1][1].startswith("<b>step</b>")
        assert urljoin(url, page.links[0]) == root
