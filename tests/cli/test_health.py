"""`safepoint health` against servers that answer, that do not, and that answer something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

Cli = Callable[..., Any]


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """The port of a server that gives this answer to everything."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    asked: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()
    assert asked == ["/readyz"]


def test_a_server_that_is_ready_is_well(cli: Cli) -> None:
    with answering(200, b'{"status":"ok"}') as port:
        ran = cli("health", "--port", port)
    assert (ran.code, ran.out) == (0, "ready\n")


def test_it_asks_where_the_environment_says(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(200, b'{"status":"ok"}') as port:
        monkeypatch.setenv("SAFEPOINT_TRANSPORT", "http")
        monkeypatch.setenv("SAFEPOINT_HOST", "0.0.0.0")
        monkeypatch.setenv("SAFEPOINT_PORT", port)
        assert cli("health", "--json").json == {"status": "ready"}


def test_a_server_that_is_not_ready_says_why(cli: Cli) -> None:
    with answering(503, b'{"status":"unavailable","reason":"unreachable"}') as port:
        ran = cli("health", "--port", port)
    assert ran.code == 5
    assert f"the server on 127.0.0.1 port {port} is not ready: unreachable" in ran.err


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"reason": 5}', b"\xff"])
def test_another_server_is_told_by_its_status(cli: Cli, body: bytes) -> None:
    with answering(404, body) as port:
        ran = cli("health", "--port", port)
    assert ran.code == 5
    assert "is not ready: 404" in ran.err


def test_nobody_there_is_not_well(cli: Cli) -> None:
    ran = cli("health", "--host", "127.0.0.1", "--port", "1")
    assert ran.code == 5
    assert "no server answers on 127.0.0.1 port 1" in ran.err


def test_without_settings_it_asks_where_a_server_listens_by_default(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(503, b'{"reason":"unreachable"}') as port:
        monkeypatch.setenv("SAFEPOINT_PORT", port)
        assert cli("health").code == 5


def test_a_server_on_its_pipes_is_well(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFEPOINT_TRANSPORT", "stdio")
    assert cli("health").out == "serves its client alone, on standard input\n"
    assert cli("health", "--json").json == {"status": "stdio"}
