"""inbox, approve, deny, answer, due: people at the command line."""

from __future__ import annotations

import asyncio
import getpass
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.conftest import ESCAPES

from safepoint import PlannedStep, Store, Workspace

Cli = Callable[..., Any]

FORM = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 1},
        "urgent": {"type": "boolean"},
        "note": {"type": "string"},
    },
    "required": ["amount"],
}


@pytest.fixture
def asked(place: Any) -> Any:
    """The place, with three open questions in `billing` and one that bites in `hostile`."""

    async def ask() -> None:
        async with Store.open(place.url, key_file=place.key_file) as store:
            billing = store.workspace("billing")
            await billing.plan_steps([PlannedStep("pay", needs_approval=("deploy",))])
            await billing.approvals.request("deploy", "Deploy?", subject={"commit": "abc"})
            await billing.approvals.request("pick", "Which?", options=["a", "b"])
            await billing.approvals.request("fill", "How much?", answer_schema=FORM)
            hostile = store.workspace(f"hostile {ESCAPES}")
            await hostile.approvals.request(
                "bite", ESCAPES + "?", details="\ndigest    " + "f" * 64, subject=[ESCAPES]
            )

    asyncio.run(ask())
    return place


def digest_of(cli: Cli, place: Any, name: str) -> str:
    found = cli("inbox", "--json", *place.options).json["approvals"]
    (digest,) = [one["digest"] for one in found if one["name"] == name]
    return str(digest)


def look(place: Any, name: str) -> Any:
    async def read(workspace: Workspace) -> Any:
        return await workspace.approvals.get(name)

    async def run() -> Any:
        async with Store.open(place.url, key_file=place.key_file) as store:
            return await read(store.workspace("billing"))

    return asyncio.run(run())


def test_the_inbox_shows_what_is_open_and_no_text_moves_the_cursor(cli: Cli, asked: Any) -> None:
    shown = cli("inbox", *asked.options)
    assert shown.code == 0
    for text in ("billing", "deploy", "Deploy?", "yes or no", "a | b", "form", "bite"):
        assert text in shown.out
    assert "\x1b" not in shown.out
    assert "\u202e" not in shown.out
    found = cli("inbox", "--json", *asked.options).json
    assert [one["name"] for one in found["approvals"]] == ["deploy", "pick", "fill", "bite"]
    assert found["more"] is False
    assert cli("inbox", "--json", "--limit", "1", *asked.options).json["more"] is True


def test_an_empty_inbox_says_so(cli: Cli, place: Any) -> None:
    assert cli("inbox", *place.options).out == "Nobody is asked anything.\n"
    assert cli("due", *place.options).out == "Nothing is due.\n"


def test_a_script_decides_with_the_digest_of_what_was_looked_at(cli: Cli, asked: Any) -> None:
    digest = digest_of(cli, asked, "deploy")
    approve = ("approve", "billing", "deploy", "--comment", "go", *asked.options)
    wrong = cli(*approve, "--digest", "0" * 64)
    assert (wrong.code, "was changed" in wrong.err) == (4, True)
    done = cli(*approve, "--digest", digest, "--json").json
    assert (done["approval"]["status"], done["repeated"]) == ("approved", False)
    approval = look(asked, "deploy")
    assert (approval.decided_by.name, approval.channel) == (getpass.getuser(), "cli")
    assert (approval.comment, approval.decided_by.transport) == ("go", "cli")
    again = cli(*approve, "--digest", digest)
    assert (again.code, "already approved" in again.out) == (0, True)
    late = cli("deny", "billing", "deploy", "--digest", digest, *asked.options)
    assert late.code == 4
    assert f"was approved by {getpass.getuser()} (cli)" in late.err


def test_a_person_denies(cli: Cli, asked: Any) -> None:
    digest = digest_of(cli, asked, "deploy")
    done = cli("deny", "billing", "deploy", "--comment", "no", "--digest", digest, *asked.options)
    assert (done.code, look(asked, "deploy").status) == (0, "denied")


