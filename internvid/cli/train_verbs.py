"""The verb `train`. Its body is one call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from internvid.cli.options import Json

Output = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="The run's folder.")]
Data = Annotated[
    list[str],
    typer.Option(
        metavar="DATA",
        help="A dataset, frame shards, a list of files, world[:SEED]; see --videos.",
    ),
]
Recipe = Annotated[
    str, typer.Option(metavar="NAME", help="viclip_b16, viclip_l14, viclip_action, ...")
]
Videos = Annotated[
    Optional[list[Path]],
    typer.Option(
        metavar="FOLDER",
        help="DATA is one or more annotation files (Kinetics, MSR-VTT, ...) of videos in here.",
    ),
]
HeldOut = Annotated[
    Optional[list[Path]],
    typer.Option(metavar="LIST", help="A test list whose videos are not trained on."),
]
Validate = Annotated[
    Optional[str],
    typer.Option(
        metavar="DATA",
        help="Measure the model on these clips while it trains; see data.validation.share.",
    ),
]
Subset = Annotated[Optional[str], typer.Option(help="Only clips of this subset.")]
Text = Annotated[str, typer.Option(metavar="COLUMN", help="The captions.")]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Go on where the folder's run stands.")
]
Assignments = Annotated[
    Optional[list[str]],
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Change one field, e.g. stages.masked.batch=512."
    ),
]
Plan = Annotated[
    bool, typer.Option("--plan", help="Only print FLOPs, memory, hours and the bottleneck.")
]
Device = Annotated[
    Optional[str],
    typer.Option(
        metavar="NAME", help="With --plan: for this device, here or not: h100, a100, l4, ..."
    ),
]
Devices = Annotated[
    Optional[int], typer.Option(metavar="COUNT", min=1, help="With --plan: for so many devices.")
]
DeviceMemory = Annotated[
    Optional[float],
    typer.Option(metavar="GB", min=0.001, help="With --plan: each with so much memory."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the program."""
    app.command(rich_help_panel="Train")(train)


def train(
    output: Output,
    data: Data,
    recipe: Recipe = "viclip_tiny",
    videos: Videos = None,
    held_out: HeldOut = None,
    validate: Validate = None,
    subset: Subset = None,
    text: Text = "measured",
    resume: Resume = True,
    assignments: Assignments = None,
    plan: Plan = False,
    device: Device = None,
    devices: Devices = None,
    device_memory: DeviceMemory = None,
    as_json: Json = False,
) -> None:
    """Train a ViCLIP, or go on training. Under torchrun, on many devices."""
    from internvid.cli.training import TrainRequest, run_train

    run_train(
        TrainRequest(
            output=output,
            data=tuple(data),
            videos=tuple(videos or ()),
            held_out=tuple(held_out or ()),
            validate=validate,
            recipe=recipe,
            subset=subset,
            text=text,
            resume=resume,
            assignments=tuple(assignments or ()),
            plan=plan,
            device=device,
            devices=devices,
            device_memory=device_memory,
            as_json=as_json,
        )
    )
