"""The page about the SDK shows only code that runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "openai-agents.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) == 3


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_each_stands_in_the_example(snippet: str) -> None:
    assert snippet in (ROOT / "examples" / "openai_agents_session.py").read_text("utf-8")
