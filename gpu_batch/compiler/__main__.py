"""Compiles models to canonical form: `python -m gpu_batch.compiler add | quantize | …`.

    python -m gpu_batch.compiler add net.onnx --adapter yolox --name yolox-s --labels coco --out models
    python -m gpu_batch.compiler quantize models/yolox-s --frames street.mp4 --holdout yard.mp4 --out models
    python -m gpu_batch.compiler default-models human/package/models ssd/package/models/coco-ssd out
    python -m gpu_batch.compiler resize-graphs gpu_batch/models/resize_graphs

docs/models.md tells what each adapter takes. The exit code is 0 when a model was written, 66 when it was refused, 65
when a video cannot be read, and 2 when an argument names what is not there or is out of range.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from chalicelib.domain.models import BY_ASPECT, ResizePolicy
from gpu_batch.compiler.adapters import ADAPTER_BY_NAME, make_recipe
from gpu_batch.compiler.add import compile_network
from gpu_batch.compiler.arguments import (
    anchors,
    existing_file,
    integers,
    labels,
    model_folder,
    numbers,
    share,
    sizes,
    words,
)
from gpu_batch.compiler.default_models import make_default_models
from gpu_batch.compiler.label_file import read_columns
from gpu_batch.compiler.model_folder import write_model_folder
from gpu_batch.compiler.quantize import write_quantized
from gpu_batch.compiler.recipe import Activation, BoxForm, ChannelOrder, HeadOptions, Recipe, Said
from gpu_batch.compiler.resize_graphs import write_resize_graphs
from gpu_batch.compiler.trial import try_model
from gpu_batch.errors import WorkerError


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; gives the exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        parsed.run(parsed)
    except WorkerError as error:
        print(error.failure.detail, file=sys.stderr)
        print(error.failure.hint, file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gpu_batch.compiler", description="Compile models.")
    commands = parser.add_subparsers(required=True)
    _describe_add(commands.add_parser("add", help="compile an exported ONNX network"))
    _describe_quantize(commands.add_parser("quantize", help="make the int8 form of a compiled detector"))
    defaults = commands.add_parser("default-models", help="make the models again that ship with the project")
    defaults.add_argument("human_models_dir", type=Path, help="holds nanodet.json and nanodet.bin")
    defaults.add_argument("coco_ssd_dir", type=Path, help="holds model.json and its shards")
    defaults.add_argument("out_dir", type=Path)
    defaults.set_defaults(run=_run_default_models)
    graphs = commands.add_parser("resize-graphs", help="make the graphs again that resize frames on a GPU")
    graphs.add_argument("out_dir", type=Path)
    graphs.set_defaults(run=lambda arguments: write_resize_graphs(arguments.out_dir))
    return parser


def _describe_add(add: argparse.ArgumentParser) -> None:
    add.add_argument("network", type=existing_file, help="the ONNX file")
    add.add_argument("--adapter", choices=ADAPTER_BY_NAME, required=True)
    add.add_argument("--name", required=True)
    add.add_argument("--version", default="1")
    add.add_argument(
        "--labels", type=labels, required=True, help="a file with a label for each column, or coco, or coco-91"
    )
    add.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for the model")
    add.add_argument("--input-size", type=sizes, default=(), help=f"640x384[,384x640,...] or 640x{BY_ASPECT}")
    add.add_argument("--multiple", type=int, default=32, help="what sides must be multiples of (default: 32)")
    add.add_argument("--resize", type=ResizePolicy, choices=list(ResizePolicy), default=ResizePolicy.LETTERBOX)
    add.add_argument("--scale", type=float, help="levels of 0..255 are multiplied by this, before mean and std")
    add.add_argument("--mean", type=numbers)
    add.add_argument("--std", type=numbers)
    add.add_argument("--channel-order", type=ChannelOrder, choices=list(ChannelOrder))
    add.add_argument("--activation", type=Activation, choices=list(Activation))
    add.add_argument("--score-floor", type=float)
    add.add_argument("--score-default", type=float)
    add.add_argument("--nms-iou", type=float)
    add.add_argument("--max-detections", type=int, default=100)
    add.add_argument("--outputs", type=words, default=(), help="outputs to read, of more")
    add.add_argument("--clip-frames", type=int)
    add.add_argument("--decoded", action="store_true", default=None, help="yolox: boxes are in pixels already")
    add.add_argument("--strides", type=integers, help="yolox, nanodet")
    add.add_argument("--cell-centre", type=float, help="nanodet")
    add.add_argument("--box-form", type=BoxForm, choices=list(BoxForm), help="ssd without anchors")
    add.add_argument("--anchors", type=anchors, help="ssd: .npy file, float32 [A, 4]: cx, cy, w, h in 0..1")
    add.add_argument("--variances", type=numbers, help="ssd with anchors (default: 0.1,0.2)")
    add.add_argument("--licence", default="NOASSERTION", help="SPDX identifier of the weights")
    add.add_argument("--source", default="", help="where the weights came from")
    add.set_defaults(run=_run_add)


def _describe_quantize(quantize: argparse.ArgumentParser) -> None:
    quantize.add_argument("model_dir", type=model_folder, help="holds manifest.json and model.onnx")
    quantize.add_argument("--frames", type=existing_file, nargs="+", required=True, help="videos to calibrate on")
    quantize.add_argument(
        "--holdout",
        type=existing_file,
        nargs="+",
        default=[],
        help="videos to judge by (default: half of --frames)",
    )
    quantize.add_argument("--out", type=Path, required=True, help="the folder that gets a folder for the model")
    quantize.add_argument("--max-ap-loss", type=share, default=0.01, help="AP50 against fp32, of 0..1 (default: 0.01)")
    quantize.set_defaults(run=_run_quantize)


def _run_add(arguments: argparse.Namespace) -> None:
    recipe = _recipe(arguments)
    model, manifest = compile_network(arguments.network.read_bytes(), recipe)
    with tempfile.TemporaryDirectory() as folder:
        write_model_folder(Path(folder), manifest, model)
        report = try_model(Path(folder))
    folder_out = arguments.out / manifest.name
    write_model_folder(folder_out, manifest, model)
    print(f"{folder_out / 'model.onnx'}: {(folder_out / 'model.onnx').stat().st_size} bytes, sha256 {manifest.sha256}")
    for size, milliseconds in report.cpu_ms_by_input.items():
        print(f"  at {size}: {milliseconds:.1f} ms CPU on one thread")
    print(f"  memory: {report.peak_rss_mb:.0f} MB at most, {report.rss_of_model_mb:.0f} MB of it for the model")


def _run_quantize(arguments: argparse.Namespace) -> None:
    folder, report = write_quantized(
        arguments.model_dir, arguments.frames, arguments.holdout, arguments.out, max_ap_loss=arguments.max_ap_loss
    )
    print(f"{folder / 'model.onnx'}: {(folder / 'model.onnx').stat().st_size} bytes")
    print(f"  {len(report.kept_in_fp32)} of {report.convolutions} convolutions stay in fp32")
    for clip in report.clips:
        agreement = clip.agreement
        ap50 = (
            "no rows in fp32" if agreement.ap50 is None else f"AP50 {agreement.ap50:.4f} of {agreement.truth_rows} rows"
        )
        print(f"  {clip.video}: {ap50}; {clip.cpu_ms_fp32:.1f} -> {clip.cpu_ms_int8:.1f} ms CPU on one thread")


def _run_default_models(arguments: argparse.Namespace) -> None:
    make_default_models(arguments.human_models_dir, arguments.coco_ssd_dir, arguments.out_dir)


def _recipe(arguments: argparse.Namespace) -> Recipe:
    said = Said(
        name=arguments.name,
        version=arguments.version,
        columns=read_columns(arguments.labels),
        policy=arguments.resize,
        sizes=arguments.input_size,
        multiple=arguments.multiple,
        channel_order=arguments.channel_order,
        scale=arguments.scale,
        mean=arguments.mean,
        deviation=arguments.std,
        activation=arguments.activation,
        score_floor=arguments.score_floor,
        score_default=arguments.score_default,
        nms_iou=arguments.nms_iou,
        max_detections=arguments.max_detections,
        clip_frames=arguments.clip_frames,
        outputs=arguments.outputs,
        head=HeadOptions(
            decoded=arguments.decoded,
            strides=arguments.strides,
            cell_centre=arguments.cell_centre,
            box_form=arguments.box_form,
            anchors=arguments.anchors,
            variances=arguments.variances,
        ),
        licence=arguments.licence,
        source=arguments.source or arguments.network.name,
    )
    return make_recipe(arguments.adapter, said)


if __name__ == "__main__":
    sys.exit(main())
