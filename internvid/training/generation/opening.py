"""From what a person names to clips that a text-to-video model can be trained on."""

from __future__ import annotations

from pathlib import Path

from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.core.types import TimeSpan
from internvid.dataset.frame_shards import INDEX
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.store import SOURCE_COLUMNS, Dataset, open_dataset
from internvid.training.data.clip_sources import FileSource, WorldSource
from internvid.training.data.file_list import FileClip
from internvid.training.data.opening import WORLD, open_list
from internvid.training.data.samples import ClipSource
from internvid.training.generation.recipe import GenerationRecipe

_DATASET = "dataset.json"
_WORLD_FRAMES, _WORLD_SIDE = 16, 64


def is_world(data: str) -> bool:
    """Whether the synthetic world is named."""
    return data.partition(":")[0] == WORLD


def open_videos(
    data: str,
    recipe: GenerationRecipe,
    cache: Path,
    *,
    text: str = "measured",
    subset: str | None = None,
) -> ClipSource:
    """The clips of a dataset from their videos, of a list of files, or of the synthetic world.

    Args:
        data: a dataset folder; a `.jsonl` or `.csv` with `path` and `caption`; `world`,
            `world:SEED`.
        recipe: says how large the world is.
        cache: a folder for what is rendered or copied once.
        text: the column of captions.
        subset: only its clips, of a dataset.

    Raises:
        MisuseError: nothing there, no such column or subset, pictures in place of videos.
    """
    path = Path(data)
    if subset is not None and not (path / _DATASET).is_file():
        raise MisuseError(f"{data} has no subset {subset!r}; subsets belong to datasets")
    if is_world(data):
        return _world(data, recipe, cache)
    if (path / INDEX).is_file():
        raise MisuseError(
            f"{data} holds frame shards: eight frames of a clip are no video",
            hint="name the dataset that they were exported from, or a list of files",
        )
    if path.is_dir():
        return open_clips_of(open_dataset(path), text, subset)
    return open_list(path, cache)


def open_clips_of(dataset: Dataset, text: str, subset: str | None) -> FileSource:
    """Clips of a dataset as spans of the videos that lie on this machine.

    Raises:
        MisuseError: no such column or subset, or no video lies here.
    """
    clips = []
    with dataset.reading():
        rows = dataset.clips_relation(subset, of_video=SOURCE_COLUMNS)
        if text not in rows.columns:
            raise MisuseError(
                f"{dataset.root} has no column {text!r}",
                hint="internvid describe shows the columns; name one with --text",
            )
        for row, uri, _ in dataset.rows_with_source(rows):
            try:
                path = None if uri is None else uri_to_path(uri)
            except ConfigInvalidError:
                path = None
            if path is not None:
                span = TimeSpan(row["start_seconds"], row["end_seconds"])
                clips.append(FileClip(path, row[text] or "", span, str(row["video_id"])))
    if not clips:
        raise MisuseError(
            f"{dataset.root} has no clip whose video lies on this machine",
            hint="text-to-video models are trained on the videos themselves",
        )
    return FileSource(clips)


def _world(data: str, recipe: GenerationRecipe, cache: Path) -> WorldSource:
    seed = data.partition(":")[2]
    if seed and not seed.isdigit():
        raise ConfigInvalidError(f"{data!r}: a seed is a whole number from 0, as in world:1")
    model, world, wanted = recipe.model, recipe.data.world, recipe.data
    tiny = model.kind == "tiny"
    return WorldSource(
        seed=int(seed or 0),
        count=world.count,
        frames=wanted.frames or (model.tiny.frames if tiny else _WORLD_FRAMES),
        size=wanted.height or (model.tiny.side if tiny else _WORLD_SIDE),
        cameras=world.cameras,
        paths=world.paths,
        cache=(cache / "world").absolute(),
    )
