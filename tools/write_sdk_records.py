"""Write the SDK's records (client/reelscan/records) from docs/openapi.json: what the service answers, what it is sent.

    python -m tools.write_sdk_records --write      write them
    python -m tools.write_sdk_records --check      fail when they are not what the document says

An answer (`VideoOut`) becomes a frozen dataclass (`Video`), a request (`JobIn`, `SelectForm`) a TypedDict (`JobForm`,
`SelectForm`). Pages and envelopes are left out: the SDK takes them off.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "openapi.json"
FOLDER = ROOT / "client" / "reelscan" / "records"
HEADER = '"""{title}\n\nMade by `make openapi` from docs/openapi.json.\n"""\n\nfrom __future__ import annotations\n\n'

SHARED = "shared"
TOPIC_BY_PREFIX = {
    "/jobs/{job_id}/detections": "results",
    "/jobs/{job_id}/tracks": "results",
    "/jobs/{job_id}/track-versions": "results",
    "/jobs/{job_id}/query": "found",
    "/search": "found",
    "/jobs/{job_id}/diff": "diffs",
    "/jobs/{job_id}/exports": "exports",
    "/videos/{video_id}/renditions": "renditions",
}
"""Where the first word of a path would put too much together; the longest prefix counts."""

LEFT_OUT = re.compile(r"(Page|PageOut|Envelope|Found\w+Out|CreatedOut|ProblemOut|Nothing)$|^(Stored)?Parts?Out$")
NAMED_OTHERWISE = {"ErrorOut": "Failure"}
TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
WIDTH = 118


def main() -> int:
    """0, or 1 when `--check` finds that they differ."""
    parser = argparse.ArgumentParser(prog="python -m tools.write_sdk_records", description="The records of the SDK")
    parser.add_argument("--check", action="store_true", help="fail when they are not what the document says")
    parser.add_argument("--write", action="store_true", help="write them")
    options = parser.parse_args()
    text_by_name = make_modules(json.loads(DOCUMENT.read_text(encoding="utf-8")))
    if options.write:
        for old in FOLDER.glob("*.py"):
            old.unlink()
        for name, text in text_by_name.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    stored = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.py")}
    if stored != text_by_name:
        print("client/reelscan/records is not what docs/openapi.json says: run make openapi", file=sys.stderr)
        return 1
    return 0


def make_modules(document: Json) -> dict[str, str]:
    """The text of every module of the package, by its file name."""
    schemas = {name: schema for name, schema in document["components"]["schemas"].items() if "properties" in schema}
    topics = _topic_by_schema(document)
    kept = {name: topics[name] for name in schemas if name in topics and not LEFT_OUT.search(name)}
    modules = {}
    for topic in sorted(set(kept.values())):
        names = sorted((name for name in kept if kept[name] == topic), key=record_name)
        modules[f"{topic}.py"] = _module(topic, {name: schemas[name] for name in names}, document, kept)
    modules["__init__.py"] = _index(kept)
    return {name: _formatted(text) for name, text in modules.items()}


def record_name(schema_name: str) -> str:
    """The name in the SDK: `VideoOut` is a `Video`, `JobIn` a `JobForm`."""
    if schema_name in NAMED_OTHERWISE:
        return NAMED_OTHERWISE[schema_name]
    if schema_name.endswith("In"):
        return schema_name.removesuffix("In") + "Form"
    return schema_name.removesuffix("Out")


def is_form(schema_name: str) -> bool:
    """Whether it is sent to the service (and perhaps comes back as it was sent)."""
    return schema_name.endswith(("In", "Form"))


def _topic_by_schema(document: Json) -> dict[str, str]:
    topics: dict[str, set[str]] = {}
    for path, routes in document["paths"].items():
        for route in routes.values():
            for name in _reached(route, document["components"]["schemas"]):
                topics.setdefault(name, set()).add(_topic(path))
    return {name: found.pop() if len(found) == 1 else SHARED for name, found in topics.items()}


def _topic(path: str) -> str:
    prefixes = [prefix for prefix in TOPIC_BY_PREFIX if path.startswith(prefix)]
    return TOPIC_BY_PREFIX[max(prefixes, key=len)] if prefixes else re.split(r"\W", path)[1]


def _reached(node: Any, schemas: Json, seen: set[str] | None = None) -> set[str]:
    seen = set() if seen is None else seen
    for name in _references(node):
        if name not in seen:
            seen.add(name)
            _reached(schemas[name], schemas, seen)
    return seen


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _module(topic: str, schemas: Json, document: Json, kept: dict[str, str]) -> str:
    body = "\n\n".join(
        (_form if is_form(name) else _record)(name, schema, document) for name, schema in schemas.items()
    )
    borrowed = sorted(
        {record_name(name) for name in _reached(schemas, document["components"]["schemas"]) if kept.get(name) == SHARED}
        & set(re.findall(r"\w+", body))
    )
    words = set(re.findall(r"\w+", body))
    imports = ["from dataclasses import dataclass"] if "@dataclass" in body else []
    imports += ["from datetime import datetime"] if "datetime" in words else []
    typing = sorted({"Any", "Literal", "NotRequired", "TypedDict"} & words)
    imports += [f"from typing import {', '.join(typing)}"] if typing else []
    if borrowed and topic != SHARED:
        imports += ["", f"from reelscan.records.{SHARED} import {', '.join(borrowed)}"]
    title = (
        "What several routes answer and take." if topic == SHARED else f"What the routes of {topic} answer and take."
    )
    return HEADER.format(title=title) + "\n".join(imports) + "\n\n\n" + body


def _record(name: str, schema: Json, document: Json) -> str:
    lines = ["@dataclass(frozen=True, slots=True, kw_only=True)", f"class {record_name(name)}:", _docstring(schema)]
    for field, kind in schema["properties"].items():
        text = _type(kind, document, is_sent=False)
        if field == "at" or field.endswith("_at"):
            text = text.replace("str", "datetime")
        if field in schema.get("required", []):
            lines.append(f"    {field}: {text}")
        else:
            lines.append(f"    {field}: {text if 'None' in text else f'{text} | None'} = None")
    return "\n".join(lines) + "\n"


def _form(name: str, schema: Json, document: Json) -> str:
    lines = [f"class {record_name(name)}(TypedDict):", _docstring(schema)]
    for field, kind in schema["properties"].items():
        text = _type(kind, document, is_sent=True)
        lines.append(f"    {field}: {text if field in schema.get('required', []) else f'NotRequired[{text}]'}")
    return "\n".join(lines) + "\n"


def _docstring(schema: Json) -> str:
    first, *rest = (schema.get("description") or "No more is said.").split("\n\n")
    paragraphs = [" ".join(first.split())] + [
        textwrap.fill(" ".join(paragraph.split()), WIDTH - 4, break_long_words=False) for paragraph in rest
    ]
    if len(paragraphs) == 1 and len(paragraphs[0]) <= WIDTH - 10:
        return f'    """{paragraphs[0]}"""\n'
    return textwrap.indent('"""' + "\n\n".join(paragraphs) + '\n"""', "    ") + "\n"


def _type(kind: Json, document: Json, *, is_sent: bool) -> str:
    if "$ref" in kind:
        name = kind["$ref"].rpartition("/")[2]
        target = document["components"]["schemas"][name]
        return record_name(name) if "properties" in target else _type(target, document, is_sent=is_sent)
    for union in ("anyOf", "oneOf"):
        if union in kind:
            return " | ".join(dict.fromkeys(_type(member, document, is_sent=is_sent) for member in kind[union]))
    if is_sent and ("enum" in kind or "const" in kind):
        return f"Literal[{', '.join(json.dumps(value) for value in kind.get('enum', [kind.get('const')]))}]"
    match kind.get("type"):
        case "array":
            if "prefixItems" in kind:
                members = [_type(member, document, is_sent=is_sent) for member in kind["prefixItems"]]
                return f"tuple[{', '.join(members)}]"
            member = _type(kind.get("items", {}), document, is_sent=is_sent)
            return f"list[{member}]" if is_sent else f"tuple[{member}, ...]"
        case "object":
            values = kind.get("additionalProperties")
            return f"dict[str, {_type(values, document, is_sent=is_sent) if isinstance(values, dict) else 'Any'}]"
        case name:
            return TYPES.get(str(name), "Any")


def _index(kept: dict[str, str]) -> str:
    names_by_topic: dict[str, list[str]] = {}
    for name, topic in sorted(kept.items()):
        names_by_topic.setdefault(topic, []).append(record_name(name))
    lines = [
        f"from reelscan.records.{topic} import {', '.join(sorted(names))}"
        for topic, names in sorted(names_by_topic.items())
    ]
    title = "What the service answers, as frozen dataclasses, and what it is sent, as typed dictionaries."
    names = ", ".join(json.dumps(name) for name in sorted(map(record_name, kept)))
    return HEADER.format(title=title) + "\n".join(lines) + f"\n\n__all__ = [{names}]\n"


def _formatted(text: str) -> str:
    ruff = [sys.executable, "-m", "ruff"]
    sorted_imports = subprocess.run(
        [*ruff, "check", "--quiet", "--select", "I", "--fix", "--stdin-filename", "client/reelscan/records/x.py", "-"],
        cwd=ROOT, input=text, capture_output=True, text=True, check=True,
    )  # fmt: skip
    formatted = subprocess.run(
        [*ruff, "format", "--quiet", "--stdin-filename", "client/reelscan/records/x.py", "-"],
        cwd=ROOT, input=sorted_imports.stdout, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return formatted.stdout


if __name__ == "__main__":
    sys.exit(main())
