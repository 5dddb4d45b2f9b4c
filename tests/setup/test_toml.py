"""A table of a TOML file edited in place: all other lines stay, or nothing is done."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.setup.samples import SERVERS

from safepoint_server.setup.errors import NotEditable
from safepoint_server.setup.toml import TomlText

PLACE = ("mcp_servers", "safepoint")
ENTRY: dict[str, Any] = {
    "command": r"C:\Program Files\safepoint.exe",
    "args": ["serve", "--store", 'ä "quoted"'],
    "env": {"SAFEPOINT_KMS_KEY": "arn:aws:kms"},
}

blocks = st.lists(
    st.sampled_from(
        [
            '[mcp_servers.a]\ncommand = "x"  # why',
            "[mcp_servers.b]\nargs = [\n  'one',\n  'two',\n]\n[mcp_servers.b.env]\nA = \"1\"",
            '# a comment\n\n[projects."/a b"]\ntrust = "yes"',
            "[[skills]]\nn = 1\n[[skills]]\nn = 2",
            '[text]\nlong = """\n[not.a.table]\n"""',
            "[x.mcp_servers.safepoint]\ncommand = 'not this one'",
        ]
    ),
    unique=True,
)


@given(st.sampled_from(["", "top = 1\n", "# only\n\n"]), blocks, st.sampled_from(["\n", "\r\n"]))
def test_a_table_that_is_put_in_and_taken_out_leaves_every_line_as_it_was(
    top: str, parts: list[str], newline: str
) -> None:
    text = (top + "\n\n".join(parts) + ("\n" if parts else "")).replace("\n", newline)
    before = TomlText(text)
    after = before.put(PLACE, ENTRY)
    assert after.get(PLACE) == ENTRY
    expected = tomllib.loads(text)
    expected.setdefault("mcp_servers", {})["safepoint"] = ENTRY
    assert tomllib.loads(after.text) == expected
    assert after.text.startswith(text.rstrip())
    assert after.put(PLACE, ENTRY) is after
    assert after.remove(PLACE).text.rstrip() == text.rstrip()
    assert before.remove(PLACE) is before


def test_a_file_as_codex_writes_it_comes_back_byte_for_byte() -> None:
    before = TomlText(SERVERS["codex"])
    assert before.put(PLACE, ENTRY).remove(PLACE).text == SERVERS["codex"]


def test_only_the_members_that_differ_are_written_anew() -> None:
    text = (
        '[mcp_servers."safepoint"]  # ours\n'
        "# how it is started\n"
        'args = [\n  "serve",  # as ever\n]\n'
        'command = "/old/safepoint"\n'
        "startup_timeout_sec = 30 # slow disk\n"
        "old = '''\nx = 1\n'''\n"
        "\n"
        "# about the next\n"
        "[mcp_servers.safepoint.tools.delete]\nallowed = false\n"
    )
    there = TomlText(text).get(PLACE)
    members = {**there, "command": "/new/safepoint", "env_vars": ["A"]}
    del members["old"]
    after = TomlText(text).put(PLACE, members)
    assert after.text == text.replace("/old/", "/new/").replace(
        "old = '''\nx = 1\n'''\n", 'env_vars = ["A"]\n'
    )


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = { a = { command = "x" } }\n',
        '[mcp_servers]\nsafepoint.command = "x"\n',
        '[mcp_servers]\nsafepoint = { command = "x" }\n',
        'text = """\n[mcp_servers.safepoint]\n"""\n[mcp_servers.safepoint]\ncommand = "x"\n',
    ],
)
def test_a_form_that_cannot_be_edited_by_lines_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(NotEditable) as caught:
        TomlText(text).put(PLACE, ENTRY)
    assert "mcp_servers.safepoint" in str(caught.value)
    assert "args = [" in caught.value.hint


def test_taking_out_what_is_written_in_such_a_form_is_refused() -> None:
    with pytest.raises(NotEditable, match="not a table of its own"):
        TomlText('[mcp_servers]\nsafepoint = { command = "x" }\n').remove(PLACE)


def test_what_is_not_toml_is_refused() -> None:
    with pytest.raises(NotEditable, match=r"not TOML.*line 3"):
        TomlText("a = 1\nb = [\n = ")
