"""Named builds: each a function that returns the whole configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from internvid.captions.measured import MeasuredCaptioner
from internvid.core.errors import ComponentUnknownError, MisuseError
from internvid.core.several import several
from internvid.curate.filters import DEFAULT_FILTERS, PAPER_FILTERS
from internvid.pipeline.build import BuildSummary
from internvid.pipeline.build import build as build_dataset
from internvid.pipeline.given.given_table import GivenInputs
from internvid.pipeline.progress import BuildProgress
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.run.executor import Executor
from internvid.scan.scan import ScanRecipe
from internvid.shots.content import ContentDetector
from internvid.shots.default import DefaultDetector
from internvid.shots.stitch import Stitch

ALL_OBSERVERS = ("content", "luma", "camera", "transitions")


def default() -> Recipe:
    """Our best detector, every signal, still and frantic clips rejected, measured captions."""
    return Recipe(
        name="default",
        scan=ScanRecipe(observers=ALL_OBSERVERS),
        cut=CutRecipe(detector=DefaultDetector(), stitch=Stitch(), filters=DEFAULT_FILTERS),
        captioners={"measured": MeasuredCaptioner()},
    )


def internvid() -> Recipe:
    """The paper's settings: PySceneDetect's content detector at 27, no upper length.

    Source: arXiv 2307.06942, section 3 and appendix; it names the threshold and that still and
    extreme clips go, not how they are measured. Lengths are described (2 s to over 30 s), not
    enforced, and the published files hold shorter and longer ones.
    """
    return Recipe(
        name="internvid",
        scan=ScanRecipe(observers=ALL_OBSERVERS),
        cut=CutRecipe(
            detector=ContentDetector(threshold=27.0),
            stitch=Stitch(maximum_seconds=0.0),
            filters=PAPER_FILTERS,
        ),
        captioners={"measured": MeasuredCaptioner()},
    )


RECIPES = {"default": default, "internvid": internvid}


def get(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        ComponentUnknownError: there is none.
    """
    if name not in RECIPES:
        raise ComponentUnknownError(f"no recipe {name!r}; known: {', '.join(sorted(RECIPES))}")
    return RECIPES[name]()


def build(
    videos: str | Path | Sequence[str | Path],
    dataset: str | Path,
    recipe: str | Recipe = "default",
    *,
    workers: int | None = None,
    executor: str | Executor = "local",
    retry: bool = False,
    types: Mapping[str, str] | None = None,
    moved: Sequence[str] = (),
    given: bool = False,
    video_folder: str | Path | None = None,
    part_mb: int | None = None,
    progress: BuildProgress | None = None,
) -> BuildSummary:
    """Make or continue a dataset: what `internvid build` does, and `internvid.build` names.

    Args:
        videos: a file, folder, glob or table with a `uri` column, or several of them.
        dataset: the folder; new, empty, or a dataset.
        recipe: the name of a recipe, or one.
        workers: processes; all cores when None.
        executor: where they run: `local`, `ray` (a Ray cluster), or an executor.
        retry: try sources that failed once more.
        types: column of a table of sources -> SQL type of its values: bigint, double, boolean,
            date, timestamp or varchar.
        moved: `OLD=NEW` of files and folders that lie elsewhere than the dataset says.
        given: `videos` are tables that state clips, or exports: their spans become a cut of its
            own, their captions the column `given`.
        video_folder: with `given`: where files lie that are called by the ids of the tables, and
            where tar shards are unpacked to.
        progress: called with everything that happens.

    Returns:
        Counts, and where the tables lie.

    Raises:
        InternvidError: misuse, a busy dataset, a full disk. A bad source is no error: it becomes a
            failed row.
    """
    chosen = get(recipe) if isinstance(recipe, str) else recipe
    return build_dataset(
        inputs_of(videos, given=given, video_folder=video_folder, types=types),
        dataset,
        chosen,
        workers=workers,
        executor=executor,
        retry=retry,
        types=types,
        moved=several(moved),
        part_mb=part_mb,
        progress=progress,
    )


def inputs_of(
    videos: str | Path | Sequence[str | Path],
    *,
    given: bool = False,
    video_folder: str | Path | None = None,
    types: Mapping[str, str] | None = None,
) -> Sequence[str] | GivenInputs:
    """What a build reads: sources, or tables that state clips. The arguments are those of `build`.

    Raises:
        MisuseError: they do not go together.
    """
    named = [str(each) for each in several(videos)]
    if given:
        if types:
            raise MisuseError(
                "types are given to columns of tables of sources; those of a table of clips become "
                "columns of clips, of the types that they have",
                hint="leave --type out",
            )
        return GivenInputs(tuple(named), None if video_folder is None else Path(video_folder))
    if video_folder is not None:
        raise MisuseError(
            f"{video_folder} is where the videos of a table of clips lie, and none is read",
            hint="add --given; or name the folder as an input, to cut its videos anew",
        )
    return named
