"""The keys of a real issuer: fetched, renewed, kept while it is down, and never from elsewhere."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.server.conftest import HANG
from tests.servers.issuer import PUBLIC, Issuer, claims

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

pytestmark = pytest.mark.anyio


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


async def test_nobody_with_a_known_key_waits_for_an_issuer_that_is_known_to_be_down(
    issuer: Issuer,
) -> None:
    answers, asked = asyncio.Event(), asyncio.Event()
    now, down = 0.0, False

    async def get(url: str) -> Any:
        if down:
            asked.set()
            await answers.wait()
            raise Unfetched("it does not answer")
        return await fetch(url)

    keys = IssuerKeys(OAuthSettings(issuer.url, PUBLIC), get, lambda: now)
    assert await keys.find("rsa", "RS256")
    now, down = FRESH_SECONDS, True
    first = asyncio.create_task(keys.find("rsa", "RS256"))
    await asked.wait()
    answers.set()
    assert await first
    now += FAILED_PAUSE_SECONDS
    answers.clear()
    asked.clear()
    async with asyncio.timeout(HANG):
        assert await keys.find("rsa", "RS256")
        await asked.wait()
        down = False
        answers.set()
    now += FAILED_PAUSE_SECONDS
    assert await keys.find("ed", "EdDSA")


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


async def test_no_document_is_unpacked(issuer: Issuer) -> None:
    with pytest.raises(Unfetched, match="JSONDecodeError"):
        await fetch(f"{issuer.url}/packed")
