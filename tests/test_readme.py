"""The README says what is so: its settings are the program's, its snippets run, its names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from safepoint_server.cli.parser import COMMANDS
from safepoint_server.variables import VARIABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_stands_in_the_table_as_the_program_has_it() -> None:
    for variable in VARIABLES:
        assert f"| `{variable.name}` | {variable.default} | {variable.meaning} |" in README
    assert set(re.findall(r"SAFEPOINT_[A-Z0-9_]+", README)) == {v.name for v in VARIABLES}


def test_the_python_snippet_runs(tmp_path: Path) -> None:
    snippets = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(snippets) == 1
    code = snippets[0].replace("~/safepoint-example", str(tmp_path / "store"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "book hotel\n"), done.stderr


def test_every_command_is_named_and_every_named_command_exists() -> None:
    named = set(re.findall(r"\$ safepoint ([a-z-]+)", README))
    known = {command.partition(" ")[0] for command in COMMANDS}
    assert named <= known
    for command in known:
        assert re.search(rf"safepoint {command}\b|make {command}\b", README), command


def test_every_file_that_is_linked_is_there() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
