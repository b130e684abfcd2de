"""Plan work for many processes, and do one share of it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.api.datasets import DatasetLike, as_folder
from internvid.core.errors import MisuseError
from internvid.core.several import several
from internvid.core.system.shell import command
from internvid.dataset.store import layout_to_write

if TYPE_CHECKING:
    from internvid.pipeline.annotate.jobs import ColumnRequest
    from internvid.pipeline.progress import BuildProgress
    from internvid.pipeline.recipe import Recipe
    from internvid.pipeline.shares.preparing import PreparedWork
    from internvid.pipeline.shares.share_work import WorkSummary

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0


def prepare(
    videos: str | Path | Sequence[str | Path],
    dataset: str | os.PathLike[str],
    recipe: str | Recipe = "default",
    *,
    retry: bool = False,
    types: Mapping[str, str] | None = None,
    moved: Sequence[str] = (),
    part_mb: int | None = None,
) -> PreparedWork:
    """Record the sources and the recipe of a build for many processes; nothing is scanned.

    Args:
        videos: a file, folder, glob or table with a `uri` column, or several of them.
        dataset: the folder, which all machines have under this path; new, empty, or a dataset.
        recipe: the name of a recipe, or one whose settings say all of it.
        retry: try sources that failed once more.
        types: column of a table of sources -> SQL type of its values.
        moved: `OLD=NEW` of files and folders that lie elsewhere than the dataset says.
        part_mb: megabytes that a part of a new dataset shall take, as reckoned from its sources;
            64 sources a part when None.

    Raises:
        InternvidError: as of `build`; a recipe that other processes cannot make of its settings.
    """
    from internvid import recipes
    from internvid.pipeline.shares.preparing import prepare_build

    chosen = recipes.get(recipe) if isinstance(recipe, str) else recipe
    named = [str(each) for each in several(videos)]
    return prepare_build(
        named,
        Path(dataset),
        chosen,
        _base_recipe,
        retry=retry,
        types=types,
        moved=several(moved),
        part_mb=part_mb,
    )


def prepare_columns(dataset: DatasetLike, requests: Sequence[ColumnRequest]) -> PreparedWork:
    """Record captions, scores or vectors for many processes to write.

    Args:
        dataset: with a finished build, or one for which a build is planned.
        requests: the columns, in the order in which they are written.

    Raises:
        InternvidError: as of `caption` and `score`; a component that other processes cannot make of
            its settings.
    """
    from internvid.pipeline.shares.preparing import prepare_columns as prepare_all

    with layout_to_write(dataset) as layout:
        return prepare_all(layout.root, requests, _base_recipe)


def work(
    dataset: DatasetLike,
    share: str | None = None,
    *,
    workers: int | None = None,
    wait: bool = False,
    progress: BuildProgress | None = None,
    waiting: Callable[[WorkSummary, float], None] | None = None,
) -> WorkSummary:
    """Do one share of what was planned for a dataset, as far as it is ready.

    Args:
        dataset: for which work was planned.
        share: `"2/8"` for the second of eight; what the scheduler's environment says when None, and
            all of it where that says nothing.
        workers: processes on this machine; one a core when None.
        wait: until all shares are done, whoever does them.
        progress: called with everything that happens.
        waiting: called before each pause with what is waited for, and its seconds.

    Raises:
        MisuseError: nothing was planned; a share that cannot be.
        PlanMismatchError: another version of internvid planned it, or other code.
        InternvidError: a busy dataset, a full disk, a component at fault.
    """
    from internvid.pipeline.progress import BuildProgress
    from internvid.pipeline.shares.share import share_of
    from internvid.pipeline.shares.share_work import WorkSummary, do_share, was_done
    from internvid.run.executor import local_executor

    number, shares = share_of(share, os.environ)
    shown = progress or BuildProgress()
    pause = _FIRST_PAUSE
    with layout_to_write(dataset) as layout:
        while True:
            summary = do_share(layout, number, shares, _base_recipe, local_executor(workers), shown)
            if summary is None:
                if not was_done(layout):
                    raise MisuseError(
                        f"no work is planned for {as_folder(dataset)}",
                        hint="plan some: internvid build VIDEOS -o DATASET --prepare; or: "
                        + command("caption", layout.root)
                        + " --captioner NAME --prepare",
                    )
                return WorkSummary(f"{number + 1}/{shares}", 0, done=True)
            if summary.done or not wait:
                return summary
            if waiting is not None:
                waiting(summary, pause)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _base_recipe(name: str) -> Recipe:
    """The recipe that the settings of a planned one are applied to."""
    from internvid import recipes

    return recipes.RECIPES.get(name, recipes.default)()
