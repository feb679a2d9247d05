"""A worker's upload of a file to S3 as the local stack has it: whole or not at all, and named for who downloads it."""

from __future__ import annotations

import io

import boto3
import httpx
import pytest

from chalicelib import wiring
from chalicelib.domain.ids import TenantId
from chalicelib.services.ports import Ports
from chalicelib.settings import read_settings
from gpu_batch.aws import PART_BYTES, Cloud, attachment
from gpu_batch.errors import Drained
from infra.local.stack import LocalStack

NAME = 'Straße "5%".csv'


@pytest.fixture
def ports(stack: LocalStack) -> Ports:
    return wiring.make_ports(read_settings())


@pytest.fixture
def key(ports: Ports) -> str:
    return f"tenants/{TenantId(ports.ids.make('ten'))}/jobs/j/exports/e"


def upload(content: bytes, key: str, stop_after: int = 1000) -> None:
    """Upload, and be told to stop before a part."""
    settings = read_settings()
    checks = iter(range(stop_after))

    def check() -> None:
        if next(checks, None) is None:
            raise Drained("the machine is being taken away")

    cloud = Cloud(settings.meta_table, settings.results_table, settings.bucket)
    cloud.upload_file(key, io.BytesIO(content), content_type="text/csv", file_name=NAME, check=check)


def download(ports: Ports, key: str) -> httpx.Response:
    return httpx.get(ports.objects.presign_get(ports.bucket, key, version_id="", seconds=60))


@pytest.mark.parametrize("size", [0, 1, PART_BYTES + 1])
def test_a_file_of_any_size_arrives_as_it_is(ports: Ports, key: str, size: int) -> None:
    content = bytes(size)
    upload(content, key)
    assert download(ports, key).content == content


def test_who_downloads_is_told_type_and_name(ports: Ports, key: str) -> None:
    upload(b"a,b", key)
    headers = download(ports, key).headers
    assert headers["content-type"] == "text/csv"
    assert headers["content-disposition"] == attachment(NAME)


def test_a_name_is_said_in_both_ways_of_the_header() -> None:
    assert attachment(NAME) == (
        "attachment; filename=\"Stra_e _5__.csv\"; filename*=UTF-8''Stra%C3%9Fe%20%225%25%22.csv"
    )


def test_an_upload_that_was_broken_off_leaves_nothing(ports: Ports, key: str) -> None:
    with pytest.raises(Drained):
        upload(bytes(PART_BYTES + 1), key, stop_after=1)
    assert ports.objects.head(ports.bucket, key) is None
    uploads = boto3.client("s3").list_multipart_uploads(Bucket=ports.bucket, Prefix=key)
    assert uploads.get("Uploads", []) == []


def test_a_second_attempt_writes_over_the_first(ports: Ports, key: str) -> None:
    upload(b"first", key)
    upload(b"again", key)
    assert download(ports, key).content == b"again"
