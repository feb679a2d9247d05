"""Quotes: what a job would cost, before anything starts."""

from __future__ import annotations

from chalicelib.domain.costs import Quote
from chalicelib.domain.jobs import JobRequest
from chalicelib.domain.videos import Video
from chalicelib.services.estimates import estimate_job
from chalicelib.services.jobs import resolve_models
from chalicelib.services.ports import Ports


def quote_job(ports: Ports, video: Video, request: JobRequest) -> Quote:
    """What this job would cost and how long it would take. Starts and records nothing.

    Raises:
        Conflict: the video has not been probed.
        InvalidRequest: a model or label that does not exist.
    """
    return estimate_job(ports, video, request, resolve_models(ports, video.tenant, request))
