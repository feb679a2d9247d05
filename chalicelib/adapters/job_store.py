"""JOB items in DynamoDB, and the references to them below their video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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

    def delete(self, job: Job) -> None:
        pk = table_keys.partition(job.tenant, job.job_id)
        video_pk = table_keys.partition(job.tenant, job.video_id)
        self._meta.write_many(deletes=[(pk, item["sk"]) for item in self._meta.query(pk)])
        self._meta.delete(video_pk, table_keys.job_reference(job.job_id))
