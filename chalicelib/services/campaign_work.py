"""What a campaign asks of the rest of the service: analyses, prices, comparisons, promotions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.campaign_runs import Comparison, OpenTarget, Run
from chalicelib.domain.campaigns import Plan
from chalicelib.domain.errors import Conflict
from chalicelib.domain.ids import RunId, TenantId
from chalicelib.domain.jobs import DEFAULT_PIPELINE, STATES_WITH_RESULTS, Job, JobRequest, JobState, ModelRef
from chalicelib.domain.videos import Video
from chalicelib.services.budgets import settle
from chalicelib.services.diff import diff_jobs
from chalicelib.services.dispatch import owner_of
from chalicelib.services.jobs import cancel_job, resolve_models, start_job
from chalicelib.services.pipelines import resolve_pipeline
from chalicelib.services.ports import Ports, VersionConflict
from chalicelib.services.quotes import quote_job
from chalicelib.services.result_versions import find_version, promote

BY = "campaign"
"""Who moved `latest`, in its log."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """What is done to each video of a run."""

    request: JobRequest
    """Its results are not promoted by themselves."""
    models: tuple[ModelRef, ...]
    """The exact ones, as long as the names of models do not move."""

    @property
    def pipeline_name(self) -> str:
        """What its results are versions for."""
        return self.request.pipeline.name if self.request.pipeline else DEFAULT_PIPELINE

    @property
    def pipeline_version(self) -> int:
        """Of the pipeline; 0 without one."""
        return self.request.pipeline.version if self.request.pipeline else 0

    def made(self, job: Job) -> bool:
        """Whether the job is one of this very analysis, and has all its results."""
        asked = replace(job.request, promote=False, max_cost_nano_usd=None)
        return job.state is JobState.SUCCEEDED and asked == self.request and job.models == self.models


def resolve_analysis(ports: Ports, tenant: TenantId, plan: Plan, run: Run | None = None) -> Analysis:
    """What the plan asks for; of a run that has begun, what it meant then.

    Raises:
        InvalidRequest, Conflict: there is no such pipeline, model or label, or not any more.
    """
    if plan.request is not None:
        request = plan.request
    else:
        is_resolved = run is not None and run.pipeline_name
        ref = f"{run.pipeline_name}@{run.pipeline_version}" if run and is_resolved else plan.pipeline
        request = resolve_pipeline(ports, tenant, ref).job_request
    manifests = resolve_models(ports, tenant, request)
    models = tuple(ModelRef(model.name, model.version, model.sha256) for model in manifests)
    return Analysis(replace(request, promote=False, max_cost_nano_usd=None), models)


def find_current(ports: Ports, video: Video, pipeline_name: str) -> Job | None:
    """The job whose results are `latest`."""
    return find_version(ports, video, pipeline_name)


def quote(ports: Ports, video: Video, analysis: Analysis) -> int:
    """What the analysis of the video will cost, in nano-dollars."""
    return quote_job(ports, video, analysis.request).cost_nano_usd


def start(ports: Ports, video: Video, analysis: Analysis, target: OpenTarget, run_id: RunId) -> None:
    """Start the job that the target names; one that is there already stays as it is.

    Raises:
        DomainError: as `start_job`.
    """
    request = replace(analysis.request, max_cost_nano_usd=target.allowed_nano_usd)
    try:
        start_job(ports, video, request, job_id=target.job_id, run_id=run_id)
    except VersionConflict:
        # Somebody took the same step: it is the same job.
        return


def stop(ports: Ports, job: Job) -> None:
    """Cancel the job, unless it has ended."""
    try:
        cancel_job(ports, job)
    except Conflict:
        # It ended by itself in the meantime, which is as good.
        return


def is_good(job: Job, old: Job | None) -> bool:
    """Whether the results of the job may take the place of the old ones: they lack nothing that those have."""
    if job.state is JobState.PARTIAL:
        return old is None or old.state is JobState.PARTIAL
    return job.state is JobState.SUCCEEDED


def compare(ports: Ports, old: Job, new: Job, cursor: str) -> tuple[Comparison, str]:
    """A part of the comparison from `cursor` on (empty: the start), and where it goes on (empty: nowhere)."""
    diff, next_cursor = diff_jobs(ports, old, new, cursor or None)
    return Comparison(0, dict(diff.labels)), next_cursor or ""


def cost_of(ports: Ports, job: Job) -> int:
    """What the job has cost at the model's prices, in nano-dollars, now that it has ended."""
    settle(ports, owner_of(job))
    return ports.ledgers.get_total(job.tenant, job.job_id).used_nano_usd


def make_current(ports: Ports, video: Video, job: Job, old: Job | None, cause: str) -> bool:
    """Let `latest` name the job, if it names the old one still; whether it names the job now.

    Whoever moved it meanwhile, by hand or by a newer analysis, knows more than a campaign.
    """
    current = find_version(ports, video, job.pipeline_name)
    if current is not None and current.job_id != job.job_id and (old is None or current.job_id != old.job_id):
        return False
    promote(ports, video, job, cause=cause, by=BY)
    return True


def labels_of(job: Job) -> frozenset[str]:
    """Every label that the job has seen."""
    labels = (job.summary or {}).get("labels")
    return frozenset(str(label["label"]) for label in labels) if isinstance(labels, list) else frozenset()


def has_results(job: Job) -> bool:
    """Whether the job has ended with results."""
    return job.state in STATES_WITH_RESULTS
