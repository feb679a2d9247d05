"""A stack can be destroyed: its buckets are emptied first, but not those that the stage keeps."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.cdk.empty import doomed_buckets, empty_bucket
from infra.cdk.stages import DEV, PROD, STAGES
from tests.infra.templates import Template, every_stage, text_of

OUTPUTS = {"Bucket": "media", "AccessLogsBucket": "logs", "ViewerBucket": "site", "UserPool": "pool"}


def test_what_a_stage_keeps_is_not_emptied() -> None:
    assert doomed_buckets(PROD, OUTPUTS) == ["site"]


def test_of_a_stage_that_keeps_nothing_all_goes_and_the_logs_go_last() -> None:
    assert doomed_buckets(DEV, OUTPUTS) == ["site", "media", "logs"]


@every_stage
def test_every_bucket_that_goes_with_the_stack_is_emptied_first(template: Template) -> None:
    outputs = {
        name: text_of(output["Value"]).strip("${}")
        for name, output in template.document["Outputs"].items()
        if "Ref" in output["Value"]
    }
    going = {
        name
        for name, found in template.resources.items()
        if found["Type"] == "AWS::S3::Bucket" and found["DeletionPolicy"] == "Delete"
    }

    assert set(doomed_buckets(STAGES[template.stage], outputs)) == going


@mock_aws
def test_every_version_goes_and_nothing_is_logged_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3: Any = boto3.client("s3")
    s3.create_bucket(Bucket="media")
    s3.put_bucket_versioning(Bucket="media", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="media", Key="tenants/a", Body=body)
    s3.delete_object(Bucket="media", Key="tenants/a")
    s3.put_object(Bucket="media", Key="models/b", Body=b"3")

    assert empty_bucket(s3, "media") == 4
    assert "Versions" not in s3.list_object_versions(Bucket="media")
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="media")
    # Only an empty one can be deleted.
    s3.delete_bucket(Bucket="media")
