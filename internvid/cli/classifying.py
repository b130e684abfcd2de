"""classify: labels for the clips of one video, without training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from internvid.cli.output import instant_text, put, put_json
from internvid.cli.searching import is_file
from internvid.core.assignments import with_values
from internvid.core.errors import ConfigInvalidError


@dataclass(frozen=True)
class ClassifyOptions:
    """The arguments of `internvid classify`."""

    video: Path
    labels: str
    model: str
    top: int = 3
    assignments: tuple[str, ...] = ()
    whole: bool = False
    as_json: bool = False


def run_classify(options: ClassifyOptions) -> None:
    """`internvid classify`."""
    from internvid import recipes
    from internvid.pipeline.single import classify_video
    from internvid.scores.embedding import EmbeddingScorer

    labels = read_labels(options.labels)
    scorer = with_values(EmbeddingScorer(), [f"model={options.model}", *options.assignments])
    recipe = None if options.whole else recipes.default()
    rows = classify_video(options.video, scorer, labels, recipe)
    for row in rows:
        row["labels"] = dict(list(row["labels"].items())[: options.top])
    if options.as_json:
        put_json({"video": options.video, "clips": rows})
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
    lines = _lines_of(Path(text)) if is_file(Path(text)) else text.split(",")
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
