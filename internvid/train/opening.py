"""From what a person names to a source of clips."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from internvid.core.errors import ConfigInvalidError, MisuseError, SourceMissingError
from internvid.core.types import TimeSpan
from internvid.dataset.frames import INDEX, FrameShards
from internvid.dataset.store import open as open_dataset
from internvid.evaluate.annotations.actions import read_labelled
from internvid.evaluate.annotations.finding import VideoFolder
from internvid.train.action_finetuning import labelled_source
from internvid.train.label_sets import merge_training_lists
from internvid.train.recipe import TrainRecipe
from internvid.train.samples import ClipSource
from internvid.train.sources import FileClip, FileSource, ShardSource, WorldSource
from internvid.train.stored import pack_picks

WORLD = "world"
_LISTS = (".jsonl", ".csv")
_FORM = "each clip needs path and caption; start_seconds, end_seconds and source may be"


def open_source(
    data: str,
    recipe: TrainRecipe,
    cache: Path,
    *,
    text: str = "measured",
    subset: str | None = None,
) -> ClipSource:
    """The clips of a dataset, of frame shards, of a list of files, or of the synthetic world.

    Args:
        data: a dataset folder, a folder of frame shards, a `.jsonl` or `.csv` with `path`,
            `caption` and, if wanted, `start_seconds`, `end_seconds`, `source`; or `world`,
            `world:SEED`.
        recipe: says how large the world is and what the model takes.
        cache: a folder for what is copied or rendered once.
        text: the column of captions.
        subset: only its clips, of a dataset.

    Raises:
        InternvidError: nothing there, no such column or subset, a bad list.
    """
    if data == WORLD or data.startswith(f"{WORLD}:"):
        _no_subset(subset, "the synthetic world")
        return _world(data, recipe, cache)
    path = Path(data)
    if not path.exists():
        raise SourceMissingError(
            f"there is no {data!r}",
            hint="--data takes a dataset, frame shards, a .jsonl or .csv of files, or world",
        )
    if path.is_file():
        _no_subset(subset, "a list of files")
        return FileSource(_listed(path))
    if (path / INDEX).is_file():
        _no_subset(subset, "frame shards")
        return ShardSource(FrameShards(path.absolute()), text)
    return pack_picks(open_dataset(path), text, subset, (cache / "picks").absolute())


def open_labelled(
    lists: Sequence[Path], folders: Sequence[Path], held_out: Sequence[Path] = ()
) -> tuple[FileSource, int]:
    """The clips of labelled training lists, with class names for captions.

    Several lists are merged: classes of one cleaned name are one, and each video comes once, as
    K710 is made of Kinetics-400, 600 and 700.

    Args:
        lists: training lists in any form that `evaluate` reads.
        folders: where their videos are.
        held_out: test lists; none of their videos is trained on.

    Returns:
        The clips that are there, and how many listed ones are not.

    Raises:
        InternvidError: a list cannot be read, or none of its clips is there.
    """
    read = {f"{at}:{path.name}": read_labelled(path, part="train") for at, path in enumerate(lists)}
    if len(read) == 1 and not held_out:
        (listed,) = read.values()
    else:
        listed = merge_training_lists(read, [read_labelled(path) for path in held_out])
    source = labelled_source(listed, [VideoFolder.scan(folder) for folder in folders])
    return source, len(listed.clips) - len(source.clips)


def _no_subset(subset: str | None, what: str) -> None:
    if subset is not None:
        raise MisuseError(
            f"{what} has no subset {subset!r}",
            hint="subsets belong to datasets; shards are exported from one",
        )


def _world(data: str, recipe: TrainRecipe, cache: Path) -> WorldSource:
    _, _, seed = data.partition(":")
    if seed and not seed.isdigit():
        raise ConfigInvalidError(f"{data!r}: a seed is a whole number from 0, as in world:1")
    config, world = recipe.model.config, recipe.data.world
    return WorldSource(
        seed=int(seed or 0),
        count=world.count,
        frames=config.frames,
        size=config.resolution,
        cameras=world.cameras,
        paths=world.paths,
        cache=(cache / "world").absolute(),
    )


def _listed(path: Path) -> list[FileClip]:
    if path.suffix not in _LISTS:
        raise MisuseError(
            f"{path} is no list of clips", hint=f"a list ends in {' or '.join(_LISTS)}"
        )
    clips: list[FileClip] = []
    rows = _rows(path)
    while True:
        number = len(clips) + 1
        try:
            clips.append(_clip(path.parent, next(rows)))
        except StopIteration:
            break
        except (KeyError, TypeError, ValueError, csv.Error, ConfigInvalidError) as error:
            raise MisuseError(
                f"{path}, clip {number}: {_fault(error)}",
                hint=_hint(error),
            ) from error
    if not clips:
        raise MisuseError(f"{path} lists no clips", hint=_FORM)
    return clips


def _clip(folder: Path, row: Any) -> FileClip:
    if not isinstance(row, dict):
        raise TypeError("it is no object with names and values")
    span = None
    if row.get("end_seconds") not in (None, ""):
        span = TimeSpan(float(row.get("start_seconds") or 0), float(row["end_seconds"]))
        if not span.duration_seconds > 0:
            raise ValueError(f"an empty span, {span.start_seconds:g} to {span.end_seconds:g} s")
    elif row.get("start_seconds") not in (None, ""):
        raise ValueError("start_seconds without end_seconds")
    path, caption = row["path"], row["caption"] or ""
    if not isinstance(path, str) or not isinstance(caption, str):
        raise TypeError("path and caption must be texts")
    return FileClip(folder / path, caption, span, str(row.get("source") or ""))


def _fault(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    if isinstance(error, UnicodeDecodeError):
        return f"the file is not UTF-8 (byte {error.object[error.start]:#x})"
    return str(error)


def _hint(error: Exception) -> str:
    return "save it as UTF-8" if isinstance(error, UnicodeDecodeError) else _FORM


def _rows(path: Path) -> Iterator[Any]:
    # A byte order mark, as spreadsheets write, is no part of the first name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix == ".csv":
            yield from csv.DictReader(file)
            return
        for line in file:
            if line.strip():
                yield json.loads(line)
