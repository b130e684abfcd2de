"""build, demo, status, use, repair: make a dataset, see how far it is, choose a cut, mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional, TypedDict

import typer

from internvid.cli.build_display import shown_build
from internvid.cli.fetched import put_fetch_status
from internvid.cli.options import DatasetPath, Json, Moved, RunsOn, Settings, Types, Workers
from internvid.cli.output import TRY_AGAIN, duration, put, put_json, say, table
from internvid.cli.plan_display import machines_of, put_plan
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.core.system.shell import command

if TYPE_CHECKING:
    from internvid.dataset.answers.columns import ColumnProgress
    from internvid.dataset.removal.copies import CopyState
    from internvid.dataset.subset_files import SubsetEntry
    from internvid.pipeline.build import BuildSummary
    from internvid.pipeline.recipe import Recipe
    from internvid.pipeline.source_tables import AsideEntry

PANEL = "Build"
PlannedMachines = Annotated[
    Optional[int], typer.Option("--machines", help="With --plan: estimate for so many machines.")
]
PlannedCores = Annotated[
    Optional[int], typer.Option("--cores", help="Cores of each machine; default: as many as here.")
]
PlannedPrice = Annotated[
    Optional[float], typer.Option("--price", help="What an hour of one machine costs.")
]
PlannedStorage = Annotated[
    Optional[float],
    typer.Option(
        "--storage", metavar="MB", help="Megabytes a second of the storage that they share."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for verb in (demo, build, status, use, repair):
        app.command(rich_help_panel=PANEL)(verb)


def demo(
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Folder for the rendered videos and the dataset."),
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Random seed of the rendered videos.")] = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Render a few synthetic videos, build a dataset from them and write its report."""
    from internvid.api import datasets

    say(f"rendering the synthetic world (seed {seed}) into {folder / 'videos'}")
    with shown_build() as progress:
        summary = datasets.demo(folder, seed=seed, workers=workers, progress=progress)
    _put_summary(summary, datasets.write_report(summary.dataset, captions=0), as_json=as_json)


def build(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEOS",
            help="Video files, folders, glob patterns, tables with a uri column; also by address.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DATASET", help="The dataset folder.")
    ],
    recipe: Annotated[
        str, typer.Option(help="Named settings: default, or internvid (those of the paper).")
    ] = "default",
    detector: Annotated[
        Optional[str], typer.Option(help="Shot detector; see: internvid list detectors.")
    ] = None,
    scan: Annotated[
        Optional[str],
        typer.Option(help="full, or fast: leave out frames that no other frame refers to."),
    ] = None,
    workers: Workers = None,
    executor: RunsOn = "local",
    assignments: Settings = None,
    types: Types = None,
    moved: Moved = None,
    given: Annotated[
        bool,
        typer.Option(
            "--given",
            help="VIDEOS are tables of clips, or exports: cut the spans that they state.",
        ),
    ] = False,
    video_folder: Annotated[
        Optional[Path],
        typer.Option(
            "--videos",
            metavar="FOLDER",
            help="With --given: where files lie that are called by the ids of a table, and where "
            "tar shards are unpacked to.",
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Also retry sources that failed before.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Estimate time and disk space; build nothing.")
    ] = False,
    machines: PlannedMachines = None,
    cores: PlannedCores = None,
    price: PlannedPrice = None,
    storage: PlannedStorage = None,
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare",
            help="Record what is to be built, for `internvid work` on many machines; scan nothing.",
        ),
    ] = False,
    part_mb: Annotated[
        Optional[int],
        typer.Option(
            metavar="MB",
            help="Size of the parts of a new dataset, for many machines 128 to 512; "
            "default: 64 sources each.",
        ),
    ] = None,
    report: Annotated[bool, typer.Option(help="Write DATASET/report.html at the end.")] = True,
    as_json: Json = False,
) -> None:
    """Build a dataset from videos, or continue one: only what is new or changed is done."""
    from internvid import recipes
    from internvid.api.cluster.working import prepare as plan_work
    from internvid.api.datasets import write_report
    from internvid.cli.commands.cluster.work import put_prepared

    chosen = _recipe_of(recipe, detector, scan, assignments or ())
    fleet = machines_of(machines, cores, price, storage, plan=plan)
    if plan:
        inputs = recipes.inputs_of(videos, given=given, video_folder=video_folder)
        put_plan(inputs, chosen, workers, fleet, as_json=as_json)
        return
    if prepare:
        if given or video_folder is not None:
            raise MisuseError(
                "--prepare is for builds that scan; spans that tables state are cut by one process",
                hint="prepare and work without --given, then build with --given: no video is "
                "decoded again",
            )
        prepared = plan_work(
            list(videos),
            output,
            chosen,
            retry=retry,
            types=_types(types or ()),
            moved=moved or (),
            part_mb=part_mb,
        )
        put_prepared(prepared, as_json=as_json)
        return
    with shown_build() as progress:
        summary = recipes.build(
            list(videos),
            output,
            chosen,
            workers=workers,
            executor=executor,
            retry=retry,
            types=_types(types or ()),
            moved=moved or (),
            given=given,
            video_folder=video_folder,
            part_mb=part_mb,
            progress=progress,
        )
    # A tagger takes seconds to load, and a build should not wait for it.
    page = write_report(summary.dataset, captions=0) if report else None
    _put_summary(summary, page, as_json=as_json)


