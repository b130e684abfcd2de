"""Datasets: make one, look at it, report on it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.several import several
from internvid.core.types import instant
from internvid.dataset.store import Dataset, open_dataset

if TYPE_CHECKING:
    from internvid.curate.statistics import DatasetDescription
    from internvid.pipeline.build import BuildSummary
    from internvid.pipeline.progress import BuildProgress
    from internvid.pipeline.repair import Repair
    from internvid.pipeline.status import DatasetStatus

DatasetLike = Dataset | str | os.PathLike[str]
"""A dataset, or the folder of one."""


def as_dataset(dataset: DatasetLike) -> Dataset:
    """A dataset as it is, or the one in a folder.

    Raises:
        DatasetFormatError: the folder holds none, or one this program cannot read.
    """
    return dataset if isinstance(dataset, Dataset) else open_dataset(dataset)


def as_folder(dataset: DatasetLike) -> Path:
    """The folder of a dataset."""
    return dataset.root if isinstance(dataset, Dataset) else Path(dataset)


def demo(
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: BuildProgress | None = None,
) -> BuildSummary:
    """Render a small synthetic world into `folder/videos` and build `folder/dataset` of it.

    Args:
        folder: is made if it does not exist.
        seed: another seed renders another world.
        workers: processes; all cores when None.
        progress: shows the build.

    Raises:
        InternvidError: see `build`.
    """
    from internvid import recipes
    from internvid.synthetic.world import render_demo

    videos = Path(folder) / "videos"
    render_demo(videos, seed=seed)
    return recipes.build(videos, Path(folder) / "dataset", workers=workers, progress=progress)


def status(dataset: DatasetLike) -> DatasetStatus:
    """What is done, what is pending, what failed and why.

    Returns:
        `videos` (counts by status), `clips`, `rejected`, `failures` (rows), `columns`, `subsets`
        and the current `scan` and `cut`, as `internvid status --json` prints them.

    Raises:
        DatasetFormatError: there is no dataset.
    """
    from internvid.pipeline.status import read_status

    return read_status(as_folder(dataset))


def describe(dataset: DatasetLike, subset: str | None = None) -> DatasetDescription:
    """Counts, hours, lengths and the distribution of every column.

    Args:
        dataset: to look at.
        subset: only its clips.

    Returns:
        `videos`, `clips`, `hours`, `funnel`, `numbers`, `words`, `columns` and `recipe`, as
        `internvid describe --json` prints them.

    Raises:
        DatasetFormatError: there is no dataset, or it is damaged.
        MisuseError: there is no such subset.
    """
    from internvid.curate.statistics import describe as describe_clips
    from internvid.dataset.answers.columns import column_progress

    opened = as_dataset(dataset)
    cut = opened.record.cut
    return {
        **describe_clips(opened, subset),
        "columns": column_progress(opened.layout, opened.record, cut) if cut else [],
        "recipe": opened.record.cuts.get(cut or "", {}).get("settings", []),
    }


def show_clip(dataset: DatasetLike, clip_id: str) -> dict[str, Any]:
    """Everything known about one clip: every column, its source, when its picks are shown.

    Args:
        dataset: that holds it.
        clip_id: whole, or a unique beginning.

    Raises:
        MisuseError: no clip, or several, begin like that.
    """
    opened = as_dataset(dataset)
    row = opened.clip(clip_id)
    uri, metadata = opened.source_of(row["video_id"])
    picks = [instant(seconds) for seconds, _ in opened.jpegs(row["clip_id"])]
    return {"uri": uri, "metadata": metadata, **row, "picks": picks}


def write_report(dataset: DatasetLike, output: str | os.PathLike[str] | None = None) -> Path:
    """Write one HTML file about a dataset that opens offline; returns where it is.

    Args:
        dataset: to report on.
        output: the file; `report.html` in the dataset's folder when None.

    Raises:
        OutputExistsError: the path holds something that is not a report.
    """
    from internvid.browse.report import write_report as write_page

    opened = as_dataset(dataset)
    return write_page(opened, Path(output) if output is not None else opened.root / "report.html")


def repair(dataset: str | os.PathLike[str], *, moved: Sequence[str] = ()) -> Repair:
    """Rebuild a lost or damaged `dataset.json` from the parts, and name the place of moved videos.

    Args:
        dataset: the folder.
        moved: `OLD=NEW` of files and folders of videos that lie elsewhere now.

    Raises:
        DatasetFormatError: nothing in the folder says what it was.
        DatasetBusyError: another process is writing there.
    """
    from internvid import recipes
    from internvid.dataset.layout import Layout
    from internvid.dataset.removal.purging import writing
    from internvid.dataset.sources.remap import remap
    from internvid.pipeline.repair import repair as repair_record

    done = repair_record(Path(dataset), [make() for make in recipes.RECIPES.values()])
    if not moved:
        return done
    layout = Layout(Path(dataset).absolute())
    with writing(layout):
        return replace(done, notes=(*done.notes, remap(layout, several(moved))))
