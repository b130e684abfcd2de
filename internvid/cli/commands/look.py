"""shots, describe, list, show and report: look at a video or at a dataset."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from internvid.cli.commands.build import column_line
from internvid.cli.display import PlainLines, live
from internvid.cli.options import Captions, DatasetPath, Json, Settings, Subset, VideoPath
from internvid.cli.output import put, put_json, say, table
from internvid.core import registry
from internvid.core.assignments import spell
from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    from internvid.api.components import ComponentInfo
    from internvid.dataset.store import Dataset

PANEL = "Look"
_QUICK_SECONDS = 3.0
# The database counts rows in 64 bits.
_MOST_ROWS = 2**63 - 1


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for name, verb in (
        ("shots", shots),
        ("describe", describe),
        ("list", list_),
        ("show", show),
        ("report", report),
    ):
        app.command(name, rich_help_panel=PANEL)(verb)


def shots(
    video: VideoPath,
    detector: Annotated[
        str, typer.Option(help="Shot detector; see: internvid list detectors.")
    ] = "default",
    assignments: Settings = None,
    as_json: Json = False,
) -> None:
    """Detect the shots of one video: times, transitions and scores. Needs no dataset."""
    from internvid.api.components import make_component
    from internvid.core.types import instant
    from internvid.shots.detect import detect_shots

    component = make_component("detector", detector, assignments or ())
    rows = [
        {
            "start_seconds": instant(shot.span.start_seconds, 6),
            "end_seconds": instant(shot.span.end_seconds, 6),
            "transition": shot.transition,
            "score": round(shot.score, 4),
            "transition_seconds": round(shot.transition_seconds, 4),
        }
        for shot in detect_shots(video, component)
    ]
    if not as_json:
        put(table(rows))
        return
    # Programs rely on exactly these four.
    fixed = ("start_seconds", "end_seconds", "transition", "score")
    put_json({"video": str(video), "shots": [{key: row[key] for key in fixed} for row in rows]})


def describe(
    dataset: Annotated[
        Path, typer.Argument(metavar="INPUT", help="The dataset folder, or a table of clips.")
    ],
    subset: Subset = None,
    column: Annotated[
        Optional[list[str]],
        typer.Option(
            "--column",
            metavar="ROLE=COLUMN",
            help="Column of a role that goes by another name, e.g. owner=studio, "
            "talking_head=presenter, value=shot_type; may be repeated.",
        ),
    ] = None,
    captions: Captions = "20000",
    seed: Annotated[int, typer.Option(help="Seed of the sample of captions.")] = 0,
    as_json: Json = False,
) -> None:
    """Summarise a dataset or table of clips, beside the paper's values; warn of what dominates."""
    from internvid.api.datasets import as_dataset
    from internvid.api.datasets import describe as describe_dataset
    from internvid.cli import figures

    lines, started = PlainLines(), time.monotonic()
    state = ("", 0)

    def tell(stage: str, count: int) -> None:
        nonlocal state
        state = stage, count
        if time.monotonic() - started > _QUICK_SECONDS:
            lines.tell(stage, lambda: f"{count:,} captions" if count else "")

    with live(lambda: f"{state[0]}: {state[1]:,} captions" if state[1] else state[0]):
        facts = describe_dataset(
            dataset, subset, column=column or (), captions=_caption_count(captions), seed=seed,
            progress=tell,
        )  # fmt: skip
    if subset is not None:
        note_subset(as_dataset(dataset), subset)
    for reason, count in facts["faults"].items():
        say(f"note: rows or lines of the table that are faulty, {reason}: {count:,}")
    if as_json:
        put_json(facts)
        return
    put(f"{facts['clips']} clips of {facts['videos']} videos, {facts['hours']:.3f} hours")
    for written in facts["columns"]:
        put(column_line(written))
    put("")
    for line in figures.head(facts["statistics"]):
        put(line)
    tables = [
        (title, table(facts[title])) for title in ("funnel", "numbers", "words") if facts[title]
    ]
    is_first = bool(facts["funnel"])
    for title, text in [
        *tables[:is_first],
        *figures.sections(facts["statistics"]),
        *tables[is_first:],
    ]:
        put(f"\n{title}\n{text}")
    if facts["recipe"]:
        put("\nrecipe")
        put("\n".join(f"--set {one['setting']}={one['value']}" for one in facts["recipe"]))


def _caption_count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise MisuseError(f"--captions {text!r} is neither a number nor all")
    return int(text)


