"""What lies behind the API: items, objects, Batch jobs and worker logs, as an operator sees them with boto3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item, item_from_wire
from infra.local.stack import LocalStack
from infra.wiring import WIRING


class Records:
    """The records of one tenant."""

    def __init__(self, stack: LocalStack, tenant: str) -> None:
        endpoint: Any = {"endpoint_url": stack.describe()["aws_endpoint_url"]}
        self._tenant = tenant
        self._log_folder = stack.log_folder
        self._dynamodb = boto3.client("dynamodb", **endpoint)
        self._s3 = boto3.client("s3", config=Config(signature_version="s3v4"), **endpoint)
        self.batch = boto3.client("batch", **endpoint)

    def meta(self, name: str, prefix: str = "") -> dict[str, Item]:
        """By sort key: the items of a video or job in table `meta`."""
        return self._items(WIRING.meta.name, name, prefix)

    def results(self, name: str, prefix: str = "") -> dict[str, Item]:
        """By sort key: the items of a job, or of a content digest, in table `results`."""
        return self._items(WIRING.results.name, name, prefix)

    def open_segments(self, job_id: str) -> int:
        return len(self.meta(job_id, table_keys.open_marker(0)[:5]))

    def objects(self, prefix: str) -> dict[str, int]:
        """By key below `prefix`: sizes."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=WIRING.bucket.name, Prefix=prefix)
        return {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}

    def versions(self, prefix: str) -> int:
        """Object versions and delete markers below `prefix`."""
        found = self._s3.list_object_versions(Bucket=WIRING.bucket.name, Prefix=prefix)
        return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))

    def open_uploads(self) -> list[str]:
        """Keys of this tenant to which parts are being sent."""
        found = self._s3.list_multipart_uploads(Bucket=WIRING.bucket.name, Prefix=f"tenants/{self._tenant}/")
        return [upload["Key"] for upload in found.get("Uploads", [])]

    def put_object(self, key: str, path: Path) -> str:
        """The URI of a new object."""
        self._s3.put_object(Bucket=WIRING.bucket.name, Key=key, Body=path.read_bytes())
        return f"s3://{WIRING.bucket.name}/{key}"

    def log_lines(self, name: str) -> list[dict[str, Any]]:
        """What the workers logged about a video or job, in order of time within each worker."""
        lines = [json.loads(line) for log in sorted(self._log_folder.glob("*.log")) for line in read_lines(log)]
        return [line for line in lines if name in (line.get("job_id"), line.get("video_id"))]

    def _items(self, table: str, name: str, prefix: str) -> dict[str, Item]:
        condition = "pk = :pk" + (" AND begins_with(sk, :sk)" if prefix else "")
        values: Any = {":pk": {"S": table_keys.partition(self._tenant, name)}}
        if prefix:
            values[":sk"] = {"S": prefix}
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=table, KeyConditionExpression=condition, ExpressionAttributeValues=values, ConsistentRead=True
        )
        items = [item_from_wire(item) for page in pages for item in page["Items"]]
        return {item["sk"]: item for item in items}


def read_lines(log: Path) -> list[str]:
    """The JSON lines of a worker's log; what is no JSON is a library's or the interpreter's."""
    return [line for line in log.read_text().splitlines() if line.startswith("{")]
