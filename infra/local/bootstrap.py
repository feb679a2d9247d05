"""Makes the resources of the wiring where they are missing: safe to repeat, always by the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.adapters import clients
from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from chalicelib.wiring import forget_ports
from infra.default_models import DEFAULT_MODELS, register_models
from infra.wiring import Bucket, Index, Wiring
from infra.wiring import Table as TableWiring

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from infra.local.stack import LocalStack


def create_resources(wiring: Wiring) -> None:
    """Tables and bucket, through the endpoint of the environment.

    Queues, rules and streams need no making: the stack reads them from the wiring.
    """
    dynamodb = boto3.client("dynamodb")
    for table in wiring.tables:
        _create_table(dynamodb, table)
    _create_bucket(boto3.client("s3", config=Config(signature_version="s3v4")), wiring.bucket)


def register_start_models(stack: LocalStack) -> None:
    """The models that ship with the project, and those of the folder that was asked for, by their endpoint.

    Called once the stack answers and before `base_url` is handed out.
    """
    # An earlier stack of this process left clients that speak to its address.
    forget_ports()
    registry = DynamoModelRegistry(Table(clients.dynamodb(), stack.environment["REELSCAN_META_TABLE"]))
    for folder in (DEFAULT_MODELS, *stack.model_folders):
        register_models(clients.s3(), stack.environment["REELSCAN_BUCKET"], registry, folder)


def _create_table(client: DynamoDBClient, table: TableWiring) -> None:
    if table.name in client.list_tables()["TableNames"]:
        return
    attributes = {key.name: key for key in _keys_of(table)}
    request: dict[str, Any] = {
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": key.name, "AttributeType": key.type} for key in attributes.values()],
        "KeySchema": _key_schema(table),
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [
            {"IndexName": index.name, "KeySchema": _key_schema(index), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for index in table.indexes
        ]
    if table.has_stream:
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    client.create_table(**request)
    if table.ttl_attribute:
        specification = {"Enabled": True, "AttributeName": table.ttl_attribute}
        client.update_time_to_live(TableName=table.name, TimeToLiveSpecification=specification)  # type: ignore[arg-type]


def _keys_of(table: TableWiring) -> list[Any]:
    indexed = [key for index in table.indexes for key in (index.partition_key, index.sort_key)]
    return [table.partition_key, table.sort_key, *indexed]


def _key_schema(keyed: TableWiring | Index) -> list[dict[str, str]]:
    return [
        {"AttributeName": keyed.partition_key.name, "KeyType": "HASH"},
        {"AttributeName": keyed.sort_key.name, "KeyType": "RANGE"},
    ]


def _create_bucket(client: S3Client, bucket: Bucket) -> None:
    try:
        client.head_bucket(Bucket=bucket.name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        client.create_bucket(Bucket=bucket.name)
    client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    cors = bucket.cors
    client.put_bucket_cors(
        Bucket=bucket.name,
        CORSConfiguration={
            "CORSRules": [
                {
                    "AllowedOrigins": list(cors.allowed_origins),
                    "AllowedMethods": list(cors.allowed_methods),
                    "AllowedHeaders": list(cors.allowed_headers),
                    "ExposeHeaders": list(cors.expose_headers),
                    "MaxAgeSeconds": cors.max_age_seconds,
                }
            ]
        },
    )
    client.put_bucket_lifecycle_configuration(
        Bucket=bucket.name,
        LifecycleConfiguration={
            "Rules": [
                {
                    "ID": "abort-multipart",
                    "Status": "Enabled",
                    "Filter": {"Prefix": ""},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": bucket.abort_multipart_after_days},
                }
            ]
        },
    )
