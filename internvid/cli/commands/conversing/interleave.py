"""interleave: clips among their captions, as documents that Flamingo-type models learn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Optional, cast

import typer

from internvid.cli.commands.conversing.documents_shown import (
    counts_table,
    put_documents,
    put_faults,
    reading_clips,
    refuse_other_options,
)
from internvid.cli.commands.look import note_subset
from internvid.cli.options import DatasetPath, Json, Settings, Subset
from internvid.cli.output import duration, put, put_json
from internvid.cli.verdicts import put_reissue, put_verification


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Publish")(interleave)


def interleave(
    dataset: DatasetPath,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder to write; a new one, or an export that was interrupted."
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="a|b|c",
            help="a: clips and captions of a video; b: transcripts too; c: several videos.",
        ),
    ] = "a",
    subset: Subset = None,
    caption: Annotated[
        Optional[str],
        typer.Option(help="Column with captions; of several, with commas, the first that has one."),
    ] = None,
    drop: Annotated[
        Optional[float],
        typer.Option(help="Probability with which a clip is not shown; its texts stay."),
    ] = None,
    clips: Annotated[Optional[int], typer.Option(help="Most clips that a document shows.")] = None,
    frames: Annotated[
        Optional[int], typer.Option(help="Most frames of a document, of all its clips.")
    ] = None,
    tokens: Annotated[
        Optional[int], typer.Option(help="Most tokens of the texts of a document.")
    ] = None,
    tokenizer: Annotated[
        Optional[str],
        typer.Option(
            help="What counts tokens: clip, or a folder or hub name; default: an estimate."
        ),
    ] = None,
    join: Annotated[
        Optional[str],
        typer.Option(
            metavar="random|captions|vectors",
            help="Which videos format c joins: near ones, or any.",
        ),
    ] = None,
    pixels: Annotated[
        Optional[str],
        typer.Option(
            metavar="none|clips|frames",
            help="Write sources and times, videos that are cut, or JPEGs.",
        ),
    ] = None,
    layout: Annotated[
        Optional[str],
        typer.Option(metavar="items|obelics|mmc4|messages", help="How a row is written."),
    ] = None,
    container: Annotated[
        Optional[str],
        typer.Option(metavar="jsonl|webdataset", help="JSON lines, or tar files with pictures."),
    ] = None,
    seed: Annotated[Optional[int], typer.Option(help="Seed of all draws.")] = None,
    assignments: Settings = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only count what would be written.")] = False,
    keep_paths: Annotated[
        bool,
        typer.Option("--keep-paths", help="Write whole paths of local sources, not only names."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Check every byte and every row of FOLDER; write nothing."),
    ] = False,
    reissue: Annotated[
        bool,
        typer.Option(
            "--reissue", help="Take out of FOLDER documents with clips that DATASET has no more."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write documents of clips and texts in time order, for in-context learning.

    Clips are drawn out with --drop while their texts stay. With --format c videos of similar
    captions or vectors are joined. The order of rows and the number of threads change nothing.
    """
    from internvid.api.datasets import as_dataset
    from internvid.api.uses.conversations import interleave as write
    from internvid.api.uses.conversations import plan_interleave

    named = {
        "caption": caption,
        "drop": drop,
        "seed": seed,
        "budget.clips": clips,
        "budget.frames": frames,
        "budget.tokens": tokens,
        "tokenizer": tokenizer,
        "join.by": join,
        "join.seed": seed,
        "media.pixels": pixels,
        "layout": layout,
        "container": container,
    }
    settings = [f"{name}={value}" for name, value in named.items() if value is not None]
    settings += assignments or []
    if verify or reissue:
        has_more = bool(settings or subset or plan or keep_paths or form != "a")
        refuse_other_options(verify=verify, reissue=reissue, has_more=has_more)
        if reissue:
            put_reissue(dataset, folder, as_json=as_json)
        else:
            _verify(dataset, folder, as_json=as_json)
        return
    known = cast("Literal['a', 'b', 'c']", form)
    opened = as_dataset(dataset)
    if plan:
        planned = plan_interleave(opened, form=known, subset=subset, settings=settings)
        note_subset(opened, subset)
        _show(planned, "would be written", as_json=as_json)
        return
    with reading_clips() as progress:
        manifest = write(
            opened,
            folder,
            form=known,
            subset=subset,
            settings=settings,
            keep_paths=keep_paths,
            progress=progress,
        )
    note_subset(opened, subset)
    put_documents(folder, manifest, "documents", as_json=as_json)


def _show(planned: dict[str, Any], what: str, *, as_json: bool) -> None:
    if as_json:
        put_json(planned)
        return
    time = duration(planned["hours"] * 3600)
    put(f"{planned['documents']} documents of {planned['clips']} clips, {time} {what}")
    put(f"\n{counts_table(planned)}")
    put_faults("clips in no document", planned["left_out"])


def _verify(dataset: Path, folder: Path, *, as_json: bool) -> None:
    """Check bytes, then rows."""
    from internvid.api.uses.conversations import read_interleaved

    if not as_json:
        put_verification(dataset, folder, as_json=False)
    reading = read_interleaved(folder)
    faults = reading.check()
    if as_json:
        from internvid.api.datasets import is_dataset
        from internvid.api.releases import verify

        bytes_of = verify(folder, dataset=dataset if is_dataset(dataset) else None)
        put_json(
            {
                "ok": bytes_of.ok and not faults.total,
                "changed": bytes_of.changed,
                "missing": bytes_of.missing,
                "foreign": bytes_of.foreign,
                "rows": reading.rows,
                "faults": dict(faults.counts),
            }
        )
        if not bytes_of.ok or faults.total:
            raise typer.Exit(1)
        return
    for fault in faults.examples:
        put(f"{fault.reason:<18} {fault.file}:{fault.row}: {fault.detail}")
    if faults.total:
        raise typer.Exit(1)
    put(f"ok: {reading.rows} documents are as documented")
