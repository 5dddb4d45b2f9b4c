"""What a server over HTTP does with requests that are wrong, large, slow or from elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.server.conftest import HANG
from tests.server.serving import Serving, serving

from safepoint import InvalidInput, Unavailable
from safepoint_server import listening
from safepoint_server.cli import main
from safepoint_server.intake import Intake
from safepoint_server.listening import Listener, listen
from safepoint_server.settings import Settings

pytestmark = pytest.mark.anyio

LIMIT = 65536
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
PAGE = "https://app.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with serving(
        tmp_path_factory.mktemp("limits"),
        SAFEPOINT_MAX_REQUEST_BYTES=str(LIMIT),
        SAFEPOINT_ALLOWED_ORIGINS=PAGE,
    ) as started:
        yield started


def call(state: str) -> str:
    """A call of save_checkpoint with this JSON as its state."""
    arguments = f'{{"workspace": "w", "state": {state}}}'
    params = f'{{"name": "save_checkpoint", "arguments": {arguments}}}'
    return f'{{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {params}}}'


async def test_too_large_a_body_is_refused_whether_it_says_so_or_not(server: Serving) -> None:
    said = httpx2.post(server.url, content=b"x" * (LIMIT + 1), headers=JSON)
    chunks = (b"x" * 1000 for _ in range(100))
    unsaid = httpx2.post(server.url, content=chunks, headers=JSON)
    for reply in (said, unsaid):
        assert reply.status_code == 413
        assert "SAFEPOINT_MAX_REQUEST_BYTES" in reply.json()["error"]["message"]
    content = iter([call('{"a": 1}').encode()])
    assert httpx2.post(server.url, content=content, headers=JSON).status_code == 200


async def test_who_sends_far_too_much_reads_why_it_was_refused(server: Serving) -> None:
    """This client sends all of it before it reads."""
    host, port = server.base.removeprefix("http://").split(":")
    client = HTTPConnection(host, int(port), timeout=HANG)
    for _ in range(2):
        client.request("POST", "/mcp", b"x" * 30_000_000, JSON)
        reply = client.getresponse()
        assert reply.status == 413
        assert b"SAFEPOINT_MAX_REQUEST_BYTES" in reply.read()
    client.close()


async def test_deep_json_is_told_to_the_model_and_hangs_nobody(server: Serving) -> None:
    deep = '{"a": ' + "[" * 1000 + "]" * 1000 + "}"
    reply = httpx2.post(server.url, content=call(deep), headers=JSON, timeout=HANG)
    assert reply.status_code == 200
    assert reply.json()["id"] == 7
    assert reply.json()["result"]["isError"] is True
    assert "nested too deeply" in reply.json()["result"]["content"][0]["text"]
    other = f'{{"jsonrpc": "2.0", "id": 8, "method": "tools/list", "params": {deep}}}'
    reply = httpx2.post(server.url, content=other, headers=JSON, timeout=HANG)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, -32700)
    shallow = json.dumps({str(n): [[n]] for n in range(200)})
    reply = httpx2.post(server.url, content=call(shallow), headers=JSON, timeout=HANG)
    assert '"isError":false' in reply.text


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", JSON),
        (b"not json", JSON),
        (b"\xff\xfe", JSON),
        (b"[]", JSON),
        (b"null", JSON),
        (b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', JSON),
        (call("{}").encode(), {**JSON, "Content-Type": "text/plain"}),
        (call("{}").encode(), {**JSON, "Accept": "text/html"}),
        (call("{}").encode(), {**JSON, "MCP-Protocol-Version": "1900-01-01"}),
    ],
)
async def test_what_is_no_message_is_a_clients_fault(
    server: Serving, content: bytes, headers: dict[str, str]
) -> None:
    reply = httpx2.post(server.url, content=content, headers=headers)
    assert 400 <= reply.status_code < 500
    assert "Traceback" not in reply.text


async def test_there_is_nothing_to_get_where_there_are_no_sessions(server: Serving) -> None:
    for method in ("GET", "DELETE", "PUT", "PATCH", "HEAD"):
        reply = httpx2.request(method, server.url, headers={"Accept": "text/event-stream"})
        assert (reply.status_code, reply.headers["Allow"]) == (405, "POST")


async def test_host_and_origin_are_checked_on_every_route(server: Serving) -> None:
    for path in ("/mcp", "/metrics", "/nothing"):
        for name, value, status in (
            ("Host", "evil.example", 421),
            ("Origin", "https://evil.example", 403),
            ("Origin", "null", 403),
        ):
            reply = httpx2.post(f"{server.base}{path}", headers={name: value}, json={})
            assert reply.status_code == status, (path, value)
    for path in ("/healthz", "/readyz"):
        reply = httpx2.get(f"{server.base}{path}", headers={"Host": "10.0.0.7"})
        assert reply.json() == {"status": "ok"}


async def test_only_pages_that_are_allowed_may_ask_first(server: Serving) -> None:
    asking = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, mcp-protocol-version",
    }
    allowed = httpx2.options(server.url, headers={**asking, "Origin": PAGE})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == PAGE
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in allowed.headers
    other = httpx2.options(server.url, headers={**asking, "Origin": "https://evil.example"})
    assert other.status_code == 403
    assert "Access-Control-Allow-Origin" not in other.headers
    there = httpx2.post(server.url, content=call("{}"), headers={**JSON, "Origin": PAGE})
    assert there.headers["Access-Control-Allow-Origin"] == PAGE


async def test_large_and_broken_heads_are_refused(server: Serving) -> None:
    host, port = server.base.removeprefix("http://").split(":")
    for head in (
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000,
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ):
        reading, writing = await asyncio.open_connection(host, int(port))
        writing.write(head)
        line = await asyncio.wait_for(reading.readline(), HANG)
        assert line.split()[1:2] in ([b"400"], [b"501"]), head[:80]
        writing.close()


async def test_a_body_that_does_not_come_is_given_up() -> None:
    """No second passes: there is none to wait."""
    sent: list[Message] = []

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": []}
    await Intake(app, "/mcp", 1000, seconds=0)(scope, never, send)
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]


@asynccontextmanager
async def listening_with(app: ASGIApp, settings: Settings) -> AsyncIterator[tuple[str, int]]:
    with listen(settings) as bound:
        listener = Listener(app, settings)
        running = asyncio.create_task(listener.serve(sockets=[bound]))
        try:
            yield bound.getsockname()[:2]
        finally:
            listener.should_exit = True
            await running


async def client_of(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        client = Request(scope).client
        reply = JSONResponse({"host": client and client.host, "scheme": scope["scheme"]})
        await reply(scope, receive, send)


def over_http(**environ: str) -> Settings:
    return Settings.load({"SAFEPOINT_PORT": "0", "SAFEPOINT_TRANSPORT": "http", **environ})


async def test_a_head_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second head begins as soon as the first has its answer, and has no time left."""
    monkeypatch.setattr(listening, "HEADER_SECONDS", HANG)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            monkeypatch.setattr(listening, "HEADER_SECONDS", 0)
        await client_of(scope, receive, send)

    async with listening_with(app, over_http()) as (host, port):
        for start in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /", b"", b"GET / HTTP/1.1\r\nHost: "):
            reading, writing = await asyncio.open_connection(host, port)
            writing.write(start)
            told = b""
            with suppress(ConnectionResetError):  # it was given up before these bytes came
                told = await asyncio.wait_for(reading.read(), HANG)
            assert told.count(b" 200 ") == start.count(b"\r\n\r\n")
            writing.close()


