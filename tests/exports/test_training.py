"""COCO, YOLO and MOTChallenge: what training and evaluation tools make of them."""

from __future__ import annotations

import configparser
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from trackeval.datasets import MotChallenge2DBox

from gpu_batch.exports.coco import write_coco
from gpu_batch.exports.fiftyone import write_fiftyone
from gpu_batch.exports.mot import write_mot
from gpu_batch.exports.yolo import write_yolo
from tests.exports.job import FRAME_COUNT, HEIGHT, QUOTED, WIDTH, all_rows, some_facts, some_frames, written

STEM = "Straße___co"


@pytest.fixture
def coco(tmp_path: Path) -> COCO:
    path = tmp_path / "job.json"
    path.write_bytes(written(write_coco))
    return COCO(str(path))


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_pycocotools_finds_every_box_on_its_image(coco: COCO) -> None:
    found = [
        (coco.imgs[annotation["image_id"]]["pts"], annotation["bbox"], coco.cats[annotation["category_id"]]["name"])
        for annotation in coco.loadAnns(coco.getAnnIds())
    ]
    boxes = [(frame.pts, row.box, row.label) for frame, row in all_rows()]
    assert found == [(pts, [x1, y1, x2 - x1, y2 - y1], label) for pts, (x1, y1, x2, y2), label in boxes]


def test_only_sampled_frames_are_images_and_each_says_which_frame_it_is(coco: COCO) -> None:
    images = coco.loadImgs(coco.getImgIds())
    assert [image["frame_index"] for image in images] == [0, 2, 5, 6, 9, 10]
    assert images[1]["file_name"] == f"{STEM}_000002.jpg"


def test_ids_are_unique_and_point_at_what_there_is(coco: COCO) -> None:
    annotations = coco.dataset["annotations"]
    assert len({annotation["id"] for annotation in annotations}) == len(annotations) == len(coco.anns)
    tracks = {track["id"]: track["category_id"] for track in coco.dataset["tracks"]}
    assert list(tracks) == [1, 2, 4]
    assert all(tracks[a["track_id"]] == a["category_id"] for a in annotations if "track_id" in a)
    assert {image["video_id"] for image in coco.dataset["images"]} == {video["id"] for video in coco.dataset["videos"]}


def test_areas_and_crowds_are_as_coco_wants_them(coco: COCO) -> None:
    for annotation in coco.dataset["annotations"]:
        _, _, width, height = annotation["bbox"]
        assert (annotation["area"], annotation["iscrowd"]) == (width * height, 0)


def test_a_label_of_two_models_is_one_category(coco: COCO) -> None:
    names = [category["name"] for category in coco.dataset["categories"]]
    assert names == ["person", QUOTED, "left --> right", "犬"]


def test_coco_of_a_job_without_a_frame_is_readable() -> None:
    form = json.loads(written(write_coco, frames=[]))
    assert (form["images"], form["annotations"], form["tracks"]) == ([], [], [])


def test_yolo_has_a_file_for_every_sampled_frame_and_an_empty_one_for_an_empty_frame() -> None:
    files = unzipped(written(write_yolo))
    labels = {name: content for name, content in files.items() if name.startswith("labels/")}
    assert list(labels) == [f"labels/{STEM}_{number:06d}.txt" for number in (0, 2, 5, 6, 9, 10)]
    assert labels[f"labels/{STEM}_000005.txt"] == b""


def test_yolo_boxes_come_back_to_the_sixteenth_of_a_pixel() -> None:
    files = unzipped(written(write_yolo))
    names = files["classes.txt"].decode().splitlines()
    lines = [
        line.split()
        for name, content in files.items()
        if name.startswith("labels/")
        for line in content.decode().splitlines()
    ]
    for (_, row), (number, *parts) in zip(all_rows(), lines, strict=True):
        x, y, width, height = np.array(list(map(float, parts))) * [WIDTH, HEIGHT, WIDTH, HEIGHT]
        corners = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
        assert tuple(np.round(corners * 16).astype(int)) == row.box_units
        assert names[int(number)] == row.label.replace("\r", " ").replace("\n", " ")
        assert all(0 <= float(part) <= 1 for part in parts)


def test_yolo_names_its_classes_in_yaml_whatever_they_are() -> None:
    lines = unzipped(written(write_yolo))["data.yaml"].decode().splitlines()
    names = dict(line.strip().split(": ", 1) for line in lines[lines.index("names:") + 1 :])
    assert [json.loads(name) for name in names.values()] == list(some_facts().categories)
    assert list(names) == ["0", "1", "2", "3"]


