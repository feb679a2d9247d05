"""The viewer's files, as CloudFront serves them from their bucket on AWS, and the `config.json` of this stack."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path

from werkzeug.http import generate_etag
from werkzeug.wrappers import Request, Response

PATH = "/viewer/"
FOLDER = Path(__file__).resolve().parents[2] / "client" / "viewer"
CONFIG_NAME = "config.json"

# Not left to the machine's own table, in which a module may be text/plain: browsers refuse that.
TYPE_BY_SUFFIX = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


class Viewer:
    """Serves everything below `/viewer/`."""

    def __init__(self, graphql_path: str, folder: Path = FOLDER) -> None:
        self._graphql_path = graphql_path
        self._folder = folder

    def handle(self, request: Request) -> Response:
        """A file, `config.json`, or 404; `/viewer` is sent to `/viewer/`."""
        if request.method not in ("GET", "HEAD"):
            return Response("The viewer is only read\n", 405, {"Allow": "GET, HEAD"})
        if request.path == PATH.rstrip("/"):
            return Response("", 308, {"Location": PATH})
        name = request.path.removeprefix(PATH) or "index.html"
        if name == CONFIG_NAME:
            return _answer(request, json.dumps(self._config(request)).encode(), TYPE_BY_SUFFIX[".json"])
        file = (self._folder / name).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file():
            return Response(f"There is no {request.path} in the viewer\n", 404)
        return _answer(request, file.read_bytes(), _type_of(file))

    def _config(self, request: Request) -> dict[str, object]:
        return {
            "api_url": request.host_url.rstrip("/"),
            "graphql_url": f"http://{request.host}{self._graphql_path}",
            "realtime_url": f"ws://{request.host}{self._graphql_path}",
            "login": {"kind": "token"},
        }


def _answer(request: Request, content: bytes, content_type: str) -> Response:
    response = Response(content, 200, {"Cache-Control": "no-cache"}, content_type=content_type)
    response.set_etag(generate_etag(content))
    return response.make_conditional(request)


def _type_of(file: Path) -> str:
    return TYPE_BY_SUFFIX.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
