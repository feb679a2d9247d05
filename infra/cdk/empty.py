"""Empty the buckets that a stack takes along when it is destroyed: CloudFormation deletes no bucket that has objects.

    python -m infra.cdk.empty dev

A script and no custom resource, as `seed.py`. Whatever the stage keeps is left alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from infra.account import session
from infra.cdk.stages import STAGES, Stage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALWAYS = ("ViewerBucket",)
"""Outputs of the stack that name buckets with nothing in them that a deployment does not bring back."""
UNLESS_KEPT = ("Bucket", "AccessLogsBucket")
"""Likewise, of buckets that outlive the stack where the stage keeps data. The logs come last: they hear of the rest."""


def doomed_buckets(stage: Stage, outputs: Mapping[str, str]) -> list[str]:
    """Names of the buckets that go with the stack."""
    names = ALWAYS if stage.keeps_data else (*ALWAYS, *UNLESS_KEPT)
    return [outputs[name] for name in names if name in outputs]


def empty_bucket(s3: S3Client, bucket: str) -> int:
    """Delete every object in every version, and what marks deleted ones; how many those were.

    No access is logged from here on, or the last log would come when the bucket for logs is empty.
    """
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={})
    deleted = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found: list[Any] = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        doomed: Any = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if doomed:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
            if errors := answer.get("Errors"):
                raise RuntimeError(f"S3 did not delete {errors[0].get('Key')} of {bucket}: {errors[0].get('Message')}")
            deleted += len(doomed)
    return deleted


def main() -> int:
    """Empty the buckets of a stack that stands; one that does not has none."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("stage", choices=sorted(STAGES))
    stage = STAGES[parser.parse_args().stage]
    aws = session()
    cloudformation: Any = aws.client("cloudformation")
    try:
        (stack,) = cloudformation.describe_stacks(StackName=f"reelscan-{stage.name}")["Stacks"]
    except ClientError as error:
        # So it says of a stack that is not there.
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        return 0
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
    s3 = aws.client("s3")
    for bucket in doomed_buckets(stage, outputs):
        print(f"Emptied {bucket}: {empty_bucket(s3, bucket)} objects and versions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
