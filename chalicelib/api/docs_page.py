"""The routes as one plain page, made of the OpenAPI document."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from typing import Any

from chalicelib.api.openapi import openapi_document

STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:56rem;margin:2rem auto;padding:0 1rem}
article{border-top:1px solid #8886;padding:.75rem 0}h2{font-size:1.1rem;margin:0}p{margin:.25rem 0}.d{opacity:.8}
code{font-family:ui-monospace,monospace;font-size:.95em}.m{display:inline-block;min-width:5rem;font-weight:700}
"""


@cache
def docs_page() -> str:
    """The page as HTML."""
    document = openapi_document()
    info, schemas = document["info"], document["components"]["schemas"]
    operations = "".join(
        _operation(method, path, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>reelscan API</title><style>{STYLE}</style>"
        f"<h1>reelscan API {escape(info['version'])}</h1><p>{_prose(info['description'])}</p>"
        f"<p>Every route but the public ones needs <code>Authorization: Bearer &lt;token&gt;</code>. Errors are RFC "
        f"9457 problems. What may be left out, or be absent, has a <code>?</code>. The full description is at "
        f"<a href=openapi.json>openapi.json</a>.</p>{operations}</html>"
    )


def _operation(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    query = [f"{one['name']}?" for one in operation["parameters"] if one["in"] == "query"]
    sent = _fields(operation.get("requestBody", {}), schemas)
    statuses = list(operation["responses"])
    received = _fields(operation["responses"][statuses[0]], schemas)
    return (
        f"<article id={escape(operation['operationId'])}>"
        f"<h2><span class=m>{method.upper()}</span> <code>{escape(path)}</code></h2>"
        f"<p>{_prose(operation['summary'])}. <span class=d>{_prose(operation['description'])}</span></p>"
        f"{_names('Query', query)}{_names('Body', sent)}{_names('Answer', received)}"
        f"<p class=d>Status: {', '.join(statuses)}</p></article>"
    )


def _fields(part: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Names of the fields of a body or an answer, those of an item for a list."""
    reference = part.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref", "")
    schema = schemas.get(reference.rpartition("/")[2], {})
    required = schema.get("required", [])
    names = [name if name in required else f"{name}?" for name in schema.get("properties", {})]
    item = schema.get("properties", {}).get("items", {}).get("items", {})
    if "items" in names and item:
        inner = _fields({"content": {"application/json": {"schema": item}}}, schemas)
        names[names.index("items")] = f"items: [{', '.join(inner)}]"
    return names


def _names(title: str, names: list[str]) -> str:
    return f"<p>{title}: <code>{escape(', '.join(names))}</code></p>" if names else ""


def _prose(text: str) -> str:
    """Text in which `names` stand between backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
