"""AWS Batch with subprocesses for containers: one worker process per child job, as many at once as there are slots."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.local.batch_jobs import NOT_STARTED, Attempt, BatchJob, JobRequest, JobStatus, is_retried, make_job, now_ms
from infra.local.batch_process import (
    EXITED,
    KILL_AFTER_SECONDS,
    TIMED_OUT,
    ChildProcess,
    Ended,
    StartProcess,
    StopRequest,
    start_fresh,
)
from infra.local.events import make_event

log = logging.getLogger(__name__)


class BatchRunner:
    """Runs jobs in the order in which they were submitted."""

    def __init__(
        self,
        worker_command: Sequence[str],
        environment: Mapping[str, str],
        log_folder: Path,
        slots: int,
        emit: Callable[[dict[str, Any]], None],
        kill_after_seconds: float = KILL_AFTER_SECONDS,
        start_process: StartProcess = start_fresh,
        cores: int = 1,
    ) -> None:
        """`environment` is that of every worker; `emit` takes state-change events and must return at once.

        The children of a job that run side by side share the `cores`.
        """
        self._worker_command = tuple(worker_command)
        self._environment = dict(environment)
        self._log_folder = log_folder
        self._slots = slots
        self._cores = cores
        self._emit = emit
        self._kill_after_seconds = kill_after_seconds
        self._start_process = start_process
        self._changed = threading.Condition()
        self._jobs: dict[str, BatchJob] = {}
        self._runnable: deque[BatchJob] = deque()
        self._stop_by_id: dict[str, StopRequest] = {}
        self._is_stopping = False
        self._threads = [
            threading.Thread(target=self._run_until_stopped, name=f"batch-{slot}", daemon=True) for slot in range(slots)
        ]

    def start(self) -> None:
        """Begin to take jobs."""
        self._log_folder.mkdir(parents=True, exist_ok=True)
        for thread in self._threads:
            thread.start()

    def stop(self, grace_seconds: float) -> None:
        """End every process: SIGTERM now, SIGKILL after `grace_seconds`. Nothing is retried, no event is sent."""
        with self._changed:
            self._is_stopping = True
            for stop in self._stop_by_id.values():
                stop.ask(grace_seconds)
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, request: JobRequest) -> BatchJob:
        """Record a job and queue it, or its children."""
        job = make_job(request)
        with self._changed:
            self._jobs[job.job_id] = job
            self._move(job, JobStatus.SUBMITTED)
            for child in job.children:
                self._jobs[child.job_id] = child
                self._move(child, JobStatus.SUBMITTED)
            if job.children:
                self._move(job, JobStatus.PENDING)
            for runnable in job.children or [job]:
                self._move(runnable, JobStatus.RUNNABLE)
                self._runnable.append(runnable)
            self._changed.notify_all()
        return job

    def describe(self, job_ids: Iterable[str]) -> list[dict[str, Any]]:
        """The jobs that exist; the others are left out, as Batch does."""
        with self._changed:
            return [self._jobs[job_id].describe() for job_id in job_ids if job_id in self._jobs]

    def list_jobs(self, queue: str | None, array_job_id: str | None, status: JobStatus) -> list[dict[str, Any]]:
        """The plain jobs and parents of a queue, or the children of an array, in that status."""
        with self._changed:
            if array_job_id is not None:
                candidates = self._jobs[array_job_id].children if array_job_id in self._jobs else []
            else:
                candidates = [job for job in self._jobs.values() if job.parent is None and job.request.queue == queue]
            return [job.describe() for job in candidates if job.status is status]

    def terminate(self, job_id: str, reason: str) -> None:
        """End a job whatever it does; one that has ended, or never was, stays as it is."""
        self._stop(job_id, reason, or_running=True)

    def cancel(self, job_id: str, reason: str) -> None:
        """End a job unless it is starting or running."""
        self._stop(job_id, reason, or_running=False)

    def _stop(self, job_id: str, reason: str, *, or_running: bool) -> None:
        with self._changed:
            job = self._jobs.get(job_id)
            for each in (job.children or [job]) if job else ():
                if each.status in NOT_STARTED:
                    each.stop_reason = reason
                    self._end(each, JobStatus.FAILED, reason)
                elif or_running and not each.has_ended:
                    each.stop_reason = reason
                    self._stop_by_id[each.job_id].ask()
            self._changed.notify_all()

    def _run_until_stopped(self) -> None:
        while (job := self._take()) is not None:
            try:
                ended = self._run_attempt(job)
            except Exception as error:  # The border to the operating system: a job must end, whatever happened.
                log.exception("Batch job %s could not be started", job.job_id)
                ended = Ended(1, f"CannotStartContainerError: {error}")
            self._conclude(job, ended)

    def _take(self) -> BatchJob | None:
        with self._changed:
            while not self._is_stopping:
                while self._runnable:
                    job = self._runnable.popleft()
                    # One that was cancelled while it waited has ended already.
                    if not job.has_ended:
                        self._stop_by_id[job.job_id] = StopRequest(self._kill_after_seconds)
                        job.started_at = now_ms()
                        self._move(job, JobStatus.STARTING)
                        return job
                self._changed.wait()
        return None

    def _run_attempt(self, job: BatchJob) -> Ended:
        command = (*self._worker_command, *job.request.command)
        log_path = self._log_folder / job.log_name
        process = ChildProcess(command, self._environment_of(job), log_path, self._start_process)
        with self._changed:
            self._move(job, JobStatus.RUNNING)
            stop = self._stop_by_id[job.job_id]
        return process.wait(job.request.timeout_seconds, stop)

    def _environment_of(self, job: BatchJob) -> dict[str, str]:
        environment = {
            "REELSCAN_VCPUS": str(self._vcpus_of(job)),
            **self._environment,
            **job.request.environment,
            "AWS_BATCH_JOB_ID": job.job_id,
            "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
            "AWS_BATCH_JQ_NAME": job.request.queue,
            "AWS_BATCH_CE_NAME": "local",
        }
        if job.index is not None:
            environment["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
        return environment

    def _vcpus_of(self, job: BatchJob) -> int:
        """What a job definition says on AWS: here a job alone has all cores, and each of several children its share."""
        side_by_side = min(self._slots, len(job.parent.children)) if job.parent else 1
        return max(1, self._cores // max(1, side_by_side))

    def _conclude(self, job: BatchJob, ended: Ended) -> None:
        with self._changed:
            del self._stop_by_id[job.job_id]
            job.stopped_at = now_ms()
            status_reason = job.stop_reason or ended.status_reason
            job.attempts.append(
                Attempt(ended.exit_code, status_reason, job.started_at or job.stopped_at, job.stopped_at)
            )
            if self._is_stopping:
                return
            if ended.exit_code == 0 and job.stop_reason is None and ended.status_reason != TIMED_OUT:
                self._end(job, JobStatus.SUCCEEDED, EXITED)
            elif self._is_tried_again(job, ended):
                self._move(job, JobStatus.RUNNABLE)
                self._runnable.append(job)
                self._changed.notify_all()
            else:
                self._end(job, JobStatus.FAILED, status_reason)

    def _is_tried_again(self, job: BatchJob, ended: Ended) -> bool:
        if job.stop_reason is not None or ended.status_reason == TIMED_OUT:
            return False
        retry = job.request.definition.retry
        return len(job.attempts) < retry.attempts and is_retried(retry.rules, ended.exit_code, ended.status_reason)

    def _end(self, job: BatchJob, status: JobStatus, reason: str) -> None:
        job.stopped_at = now_ms()
        self._move(job, status, reason)
        parent = job.parent
        if parent is not None and all(child.has_ended for child in parent.children):
            has_failed = any(child.status is JobStatus.FAILED for child in parent.children)
            parent.stopped_at = now_ms()
            if has_failed:
                self._move(parent, JobStatus.FAILED, "Array Child Job failed")
            else:
                self._move(parent, JobStatus.SUCCEEDED, "Array Children SUCCEEDED")

    def _move(self, job: BatchJob, status: JobStatus, reason: str | None = None) -> None:
        job.status = status
        job.status_reason = reason
        self._emit(make_event("aws.batch", "Batch Job State Change", job.describe(), [job.arn]))
