"""CORS as S3 answers it from a bucket's rule.

Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html
"""

from __future__ import annotations

from collections.abc import Mapping

from werkzeug.wrappers import Response

from infra.wiring import Cors


def answer_preflight(cors: Cors, headers: Mapping[str, str]) -> Response:
    """The answer to OPTIONS: 200 with what is allowed, or 403."""
    method = headers.get("Access-Control-Request-Method", "")
    allowed = cors_headers(cors, headers)
    asked = [name.strip() for name in headers.get("Access-Control-Request-Headers", "").split(",") if name.strip()]
    if not allowed or method not in cors.allowed_methods or not _are_allowed(cors, asked):
        message = "CORSResponse: This CORS request is not allowed."
        xml = f"<Error><Code>AccessForbidden</Code><Message>{message}</Message></Error>"
        return Response(xml, 403, content_type="application/xml")
    allowed["Access-Control-Allow-Methods"] = ", ".join(cors.allowed_methods)
    allowed["Access-Control-Max-Age"] = str(cors.max_age_seconds)
    if asked:
        allowed["Access-Control-Allow-Headers"] = ", ".join(asked)
    return Response(b"", 200, allowed)


def cors_headers(cors: Cors, headers: Mapping[str, str]) -> dict[str, str]:
    """What an answer carries for the origin of the request; nothing when it has none, or one that is not allowed."""
    origin = headers.get("Origin")
    if origin is None or not ({"*", origin} & set(cors.allowed_origins)):
        return {}
    return {
        "Access-Control-Allow-Origin": "*" if "*" in cors.allowed_origins else origin,
        "Access-Control-Expose-Headers": ", ".join(cors.expose_headers),
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }


def _are_allowed(cors: Cors, names: list[str]) -> bool:
    allowed = {name.lower() for name in cors.allowed_headers}
    return "*" in allowed or all(name.lower() in allowed for name in names)
