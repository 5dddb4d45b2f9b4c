"""A server process that lets in who has a token of its store, and nobody else."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send
from tests.server.conftest import HANG
from tests.server.serving import Serving, serving

from safepoint import Actor, Store
from safepoint.format.tokens import new_token, read_token
from safepoint_server.auth import gate
from safepoint_server.auth.callers import Refused
from safepoint_server.auth.stores import Stores
from safepoint_server.auth.tokens import FRESH_SECONDS, StoredTokens

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("tokens")
    with serving(folder, SAFEPOINT_AUTH="tokens", SAFEPOINT_TOOLSETS="core,history") as started:
        yield started


async def test_who_has_a_token_works_in_both_eras_as_its_holder(server: Serving, era: str) -> None:
    token = await server.token("anna")
    async with server.agent(token, era) as agent:
        await agent.call("save_checkpoint", workspace=f"mine-{era}", state={"n": 1})
        loaded = await agent.call("load_checkpoint", workspace=f"mine-{era}")
    assert loaded["state"] == {"n": 1}
    assert (loaded["saved_by"]["name"], loaded["saved_by"]["transport"]) == ("anna", "http/token")


async def test_nobody_without_one_comes_in_on_any_path(server: Serving) -> None:
    for path in ("/mcp", "/metrics", "/", "/tokens", "/mcp/", "//mcp", "/healthz/../mcp"):
        reply = httpx2.post(f"{server.base}{path}", json={})
        assert reply.status_code == 401, path
        assert reply.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/healthz", "/readyz"):
        assert httpx2.get(f"{server.base}{path}").json() == {"status": "ok"}


async def test_what_is_no_valid_token_is_refused_and_says_as_little_as_it_may(
    server: Serving,
) -> None:
    good = await server.token("anna")
    unknown, _, _ = new_token(lambda count: bytes(count))
    start = good.rsplit("_", 2)[0]
    other = new_token(lambda count: b"\1" * count)[0]
    forged = _with_check(f"{start}_{other.split('_')[2]}")
    replies = {}
    for name, token in {
        "unknown": unknown,
        "wrong secret": forged,
        "typo": good[:-1] + ("a" if good[-1] != "a" else "b"),
        "jwt": "a.b.c",
        "nothing": "x",
    }.items():
        reply = server.post(token)
        assert reply.status_code == 401, name
        assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
        replies[name] = reply.text
    assert replies["unknown"] == replies["wrong secret"]
    assert "mistyped" in replies["typo"]
    for value in ("Basic abc", "Bearer", f"Bearer  {unknown} {unknown}", good):
        headers = {"Authorization": value}
        assert httpx2.post(server.url, json={}, headers=headers).status_code == 401
    twice = [("Authorization", f"Bearer {good}"), ("Authorization", f"Bearer {good}")]
    assert httpx2.post(server.url, json={}, headers=twice).status_code == 401
    assert httpx2.post(f"{server.url}?access_token={good}", json={}).status_code == 401


def _with_check(start: str) -> str:
    """A token whose check is right."""
    digest = hashlib.sha256(start.encode()).digest()
    return f"{start}_{base64.b32encode(digest).decode().lower()[:8]}"


async def test_an_expired_token_says_so_to_who_has_it(server: Serving) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    async with server.store(clock=lambda: past) as store:
        text, _ = await store.tokens.create(
            "old", ["read"], by=Actor("tests"), expires_at=past + timedelta(days=1)
        )
    reply = server.post(text)
    assert (reply.status_code, "has expired" in reply.text) == (401, True)


async def test_a_revoked_token_opens_nothing_while_the_server_runs(server: Serving) -> None:
    token, other = await server.token("anna"), await server.token("ben")
    assert server.post(other).status_code == 200
    async with server.store() as store:
        await store.tokens.revoke(read_token(token)[0], by=Actor("tests"))
    reply = server.post(token)
    assert (reply.status_code, "was revoked" in reply.text) == (401, True)
    assert server.post(other).status_code == 200


async def test_a_revocation_is_seen_within_seconds_by_who_knew_the_token(tmp_path: Path) -> None:
    """The clock is the test's: nothing waits."""
    now = [1000.0]
    async with Store.open(tmp_path / "store", key_file=tmp_path / "key") as store:
        text, token = await store.tokens.create("anna", ["read"], by=Actor("tests"))
        callers = StoredTokens(store.tokens, store.now, lambda: now[0])
        assert (await callers.verify(text)).principal == "anna"
        await store.tokens.revoke(token.id, by=Actor("tests"))
        now[0] += FRESH_SECONDS - 0.1
        assert (await callers.verify(text)).principal == "anna"
        now[0] += 0.1
        with pytest.raises(Refused, match="was revoked"):
            await callers.verify(text)


