"""The admission of an uploaded model as a unit of work: compile, try and store it, or refuse it with every reason.

The file is nobody's friend: what reads it are processes with limits (`gpu_batch/sandbox.py`), so that whatever it does
to them is a reason, and never the end of the worker.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.contracts import object_keys, outcomes, table_keys
from chalicelib.contracts.claims import UnitKey
from chalicelib.contracts.items import failure_to_map
from chalicelib.contracts.model_items import digest_to_item, manifest_of, place_to_item, trial_to_map
from chalicelib.contracts.work_order import WorkOrder
from chalicelib.domain.errors import ErrorCode
from chalicelib.domain.model_versions import MAX_MODEL_BYTES, Trial
from chalicelib.domain.models import Manifest, manifest_from_json
from chalicelib.domain.units import UnitKind, UnitState
from gpu_batch.aws import Claim, Cloud, Superseded
from gpu_batch.compiler.admission import RECIPE, REFUSAL, SOURCE
from gpu_batch.compiler.refusal import ModelRefused
from gpu_batch.compiler.trial import TRIAL_LIMITS, try_model
from gpu_batch.errors import BadInput
from gpu_batch.lease import Stop, holding
from gpu_batch.log import logger
from gpu_batch.sandbox import Limits, is_out_of_memory, needs_memory, run_limited

READ_BYTES = 8 << 20
MAX_REASONS = 50
MAX_REASON_CHARACTERS = 500
HINT = "Export the network again, or register it with another adapter or other options (docs/models.md)"
COMPILE_LIMITS = Limits(memory_bytes=3 << 30, cpu_seconds=120, wall_seconds=240, file_bytes=2 * MAX_MODEL_BYTES)
"""A container of the cpu lane has 4 GiB."""

Check = Callable[[], None]


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """What the two processes of an admission may use."""

    compile: Limits = COMPILE_LIMITS
    trial: Limits = TRIAL_LIMITS


USUAL_LIMITS = AdmissionLimits()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A model in canonical form."""

    manifest: Manifest
    content: bytes
    trial: Trial


def run_admission(
    cloud: Cloud, order: WorkOrder, *, claimed_by: str, stop: Stop, limits: AdmissionLimits = USUAL_LIMITS
) -> None:
    """Admit the model of an order, unless somebody else does or did.

    Raises:
        ModelRefused: the model was refused, and that is recorded.
    """
    key = UnitKey(order.pk, UnitKind.ADMIT)
    claim = cloud.claim(key, claimed_by=claimed_by, lease_seconds=order.lease_seconds)
    if claim is None:
        logger.info("admission is not to be had")
        return
    try:
        with holding(cloud, claim, order, stop) as check:
            admitted = _admit(cloud, order, limits, check)
            _check_is_new(cloud, order, admitted.manifest)
            cloud.put_object(object_keys.own_model_key(order.tenant, order.model_id), admitted.content)
            check()
    except ModelRefused as refusal:
        _record_refusal(cloud, order, claim, refusal)
        raise
    except BadInput as error:
        # The upload is gone, or was replaced after it was accepted.
        gone = ModelRefused("the upload", [error.failure.detail], code=error.failure.code)
        _record_refusal(cloud, order, claim, gone)
        raise gone from error
    _record_admission(cloud, order, claim, admitted)


def compile_upload(folder: Path, limits: Limits, check: Check) -> Manifest:
    """Compile the upload of `folder`, which becomes the folder of a model.

    Raises:
        ModelRefused: with every reason; MODEL_TIMEOUT or RESOURCE_LIMIT when it took more than its limits.
    """
    ended = run_limited("gpu_batch.compiler.admission", [], folder, limits, check)
    if ended.failure:
        raise ModelRefused("the network", [f"reading and compiling it {ended.failure}"], code=ended.code)
    if (folder / REFUSAL).exists():
        reasons = json.loads((folder / REFUSAL).read_text())["reasons"]
        if any(map(is_out_of_memory, reasons)):
            reason = f"running it once {needs_memory(limits)}"
            raise ModelRefused("the network", [reason, *reasons], code=ErrorCode.RESOURCE_LIMIT)
        raise ModelRefused("the network", reasons)
    return manifest_from_json(json.loads((folder / "manifest.json").read_text()))


def _admit(cloud: Cloud, order: WorkOrder, limits: AdmissionLimits, check: Check) -> Admitted:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _fetch(cloud, order, folder / SOURCE, check)
        (folder / RECIPE).write_text(json.dumps(order.parameters or {}))
        manifest = compile_upload(folder, limits.compile, check)
        report = try_model(folder, limits.trial, check)
        trial = Trial(report.cpu_ms_by_input, report.rss_of_model_mb)
        return Admitted(manifest, (folder / "model.onnx").read_bytes(), trial)


def _fetch(cloud: Cloud, order: WorkOrder, path: Path, check: Check) -> None:
    size = order.source.size_bytes
    if size > MAX_MODEL_BYTES:
        raise ModelRefused("the network", [f"a model must have at most {MAX_MODEL_BYTES} bytes but has {size}"])
    source = cloud.open_source(order.source)
    with path.open("wb") as file:
        for offset in range(0, size, READ_BYTES):
            file.write(source.read(offset, READ_BYTES))
            check()


def _check_is_new(cloud: Cloud, order: WorkOrder, manifest: Manifest) -> None:
    """A version that has the bytes of another would make it unclear which of them a digest means."""
    item = cloud.get(cloud.meta_table, table_keys.own_models(order.tenant), table_keys.model_digest(manifest.sha256))
    if item is None or item.get("removed_at") or item.get("model_id") == order.model_id:
        return
    other = manifest_of(item)
    same = f"{other.name}@{other.version}" if other else "another version"
    raise ModelRefused("the model", [f"it is {same}, byte for byte: move an alias instead of adding a version"])


def _record_admission(cloud: Cloud, order: WorkOrder, claim: Claim, admitted: Admitted) -> None:
    manifest = admitted.manifest
    place = place_to_item(order.tenant, manifest.name, manifest.version, order.model_id)
    digest = digest_to_item(place["pk"], manifest, datetime.now(UTC), order.model_id)
    ready = outcomes.model_admitted(cloud.meta_table, order.pk, place, digest, trial=trial_to_map(admitted.trial))
    try:
        cloud.end(claim, UnitState.DONE, more=ready)
    except Superseded:
        if cloud.get(cloud.meta_table, order.pk, table_keys.MODEL) is None:
            # Deleted meanwhile, before this file was there to be deleted.
            cloud.delete_object(object_keys.own_model_key(order.tenant, order.model_id))
        raise
    logger.info("model admitted", model=f"{manifest.name}@{manifest.version}", sha256=manifest.sha256)


def _record_refusal(cloud: Cloud, order: WorkOrder, claim: Claim, refusal: ModelRefused) -> None:
    reasons = [reason[:MAX_REASON_CHARACTERS] for reason in refusal.reasons[:MAX_REASONS]]
    failure = failure_to_map(refusal.failure) or {}
    count = "1 reason" if len(reasons) == 1 else f"{len(reasons)} reasons"
    failure |= {"detail": f"the model is refused for {count}: {'; '.join(reasons)}"[:2000], "hint": HINT}
    refused = outcomes.model_refused(cloud.meta_table, order.pk, failure=failure, reasons=reasons)
    cloud.end(claim, UnitState.FAILED, failure=failure, more=[refused])
