"""The loops that others write, with their defaults: OpenCV and onnxruntime, supervision, ultralytics.

They run in an environment of their own and import nothing of the product. All of them run the very ONNX file that the
worker runs beside them: a model in canonical form (`frames` uint8 [N, H, W, 3] RGB in; boxes, scores and labels out),
which spares them the conversion to float and the decoding and suppression of raw heads. Only ultralytics, which knows
no other layout, gets the raw export that the worker's file was made from.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bench.clock import Clock, Done, Variant

READ_AHEAD = 32
"""Frames that the reader thread of a threaded loop may be ahead."""
WARM_UP_FRAMES = 5


def opencv_serial(clock: Clock, *, clip: str, model: str) -> Done:
    """`VideoCapture.read`, resize, `InferenceSession.run`, one after the other."""
    detector = _Detector(Path(model))
    with clock:
        count = _count(detector.detect(picture) for picture in _read_all(clip))
    return Done(count)


def opencv_threaded(clock: Clock, *, clip: str, model: str) -> Done:
    """A thread reads ahead, the main thread infers: the shape of `sv.process_video` and of roboflow's pipeline."""
    detector = _Detector(Path(model))
    with clock:
        count = _count(detector.detect(picture) for picture in _ahead(_read_all(clip)))
    return Done(count)


def supervision_frames(clock: Clock, *, clip: str, model: str) -> Done:
    """The frames generator of supervision, onnxruntime, and `sv.Detections`."""
    import supervision as sv

    detector = _Detector(Path(model))

    def detections(picture: Any) -> object:
        boxes, scores, labels = detector.detect(picture)
        return sv.Detections(xyxy=boxes, confidence=scores, class_id=labels)

    with clock:
        count = _count(detections(picture) for picture in sv.get_video_frames_generator(clip))
    return Done(count, {"supervision": sv.__version__})


def ultralytics_predict(clock: Clock, *, clip: str, model: str) -> Done:
    """`YOLO(…).predict(stream=True)` on the raw export; the first frames load the model and are not counted."""
    os.environ.update(
        YOLO_OFFLINE="true", YOLO_VERBOSE="false", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(Path(model).parent)
    )
    import ultralytics

    options = {"imgsz": (384, 640), "conf": 0.25, "device": "cpu", "rect": True, "verbose": False}
    results = ultralytics.YOLO(model, task="detect").predict(source=clip, stream=True, **options)
    for _ in range(WARM_UP_FRAMES):
        next(results)
    with clock:
        count = _count(results)
    return Done(count, {"ultralytics": ultralytics.__version__})


def ultralytics_shape(clock: Clock, *, clip: str, model: str) -> Done:
    """What `predict(stream=True)` does, by hand, where the package is not installed: serial, raw export."""
    import cv2
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    session.run(None, {"images": np.zeros((1, 3, 384, 640), np.float32)})

    def detect(picture: Any) -> object:
        sized = cv2.resize(picture, (640, 360))
        padded = cv2.copyMakeBorder(sized, 12, 12, 0, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114))
        planes = np.ascontiguousarray(padded[None, ..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32) / 255
        (heads,) = session.run(None, {"images": planes})
        best = heads[0][4:].max(0)
        hits = best > 0.25
        boxes = heads[0][:4, hits].T
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), best[hits].tolist(), 0.25, 0.7) if hits.any() else ()
        return boxes[list(kept)]

    with clock:
        count = _count(detect(picture) for picture in _read_all(clip))
    return Done(count)


def opencv_stride(clock: Clock, *, clip: str, stride: str) -> Done:
    """`grab()` every frame, `retrieve()` each `stride`-th: what supervision and ultralytics do to skip frames."""
    import cv2

    count = kept = 0
    with clock:
        capture = cv2.VideoCapture(clip)
        while capture.grab():
            if count % int(stride) == 0:
                kept += bool(capture.retrieve()[0])
            count += 1
    return Done(count, {"kept": kept})


def opencv_convert(clock: Clock, *, clip: str, width: str, height: str) -> Done:
    """Decode to full-size BGR, resize, RGB: what measure 4 costs with OpenCV, all its threads off."""
    import cv2

    cv2.setNumThreads(1)
    with clock:
        count = _count(
            cv2.cvtColor(cv2.resize(picture, (int(width), int(height))), cv2.COLOR_BGR2RGB)
            for picture in _read_all(clip)
        )
    return Done(count)


