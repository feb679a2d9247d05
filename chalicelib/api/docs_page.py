"""The API for people: a viewer that reads the OpenAPI document, and the same as one plain page where no script runs.

The viewer is RapiDoc, kept in `static/` with its licence: nothing is loaded from elsewhere.
"""

from __future__ import annotations

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from chalicelib.api.openapi import openapi_document

VIEWER = Path(__file__).parent / "static" / "rapidoc.js"
VIEWER_PATH = "docs/rapidoc.js"
"""Relative to the page: a stage of API Gateway stands before both."""
STYLE = """
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}body{max-width:56rem;margin:2rem auto;padding:0 1rem}
article{border-top:1px solid #8886;padding:.75rem 0}h2{font-size:1.1rem;margin:0}p{margin:.25rem 0}.d{opacity:.8}
code{font-family:ui-monospace,monospace;font-size:.95em}.m{display:inline-block;min-width:5rem;font-weight:700}
"""


# What the viewer is told, and what the page itself does: the colours that the reader prefers, and whom to ask.
VIEWER_TAG = """
<rapi-doc id=viewer spec-url=openapi.json schema-style=table load-fonts=false
 show-header=false allow-spec-file-load=false allow-server-selection=false allow-spec-url-load=false
 allow-spec-file-download=false persist-auth=true show-method-in-nav-bar=as-colored-text nav-item-spacing=compact
 use-path-in-nav-bar=false sort-tags=false schema-description-expanded=true default-schema-tab=example
 regular-font="system-ui, sans-serif" mono-font="ui-monospace, monospace" primary-color="#2f7df6"
 style="height:100vh;width:100%">
<div slot=nav-logo style="font:600 20px system-ui;padding:14px 0 0 12px">reelscan</div>
</rapi-doc>
"""
VIEWER_SCRIPT = """
const viewer = document.getElementById('viewer');
const dark = matchMedia('(prefers-color-scheme: dark)');
const paint = () => {
  viewer.setAttribute('theme', dark.matches ? 'dark' : 'light');
  viewer.setAttribute('bg-color', dark.matches ? '#14171c' : '#ffffff');
  viewer.setAttribute('nav-bg-color', dark.matches ? '#0e1014' : '#f4f6f9');
  viewer.setAttribute('nav-text-color', dark.matches ? '#c9d1dc' : '#2b3440');
};
dark.addEventListener('change', paint);
/* Without room for a list beside it, all routes stand below one another. */
viewer.setAttribute('render-style', matchMedia('(max-width: 768px)').matches ? 'view' : 'focused');
viewer.setAttribute('server-url', new URL('.', location.href).href.replace(/[/]$/, ''));
paint();
"""
VIEWER_STYLE = (
    "html,body{margin:0;height:100%}@media(prefers-color-scheme:dark){body{background:#14171c;color:#c9d1dc}}"
)


@cache
def docs_page() -> str:
    """The page with the viewer; without scripts, the plain page."""
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'><title>reelscan API</title>"
        f"<style>{VIEWER_STYLE}</style><noscript><style>{STYLE}#viewer{{display:none}}</style></noscript></head><body>"
        f"<noscript>{_plain_page()}</noscript>{VIEWER_TAG}<script>{VIEWER_SCRIPT}</script>"
        f"<script type=module src={VIEWER_PATH}></script></body></html>"
    )


@cache
def viewer_script() -> str:
    """The viewer's code."""
    return VIEWER.read_text(encoding="utf-8")


def _plain_page() -> str:
    document = openapi_document()
    info, schemas = document["info"], document["components"]["schemas"]
    operations = "".join(
        _operation(method, path, operation, schemas)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f"<main><h1>reelscan API {escape(info['version'])}</h1><p>{_prose(info['description'])}</p>"
        f"<p>Every route but the public ones needs <code>Authorization: Bearer &lt;token&gt;</code>. Errors are RFC "
        f"9457 problems. What may be left out, or be absent, has a <code>?</code>. The full description is at "
        f"<a href=openapi.json>openapi.json</a>.</p>{operations}</main>"
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
