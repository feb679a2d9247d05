"""The routes as one plain page, made of the OpenAPI document."""

from __future__ import annotations

from functools import cache
from html import escape
from typing import Any

from chalicelib.api.openapi import openapi_document

STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:56rem;margin:2rem auto;padding:0 1rem}
article{border-top:1px solid #8886;padding:.75rem
0}h2{font-size:1.1rem;margin:0}code{font-family:ui-monospace,monospace}
.m{display:inline-block;min-width:4.5rem;font-weight:700}p{margin:.25rem 0}.d{opacity:.8}
"""


@cache
def docs_page() -> str:
    """The page as HTML."""
    document = openapi_document()
    operations = "".join(
        _operation(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>reelscan API</title><style>{STYLE}</style>"
        f"<h1>reelscan API {escape(document['info']['version'])}</h1><p>{escape(document['info']['description'])}</p>"
        f"<p>Every route but the public ones needs <code>Authorization: Bearer &lt;token&gt;</code>. "
        f"Errors are RFC 9457 problems. "
        f"The full description is at <a href=openapi.json>openapi.json</a>.</p>{operations}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    query = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
    asked = f"<p>Query: <code>{escape(', '.join(query))}</code></p>" if query else ""
    body = (
        operation.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
        .get("$ref", "")
    )
    sent = f"<p>Body: <code>{escape(body.rpartition('/')[2])}</code></p>" if body else ""
    statuses = ", ".join(operation["responses"])
    return (
        f"<article id={escape(operation['operationId'])}>"
        f"<h2><span class=m>{method.upper()}</span> <code>{escape(path)}</code></h2>"
        f"<p>{escape(operation['summary'])}. <span class=d>{escape(operation['description'])}</span></p>{asked}{sent}"
        f"<p class=d>Answers: {statuses}</p></article>"
    )
