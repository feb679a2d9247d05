"""`models`: the networks that jobs can name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from reelscan.cli.help import HelpfulCommand, HelpfulGroup
from reelscan.cli.screen import AsJson, Quiet, command
from reelscan.cli.session import session

if TYPE_CHECKING:
    from reelscan import Client
    from reelscan.records import ModelManifestForm

models = typer.Typer(cls=HelpfulGroup, rich_markup_mode=None, invoke_without_command=True)

TASK_BY_ADAPTER = {"logits": "classification", "clip-logits": "clip_classification"}
ADAPTERS = ("yolox", "yolov8", "detr", "ssd", "nanodet", *TASK_BY_ADAPTER)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a model.", show_default=False)]


@models.callback()
@command
def list_models(context: typer.Context, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """List models, add your own, and say which version a name means."""
    if context.invoked_subcommand is not None:
        return
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = at.client.models.list().all()
        at.screen.answer(found, lambda: tables.model_table(found), (model.name for model in found))


@models.command("show", cls=HelpfulCommand)
@command
def show_model(name: Name, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show the versions and aliases of one."""
    from reelscan.cli import tables

    with session(as_json=as_json, quiet=quiet) as at:
        found = at.client.models.get(name)
        at.screen.answer(found, lambda: tables.model_facts(found), (version.version for version in found.versions))


@models.command("add", cls=HelpfulCommand)
@command
def add_model(
    network: Annotated[Path, typer.Argument(metavar="FILE", help="An ONNX file.", show_default=False)],
    adapter: Annotated[
        str, typer.Option("--adapter", "-a", metavar="KIND", help=f"What kind of export it is: {', '.join(ADAPTERS)}.")
    ],
    name: Annotated[str | None, typer.Option("--name", help="What jobs call it; else as the file is called.")] = None,
    version: Annotated[str, typer.Option("--version", help="A version never changes.")] = "1",
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels",
            metavar="LABELS",
            help="a,b,c in the order of the outputs (nothing for one to be left out), or a text file with a line each.",
        ),
    ] = None,
    labels_of: Annotated[
        str | None, typer.Option("--labels-of", metavar="MODEL", help="The labels of a model that is there.")
    ] = None,
    score_floor: Annotated[
        float | None, typer.Option("--score-floor", min=0, max=1, metavar="SCORE", help="Nothing below is stored.")
    ] = None,
    score_default: Annotated[
        float | None,
        typer.Option(
            "--score-default", min=0, max=1, metavar="SCORE", help="Nothing below is shown, unless it is asked for."
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", metavar="FILE", help="More, as JSON: docs/models.md has the fields.")
    ] = None,
    licence: Annotated[str | None, typer.Option("--licence", help="SPDX identifier of the weights.")] = None,
    source: Annotated[str | None, typer.Option("--source", help="Where the weights come from.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Send it, and do not wait until it was tried.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add a model of your own: a worker compiles the export, tries it, and takes it or says why not.

    reelscan models add net.onnx --adapter yolox --labels person,,dog
    """
    from reelscan.cli import tables
    from reelscan.cli.progress import UploadBars, shown
    from reelscan.errors import ModelInvalid

    if adapter not in ADAPTERS:
        raise typer.BadParameter(f"must be one of {', '.join(ADAPTERS)}, but got {adapter!r}", param_hint="--adapter")
    with session(as_json=as_json, quiet=quiet) as at:
        form: dict[str, Any] = {"task": TASK_BY_ADAPTER.get(adapter, "detection")}
        form |= json.loads(manifest.read_text(encoding="utf-8")) if manifest else {}
        said = {
            "name": name or form.get("name") or network.stem.lower(),
            "version": version,
            "adapter": adapter,
            "labels": _labels(at.client, labels, labels_of) or form.get("labels"),
            "score_floor": score_floor,
            "score_default": score_default,
            "licence": licence,
            "source": source,
        }
        form |= {field: value for field, value in said.items() if value is not None}
        if not form.get("labels"):
            raise typer.BadParameter("name the labels of the outputs", param_hint="--labels or --labels-of")
        view = UploadBars(network.name)
        with shown(view, at.screen.notes, is_shown=at.screen.has_progress):
            added = at.client.models.add(network, cast("ModelManifestForm", form), on_progress=view.update)
        if not no_wait:
            with at.screen.notes.status(" A worker compiles and tries it …") if at.screen.has_progress else _nothing():
                added = at.client.models.wait(added, poll_seconds=0.5)
        at.screen.answer(
            added, lambda: tables.model_facts(at.client.models.get(added.name)), [f"{added.name}@{added.version}"]
        )
        if added.state == "REJECTED":
            reasons = "; ".join(added.reasons or ()) or (added.error.detail if added.error else "")
            raise ModelInvalid(
                f"{added.name}@{added.version}: {reasons}",
                "Correct the export or what was said of it, and add it again",
            )


@models.command("alias", cls=HelpfulCommand)
@command
def move_alias(
    name: Name,
    alias: Annotated[
        str, typer.Argument(metavar="ALIAS", help="A name for whatever version is in use: prod.", show_default=False)
    ],
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="The version that it means from now on.", show_default=False)
    ],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Let NAME@ALIAS mean a version."""
    with session(as_json=as_json, quiet=quiet) as at:
        moved = at.client.models.move_alias(name, alias, version)
        at.screen.answer(
            moved, lambda: f" [cyan]{name}@{moved.alias}[/] means {moved.version}", [f"{name}@{moved.alias}"]
        )


@models.command("rm", cls=HelpfulCommand)
@command
def delete_model(
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="One of its versions.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove a version; results that it made stay."""
    with session(as_json=as_json, quiet=quiet) as at:
        if not yes:
            typer.confirm(f"Remove {name}@{version}?", abort=True, err=True)
        at.client.models.delete(name, version)
        at.screen.answer(
            {"deleted": f"{name}@{version}"}, lambda: f" [green]removed[/] {name}@{version}", [f"{name}@{version}"]
        )


def _labels(client: Client, labels: str | None, labels_of: str | None) -> list[str | None] | None:
    if labels_of is not None:
        return list(client.models.get(labels_of).versions[0].labels)
    if labels is None:
        return None
    path = Path(labels)
    listed = path.read_text(encoding="utf-8").splitlines() if path.is_file() else labels.split(",")
    return [label.strip() or None for label in listed]


def _nothing() -> Any:
    from contextlib import nullcontext

    return nullcontext()
