"""The program in docs/durable.md runs, and does nothing when it is run again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"


def test_the_program_in_the_documentation_runs_once_and_again(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "durable.md").read_text(), re.DOTALL)
    code = code.replace("~/safepoint-example", str(tmp_path / "store"))
    told = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]
    first = "PAGE-1, WITH THE KEY REPORT:1:FETCH 1\nPAGE-2, WITH THE KEY REPORT:1:FETCH 2\n"
    assert [done.stdout for done in told] == [first, first]


def test_every_file_that_the_pages_link_is_there() -> None:
    for page in ("durable.md", "temporal.md", "dagster.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", (DOCS / page).read_text()):
            assert (DOCS / target).exists(), target
        for example in re.findall(r"`(examples/\w+\.py)`", (DOCS / page).read_text()):
            assert (DOCS.parent / example).exists(), example
