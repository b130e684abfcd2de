"""Plans work for many processes: sources are recorded, nothing is scanned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from internvid.core.annotators import traits_of
from internvid.core.config import identity
from internvid.core.errors import ConfigInvalidError, DatasetFormatError, PlanMismatchError
from internvid.dataset.current import gone_videos
from internvid.dataset.layout import Layout, Record
from internvid.dataset.parts import read_part
from internvid.dataset.removal.purging import writing
from internvid.dataset.sources.remap import remap
from internvid.dataset.stores.store_path import located
from internvid.pipeline.annotate.jobs import ColumnRequest, column_job, key_of, note_column
from internvid.pipeline.annotate.stream import ColumnJob
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.removal.passing_over import pass_over_removed
from internvid.pipeline.shares.work_plan import (
    MakeRecipe,
    PlannedColumn,
    WorkPlan,
    plan_build,
    plan_column,
    read_plan,
    write_plan,
)
from internvid.pipeline.source_parts import (
    check_part_size,
    expected_bytes,
    plan_sources,
    set_part_size,
)
from internvid.pipeline.sources import find_sources


@dataclass(frozen=True)
class PreparedWork:
    """What is planned for workers.

    Attributes:
        dataset: the folder.
        plan: digest of the plan.
        sources: sources of the dataset. parts: that they lie in.
        pending: parts that are not scanned yet.
        columns: names of columns that will be written.
        notes: sentences about what was taken from tables of sources, and what was not.
    """

    dataset: Path
    plan: str
    sources: int
    parts: int
    pending: int
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def prepare_build(
    videos: Sequence[str],
    dataset: str | Path,
    recipe: Recipe,
    make: MakeRecipe,
    *,
    retry: bool = False,
    types: Mapping[str, str] | None = None,
    moved: Sequence[str] = (),
    part_mb: int | None = None,
) -> PreparedWork:
    """Record the sources of a build and its recipe, for `work` to do. Nothing is scanned.

    What was planned before and is not done is done by the new plan too, if the recipe is the same;
    columns that were planned stay planned.

    Args:
        videos, dataset, recipe, retry, types, moved, part_mb: as of `build`.
        make: how a worker makes a recipe of its name, before its settings.

    Raises:
        InternvidError: misuse, a busy dataset, a full disk; a recipe that settings do not say.
    """
    layout = Layout(located(dataset))
    layout.refuse_foreign()
    check_part_size(part_mb)
    planned = plan_build(recipe, make)
    known = layout.read_record().metadata if layout.record_path.is_file() else {}
    sources = find_sources(videos, types, known)
    with writing(layout):
        record = layout.create()
        set_part_size(record, part_mb)
        moves = (remap(layout, moved),) if moved else ()
        sources, _ = pass_over_removed(layout, sources)
        notes = (*moves, *plan_sources(layout, record, sources, retry=retry))
        before = _plan_or_none(layout)
        plan = WorkPlan(_sizes(layout, record, planned.scan), planned)
        requests = [] if before is None else [column.request() for column in before.columns]
        plan = _with_columns(layout, record, plan, requests, make)
        write_plan(layout, plan)
    return _prepared(layout, record, plan, notes)


def prepare_columns(
    dataset: str | Path, requests: Sequence[ColumnRequest], make: MakeRecipe
) -> PreparedWork:
    """Record columns for `work` to write, after the build if that is planned too.

    Args:
        dataset: with a finished build, or a planned one.
        requests: the columns, in their order.
        make: how a worker makes a recipe of its name, before its settings.

    Raises:
        InternvidError: as for the columns themselves; a component that settings do not say.
    """
    layout = Layout(located(dataset))
    layout.read_record()
    with writing(layout):
        record = layout.read_record()
        plan = read_plan(layout)
        if plan is None:
            if record.scan is None:
                raise DatasetFormatError(
                    f"{layout.root} has no finished build yet, and none is planned",
                    hint="plan one first: internvid build VIDEOS -o DATASET --prepare",
                )
            plan = WorkPlan(_sizes(layout, record, record.scan))
        plan = _with_columns(layout, record, plan, requests, make)
        write_plan(layout, plan)
    return _prepared(layout, record, plan, ())


def _with_columns(
    layout: Layout,
    record: Record,
    plan: WorkPlan,
    requests: Sequence[ColumnRequest],
    make: MakeRecipe,
) -> WorkPlan:
    """The plan with further columns, each of which may read the ones before it."""
    ahead = planned_record(layout, record, plan, make)
    for request in requests:
        job = column_job(layout, ahead, request)
        planned = plan_column(replace(request, component=job.component), job.column)
        plan = plan.with_column(planned)
        point_at_column(ahead, job)
    return plan


def planned_record(layout: Layout, record: Record, plan: WorkPlan, make: MakeRecipe) -> Record:
    """The record as it will be once all that is planned is done; nothing is written.

    Raises:
        PlanMismatchError: here something else would be made of the plan.
    """
    ahead = replace(
        record,
        scans=dict(record.scans),
        cuts=dict(record.cuts),
        columns={cut: dict(columns) for cut, columns in record.columns.items()},
        column_recipes=dict(record.column_recipes),
    )
    if plan.build is not None:
        recipe = plan.build.remade(make)
        point_at_build(ahead, recipe)
        for name in recipe.captioners:
            point_at_column(ahead, recipe_job(layout, ahead, recipe, name))
    for column in plan.columns:
        point_at_column(ahead, planned_job(layout, ahead, column))
    return ahead


def planned_job(layout: Layout, ahead: Record, column: PlannedColumn) -> ColumnJob:
    """The job of a planned column.

    Raises:
        PlanMismatchError: here it would be another column.
    """
    job = column_job(layout, ahead, column.request())
    if job.column != column.key:
        raise PlanMismatchError(
            f"the column {column.name!r} is {job.column} here, and {column.key} was planned",
            hint="run all workers with the code and weights that the planner had; or plan it anew "
            "by --prepare",
        )
    return job


def point_at_column(record: Record, job: ColumnJob) -> None:
    """Make a column the current one of its name; in memory."""
    note_column(record, job)
    record.columns.setdefault(job.cut, {})[job.column.partition("@")[0]] = job.column


def point_at_build(record: Record, recipe: Recipe) -> None:
    """Make the scan and the cut of a recipe the current ones; in memory."""
    record.scan, record.cut = recipe.scan_fingerprint(), recipe.cut_key()
    record.scans[record.scan] = identity(recipe.complete_scan())
    record.cuts[record.cut] = recipe.cut_record()


def recipe_job(layout: Layout, ahead: Record, recipe: Recipe, name: str) -> ColumnJob:
    """The job of a text column that belongs to a recipe."""
    component = recipe.captioners[name]
    refuse_text(name, component)
    parts = tuple(entry["name"] for entry in ahead.parts)
    scan, cut = recipe.scan_fingerprint(), recipe.cut_key()
    key = key_of(name, component, recipe.column_inputs())
    gone = gone_videos(layout, scan, parts)
    return ColumnJob(layout, scan, cut, key, component, parts, gone=gone)


def refuse_text(name: str, component: Any) -> None:
    """Refuse a captioner of a recipe that reads a text.

    Raises:
        ConfigInvalidError: it does.
    """
    if "text" in traits_of(component).reads:
        raise ConfigInvalidError(
            f"{name!r} reads a text column, which a build does not have yet",
            hint="run it over the finished dataset: internvid score DATASET",
        )


def _plan_or_none(layout: Layout) -> WorkPlan | None:
    """What was planned before, which a new plan replaces whatever is wrong with it."""
    try:
        return read_plan(layout)
    except DatasetFormatError:
        return None


def _sizes(layout: Layout, record: Record, scan: str) -> dict[str, int]:
    """Part -> bytes of its pictures: those that it has, or those that its sources may give."""
    sizes: dict[str, int] = {}
    for part in (entry["name"] for entry in record.parts):
        path = layout.scanned(scan, "picks", part)
        if path.exists():
            sizes[part] = path.stat().st_size
        else:
            uris = read_part(layout.sources(part), ["uri"])["uri"].to_pylist()
            sizes[part] = sum(map(expected_bytes, uris))
    return sizes


def _prepared(
    layout: Layout, record: Record, plan: WorkPlan, notes: tuple[str, ...]
) -> PreparedWork:
    scan = record.scan if plan.build is None else plan.build.scan
    parts = [entry["name"] for entry in record.parts]
    pending = [part for part in parts if not layout.scanned(str(scan), "videos", part).exists()]
    return PreparedWork(
        layout.root,
        plan.digest,
        sum(entry["sources"] for entry in record.parts),
        len(parts),
        len(pending),
        tuple(column.name for column in plan.columns),
        notes,
    )
