"""Options and arguments that several verbs have, with one meaning and one text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
DatasetPath = Annotated[
    Path, typer.Argument(metavar="DATASET", help="The dataset: a folder, or s3://bucket/data.")
]
VideoPath = Annotated[Path, typer.Argument(metavar="VIDEO", help="A video file.")]
Subset = Annotated[Optional[str], typer.Option(help="Use only the clips of this subset.")]
Captions = Annotated[
    str,
    typer.Option(
        metavar="N|all", help="Number of captions to read for verbs and nouns, drawn at random."
    ),
]
Workers = Annotated[
    Optional[int],
    typer.Option("--workers", min=1, help="Number of worker processes; default: one per core."),
]
RunsOn = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Where workers run: local, or ray (the cluster of RAY_ADDRESS).",
    ),
]
Settings = Annotated[
    Optional[list[str]],
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one setting; may be repeated. internvid list shows what can be set.",
    ),
]
TrainSettings = Annotated[
    Optional[list[str]],
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one setting of the training recipe, e.g. loop.steps=100; may be repeated.",
    ),
]
Device = Annotated[str, typer.Option(help="Device of the model: auto, cpu, cuda, cuda:1, mps.")]
Context = Annotated[
    Optional[int],
    typer.Option(min=3, help="Number of tokens to read of each text; default: the model's own."),
]
Preprocessing = Annotated[
    str, typer.Option(help="How frames are resized and normalised; default: the model's own.")
]
Types = Annotated[
    Optional[list[str]],
    typer.Option(
        "--type",
        metavar="COLUMN=TYPE",
        help="Type of a metadata column in a table of sources, e.g. views=bigint.",
    ),
]
Moved = Annotated[
    Optional[list[str]],
    typer.Option("--remap", metavar="OLD=NEW", help="Videos that were at OLD are now at NEW."),
]
Prepare = Annotated[
    bool,
    typer.Option(
        "--prepare",
        help="Record the columns for `internvid work` on many machines; annotate nothing.",
    ),
]
