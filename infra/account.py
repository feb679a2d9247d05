"""The AWS account that scripts of this project work on."""

from __future__ import annotations

import os
from collections.abc import Mapping

import boto3


def session(environment: Mapping[str, str] = os.environ) -> boto3.Session:
    """In the region that the CDK CLI and the AWS CLI take: of `AWS_REGION` boto3 knows nothing."""
    return boto3.Session(region_name=environment.get("AWS_REGION") or None)
