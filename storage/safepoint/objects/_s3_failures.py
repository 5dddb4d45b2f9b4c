"""What an error of the S3 client means: whether anything was stored, what to tell, what to do.

Decided by error codes and classes alone. Texts of the server are never repeated: they may hold what
was sent to it.
"""

from __future__ import annotations

import ssl
from enum import Enum
from typing import Any

from botocore import exceptions as boto  # type: ignore[import-untyped]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from safepoint.objects._s3_reasons import BY_CODE, Reason, for_redirect, for_status
from safepoint.values import dataclass

__all__ = ["ERRORS", "Failure", "Verdict", "judge", "no_answer"]

ERRORS: tuple[type[Exception], ...] = (
    boto.ClientError,
    boto.BotoCoreError,
    ResponseParserError,
    HTTPError,
    OSError,
    RecursionError,
)
"""All that a call of the client, or reading its answer, may raise."""


class Verdict(Enum):
    TAKEN = "taken"  # the condition did not hold
    MISSING = "missing"  # certainly no such object
    BUSY = "busy"  # not done, or so it is said: wait, and send the same again
    UNCLEAR = "unclear"  # done or not done
    REFUSED = "refused"  # not done, and asking again would not help


@dataclass(frozen=True, slots=True)
class Failure:
    """`resent`: the client sent the request more than once, so an answer may be about the first.

    `certain`: nothing was changed, beyond doubt.
    """

    verdict: Verdict
    reason: Reason
    certain: bool = True
    resent: bool = False


_TAKEN = {"PreconditionFailed", "412"}
_NOT_DONE_YET = {
    "BandwidthLimitExceeded",
    "ConditionalRequestConflict",
    "OperationAborted",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",  # the server did not receive all of it
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}
_REDIRECTS = {
    "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException",
    "IncorrectEndpoint",
    "PermanentRedirect",
    "Redirect",
    "TemporaryRedirect",
}
_NEVER_SENT: tuple[tuple[type[Exception], str], ...] = (
    (boto.NoCredentialsError, "NoCredentials"),
    (boto.PartialCredentialsError, "PartialCredentials"),
    (boto.CredentialRetrievalError, "CredentialRetrieval"),
    (boto.TokenRetrievalError, "CredentialRetrieval"),
    (boto.SSOError, "CredentialRetrieval"),
    (boto.MetadataRetrievalError, "CredentialRetrieval"),
    (boto.ProxyConnectionError, "ProxyConnection"),
    (boto.EndpointConnectionError, "EndpointConnection"),
    (boto.ConnectTimeoutError, "EndpointConnection"),
    (boto.ParamValidationError, "ParamValidation"),
)
_ON_THE_WAY: tuple[type[Exception], ...] = (
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.ChecksumError,
    boto.FlexibleChecksumError,
    HTTPError,
    OSError,
)
_HANDSHAKE_REASONS = {"CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"}


def judge(error: Exception) -> Failure:
    """What to make of one of ERRORS."""
    if isinstance(error, boto.ClientError):
        return _judge_answer(error.response)
    if isinstance(error, RecursionError):
        # botocore asks without end where the bucket is when everything is redirected.
        return Failure(Verdict.REFUSED, for_redirect(None))
    for kind, code in _NEVER_SENT:
        if isinstance(error, kind):
            return Failure(Verdict.REFUSED, BY_CODE[code])
    if _in_handshake(error):
        return Failure(Verdict.REFUSED, BY_CODE["Tls"])
    if isinstance(error, boto.SSLError):
        return Failure(Verdict.UNCLEAR, BY_CODE["Tls"], certain=False)
    if isinstance(error, boto.ReadTimeoutError):
        return no_answer(began=True)
    if isinstance(error, ResponseParserError):
        return Failure(Verdict.UNCLEAR, BY_CODE["NotS3"], certain=False)
    if isinstance(error, _ON_THE_WAY):
        name = type(error).__name__
        return Failure(Verdict.UNCLEAR, Reason(f"the connection was lost ({name})"), certain=False)
    return Failure(Verdict.REFUSED, BY_CODE["Settings"])


def no_answer(*, began: bool) -> Failure:
    """For a request that was given up; one that never began has certainly done nothing."""
    if began:
        return Failure(Verdict.UNCLEAR, BY_CODE["NoAnswer"], certain=False)
    return Failure(Verdict.REFUSED, BY_CODE["Queue"])


def _judge_answer(response: dict[str, Any]) -> Failure:
    error, about = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, status = str(error.get("Code", "")), int(about.get("HTTPStatusCode", 0))
    resent = int(about.get("RetryAttempts", 0)) > 0
    reason = BY_CODE.get(code) or for_status(status, code)
    if status == 412 or code in _TAKEN:
        return Failure(Verdict.TAKEN, reason, resent=resent)
    if code == "NoSuchKey":
        return Failure(Verdict.MISSING, reason)
    if code in _NOT_DONE_YET or status in (409, 429):
        return Failure(Verdict.BUSY, reason, certain=not resent)
    if status == 503:  # a gateway may say so after the server has acted
        return Failure(Verdict.BUSY, reason, certain=False)
    if status == 501:
        return Failure(Verdict.REFUSED, BY_CODE["NotImplemented"], certain=not resent)
    if code in _REDIRECTS or 300 <= status < 400:
        headers = about.get("HTTPHeaders", {})
        region = error.get("Region") or headers.get("x-amz-bucket-region")
        return Failure(Verdict.REFUSED, for_redirect(region), certain=not resent)
    if 400 <= status < 500:
        return Failure(Verdict.REFUSED, reason, certain=not resent)
    return Failure(Verdict.UNCLEAR, reason, certain=False)


def _in_handshake(error: Exception) -> bool:
    """Whether TLS failed, or its file of authorities was missing, before a request was sent."""
    cause = getattr(error, "kwargs", {}).get("error")
    while isinstance(cause, Exception):
        if isinstance(cause, ssl.SSLError):
            return cause.reason in _HANDSHAKE_REASONS
        if isinstance(cause, FileNotFoundError):
            return True
        cause = cause.args[0] if cause.args else None
    return False
