"""The policy of a browser-style POST upload, as S3 enforces it.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.local.sigv4 import S3Refusal, access_denied

# Fields that a policy need not name.
EXEMPT_FIELDS = frozenset({"policy", "x-amz-signature", "file", "bucket"})
EXEMPT_PREFIX = "x-ignore-"


def check_policy(fields: Mapping[str, str], bucket: str, size_bytes: int, now: datetime) -> None:
    """Let a form pass whose policy's signature was checked; `fields` by lower-case name, without the file.

    Raises:
        S3Refusal: the policy has expired, a condition does not hold, or a field is not covered by any.
    """
    policy = _decode(fields["policy"])
    if now > _parse_expiration(policy):
        raise access_denied("Invalid according to Policy: Policy expired.")
    values = {**fields, "bucket": bucket}
    covered = set(EXEMPT_FIELDS)
    size_limits: list[tuple[int, int]] = []
    for condition in policy.get("conditions", []):
        operator, name, operand = _parse_condition(condition)
        if operator == "content-length-range":
            size_limits.append((int(name), int(operand)))
            continue
        covered.add(name)
        value = values.get(name, "")
        holds = value == operand if operator == "eq" else value.startswith(operand)
        if not holds:
            raise access_denied(f"Invalid according to Policy: Policy Condition failed: {json.dumps(condition)}")
    extra = sorted(name for name in fields if name not in covered and not name.startswith(EXEMPT_PREFIX))
    if extra:
        raise access_denied(f"Invalid according to Policy: Extra input fields: {', '.join(extra)}")
    for smallest, largest in size_limits:
        _check_size(size_bytes, smallest, largest)


def _check_size(size_bytes: int, smallest: int, largest: int) -> None:
    if size_bytes > largest:
        raise S3Refusal(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    if size_bytes < smallest:
        raise S3Refusal(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")


def _decode(text: str) -> dict[str, Any]:
    try:
        policy = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, binascii.Error):
        raise S3Refusal(400, "InvalidPolicyDocument", "Invalid Policy: the document must be JSON in base64") from None
    if not isinstance(policy, dict) or "expiration" not in policy:
        raise S3Refusal(400, "InvalidPolicyDocument", "Invalid Policy: the document must have an expiration")
    return policy


def _parse_expiration(policy: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(policy["expiration"])).astimezone(UTC)
    except ValueError:
        raise S3Refusal(
            400, "InvalidPolicyDocument", "Invalid Policy: the expiration must be an ISO 8601 time"
        ) from None


def _parse_condition(condition: Any) -> tuple[str, str, str]:
    """(operator, lower-case field name, operand); for a length range, the two limits stand in the last two places."""
    match condition:
        case dict() if len(condition) == 1:
            name, operand = next(iter(condition.items()))
            return "eq", str(name).lower(), str(operand)
        case ["content-length-range", int() | str() as smallest, int() | str() as largest]:
            return "content-length-range", str(smallest), str(largest)
        case ["eq" | "starts-with" as operator, str(name), str(operand)]:
            return operator, name.removeprefix("$").lower(), operand
    raise S3Refusal(400, "InvalidPolicyDocument", f"Invalid Policy: unknown condition {json.dumps(condition)}")
