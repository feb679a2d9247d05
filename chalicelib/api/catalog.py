"""Routes about the service itself: health, and its own description."""

from __future__ import annotations

from chalice.app import Blueprint

from chalicelib import VERSION
from chalicelib.api import schemas
from chalicelib.api.typed import Answer, Routes

catalog_blueprint = Blueprint(__name__)
routes = Routes(catalog_blueprint)


@routes.get("/health", summary="See whether the service answers", is_public=True)
def get_health() -> schemas.HealthOut:
    """Needs no token and touches nothing else."""
    return schemas.HealthOut(status="ok", version=VERSION)


@routes.get("/openapi.json", summary="Read this description", is_public=True)
def get_openapi() -> Answer:
    """OpenAPI 3.1."""
    from chalicelib.api.openapi import openapi_text

    return Answer(openapi_text())


@routes.get("/docs", summary="Read the routes as a page", is_public=True)
def get_docs() -> Answer:
    """The same description for people, without scripts."""
    from chalicelib.api.docs_page import docs_page

    return Answer(docs_page(), content_type="text/html; charset=utf-8")
