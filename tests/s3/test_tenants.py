"""Tokens and tenants in a bucket, as replicas of a server see them."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from tests.s3.bucket import Bucket

from safepoint import Actor, NotFound, Store
from safepoint.address import tenant_address
from safepoint_server.auth.callers import Refused
from safepoint_server.auth.stores import Stores
from safepoint_server.auth.tokens import FRESH_SECONDS, StoredTokens

pytestmark = pytest.mark.anyio


async def test_replicas_agree_on_tokens_and_keep_tenants_apart(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in bucket.server.environ().items():
        monkeypatch.setenv(name, value)
    now = [0.0]

    def open_tenant(tenant: str, *, create: bool = False) -> AbstractAsyncContextManager[Store]:
        url = tenant_address(bucket.url, tenant)
        return Store.open(url, key_file=bucket.key_file, create=create, pages="off")

    async with bucket.open() as store, bucket.open() as other:
        text, token = await store.tokens.create("anna", ["read"], by=Actor("tests"), tenant="acme")
        replica = StoredTokens(other.tokens, other.now, lambda: now[0])
        assert (await replica.verify(text)).tenant == "acme"
        await store.tokens.revoke(token.id, by=Actor("tests"))
        now[0] += FRESH_SECONDS
        with pytest.raises(Refused, match="was revoked"):
            await replica.verify(text)
        async with open_tenant("acme", create=True) as theirs:
            await theirs.workspace("work").save({"of": "acme"})
        stores = Stores(store, open_tenant, most=2)
        async with stores.hold("acme") as theirs:
            assert (await theirs.workspace("work").load()).state == {"of": "acme"}
            assert theirs.id != store.id
        with pytest.raises(NotFound):
            async with stores.hold("nobody"):
                pass
        await stores.close()
        assert [name async for name in store.names()] == []
        report = await store.verify()
        assert (report.ok, report.tokens, report.foreign) == (True, 1, 0)
