"""dialogues: questions and answers about clips and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from internvid.cli.commands.conversing.documents_shown import (
    put_documents,
    put_faults,
    reading_clips,
    refuse_other_options,
)
from internvid.cli.commands.look import note_subset
from internvid.cli.options import DatasetPath, Json, Settings, Subset
from internvid.cli.output import put, put_json, table
from internvid.cli.verdicts import put_reissue, put_verification
from internvid.core.errors import MisuseError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Publish")(dialogues)


def dialogues(
    dataset: DatasetPath,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Folder to write; a new one, or an export that was interrupted."
        ),
    ],
    subset: Subset = None,
    caption: Annotated[
        Optional[str],
        typer.Option(help="Column with captions; of several, with commas, the first that has one."),
    ] = None,
    transcript: Annotated[
        Optional[str], typer.Option(help="Column with what is spoken; none if it is not named.")
    ] = None,
    about: Annotated[
        Optional[str],
        typer.Option(metavar="clip,video", help="Dialogues about clips, whole videos, or both."),
    ] = None,
    pairs: Annotated[
        Optional[int], typer.Option(help="Most template questions of a dialogue; 0 for none.")
    ] = None,
    tokens: Annotated[
        Optional[int],
        typer.Option(help="Most tokens of a dialogue; questions that are over are left out."),
    ] = None,
    tokenizer: Annotated[
        Optional[str],
        typer.Option(
            help="What counts tokens: clip, or a folder or hub name; default: an estimate."
        ),
    ] = None,
    pixels: Annotated[
        Optional[str],
        typer.Option(metavar="none|clips", help="Name sources and times, or cut videos."),
    ] = None,
    model: Annotated[
        Optional[str], typer.Option(help="Chat model that writes turns too, by its server's name.")
    ] = None,
    server: Annotated[
        Optional[str],
        typer.Option(help="Address of its OpenAI-compatible server, such as http://host:8000/v1."),
    ] = None,
    seed: Annotated[
        Optional[int], typer.Option(help="Seed of wordings, and of which questions there are.")
    ] = None,
    assignments: Settings = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only count what templates would give.")
    ] = False,
    keep_paths: Annotated[
        bool,
        typer.Option("--keep-paths", help="Write whole paths of local sources, not only names."),
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Check every byte of FOLDER and prove every answer; write nothing."
        ),
    ] = False,
    reissue: Annotated[
        bool,
        typer.Option(
            "--reissue", help="Take out of FOLDER dialogues with clips that DATASET has no more."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write questions and answers about clips and videos, each with what proves it.

    Templates answer from stored captions, times, transcripts and signals. With --server a chat
    model writes turns too, which are checked against what it was given; refusals are counted.
    """
    from internvid.api.datasets import as_dataset
    from internvid.api.uses.conversations import make_dialogues, plan_dialogues

    named = {
        "caption": caption,
        "transcript": transcript,
        "about": about,
        "pairs": pairs,
        "tokens": tokens,
        "tokenizer": tokenizer,
        "media.pixels": pixels,
        "seed": seed,
    }
    settings = [f"{name}={value}" for name, value in named.items() if value is not None]
    settings += assignments or []
    if verify or reissue:
        has_more = bool(settings or subset or plan or keep_paths or model or server)
        refuse_other_options(verify=verify, reissue=reissue, has_more=has_more)
        run = put_reissue if reissue else _verify
        run(dataset, folder, as_json=as_json)
        return
    opened = as_dataset(dataset)
    if plan:
        if model or server:
            raise MisuseError(
                "--plan counts what templates give, and uses no model",
                hint="leave out --model and --server",
            )
        _show_plan(plan_dialogues(opened, subset=subset, settings=settings), as_json=as_json)
        note_subset(opened, subset)
        return
    with reading_clips() as progress:
        manifest = make_dialogues(
            opened,
            folder,
            subset=subset,
            model=model,
            server=server,
            settings=settings,
            keep_paths=keep_paths,
            progress=progress,
        )
    note_subset(opened, subset)
    put_documents(folder, manifest, "dialogues", as_json=as_json)


def _show_plan(planned: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        put_json(planned)
        return
    about = ", ".join(f"{count} about a {scope}" for scope, count in planned["about"].items())
    put(f"{planned['documents']} dialogues ({about}), {planned['pairs']} questions\n")
    put(table([{"question": kind, "times": count} for kind, count in planned["kinds"].items()]))
    put_faults("clips were left out", planned["left_out"])
    put_faults("dialogues were left out", planned["documents_left_out"])
    put_faults("refusals", planned["refused"])


def _verify(dataset: Path, folder: Path, *, as_json: bool) -> None:
    """Check bytes, then prove answers."""
    from internvid.api.releases import verify
    from internvid.api.uses.conversations import prove_dialogues

    if not as_json:
        put_verification(dataset, folder, as_json=False)
    proof = prove_dialogues(dataset, folder)
    if as_json:
        bytes_of = verify(folder, dataset=dataset)
        put_json(
            {
                "ok": bytes_of.ok and proof.ok,
                "changed": bytes_of.changed,
                "missing": bytes_of.missing,
                "foreign": bytes_of.foreign,
                "dialogues": proof.dialogues,
                "proved": proof.proved,
                "checked": proof.checked,
                "faults": dict(proof.faults.counts),
            }
        )
        if not (bytes_of.ok and proof.ok):
            raise typer.Exit(1)
        return
    for fault in proof.faults.examples:
        put(f"{fault.reason:<15} {fault.file}:{fault.row}: {fault.detail}")
    put(
        f"{proof.dialogues} dialogues: {proof.proved} answers follow from the dataset, "
        f"{proof.checked} of a model pass its checks"
    )
    if not proof.ok:
        raise typer.Exit(1)
