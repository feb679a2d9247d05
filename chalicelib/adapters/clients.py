"""boto3 clients, made when the first call is: a client costs 40 to 80 ms of a cold start, and few events need several.

`AWS_ENDPOINT_URL`, region and credentials come from the environment, as boto3 reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from chalicelib.domain.errors import DependencyFailed

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_batch import BatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client

CONNECT_SECONDS = 3
READ_SECONDS = 10
ATTEMPTS = 4


@cache
def dynamodb() -> DynamoDBClient:
    """The DynamoDB client of this process."""
    import boto3

    return boto3.client("dynamodb", config=_config())


@cache
def s3() -> S3Client:
    """The S3 client of this process."""
    import boto3

    return boto3.client("s3", config=s3_config())


@cache
def functions() -> LambdaClient:
    """The Lambda client of this process."""
    import boto3

    return boto3.client("lambda", config=_config())


@cache
def batch() -> BatchClient:
    """The Batch client of this process."""
    import boto3

    return boto3.client("batch", config=_config())


@cache
def events() -> EventBridgeClient:
    """The EventBridge client of this process."""
    import boto3

    return boto3.client("events", config=_config())


@contextmanager
def aws_errors(doing: str) -> Iterator[None]:
    """Turns what boto3 raises, and the caller did not answer, into DependencyFailed.

    Raises:
        DependencyFailed: with AWS's code; the caller may try again.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise DependencyFailed(f"{doing} failed: {error_code(error)}") from error
    except BotoCoreError as error:
        raise DependencyFailed(f"{doing} failed: {type(error).__name__}") from error


def error_code(error: Exception) -> str:
    """AWS's code of a ClientError, such as `ConditionalCheckFailedException`."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", "Unknown"))


def s3_config() -> Config:
    """How S3 is asked, and how what clients ask it is signed."""
    from botocore.config import Config

    pinned = Config(
        # boto3 would presign with SigV2 in us-east-1, which pins neither length nor checksum.
        signature_version="s3v4",
        # Presigned requests go to the bucket in its region. Without this, boto3 writes the global address, which sends
        # those for a new bucket elsewhere on by a redirect: browsers follow none from a form, and some regions refuse.
        s3={"addressing_style": "virtual"},
        # Presigned URLs must not ask clients for a CRC that they did not plan to send.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return _config().merge(pinned)


def _config() -> Config:
    from botocore.config import Config

    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        # botocore makes its own name of forty parts anew, twice for every call: an eighth of what a call costs here.
        user_agent="reelscan",
    )