async def test_a_stream_ends_when_its_token_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_AGAIN_SECONDS", 0)
    now = [1000.0]
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async with Store.open(tmp_path / "store", key_file=tmp_path / "key") as store:
        text, token = await store.tokens.create("anna", ["read"], by=Actor("tests"))

        async def events(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(10):
                if number == 3:
                    await store.tokens.revoke(token.id, by=Actor("tests"))
                    now[0] += FRESH_SECONDS
                await send({"type": "http.response.body", "body": b"event", "more_body": True})

        through = gate.Gate(
            events,
            verifiers=[StoredTokens(store.tokens, store.now, lambda: now[0])],
            stores=Stores(store, lambda tenant: Store.open("memory://"), most=1),
            open_paths=frozenset(),
            needs={},
            asks={},
        )
        headers = [(b"authorization", f"Bearer {text}".encode())]
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}
        await through(scope, _nothing, send)
    bodies = [message["body"] for message in sent[1:]]
    assert bodies == [b"event", b"event", b"event", b""]
    assert sent[-1]["more_body"] is False


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def test_a_tenant_sees_its_own_store_and_no_other(server: Serving, era: str) -> None:
    name = f"secret-{era}"
    root = await server.token("root")
    blue = await server.token("blue", tenant=f"blue-{era}")
    red = await server.token("red", tenant=f"red-{era}")
    async with server.agent(root, era) as agent:
        await agent.call("save_checkpoint", workspace=name, state={"of": "root"})
    async with server.agent(blue, era) as agent:
        await agent.call("save_checkpoint", workspace=name, state={"of": "blue"})
    async with server.agent(red, era) as agent:
        assert await agent.call("list_workspaces") == {"workspaces": []}
        told = await agent.refused("load_checkpoint", workspace=name)
        assert "Did you mean" not in told
        await agent.call("save_checkpoint", workspace="other", state={})
        asked = await agent.call("request_approval", workspace="other", name="go", question="Go?")
        assert f"(--store …/tenants/red-{era})" in asked["advice"]
    async with server.agent(blue, era) as agent:
        assert (await agent.call("load_checkpoint", workspace=name))["state"] == {"of": "blue"}
    async with server.agent(root, era) as agent:
        assert (await agent.call("load_checkpoint", workspace=name))["state"] == {"of": "root"}
        names = [line["name"] for line in (await agent.call("list_workspaces"))["workspaces"]]
        assert "other" not in names
    async with server.store(f"blue-{era}") as store:
        assert [found async for found in store.names()] == [name]
        blue_id = store.id
    async with server.store() as store:
        assert store.id != blue_id


async def test_scopes_and_patterns_of_a_token_hold(server: Serving, era: str) -> None:
    writer = await server.token("writer", workspaces=["team-*"])
    reader = await server.token("reader", "read", workspaces=["team-*"])
    nothing = await server.token("nothing", "")
    async with server.agent(writer, era) as agent:
        await agent.call("save_checkpoint", workspace=f"team-{era}", state={})
        assert "[workspace_not_allowed]" in await agent.refused(
            "save_checkpoint", workspace="mine-auto", state={}
        )
    async with server.agent(reader, era) as agent:
        listed = {tool.name for tool in (await agent.client.list_tools()).tools}
        assert "save_checkpoint" not in listed
        assert "[insufficient_scope]" in await agent.refused(
            "save_checkpoint", workspace=f"team-{era}", state={}
        )
        assert await agent.call("load_checkpoint", workspace=f"team-{era}")
    refused = server.post(nothing)
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


async def test_no_path_leads_to_another_address_with_the_token(server: Serving) -> None:
    headers = {"Authorization": f"Bearer {await server.token('o', 'read admin')}"}
    for path in ("/mcp/", "/metrics/"):
        assert httpx2.post(f"{server.base}{path}", headers=headers).status_code == 404


def scraped(server: Serving, token: str) -> httpx2.Response:
    return httpx2.get(f"{server.base}/metrics", headers={"Authorization": f"Bearer {token}"})


async def test_what_is_for_the_operator_takes_its_own_scope(server: Serving) -> None:
    assert scraped(server, await server.token("r", "read")).status_code == 403
    assert scraped(server, await server.token("o", "admin")).status_code == 200
    theirs = scraped(server, await server.token("t", "read admin", tenant="acme"))
    assert (theirs.status_code, theirs.json()["error"]) == (403, "access_denied")


async def test_metrics_tell_of_the_stores_of_tenants_too(tmp_path: Path) -> None:
    with serving(tmp_path, SAFEPOINT_AUTH="tokens") as server:
        operator = await server.token("o", "admin")
        for tenant, opened in (("acme", 2), ("beta", 3)):
            token = await server.token("t", tenant=tenant)
            assert server.post(token).status_code == 200
            assert f"safepoint_open_stores {opened}.0" in scraped(server, operator).text


async def test_a_bad_token_is_answered_before_the_body_is_read(server: Serving) -> None:
    """The body that is announced never comes."""
    host, port = server.base.removeprefix("http://").split(":")
    reading, writing = await asyncio.open_connection(host, int(port))
    writing.write(
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer nonsense\r\n"
        b"Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
    )
    line = await asyncio.wait_for(reading.readline(), HANG)
    assert b" 401 " in line
    writing.close()


async def test_a_store_that_fails_is_503_and_never_an_unknown_token(tmp_path: Path) -> None:
    with serving(tmp_path, SAFEPOINT_AUTH="tokens") as server:
        token = await server.token("anna")
        unknown, _, _ = new_token(lambda count: bytes(count))
        (tmp_path / "store").rename(tmp_path / "gone")
        for text in (token, unknown):
            reply = server.post(text)
            assert (reply.status_code, reply.json()["error"]) == (503, "temporarily_unavailable")
            assert reply.headers["Retry-After"]
        (tmp_path / "gone").rename(tmp_path / "store")
        assert server.post(token).status_code == 200
    logged = json.dumps(server.log)
    assert {"event": "refused", "status": 503}.items() <= server.log[1].items()
    assert token.split("_")[2] not in logged
    assert str(tmp_path / "store") not in reply.text


async def test_a_damaged_token_lets_nobody_in(server: Serving) -> None:
    token = await server.token("anna")
    async with server.store() as store:
        key = f"tokens/{read_token(token)[0]}/000001.json"
        data = await store.objects.get(key) or b""
        await store.objects.put(key, data.replace(b'"generation": 1', b'"generation": 2'))
    assert server.post(token).status_code == 503
