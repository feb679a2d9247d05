"""Keys of the two tables. A partition is one video or one job of one tenant, never a whole tenant.

Table `meta` (pk, sk; stream; TTL `expires_at`; index `due` = due_shard, due_at; index `lists` = list_pk, list_sk):

    {tenant}#{video_id}   VIDEO                 the video
                          JOB#{job_id}          that it has this job (kind JOB_REF)
                          STEP#PROBE            the probe as a unit of work
                          STEP#RENDITION#{id}   a side step: thumbnails of it, or a copy that browsers play
                          SUBMISSION#{id}       something sent to Batch
                          VERSION#{pipeline}#{alias}   which job's results an alias names
                          NO_VERSIONS           it is being deleted, and no alias may be made any more
    {tenant}#{job_id}     JOB                   the job
                          SEG#{index:05}        a segment as a unit of work
                          OPEN#{index:05}       marker: that segment is not terminal
                          FAILED#{index:05}     marker: that segment failed
                          STEP#FINISH           the finish as a unit of work
                          STEP#TRACKS#{v:04}    a side step: one more version of its tracks
                          STEP#EXPORT#{id}      a side step: an export of its results
                          SUBMISSION#{id}       something sent to Batch
                          EVENT#{seq:08}        what happened to the job, in order (the outbox)
                          ORIGIN#{origin}       that the event of this change is recorded, and under which seq
                          TOLD#{webhook_id}     up to which seq a webhook is told (contracts/webhook_items.py)
    {tenant}#{model_id}   MODEL                 one version of a model, from its ticket on
                          STEP#ADMIT            its admission as a unit of work
                          SUBMISSION#{id}       something sent to Batch
    {tenant}#models       VERSION#{name}#{v}    which record has that version of the name; once it is READY, what it is
                          DIGEST#{sha256}       what the canonical file of that digest is, or was
                          ALIAS#{name}#{alias}  which version the alias names, and who moved it
    public#models         VERSION#…, DIGEST#…   the same of models that every tenant may use; they have no record
    {tenant}#pipeline:{name}   PIPELINE#{version:06}   a version of a pipeline; the first one is in the index `lists`
    {tenant}#campaigns    OPEN                  which campaigns count towards how many a tenant may have open
    {tenant}#{campaign_id} CAMPAIGN             the campaign
                          RUN#{nominal time}    that it has the run of this nominal time (kind RUN_REF)
    {tenant}#{run_id}     RUN                   the run
                          TARGET#{video_id}     one of its videos
    {tenant}#{key hash}   IDEMPOTENCY           the answer that an idempotency key was given
    {tenant}#budget       BUDGET                what the tenant set for its months (contracts/cost_items.py)
                          LEDGER#{yyyy-mm}      what a month may cost, is reserved and has cost
    {tenant}#costs_{id}   TOTAL                 the same of what submissions are of; due while anything is reserved
                          RESERVATION#{id}      what one of its submissions may cost
    {tenant}#webhooks     WEBHOOK#{webhook_id}  the webhook
    {tenant}#{webhook_id} QUEUE                 whose turn it is to send, and when the next one is due
                          PENDING#{job_id}      that events of the job wait
                          DELIVERY#{id}         an attempt to deliver
                          DEAD#{id}             the same, of one that was the last
    {tenant}#rates        RATE#{name}           what the last jobs took for one kind of work (domain/rates.py)

Table `results` (pk, sk):

    {tenant}#{job_id}          INDEX#{index:05}             what a commit made readable (contracts/job_index.py)
                               TRACKS#{v:04}#{chunk:05}     tracks in order of their first frame (contracts/tracks.py)
                               TRACKIDS#{v:04}#{seg:05}#{m} the track of every row of a model in a segment
                               …#{part:02}                  more of it (contracts/track_ids.py)
                               TREE                         root of the summary tree of segments, from the finish on
                               TREE#{level}#{number:05}     another node of it (contracts/summary_tree.py)
                               TRACKTREE#{v:04}…            the same of the chunks of tracks
    {tenant}#{content_digest}  {analysis}#{cell:06}         first block of a cell (contracts/cell_results.py)
                               {analysis}#{cell:06}#{sha}   a further block of that cell, named by its bytes
                               REF#{video_id}               that this video has these bytes
"""

from __future__ import annotations

from chalicelib.domain.ids import EVERYBODY