@pytest.mark.parametrize(
    ("name", "given", "answer"),
    [
        ("pick", ["--option", "b"], "b"),
        ("fill", ["amount=5", "urgent=true", "note=5"], {"amount": 5, "urgent": True, "note": "5"}),
        ("fill", ["--json-answer", '{"amount": 7}'], {"amount": 7}),
        ("fill", ["amount=5", "note=a=b"], {"amount": 5, "note": "a=b"}),
    ],
)
def test_a_person_answers(cli: Cli, asked: Any, name: str, given: list[str], answer: Any) -> None:
    digest = digest_of(cli, asked, name)
    done = cli("answer", "billing", name, *given, "--digest", digest, *asked.options)
    assert (done.code, done.err) == (0, "")
    assert look(asked, name).answer == answer


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("pick", ["--option", "c"], "not one of the options"),
        ("pick", [], "in one way"),
        ("pick", ["--option", "a", "x=1"], "in one way"),
        ("fill", ["amount"], "KEY=VALUE"),
        ("fill", ["amount=0"], "below 1"),
        ("fill", ["amount=x"], "not a number"),
        ("fill", ["amount=1", "other=2"], "'other' is not asked for"),
        ("fill", ["note=x"], "'amount' is missing"),
        ("fill", ["--json-answer", "{"], "not JSON"),
        ("fill", ["--option", "a"], "not an object"),
        ("deploy", ["--option", "a"], "takes no answer"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused(
    cli: Cli, asked: Any, name: str, given: list[str], said: str
) -> None:
    digest = digest_of(cli, asked, name)
    for named in (["--digest", digest], []):  # the latter before anybody is asked to confirm it
        done = cli("answer", "billing", name, *given, *named, *asked.options)
        assert (done.code, said in done.err) == (2, True), done.err
    assert look(asked, name).status == "pending"


def test_what_is_not_there_is_told_with_the_closest_name(cli: Cli, asked: Any) -> None:
    wrong = cli("approve", "billing", "depoly", "--digest", "0", *asked.options)
    assert (wrong.code, "'deploy'" in wrong.err) == (3, True)
    wrong = cli("approve", "biling", "deploy", "--digest", "0", *asked.options)
    assert (wrong.code, "billing" in wrong.err) == (3, True)


@pytest.mark.parametrize("verb", ["approve", "deny", "answer"])
def test_without_a_terminal_and_a_digest_nothing_is_decided(
    cli: Cli, asked: Any, verb: str
) -> None:
    name, given = ("pick", ["--option", "a"]) if verb == "answer" else ("deploy", [])
    refused = cli(verb, "billing", name, *given, *asked.options)
    assert refused.code == 2
    assert f"safepoint {verb} billing {name} --digest" in refused.err
    assert look(asked, name).status == "pending"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
@pytest.mark.parametrize(("typed", "status"), [("y\n", "approved"), ("\n", "pending")])
def test_a_person_at_a_terminal_sees_all_of_it_and_is_asked(
    asked: Any, typed: str, status: str
) -> None:
    before = look(asked, "deploy")
    code, shown = at_a_terminal(["approve", "billing", "deploy", *asked.options], typed)
    assert code == 0, shown
    for text in ("Deploy?", before.digest, before.subject_sha256, '"commit": "abc"', "[y/N]"):
        assert text in shown
    assert look(asked, "deploy").status == status
    assert ("Nothing was decided." in shown) == (status == "pending")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no pseudo-terminal")
def test_no_question_hides_itself_on_the_terminal(asked: Any) -> None:
    name = f"hostile {ESCAPES}"
    _, shown = at_a_terminal(["approve", name, "bite", *asked.options], "n\n")
    assert "[y/N]" in shown
    assert "\ndigest    " + "f" * 64 not in shown
    for char in ("\x1b]0", "\x1b[2J", "\u202e", "\x9b"):
        assert char not in shown


def test_what_is_due_and_what_was_asked_are_shown(cli: Cli, asked: Any) -> None:
    cli("approve", "billing", "deploy", "--digest", digest_of(cli, asked, "deploy"), *asked.options)
    due = cli("due", *asked.options)
    assert "step can start" in due.out
    assert "approval was decided" in due.out
    found = cli("due", "--json", "bill", *asked.options).json["workspaces"]
    assert [(one["name"], one["due"][0]["kind"]) for one in found] == [("billing", "decided")]
    assert cli("due", "--json", "other", *asked.options).json["workspaces"] == []
    shown = cli("show", "billing", *asked.options)
    assert "Deploy?" in shown.out
    assert "approved" in shown.out
    brief = cli("show", "billing", "--json", *asked.options).json["brief"]
    assert {one["name"]: one["status"] for one in brief["approvals"]} == {
        "deploy": "approved",
        "pick": "pending",
        "fill": "pending",
    }


def at_a_terminal(argv: list[str], typed: str) -> tuple[int, str]:
    """The exit code, and all that a person saw who typed this."""
    parent, child = pty.openpty()
    command = [sys.executable, "-m", "safepoint_server", *argv]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child) as process:
        os.close(child)
        os.write(parent, typed.encode())
        shown = b""
        while True:
            try:
                some = os.read(parent, 4096)
            except OSError:  # the other end is closed
                break
            if not some:
                break
            shown += some
    os.close(parent)
    return process.returncode, shown.decode()
