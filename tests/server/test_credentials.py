"""Credentials in a state are found by where they are, and ordinary text is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from safepoint.format.tokens import new_token
from safepoint_server.credentials import credential_paths, redacted

A36 = "a1B2" * 9
SECRETS = (
    *("Passwd", "ssh_passphrase", "secret-key", "secret_access_key", "apiKey", "PRIVATE_KEY"),
    *("bearer_token", "x-auth-token", "refreshToken", "client_secret"),
)


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ({"aws": "AKIA" + "ABCDEFGHIJKLMNOP"}, "state.aws"),
        ({"log": ["ok", f"using ghp_{A36} now"]}, "state.log[1]"),
        ({"pem": "-----BEGIN RSA PRIVATE KEY-----\nMIIE"}, "state.pem"),
        ({"c": {"k": f"sk-ant-api03-{A36}"}}, "state.c.k"),
        ({"c": f"sk-proj-{A36}"}, "state.c"),
        ({"c": f"xoxb-1234567890-{A36}"}, "state.c"),
        ({"c": new_token(bytes)[0]}, "state.c"),
        ({"c": "ASIA" + "ABCDEFGHIJKLMNOP"}, "state.c"),
        ({"c": "AIza" + A36}, "state.c"),
        *(({"c": f"gh{kind}_{A36}"}, "state.c") for kind in "pousr"),
        ({"c": f"github_pat_{A36}{A36}"}, "state.c"),
        ({"c": f"glpat-{A36}"}, "state.c"),
        ({"c": f"sk-{A36}a1B2"}, "state.c"),
        *(({"c": f"{kind}k_live_{A36}"}, "state.c") for kind in "rs"),
        *(({"c": f"xox{kind}-{A36}"}, "state.c") for kind in "abps"),
        *(({name: "correct-horse-battery"}, f"state.{name}") for name in SECRETS),
        ({"db": {"password": "correct-horse-battery"}}, "state.db.password"),
        ({"API_KEY": "0123456789abcdef"}, "state.API_KEY"),
        ({"service-access-token": "0123456789abcdef"}, "state.service-access-token"),
    ],
)
def test_a_credential_is_named_by_its_path(state: Any, path: str) -> None:
    assert credential_paths(state) == [path]


@pytest.mark.parametrize(
    "state",
    [
        {"password": "short"},
        {"password": "************"},
        {"password": "<the password>"},
        {"api_key": "${OPENAI_API_KEY}"},
        {"password": "ask the user for this one"},
        {"token": 123456789012, "fencing_token": 7, "next_token": "abcdefghijklmnop"},
        {"text": "task-force and risk-averse sk-lib AKIA ghp_short"},
        {"password_policy": "at-least-12-characters"},
        "plain",
        None,
        [],
        {"sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    ],
)
def test_ordinary_state_gives_no_warning(state: Any) -> None:
    assert credential_paths(state) == []


def test_any_depth_is_searched_and_few_paths_are_told() -> None:
    deep: Any = {"password": "correct-horse-battery"}
    for _ in range(5000):
        deep = [deep]
    (path,) = credential_paths(deep)
    assert len(path) <= 120
    assert len(credential_paths([{"password": "correct-horse-battery"}] * 100)) == 5


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("use AKIA" + "ABCDEFGHIJKLMNOP now", "use [redacted] now"),
        (f"(ghp_{A36}), glpat-{A36}", "([redacted]), [redacted]"),
        (f"sk-ant-api03-{A36}-more.", "[redacted]"),
        ("-----BEGIN EC PRIVATE KEY-----\nMII\n-----END EC PRIVATE KEY-----\nok", "[redacted]\nok"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE and no end", "[redacted]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln ok", "[redacted] ok"),
        ("export DB_PASSWORD='correct-horse' && run", "export DB_PASSWORD='[redacted]' && run"),
        ('{"client_secret": "correct-horse", "id": 7}', '{"client_secret": "[redacted]", "id": 7}'),
        ("api-key: 0123456789abcdef", "api-key: [redacted]"),
        ("DB_PASS=correct-horse", "DB_PASS=[redacted]"),
        ("Authorization: Bearer abcdefghijklmnopqr", "Authorization: Bearer [redacted]"),
        ("-H 'authorization: basic YWxhZGRpbjpvcGVu'", "-H 'authorization: basic [redacted]'"),
        ("postgres://bob:s3cret@db/x", "postgres://bob:[redacted]@db/x"),
        ("redis://:s3cret@db", "redis://:[redacted]@db"),
    ],
)  # fmt: skip
def test_what_may_be_a_credential_is_taken_out_of_text(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Reset the password field: it is empty", "the token bucket, see tokens.py", "pass: all 12",
        "git@github.com:acme/widgets.git", "https://example.org:8443/a@b", "password = short",
        "task-force sk-lib AKIA ghp_short", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca",
    ],
)  # fmt: skip
def test_ordinary_text_stays(text: str) -> None:
    assert redacted(text) == text
