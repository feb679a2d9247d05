"""Signature Version 4 as S3 checks it: in the query of a presigned URL, or in the Authorization header.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

ALGORITHM = "AWS4-HMAC-SHA256"
LONGEST_EXPIRY_SECONDS = 7 * 24 * 3600
CLOCK_SKEW = timedelta(minutes=15)


class S3Refusal(Exception):
    """What S3 answers instead of doing it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def access_denied(message: str = "Access Denied") -> S3Refusal:
    """S3's most common refusal."""
    return S3Refusal(403, "AccessDenied", message)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What of a request its signature covers."""

    method: str
    raw_path: str
    """As sent, percent-encoded."""
    raw_query: str
    headers: Mapping[str, str]
    """By lower-case name."""

    @property
    def query(self) -> dict[str, str]:
        """The decoded query; `+` is a plus sign."""
        return dict(_query_pairs(self.raw_query))


@dataclass(frozen=True, slots=True)
class _Scope:
    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> _Scope:
        parts = credential.split("/")
        if len(parts) != 5 or parts[4] != "aws4_request":
            raise S3Refusal(
                400,
                "AuthorizationQueryParametersError",
                "The credential must be <key>/<date>/<region>/<service>/aws4_request",
            )
        return cls(*parts[:4])

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def check_presigned(request: SignedRequest, secret_by_key: Mapping[str, str], now: datetime) -> None:
    """Let a presigned request pass.

    Raises:
        S3Refusal: it is incomplete, expired, altered, or has `x-amz-` headers that were not signed.
    """
    query = request.query
    required = (
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    )
    missing = [name for name in required if name not in query]
    if missing or query["X-Amz-Algorithm"] != ALGORITHM or not query["X-Amz-Expires"].isdecimal():
        raise S3Refusal(400, "AuthorizationQueryParametersError", f"The query must have {', '.join(required)}")
    expires = int(query["X-Amz-Expires"])
    if not 1 <= expires <= LONGEST_EXPIRY_SECONDS:
        raise S3Refusal(
            400,
            "AuthorizationQueryParametersError",
            f"X-Amz-Expires must be 1 to {LONGEST_EXPIRY_SECONDS} but got {expires}",
        )
    signed_at = _parse_time(query["X-Amz-Date"])
    if now > signed_at + timedelta(seconds=expires):
        raise access_denied("Request has expired")
    if signed_at > now + CLOCK_SKEW:
        raise access_denied("Request is not valid yet")
    signed_headers = query["X-Amz-SignedHeaders"].split(";")
    unsigned = [name for name in request.headers if name.startswith("x-amz-") and name not in signed_headers]
    if unsigned or "host" not in signed_headers:
        raise access_denied("There were headers present in the request which were not signed")
    payload = request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    scope = _Scope.parse(query["X-Amz-Credential"])
    canonical = _canonical_request(request, signed_headers, payload)
    _check(canonical, scope, query["X-Amz-Date"], query["X-Amz-Signature"], secret_by_key)


def check_header(request: SignedRequest, secret_by_key: Mapping[str, str], now: datetime) -> None:
    """Let a request with an `Authorization: AWS4-HMAC-SHA256 …` header pass.

    Raises:
        S3Refusal: the header is incomplete, too old, or the request was altered.
    """
    _, _, rest = request.headers.get("authorization", "").partition(" ")
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    if not {"Credential", "SignedHeaders", "Signature"} <= fields.keys() or "x-amz-date" not in request.headers:
        raise S3Refusal(
            400, "AuthorizationHeaderMalformed", "The header must have Credential, SignedHeaders and Signature"
        )
    sent_at = request.headers["x-amz-date"]
    if abs(now - _parse_time(sent_at)) > CLOCK_SKEW:
        raise S3Refusal(
            403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large"
        )
    scope = _Scope.parse(fields["Credential"])
    if scope.access_key not in secret_by_key:
        # A script of the user's own, with credentials of its own (boto3 wants some): the port is on loopback, and
        # nothing here is worth more than the user's own files. What the service signs is always checked.
        return
    payload = request.headers.get("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
    canonical = _canonical_request(request, fields["SignedHeaders"].split(";"), payload)
    _check(canonical, scope, sent_at, fields["Signature"], secret_by_key)


def check_policy_signature(fields: Mapping[str, str], secret_by_key: Mapping[str, str]) -> None:
    """Let the policy of a POST form pass; `fields` by lower-case name.

    Raises:
        S3Refusal: the policy is unsigned, or was altered.
    """
    required = ("policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
    if any(name not in fields for name in required):
        raise access_denied()
    scope = _Scope.parse(fields["x-amz-credential"])
    _compare(fields["policy"], scope, fields["x-amz-signature"], secret_by_key)


def _check(canonical: str, scope: _Scope, time: str, signature: str, secret_by_key: Mapping[str, str]) -> None:
    to_sign = "\n".join([ALGORITHM, time, str(scope), hashlib.sha256(canonical.encode()).hexdigest()])
    _compare(to_sign, scope, signature, secret_by_key)


def _compare(to_sign: str, scope: _Scope, signature: str, secret_by_key: Mapping[str, str]) -> None:
    secret = secret_by_key.get(scope.access_key)
    if secret is None:
        raise S3Refusal(403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.")
    key = f"AWS4{secret}".encode()
    for part in (scope.date, scope.region, scope.service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), signature):
        raise S3Refusal(
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided.",
        )


def _canonical_request(request: SignedRequest, signed_headers: list[str], payload: str) -> str:
    # S3 encodes the path once, where other services encode it twice.
    path = quote(unquote(request.raw_path), safe="/-_.~")
    pairs = sorted(
        (_encode(name), _encode(value)) for name, value in _query_pairs(request.raw_query) if name != "X-Amz-Signature"
    )
    query = "&".join(f"{name}={value}" for name, value in pairs)
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed_headers)
    return "\n".join([request.method, path, query, headers, ";".join(signed_headers), payload])


def _query_pairs(raw_query: str) -> list[tuple[str, str]]:
    # Not `parse_qsl`, which reads `+` as a space.
    parts = (part.partition("=") for part in raw_query.split("&") if part)
    return [(unquote(name), unquote(value)) for name, _, value in parts]


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def _parse_time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise access_denied(f"The date must look like 20261121T064500Z but got {text[:20]!r}") from None
