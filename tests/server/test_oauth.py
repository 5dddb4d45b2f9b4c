"""A server process that takes access tokens of a real issuer: good ones, and no others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import jwt
import pytest
from jwt.algorithms import get_default_algorithms
from tests.server.serving import Serving, serving
from tests.servers.issuer import PUBLIC, Issuer, claims

from safepoint import InvalidInput
from safepoint_server.scopes import Scope
from safepoint_server.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, issuing: Issuer) -> Iterator[Serving]:
    """Takes both kinds of tokens, and serves tenants as they come."""
    with serving(
        tmp_path_factory.mktemp("oauth"),
        SAFEPOINT_AUTH="both",
        SAFEPOINT_OAUTH_ISSUER=issuing.url,
        SAFEPOINT_OAUTH_TENANT_CLAIM="org",
        SAFEPOINT_OAUTH_SCOPES="admin=ops.admin",
        SAFEPOINT_TENANTS="create",
        SAFEPOINT_PUBLIC_URL=PUBLIC,
    ) as started:
        yield started


async def test_good_tokens_of_every_kind_of_key_come_in(issuer: Issuer, server: Serving) -> None:
    for key in ("rsa", "ec", "ed"):
        assert server.post(issuer.sign(claims(issuer), key)).status_code == 200, key
    for changed in (
        {"aud": ["https://other.example.com", PUBLIC]},
        {"scope": None, "scp": ["safepoint:read"]},
        {"scope": None, "scp": "safepoint:read"},
        {"nbf": int(time.time()) + 10},
        {"exp": int(time.time()) - 1},
    ):
        assert server.post(issuer.sign(claims(issuer, **changed))).status_code == 200, changed
    for typ in ("JWT", "application/at+jwt"):
        assert server.post(issuer.sign(claims(issuer), typ=typ)).status_code == 200, typ


async def test_what_it_saves_is_its_subjects_in_both_eras(
    issuer: Issuer, server: Serving, era: str
) -> None:
    async with server.agent(issuer.sign(claims(issuer)), era) as agent:
        await agent.call("save_checkpoint", workspace=f"w-{era}", state={})
        saved_by = (await agent.call("load_checkpoint", workspace=f"w-{era}"))["saved_by"]
    assert (saved_by["name"], saved_by["transport"]) == ("anna", "http/oauth")


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.example.com/mcp"},
        {"aud": f"{PUBLIC}/more"},
        {"aud": None},
        {"iss": "https://issuer.example.com"},
        {"iss": None},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
        {"sub": None, "client_id": None},
        {"sub": {"a": 1}, "client_id": None},
        {"sub": "an\u200bna"},
        {"sub": "anna\n"},
        {"sub": " "},
    ],
)
async def test_claims_that_are_not_for_here_are_refused(
    issuer: Issuer, server: Serving, changed: dict[str, Any]
) -> None:
    token = issuer.sign({**claims(issuer), **{k: v for k, v in changed.items() if v is not None}})
    if None in changed.values() or changed.get("exp") == "soon" or "sub" in changed:
        token = issuer.sign(claims(issuer, **changed))
    reply = server.post(token)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    assert (
        'resource_metadata="https://safepoint.example.com/.well-known/oauth-protected-resource'
        '/team/mcp"'
    ) in reply.headers["WWW-Authenticate"]


def _unsigned(header: dict[str, Any], body: dict[str, Any], secret: bytes | None = None) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in (header, body)
    ]
    text = ".".join(parts)
    made = b"" if secret is None else hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(made).decode().rstrip('=')}"


async def test_signatures_that_prove_nothing_are_refused(issuer: Issuer, server: Serving) -> None:
    good = claims(issuer)
    shown = {key["kid"]: key for key in issuer.get("/keys")["keys"]}
    algorithm = get_default_algorithms()["RS256"]
    public = algorithm.from_jwk(shown["rsa"])
    from cryptography.hazmat.primitives import serialization

    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = issuer.sign(good)
    body, changed = signed.split("."), issuer.sign(claims(issuer, sub="eve")).split(".")
    jwk = {**shown["rsa"], "kid": "mine"}
    forged = {
        "none": _unsigned({"alg": "none", "kid": "rsa"}, good),
        "None": _unsigned({"alg": "None", "kid": "rsa"}, good),
        "hs256 by the public key": _unsigned({"alg": "HS256", "kid": "rsa"}, good, pem),
        "hs256 by the modulus": _unsigned({"alg": "HS256", "kid": "rsa"}, good, b"n"),
        "no algorithm": _unsigned({"kid": "rsa"}, good),
        "another's body": f"{body[0]}.{changed[1]}.{body[2]}",
        "cut off": signed[:-8],
        "unpublished key": issuer.sign(good, "next"),
        "unpublished key under a known id": issuer.sign(good, "next", kid="rsa"),
        "key of another kind": issuer.sign(good, "ec", kid="rsa"),
        "unknown id": issuer.sign(good, kid="nobody"),
        "no id, of several keys": issuer.sign(good, kid=""),
        "a key of its own": issuer.sign(good, "next", jwk=jwk, jku=f"{issuer.url}/keys"),
        "an id token": issuer.sign(good, typ="id_token"),
        "critical": issuer.sign(good, crit=["b64"], b64=True),
        "not json": "e30.e30.e30",
        "dots": "..",
        "long": signed + "a" * 9000,
    }
    calls = issuer.get("/calls")
    for name, token in forged.items():
        reply = server.post(token)
        assert (reply.status_code, reply.json()["error"]) == (401, "invalid_token"), name
    assert issuer.get("/calls") - calls <= 1
    assert server.post(signed).status_code == 200


async def test_scopes_mean_what_the_operator_said(issuer: Issuer, server: Serving) -> None:
    reader = issuer.sign(claims(issuer, scope="openid safepoint:read safepoint:admin"))
    async with server.agent(reader) as agent:
        assert await agent.call("list_workspaces")
        assert "[insufficient_scope]" in await agent.refused(
            "save_checkpoint", workspace="w", state={}
        )
    headers = {"Authorization": f"Bearer {reader}"}
    assert httpx2.get(f"{server.base}/metrics", headers=headers).status_code == 403
    for scope in ("openid", "", "safepoint:readsafepoint:write", 7, {"safepoint:read": 1}, [[]]):
        refused = server.post(issuer.sign(claims(issuer, scope=scope)))
        assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
        shown = 'scope="safepoint:read safepoint:write safepoint:approve"'
        assert shown in refused.headers["WWW-Authenticate"]


async def test_tenants_are_apart_and_every_token_must_name_one(
    issuer: Issuer, server: Serving
) -> None:
    blue, red = (issuer.sign(claims(issuer, org=org)) for org in ("blue", "red"))
    async with server.agent(blue) as agent:
        await agent.call("save_checkpoint", workspace="plans", state={"of": "blue"})
    async with server.agent(red) as agent:
        there = await agent.refused("load_checkpoint", workspace="plans")
        assert there.replace("plans", "plane") == await agent.refused(
            "load_checkpoint", workspace="plane"
        )
    for org in (None, "", "Blue", "../blue", "a/b", 7, ["blue"]):
        refused = server.post(issuer.sign(claims(issuer, org=org)))
        assert (refused.status_code, refused.json()["error"]) == (403, "access_denied"), org
    async with server.store("blue") as store:
        assert [name async for name in store.names()] == ["plans"]


async def test_tokens_of_the_store_come_in_too(issuer: Issuer, server: Serving) -> None:
    assert server.post(await server.token("anna")).status_code == 200


async def test_clients_learn_whose_tokens_are_taken(issuer: Issuer, server: Serving) -> None:
    known = "/.well-known/oauth-protected-resource"
    for path in (f"{known}/team/mcp", known):
        told = httpx2.get(f"{server.base}{path}").json()
        assert told["resource"] == PUBLIC
        assert told["authorization_servers"] == [issuer.url]
        assert told["scopes_supported"][0] == "safepoint:read"
        assert told["bearer_methods_supported"] == ["header"]
    assert httpx2.get(f"{server.base}{known}/other").status_code == 401


async def test_a_tenant_without_a_store_gets_none_unless_that_is_allowed(
    issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with serving(
        tmp_path_factory.mktemp("strict"),
        SAFEPOINT_AUTH="oauth",
        SAFEPOINT_OAUTH_ISSUER=issuer.url,
        SAFEPOINT_OAUTH_TENANT_CLAIM="org",
        SAFEPOINT_PUBLIC_URL=PUBLIC,
    ) as server:
        await server.token("only to make the tenant", tenant="known")
        refused = server.post(issuer.sign(claims(issuer, org="new")))
        assert (refused.status_code, refused.json()["error"]) == (403, "access_denied")
        assert server.post(issuer.sign(claims(issuer, org="known"))).status_code == 200
        assert server.post(await server.token("anna")).status_code == 401
        assert not (server.folder / "store" / "tenants" / "new").exists()


def test_settings_that_would_trust_anybody_are_refused(issuing: Issuer) -> None:
    good = {
        "SAFEPOINT_AUTH": "oauth",
        "SAFEPOINT_OAUTH_ISSUER": "https://issuer.example.com",
        "SAFEPOINT_PUBLIC_URL": PUBLIC,
    }
    oauth = Settings.load(good).http.oauth
    assert oauth is not None
    assert (oauth.audience, oauth.scopes[Scope.READ]) == (PUBLIC, "safepoint:read")
    for name, value in (
        ("SAFEPOINT_OAUTH_ISSUER", ""),
        ("SAFEPOINT_OAUTH_ISSUER", "http://issuer.example.com"),
        ("SAFEPOINT_OAUTH_JWKS_URL", "http://issuer.example.com/keys"),
        ("SAFEPOINT_PUBLIC_URL", ""),
        ("SAFEPOINT_OAUTH_SCOPES", "everything=yes"),
        ("SAFEPOINT_OAUTH_SCOPES", "read="),
        ("SAFEPOINT_AUTH", "maybe"),
        ("SAFEPOINT_TLS_CERT", "cert.pem"),
    ):
        with pytest.raises(InvalidInput):
            Settings.load({**good, name: value})
    jwt.get_unverified_header(issuing.sign({"a": 1}))
