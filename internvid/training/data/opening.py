"""From what a person names to a source of clips."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from internvid.core.errors import ConfigInvalidError, MisuseError, SourceMissingError
from internvid.core.types import TimeSpan
from internvid.dataset.frame_shards import INDEX, FrameShards
from internvid.dataset.store import open_dataset
from internvid.evaluation.annotations.actions import read_labelled
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.training.data.clip_columns import MappedTable
from internvid.training.data.clip_sources import FileSource, ShardSource, WorldSource
from internvid.training.data.file_list import FileClip, FileList, list_key
from internvid.training.data.samples import ClipSource
from internvid.training.data.stored_picks import pack_picks
from internvid.training.heads.label_sets import merge_training_lists
from internvid.training.recipes.action_finetuning import labelled_source
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.distributed import rank, wait_for_all

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
    most_videos: int | None = None,
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
        most_videos: of a dataset, pictures of so many videos are enough: to try the reading out.

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
        return open_list(path, cache)
    if (path / INDEX).is_file():
        _no_subset(subset, "frame shards")
        return ShardSource(_shards(path.absolute(), cache), text)
    place = (cache / "picks").absolute()
    return pack_picks(open_dataset(path), text, subset, place, most_videos=most_videos)


def open_list(path: Path, cache: Path) -> FileSource:
    """The clips of a `.jsonl` or `.csv` with `path` and `caption`.

    Raises:
        MisuseError: it is no such list, or a row of it is at fault.
        SourceMissingError: it is not there.
    """
    if not path.is_file():
        raise SourceMissingError(
            f"there is no {str(path)!r}", hint="--data takes a dataset, a list of files, or world"
        )
    return FileSource(_listed(path, cache))


def open_labelled(
    lists: Sequence[Path],
    folders: Sequence[Path],
    held_out: Sequence[Path] = (),
    cache: Path | None = None,
) -> tuple[FileSource, int]:
    """The clips of labelled training lists, with class names for captions.

    Several lists are merged: classes of one cleaned name are one, and each video comes once, as
    K710 is made of Kinetics-400, 600 and 700.

    Args:
        lists: training lists in any form that `evaluate` reads.
        folders: where their videos are.
        held_out: test lists; none of their videos is trained on.
        cache: a folder in which the clips are kept as columns that processes share.

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
    missing = len(listed.clips) - len(source.clips)
    return (source if cache is None else keep_columns(source, cache)), missing


def keep_columns(source: FileSource, cache: Path) -> FileSource:
    """Clips that every process has found, as columns in a file that all of them map.

    Args:
        source: the clips, the same in every process.
        cache: a folder for the file.
    """
    named = hashlib.blake2b(digest_size=12)
    for clip in source.clips:
        named.update(os.fsencode(clip.path) + f" {clip.caption} {clip.span} {clip.source}".encode())
    place = (cache / f"listed-{named.hexdigest()}.arrow").absolute()
    if rank() == 0 and not place.is_file():
        FileList.written(source.clips, place)
    wait_for_all()
    return FileSource(FileList(MappedTable(place)), source.short_side)


def _shards(folder: Path, cache: Path) -> FrameShards:
    """Frame shards whose places all processes map from the cache."""
    shards = FrameShards(folder)
    key = list_key("shards", files=[folder / INDEX])
    place = (cache / f"shards-{key}.arrow").absolute()
    if rank() == 0:
        shards.map_places(place)
    wait_for_all()
    return shards.map_places(place)


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


def _listed(path: Path, cache: Path) -> FileList:
    """The clips of a list, kept as mapped columns in the cache; made by one process for all."""
    if path.suffix not in _LISTS:
        raise MisuseError(
            f"{path} is no list of clips", hint=f"a list ends in {' or '.join(_LISTS)}"
        )
    folder = path.parent
    name = list_key(path.suffix, os.fsdecode(folder), files=[path])
    place = (cache / f"list-{name}.arrow").absolute()
    if rank() == 0 and not place.is_file():
        FileList.written(_clips(path), place)
    wait_for_all()
    return FileList(MappedTable(place))


def _clips(path: Path) -> Iterator[FileClip]:
    rows, number = _rows(path), 0
    while True:
        number += 1
        try:
            clip = _clip(path.parent, next(rows))
        except StopIteration:
            break
        except (KeyError, TypeError, ValueError, csv.Error, ConfigInvalidError) as error:
            raise MisuseError(
                f"{path}, clip {number}: {_fault(error)}",
                hint=_hint(error),
            ) from error
        yield clip
    if number == 1:
        raise MisuseError(f"{path} lists no clips", hint=_FORM)


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
    for text in (path, caption):
        text.encode()  # escapes of JSON may spell what is no text
    return FileClip(folder / path, caption, span, str(row.get("source") or ""))


def _fault(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}"
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object[error.start]!r} is half of a character"
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
