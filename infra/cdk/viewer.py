"""Viewer: one address for a browser, which has the viewer, REST and GraphQL, as the local stack has them on one port.

`/viewer/` is a static site in a bucket that only CloudFront may read; everything else goes on to the APIs, uncached.
`make deploy` puts the files there, not a function of the stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_s3 as s3
from constructs import Construct

from chalicelib.api.typed import AT_ROOT, PREFIX_HEADER
from infra.cdk.graphql import GraphQl
from infra.cdk.rest import STAGE_NAME, Rest
from infra.cdk.storage import Storage

FOLDER_TO_INDEX = """
function handler(event) {
  var request = event.request;
  if (request.uri === '/viewer') {
    return { statusCode: 301, statusDescription: 'Moved Permanently', headers: { location: { value: '/viewer/' } } };
  }
  if (request.uri.endsWith('/')) {
    request.uri += 'index.html';
  }
  return request;
}
""".strip()


@dataclass(frozen=True, slots=True)
class Viewer:
    """What others need of it."""

    bucket: s3.Bucket
    url: str
    """The address of everything."""

    @property
    def page_url(self) -> str:
        """Of the viewer itself, as a browser shows it."""
        return f"{self.url}/viewer/"


def make_viewer(stack: Stack, storage: Storage, rest: Rest, graphql: GraphQl) -> Viewer:
    """The bucket and the distribution."""
    scope = Construct(stack, "Viewer")
    bucket = s3.Bucket(
        scope,
        "Site",
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        server_access_logs_bucket=storage.access_logs,
        server_access_logs_prefix="viewer/",
        # Nothing in it that a deployment does not bring back.
        removal_policy=RemovalPolicy.DESTROY,
    )
    to_index = cloudfront.Function(
        scope,
        "FolderToIndex",
        code=cloudfront.FunctionCode.from_inline(FOLDER_TO_INDEX),
        runtime=cloudfront.FunctionRuntime.JS_2_0,
    )
    site = cloudfront.BehaviorOptions(
        origin=origins.S3BucketOrigin.with_origin_access_control(bucket),
        viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
        response_headers_policy=cloudfront.ResponseHeadersPolicy.SECURITY_HEADERS,
        function_associations=[
            cloudfront.FunctionAssociation(function=to_index, event_type=cloudfront.FunctionEventType.VIEWER_REQUEST)
        ],
    )
    distribution = cloudfront.Distribution(
        scope,
        "Address",
        comment=f"{stack.stack_name}: viewer, REST and GraphQL",
        # The stage is in no URL that a client sees, so it must be in no link of an answer.
        default_behavior=_passed_on(rest.domain, f"/{STAGE_NAME}", {PREFIX_HEADER: AT_ROOT}),
        additional_behaviors={
            "/viewer": site,
            "/viewer/*": site,
            "/graphql": _passed_on(graphql.api.attr_graph_ql_dns),
        },
        price_class=cloudfront.PriceClass.PRICE_CLASS_100,
        http_version=cloudfront.HttpVersion.HTTP2_AND_3,
    )
    url = f"https://{distribution.distribution_domain_name}"
    CfnOutput(stack, "ViewerBucket", value=bucket.bucket_name)
    return Viewer(bucket, url)


def _passed_on(
    domain: str, path: str | None = None, headers: Mapping[str, str] | None = None
) -> cloudfront.BehaviorOptions:
    """To an API, with everything that the client sent but the name of the host, and nothing kept."""
    return cloudfront.BehaviorOptions(
        origin=origins.HttpOrigin(
            domain,
            origin_path=path,
            custom_headers=headers,
            protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
            origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
        ),
        allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
        cache_policy=cloudfront.CachePolicy.CACHING_DISABLED,
        origin_request_policy=cloudfront.OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
        viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
    )
