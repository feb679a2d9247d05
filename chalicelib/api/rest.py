"""The routes of the REST API, as Chalice is told of them: the module of a view is loaded at its first request.

A cold start then pays for the one module that it needs, and not for all forms and services (docs/decisions/0029). What
Chalice must know beforehand lies in `routes.json`, which is made of the typed routes themselves:

python -m chalicelib.api.rest --write
python -m chalicelib.api.rest --check     fails when the file is not what the code says
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from chalice.app import Chalice, Response

INDEX = Path(__file__).parent / "routes.json"


class Rest:
    """The REST side of the application."""

    def __init__(self, app: Chalice) -> None:
        self._app = app
        self._index: dict[str, list[list[str]]] = json.loads(INDEX.read_text(encoding="utf-8"))

    def serve(self, module: str) -> None:
        """Answer every route of a module of `chalicelib.api`."""
        for method, path, name in self._index[module]:
            self._app.route(path, methods=[method], name=name, content_types=["*/*"])(self._handler(module, name))

    def _handler(self, module: str, name: str) -> Callable[..., Response]:
        def handle(**path_values: str) -> Response:
            views: Any = import_module(f"chalicelib.api.{module}")
            response: Response = views.routes.handle(name, self._app.current_request, path_values)
            return response

        # Chalice keeps views by name, and reads no more of the function than that.
        handle.__name__ = name
        return handle


def index_text() -> str:
    """What `routes.json` has to be: by module, the method, path and name of each view."""
    from chalicelib.api.openapi import MODULES

    index = {
        module.__name__.rpartition(".")[2]: [[spec.method, spec.path, spec.name] for spec in module.routes.specs]
        for module in MODULES
    }
    return json.dumps(index, indent=1) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the index, or check it."""
    from chalicelib.api.made_file import write_or_check

    (mode,) = arguments
    return write_or_check(mode, INDEX, index_text())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
