"""What a new stack still lacks: the models that ship with the project, and the files of the viewer. Safe to repeat.

    python -m infra.cdk.seed out/outputs.json reelscan-dev

A script and no custom resource: it needs no function in the account, and says at once what went wrong.
"""

from __future__ import annotations

import argparse
import json
import mimetypes
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chalicelib.adapters.model_registry import DynamoModelRegistry
from chalicelib.adapters.table import Table
from chalicelib.services.tenancy import READ_SCOPE, WRITE_SCOPE
from infra.account import session
from infra.default_models import register_models
from infra.wiring import ROOT

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VIEWER = ROOT / "client" / "viewer"
VIEWER_PREFIX = "viewer/"
CACHE_CONTROL = "public, max-age=60"
"""A new viewer is there within a minute, without an invalidation."""
TYPE_BY_SUFFIX = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
"""Not left to the machine that deploys: browsers refuse a script of another type."""


def upload_viewer(s3: S3Client, bucket: str, folder: Path = VIEWER) -> list[str]:
    """Put every file of the viewer below `viewer/`; the keys, none when there is no viewer."""
    keys = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = VIEWER_PREFIX + path.relative_to(folder).as_posix()
        kind = TYPE_BY_SUFFIX.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        s3.put_object(Bucket=bucket, Key=key, Body=path.read_bytes(), ContentType=kind, CacheControl=CACHE_CONTROL)
        keys.append(key)
    return keys


def viewer_config(outputs: Mapping[str, str]) -> dict[str, object]:
    """What the viewer reads beside its page: where everything is, and how one signs in.

    Subscriptions go straight to AppSync: what signs a connection in names AppSync's own host.
    Source: https://docs.aws.amazon.com/appsync/latest/devguide/real-time-websocket-client.html
    """
    graphql_url = outputs["GraphQlUrl"]
    realtime_url = graphql_url.replace("https://", "wss://").replace(".appsync-api.", ".appsync-realtime-api.")
    return {
        "api_url": outputs["Address"],
        "graphql_url": graphql_url,
        "realtime_url": realtime_url,
        "login": {
            "kind": "cognito",
            "domain": outputs["SignInDomain"],
            "client_id": outputs["BrowserClient"],
            "scopes": [READ_SCOPE, WRITE_SCOPE],
        },
    }


def main() -> int:
    """Seed the stack whose outputs the CDK CLI has written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("outputs", type=Path)
    parser.add_argument("stack")
    arguments = parser.parse_args()
    outputs = json.loads(arguments.outputs.read_text(encoding="utf-8"))[arguments.stack]
    aws = session()
    s3 = aws.client("s3")
    registry = DynamoModelRegistry(Table(aws.client("dynamodb"), outputs["MetaTable"]))
    register_models(s3, outputs["Bucket"], registry)
    files = upload_viewer(s3, outputs["ViewerBucket"])
    s3.put_object(
        Bucket=outputs["ViewerBucket"],
        Key=f"{VIEWER_PREFIX}config.json",
        Body=json.dumps(viewer_config(outputs)).encode(),
        ContentType="application/json",
        CacheControl=CACHE_CONTROL,
    )
    print(f"Registered the models that ship with reelscan, and put {len(files)} files of the viewer in place")
    print(f"The address of everything: {outputs['Address']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
