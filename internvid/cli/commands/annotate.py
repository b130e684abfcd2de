"""caption, score and embed: let models annotate the clips of a dataset, or of one video."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from internvid.cli.commands.cluster.work import put_prepared_columns
from internvid.cli.display import shown_counts, shown_progress
from internvid.cli.options import DatasetPath, Json, Prepare, RunsOn, Settings, Subset, Workers
from internvid.cli.output import duration, instant_text, put, put_json, say
from internvid.core.errors import ConfigInvalidError, MisuseError

if TYPE_CHECKING:
    from internvid.dataset.tables import AnswerRow
    from internvid.pipeline.annotate.annotate import ColumnRequest, ColumnSummary
    from internvid.pipeline.annotate.column_plan import ColumnPlan

PANEL = "Annotate"

Target = Annotated[
    Path, typer.Argument(metavar="TARGET", help="A dataset folder, or one video file.")
]
Names = Annotated[
    Optional[list[str]],
    typer.Option(
        "--as", metavar="COLUMN", help="Name of the new column; default: the component's name."
    ),
]
Model = Annotated[
    Optional[str],
    typer.Option(
        metavar="NAME_OR_FOLDER",
        help="Model to use: a hub name or folder; with --server, the name the server gives it.",
    ),
]
Server = Annotated[
    Optional[str],
    typer.Option(
        metavar="URL",
        help="OpenAI-compatible server that runs the model, e.g. http://127.0.0.1:8000/v1.",
    ),
]
Plan = Annotated[
    bool,
    typer.Option("--plan", help="Try a few clips and estimate time and cost; store nothing."),
]
Retry = Annotated[
    bool,
    typer.Option("--retry", help="Also retry clips that failed for a lasting reason."),
]
Requests = Annotated[
    int,
    typer.Option("--max-requests", min=0, help="Most requests to send to servers; 0: no limit."),
]
Tokens = Annotated[
    int, typer.Option("--max-tokens", min=0, help="Most tokens to spend on servers; 0: no limit.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for verb in (caption, score, embed):
        app.command(rich_help_panel=PANEL)(verb)


@dataclass(frozen=True)
class AnnotateOptions:
    """The arguments of `internvid caption`, `score` and `embed`."""

    target: Path
    kind: str
    components: tuple[str, ...]
    names: tuple[str, ...] = ()
    subset: str | None = None
    text: str | None = None
    words: str | None = None
    assignments: tuple[str, ...] = ()
    model: str | None = None
    server: str | None = None
    redo: tuple[str, ...] = ()
    retry: bool = False
    plan: bool = False
    prepare: bool = False
    max_requests: int = 0
    max_tokens: int = 0
    workers: int | None = None
    executor: str = "local"
    as_json: bool = False


def caption(
    target: Target,
    captioner: Annotated[
        list[str],
        typer.Option(help="Captioner to use; may be repeated. See: internvid list captioners."),
    ],
    model: Model = None,
    server: Server = None,
    names: Names = None,
    subset: Subset = None,
    text: Annotated[
        Optional[str],
        typer.Option(help="Text column to read, for captioners that rewrite texts."),
    ] = None,
    redo: Annotated[
        Optional[str],
        typer.Option(
            metavar="REASONS",
            help="Caption again the clips whose text has one of these problems, "
            "e.g. looping,refused,broken; internvid audit finds them.",
        ),
    ] = None,
    assignments: Settings = None,
    retry: Retry = False,
    plan: Plan = False,
    prepare: Prepare = False,
    max_requests: Requests = 0,
    max_tokens: Tokens = 0,
    workers: Workers = None,
    executor: RunsOn = "local",
    as_json: Json = False,
) -> None:
    """Caption each kept clip; a rerun does only clips that have no caption yet, or that failed."""
    _run(
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
            retry=retry,
            plan=plan,
            prepare=prepare,
            max_requests=max_requests,
            max_tokens=max_tokens,
            workers=workers,
            executor=executor,
            as_json=as_json,
        )
    )


def score(
    target: Target,
    words: Annotated[
        Optional[str],
        typer.Argument(metavar="TEXT", help="With one video: text to compare its clips with."),
    ] = None,
    scorer: Annotated[
        Optional[list[str]],
        typer.Option(help="Scorer to use; may be repeated. See: internvid list scorers."),
    ] = None,
    text: Annotated[
        Optional[str], typer.Option(help="Text column to score, for scorers that read texts.")
    ] = None,
    model: Model = None,
    server: Server = None,
    names: Names = None,
    subset: Subset = None,
    assignments: Settings = None,
    retry: Retry = False,
    plan: Plan = False,
    prepare: Prepare = False,
    workers: Workers = None,
    executor: RunsOn = "local",
    as_json: Json = False,
) -> None:
    """Score each kept clip: text similarity, aesthetics, safety, language, transcript and more."""
    _run(
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
            retry=retry,
            plan=plan,
            prepare=prepare,
            workers=workers,
            executor=executor,
            as_json=as_json,
        )
    )


def embed(
    dataset: DatasetPath,
    model: Annotated[str, typer.Option(help="A ViCLIP checkpoint, or a CLIP or SigLIP model.")],
    name: Annotated[
        str, typer.Option("--as", metavar="COLUMN", help="Name of the new column.")
    ] = "embedding",
    subset: Subset = None,
    assignments: Settings = None,
    plan: Plan = False,
    prepare: Prepare = False,
    as_json: Json = False,
) -> None:
    """Embed each kept clip as a vector, for search, deduplication and training."""
    _run(
        AnnotateOptions(
            target=dataset,
            kind="scorer",
            components=("embedding",),
            names=(name,),
            subset=subset,
            assignments=(f"model={model}", *(assignments or ())),
            plan=plan,
            prepare=prepare,
            as_json=as_json,
        )
    )


def _run(options: AnnotateOptions) -> None:
    requests = make_requests(options)
    if options.target.is_file():
        _run_video(options, requests)
        return
    if options.words is not None:
        raise MisuseError(
            f"a text ({options.words!r}) is for one video; a dataset has text columns",
            hint="name one with --text COLUMN",
        )
    if options.prepare:
        put_prepared_columns(options, requests)
        return
    with _budget(options):
        if options.plan:
            _run_plan(options, requests)
        else:
            _run_dataset(options, requests)


def make_requests(options: AnnotateOptions) -> list[ColumnRequest]:
    """The columns that the arguments ask for.

    Raises:
        MisuseError: no component, a name too many, a field that none of them has, a model for
            one that has none or several.
    """
    from internvid.api.components import make_component
    from internvid.core import registry
    from internvid.pipeline.annotate.jobs import ColumnRequest

    known = ", ".join(registry.names(options.kind))
    if not options.components:
        raise MisuseError(f"name a {options.kind}: --{options.kind} NAME", hint=f"known: {known}")
    if len(options.names) > len(options.components):
        raise MisuseError(
            f"--as names {len(options.names)} columns, and there are fewer {options.kind}s"
        )
    if len(options.components) > 1 and not (options.model is None and options.server is None):
        raise MisuseError(
            f"--model and --server are for one {options.kind}, not {len(options.components)}",
            hint=f"name each: --set {options.components[0]}.FIELD=MODEL",
        )
    made = []
    for at, name in enumerate(options.components):
        component = make_component(
            options.kind,
            name,
            _own(options, name),
            model=options.model,
            server=options.server,
            notice=say,
        )
        default = name.rpartition(":")[2]
        column = options.names[at] if at < len(options.names) else default
        made.append(
            ColumnRequest(
                column,
                component,
                options.subset,
                _text_of(options, component),
                redo=options.redo,
                retry=options.retry,
            )
        )
    return made


def _own(options: AnnotateOptions, name: str) -> list[str]:
    """The assignments that are meant for one of several components."""
    own = []
    for assignment in options.assignments:
        owner, dot, rest = assignment.partition(".")
        if dot and owner in options.components:
            if owner == name:
                own.append(rest)
        elif len(options.components) > 1:
            raise ConfigInvalidError(
                f"{assignment!r} does not say which component is meant",
                hint=f"for example --set {options.components[0]}.{assignment}",
            )
        else:
            own.append(assignment)
    return own


def _text_of(options: AnnotateOptions, component: Any) -> str | None:
    # With several scorers, a text column is for those that read one.
    from internvid.core.annotators import traits_of

    several = len(options.components) > 1
    return None if several and "text" not in traits_of(component).reads else options.text


@contextlib.contextmanager
def _budget(options: AnnotateOptions) -> Iterator[None]:
    from internvid.captions.server import budget

    with budget.run(options.max_requests, options.max_tokens):
        yield


def _run_dataset(options: AnnotateOptions, requests: list[ColumnRequest]) -> None:
    from internvid.pipeline.annotate.annotate import annotate_columns

    with shown_progress() as progress:
        summaries = annotate_columns(
            options.target,
            requests,
            workers=options.workers,
            executor=options.executor,
            progress=progress,
        )
    if options.as_json:
        put_json(summaries)
        return
    for summary in summaries:
        _put_summary(summary)
        if summary.failed:
            _put_reasons(options.target, summary)


def _put_reasons(target: Path, summary: ColumnSummary) -> None:
    """Why clips have no answer, over all runs of that column."""
    from internvid.dataset.answers.columns import reasons_of
    from internvid.dataset.layout import Layout
    from internvid.dataset.stores.store_path import located

    layout = Layout(located(target))
    record = layout.read_record()
    reasons = reasons_of(layout, record, record.cut or "", summary.key)
    parts = [f"{row['reason']} {row['clips']}" for row in reasons if row["status"] == "failed"]
    put("    failed: " + ", ".join(parts))


def _put_summary(summary: ColumnSummary) -> None:
    counted = [f"{summary.answered} of {summary.asked} clips answered"]
    if summary.failed:
        counted.append(f"{summary.failed} failed")
    if summary.carried:
        counted.append(f"{summary.carried} carried over")
    if summary.waiting:
        counted.append(f"{summary.waiting} wait for their text")
    if summary.lasting:
        counted.append(f"{summary.lasting} failed before for a reason that lasts (see --retry)")
    put(f"{summary.column}: {', '.join(counted)}, {duration(summary.seconds)} ({summary.key})")
    parts = shown_counts(summary.counts)
    parts += [f"{name} {seconds:.1f} s" for name, seconds in summary.stages.items()]
    if parts:
        put("    " + ", ".join(parts))


def _run_plan(options: AnnotateOptions, requests: list[ColumnRequest]) -> None:
    from internvid.pipeline.annotate.column_plan import plan_columns

    plans = plan_columns(options.target, requests)
    if options.as_json:
        put_json(plans)
        return
    for plan in plans:
        _put_plan(plan)


def _put_plan(plan: ColumnPlan) -> None:
    put(f"column            {plan.key}")
    waiting = f", {plan.waiting} wait for their text" if plan.waiting else ""
    waiting += f", {plan.lasting} wait for --retry" if plan.lasting else ""
    put(f"clips             {plan.clips} to annotate, {plan.carried} carried over{waiting}")
    kept = f"; {plan.kept} answers are kept for the run" if plan.kept else ""
    put(f"tried on          {plan.tried} clips, {plan.failed} failed{kept}")
    put(f"loading           {duration(plan.setup_seconds)}")
    put(f"a clip            {plan.seconds_per_clip:.3f} s")
    for name, seconds in plan.stages.items():
        put(f"    {name:<14}{seconds:.4f} s")
    for name, count in plan.counts.items():
        put(f"    {name:<14}{count:g} (still to come: {plan.expected[name]})")
    put(f"expected          {duration(plan.expected_seconds)}")


def _run_video(options: AnnotateOptions, requests: list[ColumnRequest]) -> None:
    from internvid import recipes
    from internvid.pipeline.single import annotate_video

    wrong = {
        "--subset": options.subset,
        "--text": options.text,
        "--redo": options.redo,
        "--retry": options.retry,
        "--prepare": options.prepare,
    }
    for name, value in wrong.items():
        if value:
            raise MisuseError(f"{name} is for a dataset, and {options.target} is a file")
    if options.plan:
        raise MisuseError("--plan is for a dataset; one video is just done")
    components = {request.name: request.component for request in requests}
    recipe = replace(recipes.default(), captioners={})
    with _budget(options):
        rows = list(annotate_video(options.target, components, recipe, options.words))
    if options.as_json:
        put_json({"video": options.target, "clips": [_plain(row, components) for row in rows]})
        return
    for row in rows:
        put(f"{instant_text(row['start_seconds'])}-{instant_text(row['end_seconds'])} s")
        for name in components:
            put(f"    {name}: {_spelled(row[name])}")


def _plain(row: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    hidden = ("clip_id", "pick_set", "seal")
    shown = {
        name: [each for each in row[name].items() if each[0] not in hidden] for name in components
    }
    return {**row, **{name: dict(answer) for name, answer in shown.items()}}


def _spelled(answer: AnswerRow) -> str:
    value = answer["value"]
    if answer["status"] != "ok":
        return f"({answer['status']}: {answer['reason']})"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
