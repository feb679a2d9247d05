"""Routes about the service itself: health, and its own description."""

from __future__ import annotations

from chalicelib import VERSION
from chalicelib.api import schemas
from chalicelib.api.typed import Answer, Routes

routes = Routes()


@routes.get("/health", summary="See whether the service answers", is_public=True)
def get_health() -> schemas.HealthOut:
    """Needs no token and touches nothing else."""
    return schemas.HealthOut(status="ok", version=VERSION)


@routes.get("/openapi.json", summary="Read this description", is_public=True)
def get_openapi() -> Answer:
    """OpenAPI 3.1."""
    from chalicelib.api.openapi import openapi_text

    return Answer(openapi_text())


@routes.get("/docs", summary="Read the API as a page", is_public=True)
def get_docs() -> Answer:
    """The same description for people, with a form to try each route; nothing is loaded from elsewhere."""
    from chalicelib.api.docs_page import docs_page

    return Answer(docs_page(), content_type="text/html; charset=utf-8")


@routes.get("/docs/rapidoc.js", summary="Load the viewer of that page", is_public=True)
def get_docs_viewer() -> Answer:
    """RapiDoc, under the MIT licence."""
    from chalicelib.api.docs_page import viewer_script

    return Answer(viewer_script(), content_type="text/javascript; charset=utf-8")


@routes.get("/docs/errors/{code}", summary="Read what an error code means", is_public=True, problems=(404,))
def get_error_page(code: str) -> Answer:
    """Where the `type` of a problem leads: its cause, and what to do."""
    from chalicelib.api.error_pages import error_page

    return Answer(error_page(code), content_type="text/html; charset=utf-8")
