"""Static int8 quantisation of a canonical detector, judged against its fp32 form on frames that it was not made with.

Only the convolutional network is quantised: convolutions, and what lies between two of them. What comes before
(pixels) and after (decoding of boxes, suppression) stays as it is: it costs little, and eight bits are too few for it.
The convolutions that lose most stay in fp32 too: as many as it takes for the loss on the frames of the calibration to
be half of what is allowed; the loss that is reported and refused is that on the other frames.

Weights have seven bits: products of eight overflow the 16-bit sums of processors without VNNI, which would find
something else than those with it. Source: onnxruntime, "Quantize ONNX models", on reduce_range.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from chalicelib.domain.models import Manifest
from gpu_batch.compiler.accuracy import Agreement, Found, as_found, compare_found
from gpu_batch.compiler.model_folder import digest_of, write_model_folder
from gpu_batch.compiler.refusal import ModelRefused
from gpu_batch.compiler.sample_frames import Clip, SampleFrame, read_clips
from gpu_batch.compiler.trial import try_model
from gpu_batch.models.detect import to_rows
from gpu_batch.models.loader import Model, load, load_folder

INT8_OPS = ("Add", "Clip", "Conv", "Relu")
"""What onnxruntime computes in int8, or joins to a convolution that it does."""
KEPT_COUNTS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24)
"""How many convolutions are tried to be kept in fp32; never more than half of them."""
RANKING_FRAMES = 3
"""Of each video: what the convolutions are ranked on, each quantised alone."""
_TIMED_RUNS = 15


@dataclass(frozen=True, slots=True)
class ClipReport:
    """How a video's frames fared."""

    video: str
    frames: int
    agreement: Agreement
    """Of all int8 rows with the fp32 rows of the model's default score or a better one."""
    cpu_ms_fp32: float
    """Median CPU milliseconds of a run, on one thread."""
    cpu_ms_int8: float


@dataclass(frozen=True, slots=True)
class QuantizationReport:
    """What was done, and what it cost and brought."""

    calibrated_on: dict[str, int]
    """Frames by video."""
    judged_on: str
    clips: list[ClipReport]
    convolutions: int
    kept_in_fp32: list[str]
    """Convolutions, by the tensor that they make; the one that loses most comes first."""
    versions: dict[str, str]

    @property
    def ap_loss(self) -> float:
        """The AP50 that is lost on the video that loses most."""
        return _worst_loss([clip.agreement for clip in self.clips])


@dataclass(frozen=True, slots=True)
class QuantizedModel:
    """An int8 model, its manifest, and how far it can be trusted."""

    model: onnx.ModelProto
    manifest: Manifest
    report: QuantizationReport


def quantize_model(
    folder: Path, videos: Sequence[Path], holdout: Sequence[Path] = (), *, max_ap_loss: float = 0.01
) -> QuantizedModel:
    """The int8 form of the detector in `folder`: the same bytes for the same files and versions.

    It is calibrated on `videos` and judged on `holdout`; without a holdout, on every other frame of `videos` each.

    Raises:
        ModelRefused: it loses more than `max_ap_loss` of its AP50, or there is nothing to quantise or to judge by.
        BadOrder: the model is not one that the worker opens.
        BadInput: a video cannot be read.
    """
    fp32 = load_folder(folder)
    calibration = read_clips(videos, fp32.manifest)
    judged = read_clips(holdout, fp32.manifest) or [clip.every_other(1) for clip in calibration]
    if not holdout:
        calibration = [clip.every_other(0) for clip in calibration]
    with tempfile.TemporaryDirectory() as work:
        candidates = _Candidates(folder / "model.onnx", Path(work), calibration)
        kept, int8 = _keep_what_loses_most(candidates, fp32, calibration, max_ap_loss / 2)
        model = candidates.make(without=kept)
    report = QuantizationReport(
        calibrated_on={clip.name: len(clip.frames) for clip in calibration},
        judged_on="other videos" if holdout else "every other frame of the same videos",
        clips=[_judge(clip, fp32, int8) for clip in judged],
        convolutions=len(candidates.convolutions),
        kept_in_fp32=kept,
        versions={name: version(name) for name in ("onnx", "onnxruntime", "numpy")},
    )
    if report.ap_loss > max_ap_loss:
        raise ModelRefused(
            f"int8 of {fp32.manifest.name}",
            [
                f"{clip.video}: AP50 must be at least {1 - max_ap_loss:.4f} of fp32 but is {clip.agreement.ap50:.4f}"
                for clip in report.clips
                if clip.agreement.ap50 is not None and 1 - clip.agreement.ap50 > max_ap_loss
            ],
        )
    return QuantizedModel(model, int8.manifest, report)