def status(
    dataset: DatasetPath,
    watch: Annotated[
        Optional[float],
        typer.Option(
            metavar="SECONDS",
            min=0.2,
            help="Show it again after so many seconds, until no process works on it.",
        ),
    ] = None,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print it as metrics for Prometheus.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what is done, what is left to do, who works on it, and what failed and why."""
    from internvid.api.datasets import status as read_status
    from internvid.api.fetching import is_fetch_folder
    from internvid.cli.live_display import put_live, put_prometheus, watch_work

    if is_fetch_folder(dataset):
        put_fetch_status(dataset, as_json=as_json)
        return
    if watch is not None:
        watch_work(dataset, watch)
    if prometheus:
        put_prometheus(dataset)
        return
    facts = read_status(dataset)
    if as_json:
        put_json(facts)
        return
    put(f"dataset   {facts['dataset']}")
    counts = facts["videos"]
    staged = f" ({facts['staged']} of them scanned)" if facts["staged"] else ""
    put("videos    " + ", ".join(f"{counts[key]} {key}" for key in counts) + staged)
    uncut = f"; {facts['uncut']} videos not cut yet" if facts["uncut"] else ""
    put(f"clips     {facts['clips']} kept, {facts['rejected']} rejected{uncut}")
    put(f"cut       {facts['cut'] or 'none yet'}" + _others(facts["other_cuts"]))
    if facts["given_rejected"]:
        put("rows      of tables" + _row_reasons(facts["given_rejected"]))
    if facts["columns"]:
        put(f"columns   {', '.join(map(column_line, facts['columns']))}")
    if facts["subsets"]:
        put(f"subsets   {', '.join(map(_subset_line, facts['subsets']))}")
    if facts["set_aside"]:
        put("\nset aside of tables")
        put(table(_aside_rows(facts["set_aside"])))
    if facts["work"] is not None:
        put_live(facts["work"])
    if facts["copies"]:
        put(f"copies    {', '.join(map(_copy_line, facts['copies']))}")
    if facts["failures"]:
        put("\nfailed")
        put(table(facts["failures"], ["reason", "error", "uri"]))
        say(f"\n{TRY_AGAIN}")


def _copy_line(copy: CopyState) -> str:
    """An export or the like, how it is, and what removals did to it."""
    what = [copy["kind"], *filter(None, (copy["state"], copy["removal"]))]
    return f"{copy['path']} ({', '.join(what)}{': ' if copy['reason'] else ''}{copy['reason']})"


def use(
    dataset: DatasetPath,
    cut: Annotated[
        str,
        typer.Argument(
            metavar="CUT", help="Name of the cut, or NAME@FINGERPRINT for one of several."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Make another cut the current one, for example the clips that a table states."""
    from internvid.api.datasets import use_cut

    chosen = use_cut(dataset, cut)
    if as_json:
        put_json(chosen)
        return
    put(f"cut       {chosen.cut}" + _others([*chosen.others]))


def repair(dataset: DatasetPath, moved: Moved = None, as_json: Json = False) -> None:
    """Rebuild a lost or damaged dataset.json from the dataset's parts, and remap moved videos."""
    from internvid.api.datasets import repair as repair_dataset

    done = repair_dataset(dataset, moved=moved or ())
    for note in done.notes:
        say(f"note: {note}")
    if as_json:
        put_json({"dataset": dataset, **vars(done)})
        return
    put("dataset.json is whole" if done.intact else "dataset.json was made anew")
    put(f"parts     {done.parts}")
    put(f"cut       {done.cut or 'none yet'}")
    put(f"columns   {', '.join(done.columns) or 'none'}")


def column_line(column: ColumnProgress) -> str:
    """A column of captions or scores, with how many clips have what."""
    parts = [
        f"{column[state]} {state}"
        for state in ("ok", "skipped", "failed", "pending", "stale")
        if column[state]
    ]
    return f"{column['column']} ({', '.join(parts) or 'no clips'})"


def _recipe_of(
    name: str, detector: str | None, scan: str | None, assignments: Sequence[str]
) -> Recipe:
    """The named recipe, changed by the options."""
    from internvid import recipes
    from internvid.core.assignments import with_values

    chosen = []
    if scan is not None:
        if scan not in ("full", "fast"):
            raise ConfigInvalidError(f"--scan is full or fast, not {scan!r}")
        chosen.append(f"scan.mode={scan}")
    if detector is not None:
        chosen.append(f"cut.detector={detector}")
    changed: Recipe = with_values(recipes.get(name), [*chosen, *assignments])
    return changed


def _types(pairs: Sequence[str]) -> dict[str, str]:
    """Column -> type, of `COLUMN=TYPE`."""
    found = {}
    for pair in pairs:
        column, equals, kind = pair.rpartition("=")
        if not equals or not column:
            raise ConfigInvalidError(
                f"{pair!r} is not COLUMN=TYPE", hint="for example --type views=bigint"
            )
        found[column] = kind
    return found


class _AsideRow(TypedDict):
    line: int | None
    reason: str
    table: str


def _aside_rows(tables: Sequence[AsideEntry]) -> list[_AsideRow]:
    """The lines that are named of each table, and how many more there are."""
    rows: list[_AsideRow] = []
    for one in tables:
        rows += [
            {"line": each["line"], "reason": each["reason"], "table": one["table"]}
            for each in one["first"]
        ]
        more = one["rows"] + one["values"] - len(one["first"])
        if more > 0:
            rows.append({"line": None, "reason": f"and {more} more", "table": one["table"]})
    return rows


def _subset_line(one: SubsetEntry) -> str:
    clips = "?" if one["clips"] is None else one["clips"]
    return f"{one['subset']} ({clips} clips" + (
        ")" if one["is_current"] else f" of {one['cut'] or 'an unknown cut'})"
    )


def _others(cuts: list[str]) -> str:
    return f" (also: {', '.join(cuts)})" if cuts else ""


def _put_summary(summary: BuildSummary, page: Path | None, *, as_json: bool) -> None:
    for note in summary.notes:
        say(f"note: {note}")
    if as_json:
        put_json({**vars(summary), "report": page})
        return
    put(f"dataset   {summary.dataset}")
    put(f"videos    {summary.videos} ok, {summary.failures} failed, "
        f"{summary.duplicates} duplicate, {summary.scanned} scanned now")  # fmt: skip
    put(f"clips     {summary.clips} kept, {summary.rejected} rejected")
    if summary.given_rows:
        put(f"rows      {summary.given_rows} of tables" + _row_reasons(summary.given_rejected))
    if page is not None:
        put(f"report    {page}")
    put(f"took      {duration(summary.seconds)}")
    if summary.failures:
        say(f"\nwhy sources failed: {command('status', summary.dataset)}\n{TRY_AGAIN}")


def _row_reasons(rejected: Mapping[str, int]) -> str:
    """Why rows of tables became no clips."""
    if not rejected:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.items())
    return f", {sum(rejected.values())} of them no clips ({reasons})"
