"""Routes of the query language."""

from __future__ import annotations

from chalicelib.api.query_present import query_page_out
from chalicelib.api.query_schemas import QueryPageOut, QueryQuery
from chalicelib.api.typed import Call, Routes
from chalicelib.services import jobs
from chalicelib.services.query import run_query
from chalicelib.services.query import search as search_videos

routes = Routes()


@routes.get("/jobs/{job_id}/query", summary="Ask a job", problems=(400, 401, 404, 409, 413))
def query_job(call: Call, job_id: str, query: QueryQuery) -> QueryPageOut:
    """Detections, tracks, appearances, pairs, counts or dwell times, as the query says.

    A page may be short, or empty, and still have a cursor; an answer that is certain only at the end, such as
    the longest appearances, comes with the last pages.
    """
    job = jobs.get_job_to_read(call.ports, call.claims.tenant, job_id)
    return query_page_out(run_query(call.ports, job, query.q, limit=query.limit, cursor=query.cursor))


@routes.get("/search", summary="Ask all videos", problems=(400, 401, 413))
def search(call: Call, query: QueryQuery) -> QueryPageOut:
    """The answers of all videos, newest first: each is asked for itself, by the job that `latest` names.

    A video with several pipelines is asked by the newest of the jobs that their `latest` name. Every item says of
    which video and job it is. Counts of zero are left out.
    """
    page = search_videos(call.ports, call.claims.tenant, query.q, limit=query.limit, cursor=query.cursor)
    return query_page_out(page)
