"""Making and finding pipelines."""

from __future__ import annotations

from collections.abc import Sequence

from aws_lambda_powertools import Logger

from chalicelib.domain.errors import InvalidRequest, LimitExceeded, NotFound
from chalicelib.domain.ids import TenantId
from chalicelib.domain.jobs import JobRequest
from chalicelib.domain.models import Manifest, ModelTask
from chalicelib.domain.pipelines import MAX_VERSIONS, NAME_PATTERN, VERSION_PATTERN, Pipeline, check_name, parse_ref
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.services.jobs import pin_models, resolve_models
from chalicelib.services.ports import Ports

logger = Logger(service="reelscan", child=True)


def make_pipeline(ports: Ports, tenant: TenantId, name: str, request: JobRequest, *, by: str) -> Pipeline:
    """The newest version of the pipeline if it does the same, else one more version; its models are pinned now.

    Raises:
        InvalidRequest: a name that no pipeline may have, or a model or label that does not exist.
        LimitExceeded: the pipeline has as many versions as it may have.
    """
    check_name(name)
    manifests = resolve_models(ports, tenant, request)
    if request.tracker is not None:
        _check_tracker(request.tracker, manifests)
    models = pin_models(manifests)
    while True:
        newest = ports.pipelines.get_newest(tenant, name)
        if newest is not None and newest.does_the_same(request, models):
            return newest
        version = newest.version + 1 if newest else 1
        if version > MAX_VERSIONS:
            raise LimitExceeded(f"pipeline {name} may have {MAX_VERSIONS} versions and has them")
        pipeline = Pipeline(tenant, name, version, request, models, ports.clock.now(), by)
        if ports.pipelines.add(pipeline):
            logger.info("pipeline made", pipeline=name, version=version)
            return pipeline
        # Somebody took the number in the meantime, perhaps for the same content: look again.


def resolve_pipeline(ports: Ports, tenant: TenantId, ref: str) -> Pipeline:
    """The version that `people` (the newest one) or `people@3` names in a request.

    Raises:
        InvalidRequest: it names none.
    """
    name, version = parse_ref(ref)
    found = _find(ports, tenant, name, version)
    if found is None:
        raise InvalidRequest(f"there is no pipeline {ref}", hint="Name pipelines as in GET /pipelines")
    return found


def get_pipeline(ports: Ports, tenant: TenantId, name: str, version: str) -> Pipeline:
    """That version.

    Raises:
        NotFound: there is none.
    """
    is_name = NAME_PATTERN.fullmatch(name) and VERSION_PATTERN.fullmatch(version)
    found = ports.pipelines.get(tenant, name, int(version)) if is_name else None
    if found is None:
        raise NotFound(f"there is no pipeline {name}@{version}")
    return found


def list_versions(ports: Ports, tenant: TenantId, name: str, before: int | None, limit: int) -> Sequence[Pipeline]:
    """Versions of the pipeline, newest first, from the one below `before` on.

    Raises:
        NotFound: there is no such pipeline.
    """
    found = ports.pipelines.list_versions(tenant, name, before, limit) if NAME_PATTERN.fullmatch(name) else ()
    if not found and before is None:
        raise NotFound(f"there is no pipeline {name}")
    return found


def list_pipelines(ports: Ports, tenant: TenantId, after: str | None, limit: int) -> Sequence[Pipeline]:
    """The newest version of each of the tenant's pipelines, by name."""
    return ports.pipelines.list(tenant, after, limit)


def _check_tracker(tracker: TrackingParameters, manifests: Sequence[Manifest]) -> None:
    """What is told must have something to act on."""
    tracked = [manifest for manifest in manifests if manifest.task is ModelTask.DETECTION]
    if not tracked:
        raise InvalidRequest("tracker: tracks are made of detections, but the models only label whole frames")
    known = {label for manifest in tracked for label in manifest.labels}
    if unknown := [label for label in tracker.labels if label not in known]:
        raise InvalidRequest(f"tracker.labels: no model of this pipeline has the labels {unknown}")


def _find(ports: Ports, tenant: TenantId, name: str, version: int | None) -> Pipeline | None:
    if version is None:
        return ports.pipelines.get_newest(tenant, name)
    return ports.pipelines.get(tenant, name, version)