def write_quantized(
    folder: Path, videos: Sequence[Path], holdout: Sequence[Path], out: Path, *, max_ap_loss: float = 0.01
) -> tuple[Path, QuantizationReport]:
    """Write the folder of the int8 model into `out`, with its report in `quantization.json`; gives the folder's path.

    Raises:
        ModelRefused, BadOrder, BadInput: as `quantize_model`; nothing is written then.
    """
    made = quantize_model(folder, videos, holdout, max_ap_loss=max_ap_loss)
    with tempfile.TemporaryDirectory() as trial:
        write_model_folder(Path(trial), made.manifest, made.model)
        try_model(Path(trial))
    target = out / made.manifest.name
    write_model_folder(target, made.manifest, made.model)
    (target / "quantization.json").write_text(json.dumps(asdict(made.report), indent=2) + "\n")
    # What the licence of the weights asks to be kept with them.
    if (notice := folder / "NOTICE").exists():
        shutil.copyfile(notice, target / "NOTICE")
    return target, made.report


class _Candidates:
    """Makes int8 forms of one model, from one calibration."""

    def __init__(self, source: Path, work: Path, calibration: Sequence[Clip]) -> None:
        self._folded, self._target, self._ranges = work / "folded.onnx", work / "int8.onnx", work / "ranges.json"
        self._calibration = calibration
        graph = _write_folded(source, self._folded).graph
        self._nodes = _nodes_between_convolutions(graph)
        self.convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
        if not self.convolutions:
            raise ModelRefused("int8", ["the model must have convolutions but has none"])

    def make(self, *, without: Sequence[str]) -> onnx.ModelProto:
        """Everything in int8 but the convolutions `without`."""
        return self._quantize([name for name in self._nodes if name not in without])

    def make_only(self, convolution: str) -> onnx.ModelProto:
        """One convolution in int8."""
        return self._quantize([convolution])

    def _quantize(self, nodes: list[str]) -> onnx.ModelProto:
        quantize_static(
            self._folded,
            self._target,
            # Ranges are those of the fp32 model, whatever is quantised: they are found once.
            None if self._ranges.exists() else _Inputs(self._calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(INT8_OPS),
            nodes_to_quantize=nodes,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibration_cache_path=self._ranges,
        )
        return _clean(onnx.load(self._target))


def _keep_what_loses_most(
    candidates: _Candidates, fp32: Model, calibration: Sequence[Clip], max_loss: float
) -> tuple[list[str], Model]:
    """The fewest convolutions that must stay in fp32, and the int8 model without them.

    Where no number of them loses as little as `max_loss`, the best of those tried.
    """
    truths = [_truth(clip, fp32) for clip in calibration]
    if not any(len(one.scores) for truth in truths for one in truth):
        raise ModelRefused("int8", [f"{fp32.manifest.name} must find something in the frames but finds nothing"])
    ranked = _rank(candidates, fp32, calibration)
    best: tuple[float, list[str], Model] | None = None
    for count in (count for count in KEPT_COUNTS if 2 * count <= len(ranked)):
        kept = ranked[:count]
        int8 = _open(candidates.make(without=kept), fp32.manifest)
        loss = _worst_loss(
            [compare_found(_find(clip, int8), truth) for clip, truth in zip(calibration, truths, strict=True)]
        )
        if best is None or loss < best[0]:
            best = loss, kept, int8
        if loss <= max_loss:
            break
    assert best is not None
    return best[1], best[2]


def _rank(candidates: _Candidates, fp32: Model, calibration: Sequence[Clip]) -> list[str]:
    """The convolutions, the one first that moves the scores most when it alone is in int8."""
    frames = [frame.pixels for clip in calibration for frame in _spread(clip)]
    expected = [fp32.run(pixels)[1] for pixels in frames]

    def error(convolution: str) -> float:
        int8 = _open(candidates.make_only(convolution), fp32.manifest)
        return sum(
            float(np.square(int8.run(pixels)[1] - scores).sum())
            for pixels, scores in zip(frames, expected, strict=True)
        )

    return sorted(candidates.convolutions, key=error, reverse=True)


def _spread(clip: Clip) -> Sequence[SampleFrame]:
    return clip.frames[:: -(-len(clip.frames) // RANKING_FRAMES)]


def _open(model: onnx.ModelProto, manifest: Manifest) -> Model:
    """The int8 model as the worker opens it, under the name that it gets."""
    try:
        named = replace(
            manifest,
            name=f"{manifest.name}-int8",
            sha256=digest_of(model),
            adapter="gpu_batch.compiler quantize",
            source=f"{manifest.source}; quantised to int8",
        )
    except ValueError as error:
        raise ModelRefused("the manifest", [str(error)]) from error
    return load(named, model.SerializeToString(deterministic=True), provider_class="cpu")


def _judge(clip: Clip, fp32: Model, int8: Model) -> ClipReport:
    agreement = compare_found(_find(clip, int8), _truth(clip, fp32))
    fp32_ms, int8_ms = _cpu_ms(clip, (fp32, int8))
    return ClipReport(clip.name, len(clip.frames), agreement, fp32_ms, int8_ms)


def _truth(clip: Clip, fp32: Model) -> list[Found]:
    return [found.at_least(fp32.manifest.score_default) for found in _find(clip, fp32)]


def _find(clip: Clip, model: Model) -> list[Found]:
    found = []
    for frame in clip.frames:
        boxes, scores, labels = model.run(frame.pixels)
        found.append(as_found(to_rows(boxes[0], scores[0], labels[0], frame.size, *frame.shown)))
    return found


def _cpu_ms(clip: Clip, models: Sequence[Model]) -> list[float]:
    """Median CPU milliseconds of a run of each, in turns: what else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in models]
    for _ in range(_TIMED_RUNS):
        for model, taken in zip(models, times, strict=True):
            start = time.process_time()
            model.run(clip.frames[0].pixels)
            taken.append((time.process_time() - start) * 1000)
    return [round(statistics.median(taken), 2) for taken in times]


def _worst_loss(agreements: Sequence[Agreement]) -> float:
    """The AP50 lost on the video that loses most. A video in which fp32 finds nothing says nothing.

    Raises:
        ModelRefused: fp32 finds nothing in any.
    """
    losses = [1 - one.ap50 for one in agreements if one.ap50 is not None]
    if not losses:
        raise ModelRefused("int8", ["the fp32 model must find something in the frames to judge by but finds nothing"])
    return max(losses)


def _write_folded(source: Path, target: Path) -> onnx.ModelProto:
    """Write weights as they are computed with, and nodes named by what they make.

    A default model keeps weights in half precision, behind a Cast, where the quantiser would not see them.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    model = onnx.load(target)
    for node in model.graph.node:
        node.name = node.output[0]
    # Else the quantiser asks, at every turn, that this be done.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    onnx.save(model, target)
    return model


def _nodes_between_convolutions(graph: onnx.GraphProto) -> list[str]:
    """The convolutions, and what lies on a way from one to another, of the kinds that there are in int8."""
    after: set[str] = set()
    for node in graph.node:
        if node.op_type == "Conv" or after.intersection(node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(graph.node):
        if node.op_type == "Conv" or before.intersection(node.output):
            before.update(node.input)
    return [
        node.name
        for node in graph.node
        if node.op_type in INT8_OPS and (node.op_type == "Conv" or (node.output[0] in after & before))
    ]


def _clean(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the quantiser leaves lying, and in one order whatever order its sets had.

    onnxruntime declares every domain that it knows: the worker refuses all but the standard one.
    """
    used = {node.domain for node in model.graph.node}
    declared = [one for one in model.opset_import if one.domain in used]
    constants = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    nodes = list(_in_order(model.graph))
    for field in (model.opset_import, model.graph.initializer, model.graph.node):
        del field[:]
    del model.graph.value_info[:]
    del model.metadata_props[:]
    model.opset_import.extend(declared)
    model.graph.initializer.extend(constants)
    model.graph.node.extend(nodes)
    model.graph.name = "int8"
    return model


def _in_order(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes, each after what it needs, and otherwise by name."""
    waiting = sorted(graph.node, key=lambda node: node.output[0])
    made = {tensor for node in graph.node for tensor in node.output}
    while waiting:
        ready = [node for node in waiting if not made.intersection(_needed(node))]
        assert ready, "a graph that onnxruntime opened has no cycles"
        for node in ready:
            made.difference_update(node.output)
        waiting = [node for node in waiting if node not in ready]
        yield from ready


def _needed(node: onnx.NodeProto) -> Iterator[str]:
    """Tensors that the node reads, those in its subgraphs included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _needed(inner)
            yield from (output.name for output in graph.output)


class _Inputs(CalibrationDataReader):  # type: ignore[misc]
    """Frames of clips, one after the other."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._frames = iter([frame.pixels for clip in clips for frame in clip.frames])

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """The next input, None after the last."""
        pixels = next(self._frames, None)
        return None if pixels is None else {"frames": pixels}
