"""Words for what can be wrong with a bucket, its endpoint or the credentials, and the way out."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["BY_CODE", "Reason", "for_redirect", "for_status"]


class Reason(NamedTuple):
    """`code` is that of the error raised; `denied` asks for the permission to be named."""

    text: str
    hint: str = ""
    code: str | None = None
    denied: bool = False


_SIGN_IN = "Sign in again (`aws sso login`, `aws login`), or renew the session token."
_KEYS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile, and that they belong to"
_BUSY = "Wait a little, then call again."
_DENIED = Reason("access is denied", code="access_denied", denied=True)
_EXPIRED = Reason("the credentials have expired", _SIGN_IN, "expired_credentials")
_NO_BUCKET = Reason(
    "there is no such bucket",
    "Create it, or correct its name, the region or the endpoint.",
    "bucket_not_found",
)

BY_CODE: dict[str, Reason] = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": _NO_BUCKET,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AccountProblem": _DENIED,
    "Forbidden": _DENIED,
    "ExpiredToken": _EXPIRED,
    "ExpiredTokenException": _EXPIRED,
    "RequestExpired": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": Reason("the session token is not valid", _SIGN_IN, "bad_credentials"),
    "InvalidAccessKeyId": Reason(
        "the access key is not known there", f"{_KEYS} this endpoint.", "bad_credentials"
    ),
    "SignatureDoesNotMatch": Reason(
        "the secret key does not belong to the access key",
        f"{_KEYS} each other.",
        "bad_credentials",
    ),
    "RequestTimeTooSkewed": Reason(
        "the clock of this machine differs too much from the server's",
        "Set the clock (NTP), then call again.",
        "clock_skew",
    ),
    "InvalidObjectState": Reason(
        "the object was moved to an archive",
        "Restore it, and keep lifecycle rules that archive off this prefix.",
        "archived",
    ),
    "ConditionalRequestConflict": Reason("other requests for this key are under way", _BUSY),
    "SlowDown": Reason("it asks for fewer requests (SlowDown)", _BUSY, "throttled"),
    "NoSuchUpload": Reason(
        "the upload was ended meanwhile, by a lifecycle rule or by somebody who cleaned up",
        "Store it again.",
        "upload_gone",
    ),
    "NotImplemented": Reason("this server does not know the request", code="not_implemented"),
    "NoCredentials": Reason(
        "no credentials were found",
        "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, run `aws configure`, "
        "or give this machine a role.",
        "no_credentials",
    ),
    "PartialCredentials": Reason(
        "the credentials are incomplete",
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are both needed.",
        "no_credentials",
    ),
    "CredentialRetrieval": Reason(
        "the credentials could not be obtained", _SIGN_IN, "expired_credentials"
    ),
    "EndpointConnection": Reason(
        "nothing answers at this endpoint",
        "Check the endpoint (AWS_ENDPOINT_URL_S3), the region and the network.",
        "unreachable",
    ),
    "ProxyConnection": Reason(
        "the HTTP proxy does not answer", "Check HTTPS_PROXY, HTTP_PROXY, NO_PROXY.", "unreachable"
    ),
    "ParamValidation": Reason("S3 does not take such a name, key or metadata"),
    "Tls": Reason(
        "no secure connection could be made",
        "Check http or https in the endpoint; if its certificate is signed by your own "
        "authority, name that in AWS_CA_BUNDLE.",
        "tls",
    ),
    "Settings": Reason(
        "the settings for S3 cannot be used",
        "Check ~/.aws/config and AWS_ variables.",
        "bad_s3_settings",
    ),
    "NotS3": Reason("what answered is not S3", "Check the endpoint.", "not_s3"),
    "NoAnswer": Reason("there was no answer in time", "Check the network, then call again."),
    "Queue": Reason("too many earlier requests are still waiting for answers", _BUSY),
}

_WORD = re.compile(r"[A-Za-z0-9.-]{1,60}")


def for_status(status: int, code: str) -> Reason:
    """For codes that have no entry of their own."""
    word = code if _WORD.fullmatch(code) else "no code"
    if status == 403:
        return _DENIED
    if status == 404 and not code[:1].isalpha():  # an answer without a body that S3 would send
        return BY_CODE["NotS3"]
    if status >= 500:
        return Reason(f"the server failed (HTTP {status}, {word})", _BUSY)
    return Reason(f"the request was refused (HTTP {status}, {word})")


def for_redirect(region: object) -> Reason:
    """For answers that send the caller elsewhere."""
    if isinstance(region, str) and _WORD.fullmatch(region):
        text = f"the bucket is in another region: {region}"
    else:
        text = "the bucket is in another region, or the endpoint has moved"
    return Reason(
        text,
        "Give the bucket's region (s3://…?region=…, AWS_REGION, or the profile's); with an "
        "endpoint of your own, check http or https.",
        "wrong_region",
    )
