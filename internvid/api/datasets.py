"""Datasets: make one, look at it, report on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.errors import MisuseError
from internvid.core.several import several
from internvid.core.types import instant
from internvid.dataset.given import given_path
from internvid.dataset.store import Dataset, open_dataset
from internvid.dataset.stores.store_path import located

if TYPE_CHECKING:
    from internvid.curate.statistics import DatasetDescription
    from internvid.dataset.cuts import CutChoice
    from internvid.pipeline.build import BuildSummary
    from internvid.pipeline.progress import BuildProgress
    from internvid.pipeline.repair import Repair
    from internvid.pipeline.status import DatasetStatus
    from internvid.pipeline.watching.live_work import LiveWork

DatasetLike = Dataset | str | os.PathLike[str]
"""A dataset, or the folder of one."""


def as_dataset(dataset: DatasetLike) -> Dataset:
    """A dataset as it is, or the one in a folder.

    Raises:
        DatasetFormatError: the folder holds none, or one this program cannot read.
    """
    return dataset if isinstance(dataset, Dataset) else open_dataset(dataset)


def is_dataset(dataset: str | os.PathLike[str]) -> bool:
    """Whether a path is the folder of a dataset."""
    from internvid.dataset.layout import Layout

    return Layout(located(given_path(dataset, "dataset"))).has_record()


def as_folder(dataset: DatasetLike) -> Path:
    """The folder of a dataset."""
    return dataset.root if isinstance(dataset, Dataset) else located(given_path(dataset, "dataset"))


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
        `videos` (counts by status), `clips`, `rejected`, `failures` (rows), `columns`, `subsets`,
        `work` (the processes that work on it) and the current `scan` and `cut`, as
        `internvid status --json` prints them.

    Raises:
        DatasetFormatError: there is no dataset.
    """
    from internvid.pipeline.status import read_status

    return read_status(as_folder(dataset))


def live_work(dataset: DatasetLike) -> LiveWork | None:
    """The processes that work on a dataset, on any machine; None where there are none.

    Raises:
        DatasetFormatError: there is no dataset.
        StorageError: it cannot be looked at.
    """
    from internvid.dataset.layout import Layout
    from internvid.pipeline.watching.live_work import live_work as find_work

    layout = Layout(as_folder(dataset))
    layout.read_record()
    return find_work(layout)


def describe(
    dataset: DatasetLike,
    subset: str | None = None,
    *,
    column: str | Sequence[str] = (),
    captions: int | None = 20_000,
    seed: int = 0,
    progress: Callable[[str, int], None] | None = None,
) -> DatasetDescription:
    """Counts, hours, the distribution of every column, and statistics beside the paper's.

    Args:
        dataset: to look at: a dataset, its folder, or a table of clips (files).
        subset: only its clips.
        column: `ROLE=COLUMN` for columns that go by names that are not known, as in
            `owner=studio`, `talking_head=presenter` or `value=shot_type`.
        captions: how many captions to read for verbs and nouns, drawn at random; all when None.
        seed: of that sample.
        progress: is called with what is being counted, and how many captions were read.

    Returns:
        `videos`, `clips`, `hours`, `funnel`, `numbers`, `words`, `statistics`, `columns`,
        `recipe` and `faults`, as `internvid describe --json` prints them; of a table, `funnel`,
        `columns` and `recipe` are empty.

    Raises:
        DatasetFormatError: there is no dataset, or it is damaged.
        MisuseError: there is no such subset, role or column.
    """
    from internvid.curate.statistics import dataset_statistics, describe_table
    from internvid.curate.statistics import describe as describe_clips
    from internvid.curate.tables.opening import open_rows
    from internvid.dataset.answers.columns import column_progress

    assigned = several(column)
    if not isinstance(dataset, Dataset) and is_table(dataset):
        if subset is not None:
            raise MisuseError(f"{dataset} is a table, which has no subset {subset!r}")

        def converted(_size: int) -> None:
            if progress is not None:
                progress("reading the table", 0)

        with open_rows(Path(dataset), progress=converted) as rows:
            return describe_table(
                rows, assigned=assigned, captions=captions, seed=seed, tell=progress
            )
    opened = as_dataset(dataset)
    cut = opened.record.cut
    return {
        **describe_clips(opened, subset),
        "statistics": dataset_statistics(
            opened, subset, assigned=assigned, captions=captions, seed=seed, tell=progress
        ),
        "columns": column_progress(opened.layout, opened.record, cut) if cut else [],
        "recipe": opened.record.cuts.get(cut or "", {}).get("settings", []),
        "faults": {},
    }


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether a path names files, one or a glob of them, and not the folder of a dataset."""
    place = located(given_path(path, "dataset"))
    return place.is_file() or (not place.exists() and any(c in str(path) for c in "*?["))


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


def write_report(
    dataset: DatasetLike,
    output: str | os.PathLike[str] | None = None,
    *,
    captions: int | None = 20_000,
) -> Path:
    """Write one HTML file about a dataset that opens offline; returns where it is.

    Args:
        dataset: to report on.
        output: the file; `report.html` in the dataset's folder when None.
        captions: how many captions to read for verbs and nouns, drawn at random; all when None.

    Raises:
        OutputExistsError: the path holds something that is not a report.
    """
    from internvid.browse.report import write_report as write_page

    opened = as_dataset(dataset)
    path = Path(output) if output is not None else opened.root / "report.html"
    return write_page(opened, path, captions)


def use_cut(dataset: DatasetLike, cut: str) -> CutChoice:
    """Make another cut of a dataset the current one: what readers show, from then on.

    Args:
        dataset: an open one shows the cut afterwards.
        cut: `name@fingerprint`, or a name such as `given`: of several the one that was built last.

    Raises:
        MisuseError: there is no such cut, or nothing says which of several was built last.
        DatasetBusyError: another process is writing there.
    """
    from internvid.dataset.cuts import use_cut as use

    chosen = use(as_folder(dataset), cut)
    if isinstance(dataset, Dataset):
        dataset.refresh()
    return chosen


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

    done = repair_record(located(dataset), [make() for make in recipes.RECIPES.values()])
    if not moved:
        return done
    layout = Layout(located(dataset))
    with writing(layout):
        return replace(done, notes=(*done.notes, remap(layout, several(moved))))
