"""Key slots whose keys lie with AWS KMS: the store opens by AWS permissions, without a secret.

Loads botocore, so this module is imported only when such a slot is made or opened.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Protocol

from botocore import exceptions as boto  # type: ignore[import-untyped]

from safepoint.crypto.envelope import Random
from safepoint.crypto.keyring import KEY_BYTES, KMS
from safepoint.errors import Damaged, InvalidInput, SafepointError, Unavailable, WrongKey

__all__ = ["KmsClient", "KmsKey", "kms_client"]

CONTEXT = "safepoint-store"
"""Name of the encryption context that binds a wrapped key to its store. It shows in CloudTrail."""

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
_MAX_BLOB_BYTES = 6144  # of KMS
_ARN = re.compile(r"arn:aws[a-z-]{0,20}:kms:([a-z0-9-]{1,30}):[0-9]{12}:(key|alias)/[!-~]{1,256}")
_WORD = re.compile(r"[A-Za-z0-9]{1,60}")


class KmsClient(Protocol):
    """What is used of a boto3 KMS client."""

    def generate_data_key(self, **parameters: Any) -> dict[str, Any]:
        """A fresh key, and that key wrapped."""

    def decrypt(self, **parameters: Any) -> dict[str, Any]:
        """A wrapped key unwrapped."""


class KmsKey:
    """See Unlock. A slot holds a random key that only KMS can unwrap, for this store alone.

    With `arn`, slots of that key only, or with an alias of keys of its account and region: nobody
    who can write to the store can then have it opened by a key of his own. Without, the slot says
    which key it is. An alias serves to make a slot; the slot names the key itself. `client_for`
    gives the client for the region that it is given.
    """

    kind: ClassVar[str] = KMS
    what: ClassVar[str] = "this AWS KMS key"

    def __init__(
        self, arn: str | None = None, *, client_for: Callable[[str], KmsClient] | None = None
    ) -> None:
        if arn is not None:
            _region(arn)
        self.arn = arn
        self._client_for = client_for or kms_client

    def new_kek(self, store_id: bytes, *, random: Random) -> tuple[dict[str, Any], bytes]:
        """See Unlock.new_kek. The permission needed is kms:GenerateDataKey."""
        if self.arn is None:
            raise InvalidInput("the ARN of the KMS key is missing", hint="Give it.")
        made = self._call(
            "generate_data_key",
            "kms:GenerateDataKey",
            self.arn,
            KeyId=self.arn,
            KeySpec="AES_256",
            EncryptionContext={CONTEXT: store_id.hex()},
        )
        blob = base64.b64encode(made["CiphertextBlob"]).decode()
        return {"kms": {"key": made["KeyId"], "ciphertext": blob}}, _checked(made)

    def kek(self, slot: dict[str, Any], store_id: bytes) -> bytes:
        """See Unlock.kek. The permission needed is kms:Decrypt."""
        arn = slot["kms"]["key"]
        blob = base64.b64decode(slot["kms"]["ciphertext"], validate=True)
        if not isinstance(arn, str) or not _ARN.fullmatch(arn) or len(blob) > _MAX_BLOB_BYTES:
            raise ValueError("no slot of KMS")
        if self.arn is not None and not _may_mean(self.arn, arn):
            raise WrongKey(
                f"the store is opened by the KMS key {arn}, not by {self.arn}",
                hint="If that is not your key, somebody has put another store here. Otherwise "
                "correct SAFEPOINT_KMS_KEY.",
                code="another_kms_key",
            )
        opened = self._call(
            "decrypt",
            "kms:Decrypt",
            arn,
            KeyId=arn,
            CiphertextBlob=blob,
            EncryptionContext={CONTEXT: store_id.hex()},
        )
        return _checked(opened)

    def _call(self, operation: str, action: str, arn: str, **parameters: Any) -> dict[str, Any]:
        try:
            client = self._client_for(_region(arn))
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
            return answer
        except boto.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            refusal = _refusal(code, action, arn)
        except boto.BotoCoreError as error:
            refusal = _unreachable(error, arn)
        raise refusal


def kms_client(region: str) -> KmsClient:
    """A client by the ordinary chain of credentials, at AWS_ENDPOINT_URL_KMS if that is set."""
    import boto3  # type: ignore[import-untyped]  # late: it takes 0.2 s
    from botocore.config import Config  # type: ignore[import-untyped]

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard"},
        user_agent_extra="safepoint",
    )
    client: KmsClient = boto3.session.Session().client("kms", region_name=region, config=config)
    return client


def _region(arn: str) -> str:
    """Raises InvalidInput unless `arn` names a KMS key or alias."""
    found = _ARN.fullmatch(arn)
    if found is None:
        raise InvalidInput(
            f"{arn[:300]!r} is not the ARN of a KMS key",
            hint="It looks like arn:aws:kms:eu-central-1:111122223333:key/… ; "
            "`aws kms describe-key --key-id alias/…` shows it.",
            code="bad_kms_arn",
        )
    return found[1]


def _may_mean(given: str, arn: str) -> bool:
    """Whether the key `arn` may be the one given. What an alias means is known to KMS alone, but it
    is a key of the same account and region."""
    if ":key/" in given:
        return arn == given
    return arn.rpartition(":")[0] == given.rpartition(":")[0]


def _checked(answer: dict[str, Any]) -> bytes:
    """What KMS gave must be a key; what it is the key of, the seal of the slot decides."""
    kek = answer["Plaintext"]
    if not isinstance(kek, bytes) or len(kek) != KEY_BYTES:
        raise Damaged("AWS KMS gave something else than a key of 32 bytes", code="not_authentic")
    return kek


class _Reason(NamedTuple):
    """What a code of KMS means. Its texts are not repeated: they may name what nobody asked for."""

    error: type[SafepointError]
    code: str
    message: str
    hint: str


_OTHER_SLOT = "another key slot opens the store as before: give its key file or passphrase."
_SIGN_IN = "Sign in again (`aws sso login`, `aws login`), or renew the session token."
_DENIED = _Reason(
    Unavailable,
    "kms_access_denied",
    "AWS does not allow these credentials {action} on {arn}",
    "Allow {action} on it, in the policy of this user or role and in that of the key. "
    "`aws sts get-caller-identity` shows who you are.",
)
_STATE = _Reason(
    Unavailable,
    "kms_key_state",
    "the KMS key {arn} cannot be used in its present state, such as pending deletion",
    "`aws kms describe-key` shows the state; `aws kms cancel-key-deletion` and `aws kms "
    f"enable-key` bring a key back; {_OTHER_SLOT}",
)
_NOT_OURS = _Reason(
    Damaged,
    "not_authentic",
    "the KMS key {arn} did not make the wrapped key in this slot for this store",
    "The store manifest was altered, or the slot is of another store. Restore it from a copy.",
)
_MISUSED = _Reason(
    WrongKey,
    "kms_key_usage",
    "the KMS key {arn} is not a symmetric key for encryption",
    "Make one with `aws kms create-key`: its defaults are right.",
)
_EXPIRED = _Reason(Unavailable, "expired_credentials", "the AWS credentials have expired", _SIGN_IN)
_NOT_KNOWN = _Reason(
    Unavailable,
    "bad_credentials",
    "AWS does not know these credentials",
    "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile.",
)
_BY_CODE = {
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "NotFoundException": _Reason(
        WrongKey,
        "kms_key_not_found",
        "there is no KMS key {arn}",
        f"Check account and region. If it was deleted, {_OTHER_SLOT}",
    ),
    "DisabledException": _Reason(
        Unavailable,
        "kms_key_disabled",
        "the KMS key {arn} is disabled",
        f"Enable it (`aws kms enable-key`); {_OTHER_SLOT}",
    ),
    "KMSInvalidStateException": _STATE,
    "KeyUnavailableException": _STATE,
    "InvalidCiphertextException": _NOT_OURS,
    "IncorrectKeyException": _NOT_OURS,
    "InvalidKeyUsageException": _MISUSED,
    "UnsupportedOperationException": _MISUSED,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "UnrecognizedClientException": _NOT_KNOWN,
    "InvalidClientTokenId": _NOT_KNOWN,
    "InvalidSignatureException": _NOT_KNOWN,
    "SignatureDoesNotMatch": _NOT_KNOWN,
}


def _refusal(code: str, action: str, arn: str) -> SafepointError:
    word = code if _WORD.fullmatch(code) else "no code"
    other = _Reason(
        Unavailable, "kms_failed", f"AWS KMS refused {{action}} on {{arn}} ({word})", "Try again."
    )
    reason = _BY_CODE.get(code, other)
    message = reason.message.format(action=action, arn=arn)
    return reason.error(message, hint=reason.hint.format(action=action), code=reason.code)


def _unreachable(error: Exception, arn: str) -> SafepointError:
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return Unavailable(
            f"no AWS credentials were found to use the KMS key {arn}",
            hint="Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this "
            f"machine a role; {_OTHER_SLOT}",
            code="no_credentials",
        )
    if isinstance(error, boto.CredentialRetrievalError | boto.TokenRetrievalError | boto.SSOError):
        return Unavailable(
            "the AWS credentials could not be obtained", hint=_SIGN_IN, code="expired_credentials"
        )
    return Unavailable(
        f"AWS KMS cannot be reached for {arn} ({type(error).__name__})",
        hint="Check the network, the region in the ARN, AWS_PROFILE and AWS_ENDPOINT_URL_KMS.",
        code="kms_unreachable",
    )