DUE_SHARDS = 4
"""Partitions of the `due` index; each takes 1,000 writes a second. Source: DynamoDB partition limits."""
DUE_INDEX = "due"
LISTS_INDEX = "lists"
VIDEO = "VIDEO"
JOB = "JOB"
PROBE = "STEP#PROBE"
FINISH = "STEP#FINISH"
MODEL = "MODEL"
ADMIT = "STEP#ADMIT"
IDEMPOTENCY = "IDEMPOTENCY"
PUBLIC_MODELS = f"{EVERYBODY}#models"
OLD_MODEL_PREFIX = "MODEL#"
"""Public models by name, as release 0.1 wrote them; made into the others where they are found."""
# A job and its markers are neighbours, FAILED# < JOB < OPEN#, and nothing lies between: one query tells its progress.
FAILED_PREFIX = "FAILED#"
OPEN_PREFIX = "OPEN#"
RESULT_VERSION_PREFIX = "VERSION#"
NO_VERSIONS = "NO_VERSIONS"
PIPELINE_PREFIX = "PIPELINE#"
SEGMENT_TREE = "TREE"
CAMPAIGN = "CAMPAIGN"
OPEN_CAMPAIGNS = "OPEN"
RUN = "RUN"
TARGET_PREFIX = "TARGET#"
BUDGET = "BUDGET"
COSTS_PREFIX = "costs_"
COSTS_TOTAL = "TOTAL"
RATE_PREFIX = "RATE#"
RESERVATION_PREFIX = "RESERVATION#"
INDEX_PREFIX = "INDEX#"
WEBHOOK_PREFIX = "WEBHOOK#"
WEBHOOK_QUEUE = "QUEUE"
PENDING_PREFIX = "PENDING#"
DELIVERY_PREFIX = "DELIVERY#"
DEAD_PREFIX = "DEAD#"

Key = dict[str, str]


def partition(tenant: str, name: str) -> str:
    """The partition of one thing of one tenant: a video id, a job id, a content digest."""
    return f"{tenant}#{name}"


def parse_partition(pk: str) -> tuple[str, str]:
    """(tenant, name) of a partition."""
    tenant, _, name = pk.partition("#")
    return tenant, name


def segment(index: int) -> str:
    """Sort key of a segment."""
    return f"SEG#{index:05d}"


def open_marker(index: int) -> str:
    """Sort key of the marker that a segment is not terminal."""
    return f"{OPEN_PREFIX}{index:05d}"


def failed_marker(index: int) -> str:
    """Sort key of the marker that a segment failed."""
    return f"{FAILED_PREFIX}{index:05d}"


def event(seq: int) -> str:
    """Sort key of an event of a job."""
    return f"EVENT#{seq:08d}"


def event_origin(origin: str) -> str:
    """Sort key of the record that the event of a change is there."""
    return f"ORIGIN#{origin}"


def submission(submission_id: str) -> str:
    """Sort key of something sent to Batch."""
    return f"SUBMISSION#{submission_id}"


def job_reference(job_id: str) -> str:
    """Sort key, below the video, of one of its jobs."""
    return f"JOB#{job_id}"


def own_models(tenant: str) -> str:
    """The partition of the names of a tenant's own models."""
    return partition(tenant, "models")


def model_version(name: str, version: str = "") -> str:
    """Sort key of a version of a model; the prefix of all of a name without a version."""
    return f"VERSION#{name}#{version}"


def model_digest(sha256: str) -> str:
    """Sort key of what a canonical file is."""
    return f"DIGEST#{sha256}"


def model_alias(name: str, alias: str = "") -> str:
    """Sort key of an alias of a model; the prefix of all of a name without an alias."""
    return f"ALIAS#{name}#{alias}"


def result_version(pipeline: str, alias: str) -> str:
    """Sort key, below the video, of an alias for results of a pipeline."""
    return f"{RESULT_VERSION_PREFIX}{pipeline}#{alias}"


def pipeline_partition(tenant: str, name: str) -> str:
    """The partition of a pipeline; no id and no digest has a colon."""
    return partition(tenant, f"pipeline:{name}")


def pipeline_list(tenant: str) -> str:
    """Where the index `lists` has the names of a tenant's pipelines."""
    return partition(tenant, "pipelines")


def pipeline_version(version: int) -> str:
    """Sort key of a version of a pipeline."""
    return f"{PIPELINE_PREFIX}{version:06d}"


def run_reference(nominal_time: str) -> str:
    """Sort key, below the campaign, of the run of a nominal time; the prefix of all of them without one."""
    return f"RUN#{nominal_time}"


