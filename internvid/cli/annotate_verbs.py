"""The verbs that ask models: caption, score, embed, classify, audit. Bodies are one call each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from internvid.cli.options import DatasetPath, Json, Subset, VideoPath, Workers

PANEL = "Annotate"

Set = Annotated[
    Optional[list[str]],
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field, e.g. local.batch=32."),
]
Target = Annotated[Path, typer.Argument(metavar="TARGET", help="A dataset folder, or one video.")]
Names = Annotated[
    Optional[list[str]],
    typer.Option("--as", metavar="COLUMN", help="Name of the column; default: the component's."),
]
Model = Annotated[
    Optional[str],
    typer.Option(metavar="NAME_OR_FOLDER", help="Its model; with --server the name there."),
]
Server = Annotated[
    Optional[str],
    typer.Option(metavar="URL", help="Ask a served model, e.g. http://127.0.0.1:8000/v1."),
]
Plan = Annotated[bool, typer.Option("--plan", help="Try a few clips, print what all would cost.")]
Requests = Annotated[
    int, typer.Option("--max-requests", min=0, help="Most requests to servers; 0: no limit.")
]
Tokens = Annotated[
    int, typer.Option("--max-tokens", min=0, help="Most tokens of servers; 0: no limit.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the program."""
    for verb in (caption, score, embed, classify, audit):
        app.command(rich_help_panel=PANEL)(verb)


def caption(
    target: Target,
    captioner: Annotated[
        list[str], typer.Option(help="See: internvid list captioners. May be repeated.")
    ],
    model: Model = None,
    server: Server = None,
    names: Names = None,
    subset: Subset = None,
    text: Annotated[
        Optional[str], typer.Option(help="The text column to read, where there are several.")
    ] = None,
    redo: Annotated[
        Optional[str],
        typer.Option(
            metavar="REASONS",
            help="Ask again about answered clips too, e.g. looping,refused,broken (see audit).",
        ),
    ] = None,
    assignments: Set = None,
    plan: Plan = False,
    max_requests: Requests = 0,
    max_tokens: Tokens = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Let captioners write a text for each kept clip that has none; again = only what failed."""
    from internvid.cli.annotating import AnnotateOptions, run_annotate

    run_annotate(
        AnnotateOptions(
            target=target,
            kind="captioner",
            components=tuple(captioner),
            names=tuple(names or ()),
            subset=subset,
            text=text,
            redo=tuple(reason.strip() for reason in (redo or "").split(",") if reason.strip()),
            assignments=tuple(assignments or ()),
            model=model,
            server=server,
            plan=plan,
            max_requests=max_requests,
            max_tokens=max_tokens,
            workers=workers,
            as_json=as_json,
        )
    )


def score(
    target: Target,
    words: Annotated[
        Optional[str],
        typer.Argument(metavar="[TEXT]", help="For one video: what to compare its clips with."),
    ] = None,
    scorer: Annotated[
        Optional[list[str]], typer.Option(help="See: internvid list scorers. May be repeated.")
    ] = None,
    text: Annotated[
        Optional[str], typer.Option(help="The text column to judge, for scorers of texts.")
    ] = None,
    model: Model = None,
    server: Server = None,
    names: Names = None,
    subset: Subset = None,
    assignments: Set = None,
    plan: Plan = False,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Let scorers give each kept clip a number, a vector or a word."""
    from internvid.cli.annotating import AnnotateOptions, run_annotate

    run_annotate(
        AnnotateOptions(
            target=target,
            kind="scorer",
            components=tuple(scorer or ()),
            names=tuple(names or ()),
            subset=subset,
            text=text,
            words=words,
            assignments=tuple(assignments or ()),
            model=model,
            server=server,
            plan=plan,
            workers=workers,
            as_json=as_json,
        )
    )


def embed(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="A ViCLIP checkpoint, or a CLIP or SigLIP.")],
    name: Annotated[str, typer.Option("--as", metavar="COLUMN", help="Name.")] = "embedding",
    subset: Subset = None,
    assignments: Set = None,
    plan: Plan = False,
    as_json: Json = False,
) -> None:
    """Store a vector for each kept clip: for search, deduplication and training."""
    from internvid.cli.annotating import AnnotateOptions, run_annotate

    run_annotate(
        AnnotateOptions(
            target=dataset,
            kind="scorer",
            components=("embedding",),
            names=(name,),
            subset=subset,
            assignments=(f"model={model}", *(assignments or ())),
            plan=plan,
            as_json=as_json,
        )
    )


def classify(
    video: VideoPath,
    labels: Annotated[str, typer.Option(help="Commas between them, or a file: one a line.")],
    model: Annotated[str, typer.Option(help="A ViCLIP checkpoint, or a CLIP or SigLIP.")],
    top: Annotated[int, typer.Option(min=1, help="So many labels a clip.")] = 3,
    whole: Annotated[bool, typer.Option("--whole", help="The video as one clip.")] = False,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Which of some labels fits each clip of a video best. No training, no dataset."""
    from internvid.cli.classifying import ClassifyOptions, run_classify

    run_classify(
        ClassifyOptions(
            video, labels, model, top, tuple(assignments or ()), whole=whole, as_json=as_json
        )
    )


def audit(
    dataset: DatasetPath,
    column: Annotated[
        Optional[list[str]], typer.Option(help="Only these columns; default: all.")
    ] = None,
    scorer: Annotated[
        Optional[str], typer.Option(help="Also compare each caption with shuffled ones.")
    ] = None,
    language: Annotated[str, typer.Option(help="Captions should be in it; empty: any.")] = "en",
    assignments: Set = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most so many clips.")] = 50,
    as_json: Json = False,
) -> None:
    """Prove that each text belongs to its clip, and look after its health. 1 = some do not."""
    from internvid.cli.auditing import AuditOptions, run_audit

    run_audit(
        AuditOptions(
            dataset,
            tuple(column or ()),
            scorer,
            language,
            tuple(assignments or ()),
            limit,
            as_json=as_json,
        )
    )
