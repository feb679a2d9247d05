"""JOB items in DynamoDB, and the references to them below their video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from chalicelib.adapters.table import Table
from chalicelib.adapters.video_store import put_version
from chalicelib.contracts import table_keys
from chalicelib.contracts.items import job_from_item, job_to_item
from chalicelib.domain.ids import JobId, TenantId, VideoId
from chalicelib.domain.jobs import Job


class DynamoJobStore:
    """The port `JobStore`."""

    def __init__(self, meta: Table) -> None:
        self._meta = meta

    def add(self, job: Job, due_at: datetime | None) -> None:
        # The reference first: a job that nobody can list would outlive its video.
        reference = {
            "pk": table_keys.partition(job.tenant, job.video_id),
            "sk": table_keys.job_reference(job.job_id),
            "kind": "JOB_REF",
        }
        self._meta.put(reference)
        put_version(self._meta, job_to_item(job, due_at), seen=0)

    def get(self, tenant: TenantId, job_id: JobId) -> Job | None:
        item = self._meta.get(table_keys.partition(tenant, job_id), table_keys.JOB)
        return job_from_item(item) if item else None

    def get_with_counts(self, tenant: TenantId, job_id: JobId) -> tuple[Job, int, int] | None:
        pk = table_keys.partition(tenant, job_id)
        items = list(self._meta.query(pk, table_keys.OPEN_PREFIX, from_=table_keys.FAILED_PREFIX))
        job = next((job_from_item(item) for item in items if item["sk"] == table_keys.JOB), None)
        counts = Counter(item["kind"] for item in items)
        return (job, counts["OPEN"], counts["FAILED"]) if job else None

    def save(self, job: Job, due_at: datetime | None) -> Job:
        saved = replace(job, version=job.version + 1)
        put_version(self._meta, job_to_item(saved, due_at), seen=job.version)
        return saved

    def list_for_video(self, tenant: TenantId, video_id: VideoId, after: JobId | None, limit: int) -> Sequence[Job]:
        references = self._meta.query(
            table_keys.partition(tenant, video_id),
            table_keys.job_reference(""),
            after=table_keys.job_reference(after) if after else None,
            backwards=True,
        )
        jobs = (self.get(tenant, JobId(reference["sk"].partition("#")[2])) for reference in references)
        # A reference without its job (just being made, or deleted) must not shorten the page: a short page is the last.
        return list(islice((job for job in jobs if job is not None), limit))

    def list_newest(
        self, tenant: TenantId, video_ids: Sequence[VideoId], limit: int
    ) -> Mapping[VideoId, Sequence[Job]]:
        # A video's references are a partition of their own, so that each takes a query; its jobs do not.
        ids_by_video = {video_id: self._newest_ids(tenant, video_id, limit) for video_id in video_ids}
        ids = [job_id for found in ids_by_video.values() for job_id in found]
        items = self._meta.get_many(
            [(table_keys.partition(tenant, job_id), table_keys.JOB) for job_id in ids], is_consistent=True
        )
        job_by_id = {job.job_id: job for job in map(job_from_item, items)}
        return {
            # A reference without its job must not shorten a list that has more of them.
            video_id: [job_by_id[job_id] for job_id in found]
            if job_by_id.keys() >= set(found)
            else self.list_for_video(tenant, video_id, None, limit)
            for video_id, found in ids_by_video.items()
        }

    def _newest_ids(self, tenant: TenantId, video_id: VideoId, limit: int) -> list[JobId]:
        pk = table_keys.partition(tenant, video_id)
        references = self._meta.query(pk, table_keys.job_reference(""), limit=limit, backwards=True)
        return [JobId(reference["sk"].partition("#")[2]) for reference in references]

    def delete(self, job: Job) -> None:
        pk = table_keys.partition(job.tenant, job.job_id)
        video_pk = table_keys.partition(job.tenant, job.video_id)
        sort_keys = [str(item["sk"]) for item in self._meta.query(pk)]
        self._meta.write_many(deletes=[(pk, sk) for sk in sort_keys if sk != table_keys.JOB])
        self._meta.delete(pk, table_keys.JOB)
        # Until now functions of the stream could still record what had happened to it.
        self._meta.write_many(deletes=[(pk, item["sk"]) for item in self._meta.query(pk)])
        self._meta.delete(video_pk, table_keys.job_reference(job.job_id))
