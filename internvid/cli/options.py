"""Options and arguments that several verbs have, with one meaning and one text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="A dataset folder.")]
VideoPath = Annotated[Path, typer.Argument(metavar="VIDEO", help="One video file.")]
Subset = Annotated[Optional[str], typer.Option(help="Only this subset.")]
Workers = Annotated[
    Optional[int], typer.Option("--workers", min=1, help="Processes; default: all cores.")
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda ...")]
Context = Annotated[
    Optional[int],
    typer.Option(min=3, help="Tokens per text, for paragraphs; default: the model's own."),
]
Preprocessing = Annotated[
    str, typer.Option(help="How frames become pixels; default: the model's own.")
]
Types = Annotated[
    Optional[list[str]],
    typer.Option(
        "--type", metavar="COLUMN=TYPE", help="Of a column of a table, e.g. views=bigint."
    ),
]
Moved = Annotated[
    Optional[list[str]],
    typer.Option("--remap", metavar="OLD=NEW", help="Sources at OLD were moved to NEW."),
]
