"""Items of pipelines and of versions of results in table `meta`, both ways; the forms they share are in `items.py`.

PIPELINE             version, request, models, created_at, created_by; the first of a pipeline also list_pk, list_sk
RESULT_VERSION       version (of this item), newest_end, moves
NO_VERSIONS          nothing else
"""

from __future__ import annotations

from chalicelib.contracts import table_keys
from chalicelib.contracts.attribute_values import Item
from chalicelib.contracts.items import (
    models_from_list,
    models_to_list,
    request_from_map,
    request_to_map,
    time_from_text,
    time_to_text,
)
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.pipelines import Pipeline
from chalicelib.domain.result_versions import End, Move, MoveKind, ResultVersion


def pipeline_to_item(pipeline: Pipeline) -> Item:
    """PIPELINE."""
    # One entry for all versions: the list is of names.
    listed = {"list_pk": table_keys.pipeline_list(pipeline.tenant), "list_sk": pipeline.name}
    return {
        "pk": table_keys.pipeline_partition(pipeline.tenant, pipeline.name),
        "sk": table_keys.pipeline_version(pipeline.version),
        "kind": "PIPELINE",
        "version": pipeline.version,
        "request": request_to_map(pipeline.request),
        "models": models_to_list(pipeline.models),
        "created_at": time_to_text(pipeline.created_at),
        "created_by": pipeline.created_by,
        **(listed if pipeline.version == 1 else {}),
    }


def pipeline_from_item(item: Item) -> Pipeline:
    """The version of a PIPELINE item."""
    tenant, name = table_keys.parse_partition(item["pk"])
    return Pipeline(
        tenant=TenantId(tenant),
        name=name.partition(":")[2],
        version=item["version"],
        request=request_from_map(item["request"]),
        models=models_from_list(item["models"]),
        created_at=time_from_text(item["created_at"]),
        created_by=item["created_by"],
    )


def result_version_to_item(version: ResultVersion) -> Item:
    """RESULT_VERSION."""
    end = version.newest_end
    return {
        "pk": table_keys.partition(version.tenant, version.video_id),
        "sk": table_keys.result_version(version.pipeline_name, version.alias),
        "kind": "RESULT_VERSION",
        "version": version.version,
        "newest_end": {"is_whole": end.is_whole, "job_id": end.job_id} if end else None,
        "moves": [
            {
                "kind": move.kind,
                "from_job": move.from_job,
                "to_job": move.to_job,
                "cause": move.cause,
                "by": move.by,
                "at": time_to_text(move.at),
            }
            for move in version.moves
        ],
    }


def result_version_from_item(item: Item) -> ResultVersion:
    """The alias of a RESULT_VERSION item."""
    tenant, video_id = table_keys.parse_partition(item["pk"])
    _, pipeline_name, alias = item["sk"].split("#")
    end = item.get("newest_end")
    return ResultVersion(
        tenant=TenantId(tenant),
        video_id=VideoId(video_id),
        pipeline_name=pipeline_name,
        alias=alias,
        moves=tuple(
            Move(
                MoveKind(move["kind"]),
                JobId(move["from_job"]) if move["from_job"] is not None else None,
                JobId(move["to_job"]),
                move["cause"],
                move["by"],
                time_from_text(move["at"]),
            )
            for move in item["moves"]
        ),
        newest_end=End(end["is_whole"], JobId(end["job_id"])) if end else None,
        version=item["version"],
    )