def test_yolo_lists_the_time_of_every_file() -> None:
    listed = unzipped(written(write_yolo))["frames.csv"].decode().splitlines()
    assert listed[2] == f"{STEM}_000002,2,533,0.533"
    assert len(listed) == 7


def mot_dataset(folder: Path) -> Any:
    """trackeval's own loader, on our tracks as truth and as result."""
    files = unzipped(written(write_mot))
    for place in ("gt/all-x", "trackers/all-x/reelscan/data"):
        (folder / place).mkdir(parents=True)
    (folder / f"gt/all-x/{STEM}/gt").mkdir(parents=True)
    (folder / f"gt/all-x/{STEM}/seqinfo.ini").write_bytes(files[f"{STEM}/seqinfo.ini"])
    # A ground truth has a class and a visibility where a result has -1.
    truth = files[f"{STEM}.txt"].decode().replace(",-1,-1,-1", ",1,1")
    (folder / f"gt/all-x/{STEM}/gt/gt.txt").write_text(truth)
    (folder / f"trackers/all-x/reelscan/data/{STEM}.txt").write_bytes(files[f"{STEM}.txt"])
    return MotChallenge2DBox(
        {
            "GT_FOLDER": str(folder / "gt"),
            "TRACKERS_FOLDER": str(folder / "trackers"),
            "BENCHMARK": "all",
            "SPLIT_TO_EVAL": "x",
            "SEQ_INFO": {STEM: None},
            "DO_PREPROC": False,
            "PRINT_CONFIG": False,
        }
    )


def test_trackeval_reads_every_track_on_its_frame(tmp_path: Path) -> None:
    raw = mot_dataset(tmp_path).get_raw_seq_data("reelscan", STEM)
    assert raw["num_timesteps"] == FRAME_COUNT
    tracked = [(frame, row) for frame, row in all_rows() if row.track_id is not None]
    found = [
        (timestep, track, tuple(box), score)
        for timestep in range(FRAME_COUNT)
        for track, box, score in zip(
            raw["tracker_ids"][timestep],
            raw["tracker_dets"][timestep],
            raw["tracker_confidences"][timestep],
            strict=True,
        )
    ]
    boxes = [
        (frame.frame_index, row.track_id, (x1, y1, x2 - x1, y2 - y1), row.score)
        for frame, row in tracked
        for x1, y1, x2, y2 in [row.box]
    ]
    # In a frame by id, not by score.
    assert found == sorted(boxes)


def test_mot_states_the_sequence() -> None:
    info = configparser.ConfigParser()
    info.read_string(unzipped(written(write_mot))[f"{STEM}/seqinfo.ini"].decode())
    assert info["Sequence"]["seqLength"] == str(FRAME_COUNT)
    assert (info["Sequence"]["imWidth"], info["Sequence"]["imHeight"]) == (str(WIDTH), str(HEIGHT))


def test_mot_of_a_video_called_readme_keeps_both_files_apart() -> None:
    files = unzipped(written(write_mot, some_facts(filename="ReadMe.mp4")))
    assert sorted(files) == ["README.txt", "ReadMe_video.txt", "ReadMe_video/seqinfo.ini", "tracks.csv"]
    assert b"name=ReadMe_video\n" in files["ReadMe_video/seqinfo.ini"]


@pytest.mark.parametrize(
    ("filename", "name"),
    [("a.b/c.mp4", "c.mp4"), ("a.b/../c", "c"), ("c.m/p\n4", "p_4"), ("c.m\np4", "c.m_p4"), ("c.", "c")],
)
def test_fiftyone_names_the_video_by_a_name_and_no_path(filename: str, name: str) -> None:
    manifest = json.loads(unzipped(written(write_fiftyone, some_facts(filename=filename)))["manifest.json"])
    assert manifest["index"][0]["data"] == f"data/{name}"


def test_mot_says_what_each_track_is() -> None:
    listed = unzipped(written(write_mot))["tracks.csv"].decode()
    assert listed.splitlines()[:2] == ["track_id,model,label", "1,near,person"]


def test_a_frame_without_a_number_is_refused_rather_than_guessed() -> None:
    frames = [some_frames()[0]._replace(frame_index=None)]
    for writer in (write_coco, write_yolo, write_mot):
        with pytest.raises(ValueError, match="must have a number"):
            written(writer, frames=frames)


def test_every_archive_states_what_it_is() -> None:
    for writer in (write_yolo, write_mot):
        text = unzipped(written(writer))["README.txt"].decode()
        assert '"timebase": "1/1000"' in text
        assert '"index_base"' in text
