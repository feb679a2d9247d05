"""A page for each error code: where the `type` of a problem leads.

The text is that of docs/errors.md, which does not go into the Lambda package; `error_pages.json` is made of it.

python -m chalicelib.api.error_pages --write docs/errors.md
python -m chalicelib.api.error_pages --check docs/errors.md     fails when the file is not what the page says
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path

from chalicelib.api.made_file import write_or_check
from chalicelib.domain.errors import TITLE_BY_CODE, ErrorCode, NotFound

PAGES = Path(__file__).parent / "error_pages.json"
STYLE = """
:root{color-scheme:light dark;font:17px/1.6 system-ui,sans-serif}
body{max-width:42rem;margin:10vh auto;padding:0 1.25rem}
h1{font:600 1.5rem ui-monospace,monospace;margin:0 0 .25rem}.t{font-size:1.15rem;opacity:.8;margin:0 0 2rem}
dt{font-weight:600;margin-top:1.25rem}dd{margin:.25rem 0 0}code{font-family:ui-monospace,monospace;font-size:.92em}
a{color:#2f7df6}nav{margin-top:3rem;border-top:1px solid #8886;padding-top:1rem;font-size:.9rem}
"""


def error_page(code: str) -> str:
    """The page as HTML.

    Raises:
        NotFound: there is no such code.
    """
    parts = _pages().get(code)
    if parts is None:
        raise NotFound(f"there is no error code {code}", hint="docs/errors.md lists the codes")
    title = TITLE_BY_CODE[ErrorCode(code)]
    told = "".join(f"<dt>{escape(name)}</dt><dd>{_prose(text)}</dd>" for name, text in parts.items())
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>{code}: {escape(title)}</title><style>{STYLE}</style></head><body><main><h1>{code}</h1>"
        f"<p class=t>{escape(title)}</p><dl>{told}</dl></main>"
        "<nav><a href=../../docs>The API of reelscan</a></nav></body></html>"
    )


def parse_page(markdown: str) -> dict[str, dict[str, str]]:
    """What docs/errors.md says of each code, by the bold word that begins a paragraph."""
    found: dict[str, dict[str, str]] = {}
    for section in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]:
        code, _, text = section.partition("\n")
        paragraphs = [" ".join(block.split()) for block in text.split("\n\n")]
        matches = [re.fullmatch(r"\*\*(.+?)\.\*\* (.+)", paragraph) for paragraph in paragraphs]
        found[code.strip()] = {match[1]: match[2] for match in matches if match}
    return found


@cache
def _pages() -> Mapping[str, Mapping[str, str]]:
    pages: dict[str, dict[str, str]] = json.loads(PAGES.read_text(encoding="utf-8"))
    return pages


def _prose(markdown: str) -> str:
    """`names` between backticks, and links to other pages as their text."""
    text = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", escape(markdown, quote=False))
    return re.sub("`([^`]+)`", r"<code>\1</code>", re.sub(r"\*([^*]+)\*", r"<em>\1</em>", text))


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them."""
    mode, page = arguments[0], Path(arguments[1])
    text = json.dumps(parse_page(page.read_text(encoding="utf-8")), indent=1, ensure_ascii=False) + "\n"
    return write_or_check(mode, PAGES, text, str(page))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
