"""classify: labels for the clips of one video, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from internvid.cli.options import Json, Settings, VideoPath
from internvid.cli.output import instant_text, put, put_json
from internvid.core.errors import ConfigInvalidError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Annotate")(classify)


def classify(
    video: VideoPath,
    labels: Annotated[
        str, typer.Option(help="Comma-separated class names, or a file with one name per line.")
    ],
    model: Annotated[str, typer.Option(help="A ViCLIP checkpoint, or a CLIP or SigLIP model.")],
    top: Annotated[int, typer.Option(min=1, help="Number of labels to print for each clip.")] = 3,
    whole: Annotated[
        bool, typer.Option("--whole", help="Treat the whole video as one clip.")
    ] = False,
    assignments: Settings = None,
    as_json: Json = False,
) -> None:
    """Classify the clips of one video zero-shot: which of the given labels fits each best."""
    from internvid.api.annotations import classify as classify_clips

    rows = classify_clips(
        video, read_labels(labels), model, whole=whole, settings=assignments or ()
    )
    for row in rows:
        row["labels"] = dict(list(row["labels"].items())[:top])
    if as_json:
        put_json({"video": video, "clips": rows})
        return
    for row in rows:
        best = ", ".join(f"{label} {chance:.3f}" for label, chance in row["labels"].items())
        when = "-".join(instant_text(row[edge]) for edge in ("start_seconds", "end_seconds"))
        put(f"{when} s  {best or row['reason']}")


def read_labels(text: str) -> list[str]:
    """Labels from a file, one a line, or from a text with commas.

    Raises:
        ConfigInvalidError: none, or one twice; or the file is no text.
    """
    lines = _lines_of(Path(text)) if _is_file(Path(text)) else text.split(",")
    labels = [line.strip() for line in lines if line.strip()]
    if not labels or len(set(labels)) != len(labels):
        raise ConfigInvalidError(
            "--labels needs at least one label, each once", hint="for example --labels dog,cat"
        )
    return labels


def _lines_of(path: Path) -> list[str]:
    try:
        # Some editors begin a text with a mark.
        return path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalidError(
            f"{path} cannot be read as labels: {error}", hint="UTF-8 text, one label a line"
        ) from error


def _is_file(path: Path) -> bool:
    from internvid.api.searching import is_file

    return is_file(path)
