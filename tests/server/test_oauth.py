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
from tests.servers.issuer import Issuer, issuer_process

from safepoint import InvalidInput
from safepoint_server.auth.callers import Refused
from safepoint_server.auth.jwks import (
    FAILED_PAUSE_SECONDS,
    FRESH_SECONDS,
    KEPT_SECONDS,
    PAUSE_SECONDS,
    IssuerKeys,
    Unfetched,
    fetch,
)
from safepoint_server.auth.oauth import OAuthTokens
from safepoint_server.oauth_settings import OAuthSettings
from safepoint_server.scopes import Scope
from safepoint_server.settings import Settings

pytestmark = pytest.mark.anyio

PUBLIC = "https://safepoint.example.com/team/mcp"


@pytest.fixture(scope="module")
def process() -> Iterator[Issuer]:
    with issuer_process() as started:
        yield started


@pytest.fixture
def issuer(process: Issuer) -> Issuer:
    process.state(published=["rsa", "ec", "ed"], fails=0, calls=0, metadata={})
    return process


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, process: Issuer) -> Iterator[Serving]:
    """Takes both kinds of tokens, and serves tenants as they come."""
    with serving(
        tmp_path_factory.mktemp("oauth"),
        SAFEPOINT_AUTH="both",
        SAFEPOINT_OAUTH_ISSUER=process.url,
        SAFEPOINT_OAUTH_TENANT_CLAIM="org",
        SAFEPOINT_OAUTH_SCOPES="admin=ops.admin",
        SAFEPOINT_TENANTS="create",
        SAFEPOINT_PUBLIC_URL=PUBLIC,
    ) as started:
        yield started


def claims(issuer: Issuer, **changes: Any) -> dict[str, Any]:
    """Those of a good token; None leaves one out."""
    now = int(time.time())
    good = {
        "iss": issuer.url,
        "aud": PUBLIC,
        "sub": "anna",
        "client_id": "editor",
        "iat": now,
        "exp": now + 300,
        "scope": "safepoint:read safepoint:write",
        "org": "acme",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


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


class Here:
    """The verifier in this process, with a clock that the test turns; the issuer is real."""

    def __init__(self, issuer: Issuer, **options: Any) -> None:
        self.now = 0.0
        settings = OAuthSettings(issuer.url, PUBLIC, **options)
        self.issuer = issuer
        self.callers = OAuthTokens(settings, IssuerKeys(settings, clock=lambda: self.now))

    async def status(self, key: str = "rsa", **header: Any) -> int:
        try:
            await self.callers.verify(self.issuer.sign(claims(self.issuer), key, **header))
        except Refused as refused:
            return refused.status
        return 200


async def test_keys_rotate_without_a_restart(issuer: Issuer) -> None:
    here = Here(issuer)
    assert (await here.status(), await here.status("next")) == (200, 401)
    issuer.state(published=["rsa", "next"])
    assert await here.status("next") == 401
    here.now += PAUSE_SECONDS
    assert (await here.status("next"), await here.status()) == (200, 200)
    issuer.state(published=["next"])
    here.now += FRESH_SECONDS
    assert (await here.status("next"), await here.status()) == (200, 401)
    assert (await here.status(kid=None), await here.status("next", kid=None)) == (401, 200)


async def test_forged_key_ids_do_not_hammer_the_issuer(issuer: Issuer) -> None:
    here = Here(issuer)
    for number in range(20):
        assert await here.status(kid=f"forged-{number}") == 401
    assert issuer.get("/calls") == 1
    here.now += PAUSE_SECONDS
    for number in range(20):
        assert await here.status(kid=f"forged-{number}") == 401
    assert issuer.get("/calls") == 2


async def test_known_keys_are_kept_while_the_issuer_is_down_but_not_for_ever(
    issuer: Issuer,
) -> None:
    here = Here(issuer)
    assert await here.status() == 200
    issuer.state(fails=500)
    here.now += FRESH_SECONDS
    assert await here.status() == 200
    assert await here.status("next") == 503
    here.now += KEPT_SECONDS
    assert await here.status() == 503
    issuer.state(fails=0)
    here.now += FAILED_PAUSE_SECONDS
    assert await here.status() == 200


async def test_an_issuer_that_was_never_reached_is_503(issuer: Issuer) -> None:
    issuer.state(fails=503)
    here = Here(issuer)
    assert await here.status() == 503
    issuer.state(fails=0)
    assert await here.status() == 503
    here.now += FAILED_PAUSE_SECONDS
    assert await here.status() == 200


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example.com"},
        {"jwks_uri": "http://keys.example.com/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
)
async def test_metadata_that_lead_elsewhere_are_not_followed(
    issuer: Issuer, metadata: dict[str, Any]
) -> None:
    issuer.state(metadata=metadata)
    assert await Here(issuer).status() == 503
    assert issuer.get("/calls") == 0


async def test_weak_and_unfit_keys_open_nothing(issuer: Issuer) -> None:
    issuer.state(published=["weak", "rsa"])
    here = Here(issuer)
    assert (await here.status("weak"), await here.status()) == (401, 200)


async def test_no_document_without_end_is_read(issuer: Issuer) -> None:
    with pytest.raises(Unfetched, match="more than"):
        await fetch(f"{issuer.url}/endless")
    assert await Here(issuer, jwks_url=f"{issuer.url}/endless").status() == 503


def test_settings_that_would_trust_anybody_are_refused(process: Issuer) -> None:
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
    jwt.get_unverified_header(process.sign({"a": 1}))
