"""The same blocks give the same tracks, trees and summary, byte for byte, as long as `FINISH_VERSION` stays.

Jobs with the same recipe take each other's results over, whichever release made them: who changes what a finish makes
of blocks must count the version up, and adds a golden file and a digest here. Those of older versions are never written
anew. `python -m tests.worker.test_finish_golden` writes the file of this version.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.contracts import table_keys
from chalicelib.contracts.blocks import make_ref, pack_block
from chalicelib.contracts.cell_results import CellResult, DamagedRange
from chalicelib.contracts.job_index import IndexEntry
from chalicelib.contracts.recipes import FINISH_VERSION
from chalicelib.contracts.tracks import unpack_tracks
from chalicelib.contracts.work_order import OrderedModel, WorkOrder
from chalicelib.domain.sampling import Sampling, SamplingKind
from chalicelib.domain.tracking import TrackingParameters
from chalicelib.domain.units import UnitKind
from tests.contracts.block_makers import FrameOf, Row, make_block
from tests.models.makers import a_classifier_manifest, a_manifest
from tests.worker.memory_cloud import MemoryCloud
from tests.worker.test_finish import FAILURE, FRAMES, TIMEBASE, an_order, finish, outcome_of

DIGEST_BY_VERSION: Mapping[int, str] = {
    1: "ceebcf63b0cc2071dd844cdb9578b5d48f0d7ebd06126964953bac5583603461",
}
"""Of the golden files. One is added for a new version; none is ever changed."""

SEGMENTS = 24
"""Of five frames each; the fold writes a checkpoint on the way."""
LABELS = ("cat", "dog", "person")
MODELS = (
    a_manifest(name="tiny", labels=LABELS, score_floor=0.1, score_default=0.4),
    a_manifest(b"other", name="other", labels=LABELS, score_floor=0.1, score_default=0.5),
    a_classifier_manifest(labels=LABELS),
)
DAMAGED, FAILED = 9, 17


def orders() -> dict[str, WorkOrder]:
    """By what is special about them."""
    models = tuple(OrderedModel(model.name, "model", model.to_json()) for model in MODELS)
    plain = an_order(SEGMENTS, models=models)
    told = TrackingParameters(score_high=0.3, lost_seconds=0.2, iou_min=0.4, confirm_hits=2, labels=("dog", "person"))
    keyframes = Sampling(SamplingKind.KEYFRAMES, 1 / (10 * TIMEBASE), TIMEBASE)
    return {
        "plain": plain,
        "view": replace(plain, score_min=0.7, labels=("person",)),
        "tracker": replace(plain, parameters={"tracking": told.to_json()}),
        "untracked": replace(plain, tracking=False, sampling=keyframes.to_json()),
    }


def rows_at(frame: int, model: int) -> list[Row]:
    """What a model sees: two who cross, one who waits behind things, one who is hardly seen, now and then a stray."""
    shake = frame * 7919 % 5 - 2 + model
    seen: list[Row] = [
        (2, 9000 - 37 * (frame % 11), 400 + frame * 56 + shake, 1600, 1360 + frame * 56, 4000 + shake),
        (2, 8200 - 53 * (frame % 7), 7600 - frame * 48, 1640 + shake, 8560 - frame * 48 + shake, 4080),
    ]
    if frame % 40 < 22:
        seen.append((1, 6000 + 31 * (frame % 13), 8800 + shake, 2400, 9600, 3000 + shake))
    if frame % 3:
        seen.append((1, 1500 + 11 * (frame % 29), 3200, 200 + frame * 16, 3600 + shake, 700 + frame * 16))
    if frame % 17 == 5:
        seen.append((0, 4500, frame * 80, 100, frame * 80 + 300, 400))
    return sorted(seen, key=lambda row: (-row[1], LABELS[row[0]], row[2:]))


def frames_of(segment: int, model: int) -> list[FrameOf]:
    """As a worker found them; of a classifier, labels of the whole frame."""
    numbers = range(segment * FRAMES, (segment + 1) * FRAMES)
    if MODELS[model].name == "colours":
        whole = (0, 0, 10_240, 5_760)
        return [
            (n, 0, n % FRAMES, 0, [(n // 30 % 3, 7000 + n, *whole), ((n // 30 + 1) % 3, 900, *whole)]) for n in numbers
        ]
    return [(n, 0, n % FRAMES, 0, rows_at(n, model)) for n in numbers]


def a_cloud() -> MemoryCloud:
    """A job whose segments are committed, but for one that failed; one is damaged in the file."""
    cloud = MemoryCloud()
    cloud.open_unit("acme#job_1", UnitKind.FINISH)
    for index in range(SEGMENTS):
        unit = {"pk": "acme#job_1", "sk": table_keys.segment(index), "state": "DONE", "frames_inferred": FRAMES}
        cells = []
        for model in range(len(MODELS)):
            if index == DAMAGED:
                gap = DamagedRange(index * FRAMES, (index + 1) * FRAMES, "a frame could not be decoded")
                cells.append((CellResult(index, FRAMES, 0, (gap,), ()),))
                continue
            block = make_block(TIMEBASE, LABELS, frames_of(index, model))
            body, sk = pack_block(block), table_keys.block_head(f"{model:032}", index)
            pk = table_keys.partition("acme", "digest")
            cloud.put_many("results", [{"pk": pk, "sk": sk, "kind": "BLOCK", "body": body}])
            cells.append((CellResult(index, FRAMES, FRAMES, (), (make_ref(block, body, sk),)),))
        entry = IndexEntry(index, index * FRAMES, (index + 1) * FRAMES, FRAMES, tuple(cells))
        if index == FAILED:
            unit |= {"state": "FAILED", "failure": FAILURE}
        else:
            cloud.put_many("results", [entry.to_item("acme", "job_1")])
        cloud.put_many("meta", [unit])
    return cloud


def result_of(order: WorkOrder) -> dict[str, Any]:
    """Everything that the finish makes of the blocks: tracks to be read, the rest as it lies there, unpacked."""
    cloud = a_cloud()
    finish(cloud, order)
    outcome = outcome_of(cloud)
    return {
        "state": outcome["state"],
        "summary": outcome["summary"],
        "missing": outcome["missing"],
        "written": dict(sorted(_written(cloud))),
    }


def _written(cloud: MemoryCloud) -> Iterator[tuple[str, Any]]:
    for (pk, sk), item in cloud.tables["results"].items():
        if pk == "acme#job_1" and "INDEX" not in sk:
            is_tracks = item["kind"] == "TRACKS"
            yield sk, [list(track) for track in unpack_tracks(item["body"])] if is_tracks else _hex(item["body"])


def _hex(body: bytes) -> str:
    """Unpacked: another version of zlib may choose other bytes for the same content."""
    return zlib.decompress(body).hex()


def golden_text() -> str:
    """The golden file as this code would write it."""
    results = {name: result_of(order) for name, order in orders().items()}
    return json.dumps(results, indent=1, sort_keys=True) + "\n"


def golden_path(version: int) -> Path:
    return Path(__file__).parent / "golden" / f"finish_{version}.json"


@pytest.mark.parametrize("name", sorted(orders()))
def test_the_same_blocks_give_what_they_gave_when_this_version_was_new(name: str) -> None:
    golden = json.loads(golden_path(FINISH_VERSION).read_text())
    why = f"the finish makes something else of the same blocks: FINISH_VERSION must be more than {FINISH_VERSION}"
    assert json.loads(json.dumps(result_of(orders()[name]))) == golden[name], why


def test_the_golden_file_of_every_version_is_as_it_was() -> None:
    found = {
        version: hashlib.sha256(golden_path(version).read_bytes()).hexdigest()
        for version in range(1, FINISH_VERSION + 1)
    }
    assert found == DIGEST_BY_VERSION


def test_every_version_makes_something_else() -> None:
    assert len(set(DIGEST_BY_VERSION.values())) == len(DIGEST_BY_VERSION)


def test_the_golden_job_has_what_a_finish_can_meet() -> None:
    golden = json.loads(golden_path(FINISH_VERSION).read_text())
    tracks = {
        name: [row for sk, rows in found["written"].items() if sk.startswith("TRACKS#") for row in rows]
        for name, found in golden.items()
    }
    assert {track[1] for track in tracks["plain"]} == {"tiny", "other"}
    assert {track[2] for track in tracks["plain"]} == {"dog", "person"}
    assert {track[2] for track in tracks["view"]} == {"person"}
    assert tracks["tracker"] != tracks["plain"]
    assert tracks["untracked"] == []
    assert [gap["failure"]["code"] for gap in golden["plain"]["missing"]] == ["DAMAGED_RANGES", FAILURE["code"]]


if __name__ == "__main__":
    golden_path(FINISH_VERSION).write_text(golden_text())