def export_yolov8n(clock: Clock, *, target: str) -> Done:
    """Write the yolov8n architecture with random weights as a raw export: `images` float32 [1, 3, 384, 640]."""
    os.environ.update(
        YOLO_OFFLINE="true", YOLO_VERBOSE="false", YOLO_AUTOINSTALL="false", YOLO_CONFIG_DIR=str(Path(target).parent)
    )
    import torch
    import ultralytics

    torch.manual_seed(1)
    network = ultralytics.YOLO("yolov8n.yaml").model.eval().fuse()
    network.model[-1].export = True
    network.model[-1].format = "onnx"
    with clock:
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 384, 640),),
            target,
            input_names=["images"],
            output_names=["output0"],
            opset_version=17,
            dynamo=False,
        )
    return Done(1)


def _keep_ultralytics_quiet(settings: Path) -> None:
    """No network, no installing, no words, and its settings in a folder of ours; before it is imported."""
    os.environ.update(YOLO_OFFLINE="true", YOLO_VERBOSE="false", YOLO_AUTOINSTALL="false")
    os.environ["YOLO_CONFIG_DIR"] = str(settings)


class _Detector:
    """onnxruntime with its defaults, and the pre- and post-processing of a plain loop."""

    def __init__(self, folder: Path) -> None:
        import onnxruntime

        self._manifest = json.loads((folder / "manifest.json").read_text())
        self._session = onnxruntime.InferenceSession(
            (folder / "model.onnx").read_bytes(), providers=["CPUExecutionProvider"]
        )
        # As the worker does: one run to warm up, before the clock starts.
        self.detect(np.zeros((1080, 1920, 3), np.uint8))

    def detect(self, picture: Any) -> tuple[Any, Any, Any]:
        """Boxes (n, 4) xyxy in pixels of the picture, scores (n,), labels (n,); `picture` uint8 (H, W, 3) BGR."""
        import cv2

        height, width = picture.shape[:2]
        content_w, content_h, input_w, input_h = self._sizes(width, height)
        sized = cv2.cvtColor(cv2.resize(picture, (content_w, content_h)), cv2.COLOR_BGR2RGB)
        if (content_w, content_h) != (input_w, input_h):
            sized = cv2.copyMakeBorder(
                sized, 0, input_h - content_h, 0, input_w - content_w, cv2.BORDER_CONSTANT, value=(0, 0, 0)
            )
        boxes, scores, labels = self._session.run(["boxes", "scores", "labels"], {"frames": sized[None]})
        hits = scores[0] > 0
        scale = np.array([width / content_w, height / content_h] * 2, np.float32)
        return boxes[0][hits] * scale, scores[0][hits], labels[0][hits]

    def _sizes(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Width and height of the content, then of the input; for the two policies, and videos that are not tall."""
        wanted = self._manifest["input"]
        if wanted["policy"] == "stretch":
            return wanted["width"], wanted["height"], wanted["width"], wanted["height"]
        content_h = round(height * wanted["width"] / width)
        multiple = wanted["multiple"]
        input_h = wanted["height"] if isinstance(wanted["height"], int) else -(-content_h // multiple) * multiple
        return wanted["width"], content_h, wanted["width"], input_h


def _read_all(clip: str) -> Iterator[Any]:
    import cv2

    capture = cv2.VideoCapture(clip)
    while True:
        is_read, picture = capture.read()
        if not is_read:
            return
        yield picture


def _ahead(pictures: Iterator[Any]) -> Iterator[Any]:
    """The same pictures, read by a thread."""
    waiting: queue.Queue[Any] = queue.Queue(READ_AHEAD)

    def read() -> None:
        for picture in pictures:
            waiting.put(picture)
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (picture := waiting.get()) is not None:
        yield picture


def _count(things: Iterable[object]) -> int:
    return sum(1 for _ in things)


VARIANTS: Mapping[str, Variant] = {
    "opencv_serial": opencv_serial,
    "opencv_threaded": opencv_threaded,
    "supervision_frames": supervision_frames,
    "ultralytics_predict": ultralytics_predict,
    "ultralytics_shape": ultralytics_shape,
    "opencv_stride": opencv_stride,
    "opencv_convert": opencv_convert,
    "export_yolov8n": export_yolov8n,
}
