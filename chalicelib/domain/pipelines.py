"""Pipelines: an analysis under a name, so that "the same again" is one word.

A version of a pipeline is fixed once it is made: its models are pinned by digest, so that what a name or alias of a
model means later changes nothing. Other content is the next version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import DEFAULT_PIPELINE, JobRequest, ModelRef, PipelineRef

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VERSION_PATTERN = re.compile(r"[1-9][0-9]{0,3}")
MAX_VERSIONS = 9999
"""Of one pipeline."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One version of a pipeline."""

    tenant: TenantId
    name: str
    version: int
    request: JobRequest
    """What a job of it does, with the models as they were named; of no pipeline itself."""
    models: tuple[ModelRef, ...]
    """The exact models."""
    created_at: datetime
    created_by: str
    """The subject of the token."""

    @property
    def ref(self) -> PipelineRef:
        """The name of this version."""
        return PipelineRef(self.name, self.version)

    @property
    def job_request(self) -> JobRequest:
        """What a client asks for who names this version."""
        return replace(self.request, pipeline=self.ref)

    def does_the_same(self, request: JobRequest, models: tuple[ModelRef, ...]) -> bool:
        """Whether a version with this content would be this one: by digests, however its models are named."""
        return _content(self.request, self.models) == _content(request, models)


def check_name(name: str) -> str:
    """The name, if a pipeline may have it.

    Raises:
        InvalidRequest: it may not.
    """
    if NAME_PATTERN.fullmatch(name) is None:
        raise InvalidRequest(
            "the name of a pipeline must be 1 to 64 of a-z, 0-9, '.', '_' and '-', and begin with a-z or 0-9"
        )
    if name == DEFAULT_PIPELINE:
        raise InvalidRequest(f"{DEFAULT_PIPELINE!r} means the jobs without a pipeline", hint="Take another name")
    return name


def parse_ref(text: str) -> tuple[str, int | None]:
    """`people` is (people, None), which means the newest version; `people@3` is (people, 3).

    Raises:
        InvalidRequest: it is neither.
    """
    name, at, version = text.partition("@")
    if at and VERSION_PATTERN.fullmatch(version) is None:
        raise InvalidRequest("a pipeline must be named as `name` or `name@version`, such as people@3")
    return check_name(name), int(version) if at else None


def _content(request: JobRequest, models: tuple[ModelRef, ...]) -> tuple[JobRequest, tuple[ModelRef, ...]]:
    # Neither the words for a model nor the order of labels say what is done.
    return replace(request, models=(), labels=tuple(sorted(set(request.labels)))), models
