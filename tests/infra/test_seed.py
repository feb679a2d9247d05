"""The viewer's files get where CloudFront looks for them, as what browsers take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.account import session
from infra.cdk.seed import upload_viewer, viewer_config


class Bucket:
    """S3, as far as it is written to."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}

    def put_object(self, *, Bucket: str, Key: str, **rest: Any) -> None:  # noqa: N803  as boto3 has it
        self.objects[Key] = rest


def test_every_file_lies_below_the_path_of_the_viewer_with_its_type(tmp_path: Path) -> None:
    (tmp_path / "js").mkdir()
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "js" / "player.js").write_text("1")
    bucket: Any = Bucket()

    keys = upload_viewer(bucket, "site", tmp_path)

    assert keys == ["viewer/index.html", "viewer/js/player.js"]
    assert {key: found["ContentType"] for key, found in bucket.objects.items()} == {
        "viewer/index.html": "text/html",
        "viewer/js/player.js": "text/javascript",
    }


def test_no_viewer_is_no_error(tmp_path: Path) -> None:
    bucket: Any = Bucket()

    assert upload_viewer(bucket, "site", tmp_path / "none") == []


def test_the_viewer_is_told_where_everything_is() -> None:
    outputs = {
        "Address": "https://d1.cloudfront.net",
        "GraphQlUrl": "https://abc.appsync-api.eu-central-1.amazonaws.com/graphql",
        "SignInDomain": "https://reelscan-dev-1.auth.eu-central-1.amazoncognito.com",
        "BrowserClient": "1example",
    }

    assert viewer_config(outputs) == {
        "api_url": "https://d1.cloudfront.net",
        "graphql_url": "https://abc.appsync-api.eu-central-1.amazonaws.com/graphql",
        "realtime_url": "wss://abc.appsync-realtime-api.eu-central-1.amazonaws.com/graphql",
        "login": {
            "kind": "cognito",
            "domain": outputs["SignInDomain"],
            "client_id": "1example",
            "scopes": ["reelscan/read", "reelscan/write"],
        },
    }


def test_scripts_work_where_the_stack_was_deployed() -> None:
    """The CDK CLI goes by AWS_REGION, which boto3 does not read."""
    assert session({"AWS_REGION": "eu-north-1"}).region_name == "eu-north-1"
