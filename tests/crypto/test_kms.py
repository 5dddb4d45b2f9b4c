"""Key slots of AWS KMS, against a server of its own: what opens, what does not, what is said."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from tests.servers.s3 import S3Server

from safepoint import Damaged, InvalidInput, SafepointError, Store, Unavailable, WrongKey
from safepoint.crypto.keyring import KeyFile, add_slot, open_slots
from safepoint.crypto.kms import KmsKey
from safepoint.keyfile import make_key_file
from safepoint.objects.memory import MemoryObjects

pytestmark = pytest.mark.anyio

STORE_ID, OTHER_STORE_ID = bytes(16), bytes(range(16))
STORE_KEY = bytes(range(32))
SOME_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture
def kms(ministack_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the fake; the ordinary chain of credentials leads there too, for KMS alone."""
    for name, value in ministack_server.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", ministack_server.endpoint)
    return boto3.client("kms", region_name="us-east-1")


@pytest.fixture
def arn(kms: Any) -> str:
    made: str = kms.create_key()["KeyMetadata"]["Arn"]
    return made


def slot_for(key: KmsKey, store_id: bytes = STORE_ID) -> dict[str, Any]:
    at = "2026-01-01T00:00:00+00:00"
    return add_slot(key, STORE_KEY, store_id, label="", at=at, random=os.urandom)


def refusal(slot: dict[str, Any], key: KmsKey, store_id: bytes = STORE_ID) -> SafepointError:
    with pytest.raises(SafepointError) as caught:
        open_slots([slot], key, store_id)
    return caught.value


def test_a_slot_opens_for_whoever_may_use_its_key(arn: str) -> None:
    slot = slot_for(KmsKey(arn))
    assert open_slots([slot], KmsKey(), STORE_ID) == STORE_KEY
    assert open_slots([slot], KmsKey(arn), STORE_ID) == STORE_KEY
    assert open_slots([slot], KeyFile(bytes(32)), STORE_ID) is None
    assert slot["kind"] == "aws-kms"
    assert STORE_KEY.hex() not in json.dumps(slot)


def test_an_alias_makes_a_slot_of_the_key_that_it_means_now(kms: Any, arn: str) -> None:
    alias = f"alias/{arn[-12:]}"
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    named = KmsKey(f"{arn.partition('key/')[0]}{alias}")
    slot = slot_for(named)
    assert slot["kms"]["key"] == arn
    assert open_slots([slot], named, STORE_ID) == STORE_KEY


def test_the_wrapped_key_belongs_to_its_store(arn: str) -> None:
    error = refusal(slot_for(KmsKey(arn)), KmsKey(), OTHER_STORE_ID)
    assert (type(error), error.code) == (Damaged, "not_authentic")


def test_with_an_arn_the_key_of_nobody_else_is_used(kms: Any, arn: str) -> None:
    theirs = slot_for(KmsKey(kms.create_key()["KeyMetadata"]["Arn"]))
    error = refusal(theirs, KmsKey(arn))
    assert (type(error), error.code) == (WrongKey, "another_kms_key")
    assert open_slots([theirs, slot_for(KmsKey(arn))], KmsKey(arn), STORE_ID) == STORE_KEY


@pytest.mark.parametrize("position", [40, 70, -1], ids=["context", "nonce", "key"])
def test_a_wrapped_key_with_a_flipped_bit_opens_nothing(arn: str, position: int) -> None:
    slot = slot_for(KmsKey(arn))
    blob = bytearray(base64.b64decode(slot["kms"]["ciphertext"]))
    blob[position] ^= 1
    altered = {**slot["kms"], "ciphertext": base64.b64encode(blob).decode()}
    opened = None
    with contextlib.suppress(Damaged):
        opened = open_slots([{**slot, "kms": altered}], KmsKey(), STORE_ID)
    assert opened is None


@pytest.mark.parametrize(
    "kms_part",
    [
        None,
        {},
        {"key": SOME_ARN},
        {"key": SOME_ARN, "ciphertext": "not base64!"},
        {"key": SOME_ARN, "ciphertext": base64.b64encode(bytes(6145)).decode()},
        {"key": "http://169.254.169.254/", "ciphertext": "AAAA"},
        {"key": None, "ciphertext": "AAAA"},
    ],
    ids=lambda part: repr(part)[:60],
)
def test_a_slot_that_cannot_be_one_is_damage_before_anything_is_sent(kms_part: Any) -> None:
    def nobody(region: str) -> Any:
        raise AssertionError(region)

    seal = slot_for_nobody()
    error = refusal({**seal, "kms": kms_part}, KmsKey(client_for=nobody))
    assert isinstance(error, Damaged)


def slot_for_nobody() -> dict[str, Any]:
    at = "2026-01-01T00:00:00+00:00"
    slot = add_slot(KeyFile(bytes(32)), STORE_KEY, STORE_ID, label="", at=at, random=os.urandom)
    return {**slot, "kind": "aws-kms"}


@pytest.mark.parametrize(
    "text",
    ["", "alias/mine", "arn:aws:s3:::bucket", "arn:aws:kms:eu-central-1:1:key/a", SOME_ARN + " x"],
)
def test_what_is_no_arn_of_a_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        KmsKey(text)
    assert caught.value.code == "bad_kms_arn"