async def test_connections_above_the_most_are_closed_and_the_others_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 3)
    async with listening_with(client_of, over_http()) as (host, port):
        opened = [await asyncio.open_connection(host, port) for _ in range(3)]
        late, to_late = await asyncio.open_connection(host, port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(late.read(), HANG) == b""
        to_late.close()
        for reading, writing in opened:
            writing.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b" 200 " in await asyncio.wait_for(reading.readline(), HANG)
            writing.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
async def test_a_server_may_open_as_many_files_as_its_connections_take() -> None:
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(before, 1024), most))
        assert listening.most_connections() < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1024 or most <= 1024
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


async def test_forwarded_headers_count_only_from_proxies_that_are_named() -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    for environ, found in (
        ({}, {"host": "127.0.0.1", "scheme": "http"}),
        ({"SAFEPOINT_TRUSTED_PROXIES": "10.0.0.1"}, {"host": "127.0.0.1", "scheme": "http"}),
        ({"SAFEPOINT_TRUSTED_PROXIES": "127.0.0.1"}, {"host": "203.0.113.9", "scheme": "https"}),
    ):
        async with (
            listening_with(client_of, over_http(**environ)) as (host, port),
            httpx2.AsyncClient() as client,
        ):
            assert (await client.get(f"http://{host}:{port}/", headers=headers)).json() == found


async def test_a_stop_waits_for_no_connection_that_is_idle_and_a_second_for_nobody(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as server:
        host, port = server.base.removeprefix("http://").split(":")
        idle, to_idle = await asyncio.open_connection(host, int(port))
        to_idle.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await asyncio.wait_for(idle.readline(), HANG)
        assert await asyncio.to_thread(server.stop) == 0
        to_idle.close()
    hurried = Serving(tmp_path, {})
    try:
        host, port = hurried.base.removeprefix("http://").split(":")
        _, writing = await asyncio.open_connection(host, int(port))
        writing.write(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{")
        assert httpx2.get(f"{hurried.base}/healthz").status_code == 200
        os.kill(hurried.process.pid, signal.SIGTERM)
        async with asyncio.timeout(HANG):
            while await _listens(host, int(port)):
                await asyncio.sleep(0)
        assert hurried.process.poll() is None
        assert await asyncio.to_thread(hurried.stop) == 128 + signal.SIGTERM
        writing.close()
    finally:
        hurried.process.kill()
        hurried.stop()


async def _listens(host: str, port: int) -> bool:
    try:
        _, writing = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writing.close()
    return True


def test_beyond_this_machine_it_listens_only_with_authentication() -> None:
    for host in ("0.0.0.0", "192.0.2.1", "example.com", "::"):
        with pytest.raises(InvalidInput, match="without authentication") as caught:
            listen(over_http(SAFEPOINT_HOST=host))
        assert "tokens create" in caught.value.hint
    with listen(over_http(SAFEPOINT_HOST="0.0.0.0", SAFEPOINT_AUTH="tokens")) as bound:
        assert bound.getsockname()[0] == "0.0.0.0"


def _certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


async def test_it_serves_tls_by_a_certificate_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _certificate(tmp_path)
    files: dict[str, Any] = {
        "SAFEPOINT_TLS_CERT": str(tmp_path / "cert.pem"),
        "SAFEPOINT_TLS_KEY": str(tmp_path / "key.pem"),
    }
    trusted = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    async with (
        listening_with(client_of, over_http(**files)) as (_, port),
        httpx2.AsyncClient(verify=trusted) as client,
    ):
        assert (await client.get(f"https://localhost:{port}/")).json()["scheme"] == "https"
        for name, value in {**files, "SAFEPOINT_TRANSPORT": "http"}.items():
            monkeypatch.setenv(name, value)
        assert await asyncio.to_thread(main, ["health", "--port", str(port)]) == 0
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(Unavailable, match="certificate cannot be used"):
        Listener(client_of, over_http(**files))