def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|KIND",
            help="A dataset, to list its clips; or a kind of component: detectors, captioners, "
            "scorers, selectors, exporters, benchmarks, recipes, ...",
        ),
    ],
    subset: Subset = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of clips to list.")] = 50,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="Also list the clips that the filters rejected.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the clips of a dataset, or the components of a kind with their settings."""
    from internvid.api.components import known_kinds, list_components

    kind = what.removesuffix("s")
    # A folder may bear the name of a kind without being a dataset.
    if kind in known_kinds() and not (Path(what) / "dataset.json").exists():
        _put_components(list_components(kind), as_json=as_json)
        return
    # What reads a dataset is not loaded to list components.
    from internvid.api.datasets import as_folder

    if not as_folder(what).exists():
        kinds = ", ".join([*(f"{kind}s" for kind in registry.KINDS), "recipes"])
        raise MisuseError(f"{what!r} is no dataset and no kind of component; kinds: {kinds}")
    _list_clips(as_folder(what), subset, limit, rejected=rejected, as_json=as_json)


def _list_clips(
    dataset: Path, subset: str | None, limit: int, *, rejected: bool, as_json: bool
) -> None:
    from internvid.dataset.store import SOURCE_COLUMNS, open_dataset

    opened = open_dataset(dataset)
    with opened.reading():
        relation = opened.clips_relation(
            subset, rejected=rejected, limit=min(limit, _MOST_ROWS), of_video=SOURCE_COLUMNS
        )
        # A column of that name goes first.
        rows = [
            {"uri": uri, "metadata": metadata, **row}
            for row, uri, metadata in opened.rows_with_source(relation)
        ]
        if len(rows) == limit:
            every = opened.clips_relation(subset, rejected=rejected).aggregate("count(*)")
            ((total,),) = every.fetchall()
            if total > limit:
                say(f"{limit} of {total:,} clips; others with --limit {total}")
    note_subset(opened, subset)
    if as_json:
        put_json(rows)
        return
    columns = ["clip_id", "start_seconds", "end_seconds", "transition", "camera_move", "given"]
    columns += ["measured", *(["reason"] if rejected else []), "uri"]
    for row in rows:
        row["clip_id"] = row["clip_id"][:12]
    put(table(rows, [name for name in columns if not rows or name in rows[0]]))


def note_subset(opened: Dataset, subset: str | None) -> None:
    """Say on stderr that a subset belongs to another cut, where it does."""
    note = None if subset is None else opened.subset_note(subset)
    if note:
        say(f"note: {note}")


def _put_components(components: list[ComponentInfo], *, as_json: bool) -> None:
    if as_json:
        rows = [{key: value for key, value in vars(each).items() if value is not None}
                for each in components]  # fmt: skip
        put_json(rows)
        return
    for each in components:
        needs = "".join(f"  [internvid[{extra}]]" for extra in each.installs or ())
        put(f"{each.name}{needs}\n    {each.does}")
        for field, default in each.fields.items():
            meaning = (each.left_out or {}).get(field)
            put(f"    --set {field}={spell(default)}" + (f"  ({meaning})" if meaning else ""))


def show(
    dataset: DatasetPath,
    clip_id: Annotated[
        str, typer.Argument(metavar="CLIP_ID", help="A clip id, or its first digits.")
    ],
    pictures: Annotated[
        Optional[Path], typer.Option(help="Folder to write the clip's stored frames into.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every column of one clip, its source and its captions."""
    from internvid.api.datasets import as_dataset, show_clip
    from internvid.core.types import instant
    from internvid.dataset.parts import commit_bytes

    opened = as_dataset(dataset)
    facts = show_clip(opened, clip_id)
    if pictures is not None:
        for seconds, jpeg in opened.jpegs(facts["clip_id"]):
            commit_bytes(pictures / f"{facts['clip_id'][:12]}_{instant(seconds):09.3f}.jpg", jpeg)
    if as_json:
        put_json(facts)
        return
    metadata = facts.pop("metadata")
    shown = {**facts, **{f"metadata.{key}": value for key, value in metadata.items()}}
    put(table([{"column": key, "value": str(value)} for key, value in shown.items()]))


def report(
    dataset: DatasetPath,
    output: Annotated[
        Optional[Path],
        typer.Argument(metavar="OUTPUT", help="The HTML file; default: DATASET/report.html."),
    ] = None,
    captions: Captions = "20000",
    as_json: Json = False,
) -> None:
    """Write a report of a dataset as one HTML file that opens offline."""
    from internvid.api.datasets import write_report

    page = write_report(dataset, output, captions=_caption_count(captions))
    if as_json:
        put_json({"report": page})
    else:
        put(str(page))