def target(video_id: str) -> str:
    """Sort key of a video of a run."""
    return f"{TARGET_PREFIX}{video_id}"


def model(name: str) -> str:
    """Sort key of a registered model."""
    return f"MODEL#{name}"


def side_step(kind: str, name: str) -> str:
    """Sort key of a side step; the prefix of all of a kind without a name."""
    return f"STEP#{kind}#{name}"


def parse_side_step(sk: str) -> tuple[str, str] | None:
    """(kind, name) of a side step's sort key, or None when it is one of something else."""
    parts = sk.split("#", 2)
    return (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "STEP" else None


def index_entry(segment_index: int) -> str:
    """Sort key of what the commit of a segment made readable."""
    return f"{INDEX_PREFIX}{segment_index:05d}"


def track_chunk(version: int, chunk: int) -> str:
    """Sort key of a chunk of one version of the job's tracks; version 0 is that of the finish."""
    return f"TRACKS#{version:04d}#{chunk:05d}"


def track_ids(version: int, segment_index: int, model_index: int, part: int = 0) -> str:
    """Sort key of the track ids of one model's rows in a segment."""
    return f"TRACKIDS#{version:04d}#{segment_index:05d}#{model_index:02d}" + (f"#{part:02d}" if part else "")


def track_tree(version: int) -> str:
    """The summary tree of one version's chunks of tracks."""
    return f"TRACKTREE#{version:04d}"


def tree_node(tree: str, level: int, number: int | None) -> str:
    """Sort key of a node of a summary tree; without a number: of its root, whose key is the tree's name."""
    return tree if number is None else f"{tree}#{level}#{number:05d}"


def prefixes_of_results(*, tracks_version: int) -> tuple[str, ...]:
    """Of the sort keys of all that a finished job has in table `results`, with one version of its tracks."""
    return (
        INDEX_PREFIX,
        f"TRACKIDS#{tracks_version:04d}#",
        f"TRACKS#{tracks_version:04d}#",
        track_tree(tracks_version),
        SEGMENT_TREE,
    )


def block_head(analysis: str, cell: int) -> str:
    """Sort key of a cell's first block."""
    return f"{analysis}#{cell:06d}"


def block_part(analysis: str, cell: int, sha256: str) -> str:
    """Sort key of a further block of a cell."""
    return f"{block_head(analysis, cell)}#{sha256[:32]}"


def content_reference(video_id: str) -> str:
    """Sort key, beside the blocks, of a video that has these bytes."""
    return f"REF#{video_id}"


def budget_key(tenant: str) -> Key:
    """Key of what a tenant set for its months."""
    return {"pk": partition(tenant, "budget"), "sk": BUDGET}


def ledger_key(tenant: str, month: str) -> Key:
    """Key of the ledger of a tenant's month, such as 2026-11."""
    return {"pk": partition(tenant, "budget"), "sk": f"LEDGER#{month}"}


def total_key(tenant: str, owner: str) -> Key:
    """Key of the ledger of a video or job. Not in its own partition: it outlives a deletion until it is settled."""
    return {"pk": partition(tenant, COSTS_PREFIX + owner), "sk": COSTS_TOTAL}


def reservation_key(tenant: str, owner: str, submission_id: str) -> Key:
    """Key of what one submission may cost."""
    return {"pk": partition(tenant, COSTS_PREFIX + owner), "sk": RESERVATION_PREFIX + submission_id}


def webhooks(tenant: str) -> str:
    """The partition of a tenant's webhooks, which are few."""
    return partition(tenant, "webhooks")


def webhook(webhook_id: str) -> str:
    """Sort key of a webhook."""
    return f"{WEBHOOK_PREFIX}{webhook_id}"


def pending(job_id: str) -> str:
    """Sort key, below the webhook, of what waits of a job."""
    return f"{PENDING_PREFIX}{job_id}"


def told(webhook_id: str) -> str:
    """Sort key, below the job, of what a webhook is told of it."""
    return f"TOLD#{webhook_id}"


def due_shard(pk: str) -> str:
    """The partition of the `due` index for an item; spread by the end of its id, which is random."""
    return f"due#{_shard(pk)}"


def webhook_due_shard(pk: str) -> str:
    """The same for the queue of a webhook: in partitions of their own, so that they never keep a job waiting."""
    return f"webhooks#{_shard(pk)}"


def _shard(pk: str) -> int:
    return sum(pk[-4:].encode()) % DUE_SHARDS
