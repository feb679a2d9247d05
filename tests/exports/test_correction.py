"""CVAT, Label Studio and FiftyOne: what an annotation tool shows on every frame.

The tools themselves are too large to be installed here: each is played by a few lines that follow its published rules
(docs/exports.md says which files were also opened with the tools' own readers).
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest

from gpu_batch.exports.cvat import write_cvat
from gpu_batch.exports.facts import ExportFrame, ExportRow, Writer
from gpu_batch.exports.fiftyone import write_fiftyone
from gpu_batch.exports.label_studio import write_label_studio
from tests.exports.job import ARROW, FRAME_COUNT, HEIGHT, QUOTED, WIDTH, some_facts, some_frames, written

Shown = set[tuple[str, tuple[float, ...]]]
"""Label and box in sixteenths of a pixel, of everything that a tool shows on a frame."""

EXPECTED: dict[int, Shown] = {
    frame.frame_index: {(row.label, row.box_units) for row in frame.rows}
    for frame in some_frames()
    if frame.frame_index is not None
}


def cvat_tracks(content: bytes) -> list[ElementTree.Element]:
    return ElementTree.fromstring(content).findall("track")


def cvat_shows(content: bytes, frame: int) -> Shown:
    """By CVAT's rule: the last keyframe at or before a frame holds, unless it is outside; only keyframes are exact."""
    shown = set()
    for track in cvat_tracks(content):
        before = [box for box in track.findall("box") if int(box.get("frame", "")) <= frame]
        if before and before[-1].get("outside") == "0":
            corners = tuple(float(before[-1].get(side, "")) * 16 for side in ("xtl", "ytl", "xbr", "ybr"))
            shown.add((track.get("label", ""), corners))
    return shown


@pytest.mark.parametrize("frame", EXPECTED)
def test_cvat_shows_the_boxes_of_every_sampled_frame_and_no_others(frame: int) -> None:
    assert cvat_shows(written(write_cvat), frame) == EXPECTED[frame]


def test_cvat_shows_nothing_after_the_last_sample() -> None:
    assert cvat_shows(written(write_cvat), FRAME_COUNT - 1) == set()


def test_a_track_that_lasts_to_the_last_frame_is_not_closed_behind_the_end() -> None:
    content = written(write_cvat, some_facts(frame_count=11))
    frames = [int(box.get("frame", "")) for track in cvat_tracks(content) for box in track.findall("box")]
    assert max(frames) == 10


def test_the_frames_of_a_cvat_track_rise_and_every_run_is_closed() -> None:
    (walker,) = [track for track in cvat_tracks(written(write_cvat)) if track.get("id") == "1"]
    boxes = [(int(box.get("frame", "")), box.get("outside")) for box in walker.findall("box")]
    assert boxes == [(0, "0"), (2, "0"), (5, "1"), (6, "0"), (9, "0"), (10, "1")]


def test_cvat_tracks_have_ids_of_their_own() -> None:
    ids = [int(track.get("id", "")) for track in cvat_tracks(written(write_cvat))]
    assert ids == [1, 2, 4, 5, 6]


def test_cvat_knows_every_label_and_attribute_that_boxes_have() -> None:
    root = ElementTree.fromstring(written(write_cvat))
    labels = {label.findtext("name", "") for label in root.iter("label")}
    assert labels == set(some_facts().categories)
    declared = {name.text for label in root.iter("label") for name in label.iterfind("attributes/attribute/name")}
    assert {attribute.get("name") for attribute in root.iterfind("track/box/attribute")} <= declared
    scores = [attribute.text for attribute in root.iterfind("track[@id='1']/box/attribute[@name='score']")]
    assert scores[:2] == ["0.9123", "0.8765"]


def test_cvat_states_size_and_job() -> None:
    content = written(write_cvat)
    task = ElementTree.fromstring(content).find("meta/task")
    assert task is not None
    assert (task.findtext("size"), task.findtext("stop_frame")) == (str(FRAME_COUNT), str(FRAME_COUNT - 1))
    assert task.findtext("original_size/width") == str(WIDTH)
    comment = content[content.index(b"<!--") + 4 : content.index(b"-->")]
    assert json.loads(comment)["job_id"] == "job_1"


def test_dashes_in_the_statement_do_not_end_its_comment() -> None:
    content = written(write_cvat, some_facts(filename="a--b-->c.mp4"))
    comment = content[content.index(b"<!--") + 4 : content.index(b"-->")]
    assert json.loads(comment)["video"]["filename"] == "a--b-->c.mp4"
    ElementTree.fromstring(content)


def test_what_xml_cannot_hold_is_replaced() -> None:
    content = written(write_cvat, some_facts(filename="bell\x07.mp4"))
    assert ElementTree.fromstring(content).findtext("meta/task/source") == "bell�.mp4"


