"""Where objects lie in the bucket: a tenant's below `tenants/{tenant}/`, what all tenants share below `models/`.

tenants/{tenant}/videos/{video_id}/source                 the uploaded bytes
tenants/{tenant}/videos/{video_id}/index/{digest}.cells   packed cell list        (contracts/sample_table.py)
tenants/{tenant}/videos/{video_id}/index/{digest}.table   packed sample table     (contracts/sample_table.py)
tenants/{tenant}/videos/{video_id}/orders/{submission}    work order of a probe or rendition (contracts/work_order.py)
tenants/{tenant}/videos/{video_id}/renditions/{rendition_id}  thumbnails, or a proxy
tenants/{tenant}/jobs/{job_id}/orders/{submission}        work order of a job
tenants/{tenant}/jobs/{job_id}/finish-checkpoint          state of the tracking fold
tenants/{tenant}/jobs/{job_id}/tracks-checkpoint/{v:04}   the same of one more version of its tracks
tenants/{tenant}/jobs/{job_id}/exports/{export_id}        an export of the job's results
tenants/{tenant}/models/{model_id}/source                 the uploaded file of a model
tenants/{tenant}/models/{model_id}/model.onnx             the same in canonical form
tenants/{tenant}/models/{model_id}/orders/{submission}    work order of its admission
models/{sha256}.onnx                                      a model that every tenant may use, by digest
"""

from __future__ import annotations

import re

SOURCE_KEY = re.compile(r"tenants/(?P<tenant>[^/]+)/videos/(?P<video_id>[^/]+)/source")
MODEL_SOURCE_KEY = re.compile(r"tenants/(?P<tenant>[^/]+)/models/(?P<model_id>[^/]+)/source")


def source_key(tenant: str, video_id: str) -> str:
    """The only key that an upload ticket of this video allows."""
    return f"{video_prefix(tenant, video_id)}source"


def parse_source_key(key: str) -> tuple[str, str] | None:
    """(tenant, video id) of an uploaded object, or None when the key is not one of a source."""
    match = SOURCE_KEY.fullmatch(key)
    return (match["tenant"], match["video_id"]) if match else None


def video_prefix(tenant: str, video_id: str) -> str:
    """Everything of one video."""
    return f"tenants/{tenant}/videos/{video_id}/"


def job_prefix(tenant: str, job_id: str) -> str:
    """Everything of one job."""
    return f"tenants/{tenant}/jobs/{job_id}/"


def index_key(tenant: str, video_id: str, content_digest: str, part: str) -> str:
    """The packed cell list (`part` is "cells") or sample table ("table"), named by the bytes it was read from."""
    return f"{video_prefix(tenant, video_id)}index/{content_digest}.{part}"


def video_order_key(tenant: str, video_id: str, submission: str) -> str:
    """The work order of a probe or a rendition."""
    return f"{video_prefix(tenant, video_id)}orders/{submission}"


def rendition_key(tenant: str, video_id: str, rendition_id: str) -> str:
    """A rendition, named by what was asked for."""
    return f"{video_prefix(tenant, video_id)}renditions/{rendition_id}"


def job_order_key(tenant: str, job_id: str, submission: str) -> str:
    """The work order of an analysis or a finish."""
    return f"{job_prefix(tenant, job_id)}orders/{submission}"


def checkpoint_key(tenant: str, job_id: str) -> str:
    """How far the finish of a job has come."""
    return f"{job_prefix(tenant, job_id)}finish-checkpoint"


def tracks_checkpoint_key(tenant: str, job_id: str, version: int) -> str:
    """How far one more version of a job's tracks has come."""
    return f"{job_prefix(tenant, job_id)}tracks-checkpoint/{version:04d}"


def export_key(tenant: str, job_id: str, export_id: str) -> str:
    """An export, named by what was asked for: it has the same bytes whoever writes it."""
    return f"{job_prefix(tenant, job_id)}exports/{export_id}"


def model_prefix(tenant: str, model_id: str) -> str:
    """Everything of one version of a tenant's own model."""
    return f"tenants/{tenant}/models/{model_id}/"


def model_source_key(tenant: str, model_id: str) -> str:
    """The only key that the upload ticket of this version allows."""
    return f"{model_prefix(tenant, model_id)}source"


def parse_model_source_key(key: str) -> tuple[str, str] | None:
    """(tenant, model id) of an uploaded file of a model, or None when the key is not one of such a file."""
    match = MODEL_SOURCE_KEY.fullmatch(key)
    return (match["tenant"], match["model_id"]) if match else None


def own_model_key(tenant: str, model_id: str) -> str:
    """A tenant's own model in canonical form."""
    return f"{model_prefix(tenant, model_id)}model.onnx"


def model_order_key(tenant: str, model_id: str, submission: str) -> str:
    """The work order of an admission."""
    return f"{model_prefix(tenant, model_id)}orders/{submission}"


def model_key(sha256: str) -> str:
    """A model that every tenant may use, by its digest."""
    return f"models/{sha256}.onnx"
