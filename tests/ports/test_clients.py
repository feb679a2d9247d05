"""How S3 is asked: what a client is given leads to the bucket where it lies."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from chalicelib.adapters import clients


def s3_in(region: str, **more: Any) -> Any:
    return boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=clients.s3_config(),
        **more,
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-north-1", "media.s3.eu-north-1.amazonaws.com"), ("us-east-1", "media.s3.amazonaws.com")],
)
def test_presigned_requests_go_to_the_region_of_the_bucket(region: str, host: str) -> None:
    """The global address sends them on by a redirect, which no form follows, and which some regions refuse."""
    s3 = s3_in(region)

    assert s3.generate_presigned_post("media", "key")["url"] == f"https://{host}/"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "media", "Key": "key"})
    assert url.startswith(f"https://{host}/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&")


def test_one_address_holds_all_buckets_where_there_is_only_an_address() -> None:
    s3 = s3_in("us-east-1", endpoint_url="http://127.0.0.1:8080")

    assert s3.generate_presigned_post("media", "key")["url"] == "http://127.0.0.1:8080/media"