def test_a_disabled_key_and_one_on_its_way_out_are_named(kms: Any, arn: str) -> None:
    slot = slot_for(KmsKey(arn))
    kms.disable_key(KeyId=arn)
    error = refusal(slot, KmsKey())
    assert (type(error), error.code) == (Unavailable, "kms_key_disabled")
    assert arn in error.message
    kms.enable_key(KeyId=arn)
    kms.schedule_key_deletion(KeyId=arn, PendingWindowInDays=7)
    error = refusal(slot, KmsKey())
    assert (type(error), error.code) == (Unavailable, "kms_key_state")
    assert "cancel-key-deletion" in error.hint


def test_a_key_that_is_not_there_or_in_another_region_is_named(arn: str) -> None:
    for missing in (arn[:-4] + "0000", arn.replace("us-east-1", "eu-west-1")):
        with pytest.raises(WrongKey) as caught:
            slot_for(KmsKey(missing))
        assert caught.value.code == "kms_key_not_found"
        assert missing in caught.value.message
        assert "region" in caught.value.hint


def test_a_key_for_signing_is_refused(kms: Any) -> None:
    made = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(WrongKey) as caught:
        slot_for(KmsKey(made))
    assert caught.value.code == "kms_key_usage"


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch, kms: Any) -> Iterator[list[str]]:
    """A KMS that answers every request with the error code in the list, and one word of text."""
    codes = ["AccessDeniedException"]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"__type": codes[0], "message": "PRIVATE"}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{server.server_port}")
        yield codes
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("code", "kind", "ours"),
    [
        ("AccessDeniedException", Unavailable, "kms_access_denied"),
        ("ExpiredTokenException", Unavailable, "expired_credentials"),
        ("UnrecognizedClientException", Unavailable, "bad_credentials"),
        ("IncorrectKeyException", Damaged, "not_authentic"),
        ("SomethingNewException", Unavailable, "kms_failed"),
    ],
)
def test_each_refusal_of_kms_says_what_to_do_and_repeats_nothing(
    refusing: list[str], code: str, kind: type[SafepointError], ours: str
) -> None:
    refusing[0] = code
    slot = {**slot_for_nobody(), "kms": {"key": SOME_ARN, "ciphertext": "AAAA"}}
    error = refusal(slot, KmsKey())
    assert (type(error), error.code) == (kind, ours)
    assert error.hint
    assert "PRIVATE" not in f"{error.message}{error.hint}"
    if ours == "kms_access_denied":
        assert "kms:Decrypt" in error.message
        assert SOME_ARN in error.message
        with pytest.raises(Unavailable, match="kms:GenerateDataKey"):
            slot_for(KmsKey(SOME_ARN))


def test_a_kms_that_cannot_be_reached_is_unavailable(
    kms: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = {**slot_for_nobody(), "kms": {"key": SOME_ARN, "ciphertext": "AAAA"}}
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    assert refusal(slot, KmsKey()).code == "kms_unreachable"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert refusal(slot, KmsKey()).code == "no_credentials"


async def test_a_store_with_a_kms_slot_opens_on_a_machine_without_a_key(
    arn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = MemoryObjects()
    make_key_file(tmp_path / "key", random=os.urandom)
    async with Store.open(objects, key_file=tmp_path / "key") as store:
        await store.workspace("trip").save({"page": 3})
        slot = await store.add_kms_slot(arn)
        assert (slot.kind, slot.label) == ("aws-kms", arn)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    async with Store.open(objects, create=False) as store:
        assert (await store.workspace("trip").load()).state == {"page": 3}
    async with Store.open(objects, kms_key=arn, create=False) as store:
        await store.workspace("trip").save({"page": 4})


async def test_a_new_store_needs_nothing_but_the_arn(arn: str) -> None:
    objects = MemoryObjects()
    async with Store.open(objects, kms_key=arn) as store:
        assert [slot.kind for slot in await store.slots()] == ["aws-kms"]
    async with Store.open(objects, kms_key=KmsKey(arn), create=False):
        pass


async def test_the_key_file_at_hand_is_tried_before_the_network(
    arn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    objects = MemoryObjects()
    async with Store.open(objects) as store:
        await store.add_kms_slot(arn)
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    async with Store.open(objects, create=False):
        pass


async def test_a_key_that_is_given_is_the_only_one_that_is_tried(arn: str, tmp_path: Path) -> None:
    objects = MemoryObjects()
    async with Store.open(objects, kms_key=arn):
        pass
    make_key_file(tmp_path / "other", random=os.urandom)
    with pytest.raises(WrongKey, match="it opens by its aws-kms"):
        async with Store.open(objects, key_file=tmp_path / "other", create=False):
            pass
    with pytest.raises(InvalidInput, match="a passphrase and a KMS key"):
        async with Store.open(objects, passphrase="correct horse", kms_key=arn):
            pass


def test_an_alias_opens_no_slot_of_another_account() -> None:
    class Anybody:
        def generate_data_key(self, **parameters: Any) -> dict[str, Any]:
            return {"CiphertextBlob": b"x", "KeyId": parameters["KeyId"], "Plaintext": bytes(32)}

        def decrypt(self, **parameters: Any) -> dict[str, Any]:
            return {"Plaintext": bytes(32)}

    def key(account: str, name: str) -> KmsKey:
        arn = f"arn:aws:kms:eu-central-1:{account}:{name}"
        return KmsKey(arn, client_for=lambda region: Anybody())

    theirs, store_id = key("9" * 12, "key/theirs"), bytes(16)
    slot = add_slot(theirs, bytes(32), store_id, label="", at="2026-01-01", random=os.urandom)
    assert open_slots([slot], key("9" * 12, "alias/a"), store_id) == bytes(32)
    with pytest.raises(WrongKey):
        open_slots([slot], key("1" * 12, "alias/a"), store_id)