def label_studio_task(content: bytes) -> Any:
    (task,) = json.loads(content)
    return task


def label_studio_shows(content: bytes, frame: int) -> Shown:
    """By Label Studio's rule: the last keyframe holds; one that is not enabled, on its own frame only."""
    shown = set()
    for region in label_studio_task(content)["predictions"][0]["result"]:
        before = [key for key in region["value"]["sequence"] if key["frame"] <= frame]
        if before and (before[-1]["enabled"] or before[-1]["frame"] == frame):
            key = before[-1]
            x, y = key["x"] * WIDTH / 100, key["y"] * HEIGHT / 100
            corners = (x, y, x + key["width"] * WIDTH / 100, y + key["height"] * HEIGHT / 100)
            shown.add((region["value"]["labels"][0], tuple(round(side * 16) for side in corners)))
    return shown


@pytest.mark.parametrize("frame", EXPECTED)
def test_label_studio_shows_the_boxes_of_every_sampled_frame_and_no_others(frame: int) -> None:
    # It counts frames from 1.
    assert label_studio_shows(written(write_label_studio), frame + 1) == EXPECTED[frame]


def test_label_studio_shows_nothing_in_a_gap() -> None:
    assert label_studio_shows(written(write_label_studio), 4) == set()


def test_label_studio_regions_say_what_they_are_of() -> None:
    task = label_studio_task(written(write_label_studio))
    first = task["predictions"][0]["result"][0]
    assert (first["id"], first["type"], first["score"]) == ("track_1", "videorectangle", 0.9123)
    assert (first["value"]["framesCount"], first["value"]["labels"]) == (FRAME_COUNT, ["person"])
    assert [key["time"] for key in first["value"]["sequence"]] == [0, 0.533, 1.501, 3661.001]
    assert task["data"]["reelscan"]["statement"]["index_base"] == 1


def test_the_labelling_configuration_fits_the_regions() -> None:
    task = label_studio_task(written(write_label_studio))
    config = ElementTree.fromstring(task["data"]["reelscan"]["labelling_config"])
    names = {element.get("name"): element.get("toName") for element in config}
    assert all(names[region["from_name"]] == region["to_name"] for region in task["predictions"][0]["result"])
    assert [label.get("value") for label in config.iter("Label")] == list(some_facts().categories)


def fiftyone_files(content: bytes) -> dict[str, Any]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist() if name.endswith(".json")}


def test_fiftyone_has_every_sampled_frame_from_1_on_with_relative_boxes() -> None:
    files = fiftyone_files(written(write_fiftyone))
    (record,) = files["manifest.json"]["index"]
    frames = files[record["labels"]]["frames"]
    found = {}
    for number, frame in frames.items():
        assert frame["frame_number"] == int(number)
        shown = set()
        for item in frame["objects"]["objects"]:
            first, last = item["bounding_box"]["top_left"], item["bounding_box"]["bottom_right"]
            corners = (first["x"] * WIDTH, first["y"] * HEIGHT, last["x"] * WIDTH, last["y"] * HEIGHT)
            shown.add((item["label"], tuple(round(side * 16) for side in corners)))
        found[int(number) - 1] = shown
    assert found == EXPECTED


def test_fiftyone_keeps_scores_and_tracks() -> None:
    files = fiftyone_files(written(write_fiftyone))
    _, labels = files.values()
    first, second = labels["frames"]["1"]["objects"]["objects"]
    assert (first["confidence"], first["index"], "index" in second) == (0.9123, 1, False)
    assert json.loads(files["manifest.json"]["description"])["job_id"] == "job_1"


@pytest.mark.parametrize("writer", [write_cvat, write_label_studio, write_fiftyone])
def test_a_job_without_a_detection_is_readable(writer: Writer) -> None:
    content = written(writer, frames=[])
    if writer is write_cvat:
        assert cvat_tracks(content) == []
    elif writer is write_label_studio:
        assert label_studio_task(content)["predictions"][0]["result"] == []
    else:
        assert next(form for name, form in fiftyone_files(content).items() if "labels/" in name) == {"frames": {}}


def test_labels_are_kept_whatever_is_in_them() -> None:
    frames = [ExportFrame(0, 0, 0, 0, tuple(ExportRow(0, label, 1, (1, 2, 3, 4), None) for label in (QUOTED, ARROW)))]
    tracks = cvat_tracks(written(write_cvat, frames=frames))
    regions = label_studio_task(written(write_label_studio, frames=frames))["predictions"][0]["result"]
    assert [track.get("label") for track in tracks] == [QUOTED, ARROW]
    assert [region["value"]["labels"] for region in regions] == [[QUOTED], [ARROW]]
