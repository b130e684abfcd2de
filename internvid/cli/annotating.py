"""caption, score and embed: the live display around the annotate pass, and one video at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.display import PlainLines, live
from internvid.cli.model_options import with_model
from internvid.cli.output import duration, instant_text, put, put_json
from internvid.core import registry
from internvid.core.errors import ConfigInvalidError, MisuseError

if TYPE_CHECKING:
    from internvid.pipeline.annotate.annotate import ColumnRequest, ColumnSummary
    from internvid.pipeline.annotate.column_plan import ColumnPlan
    from internvid.pipeline.annotate.column_progress import AnnotateProgress
_FOR_PLANS = ("answers_kept", "cached_tokens", "kept_tokens")


@dataclass(frozen=True)
class AnnotateOptions:
    """The arguments of `internvid caption` and `internvid score`."""

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
    plan: bool = False
    retry: bool = False
    max_requests: int = 0
    max_tokens: int = 0
    workers: int | None = None
    as_json: bool = False


def run_annotate(options: AnnotateOptions) -> None:
    """`internvid caption`, `internvid score`, `internvid embed`."""
    requests = make_requests(options)
    if options.target.is_file():
        _run_video(options, requests)
        return
    if options.words is not None:
        raise MisuseError(
            f"a text ({options.words!r}) is for one video; a dataset has text columns",
            hint="name one with --text COLUMN",
        )
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
    from internvid.pipeline.annotate.jobs import ColumnRequest

    known = ", ".join(registry.names(options.kind))
    if not options.components:
        raise MisuseError(
            f"name what is to be asked: --{options.kind} NAME", hint=f"known: {known}"
        )
    if len(options.names) > len(options.components):
        raise MisuseError(f"--as names {len(options.names)} columns, asked are fewer")
    if len(options.components) > 1 and not (options.model is None and options.server is None):
        raise MisuseError(
            f"--model and --server are for one {options.kind}, asked are {len(options.components)}",
            hint=f"name each: --set {options.components[0]}.FIELD=MODEL",
        )
    made = []
    for at, name in enumerate(options.components):
        component = registry.create(options.kind, name)
        component = with_model(component, name, options.model, options.server, _own(options, name))
        default = name.rpartition(":")[2]
        column = options.names[at] if at < len(options.names) else default
        text = _text_of(options, component)
        request = ColumnRequest(column, component, options.subset, text, options.redo)
        made.append(replace(request, retry=options.retry))
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
            options.target, requests, workers=options.workers, progress=progress
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
    from internvid.dataset.columns import reasons_of
    from internvid.dataset.layout import Layout

    layout = Layout(target.absolute())
    record = layout.read_record()
    reasons = reasons_of(layout, record, record.cut or "", summary.key)
    parts = [f"{row['reason']} {row['clips']}" for row in reasons if row["status"] == "failed"]
    put("    failed: " + ", ".join(parts))


def _put_summary(summary: ColumnSummary) -> None:
    counted = [f"{summary.answered} of {summary.asked} clips asked"]
    if summary.failed:
        counted.append(f"{summary.failed} failed")
    if summary.carried:
        counted.append(f"{summary.carried} carried over")
    if summary.waiting:
        counted.append(f"{summary.waiting} wait for their text")
    if summary.lasting:
        counted.append(
            f"{summary.lasting} failed before for a reason that lasts (--retry asks again)"
        )
    put(f"{summary.column}: {', '.join(counted)}, {duration(summary.seconds)} ({summary.key})")
    parts = _shown_counts(summary.counts)
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
    put(f"clips             {plan.clips} to ask about, {plan.carried} carried over{waiting}")
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

    if options.retry:
        raise MisuseError("--retry is for a dataset; one video is asked about whole")
    wrong = {"--subset": options.subset, "--text": options.text, "--redo": options.redo}
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
    answers = {
        name: {key: value for key, value in row[name].items() if key not in hidden}
        for name in components
    }
    return {**row, **answers}


def _spelled(answer: dict[str, Any]) -> str:
    value = answer["value"]
    if answer["status"] != "ok":
        return f"({answer['status']}: {answer['reason']})"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


@contextlib.contextmanager
def shown_progress() -> Iterator[AnnotateProgress]:
    """Shows an annotate pass live on a terminal, as plain lines elsewhere."""
    from internvid.pipeline.annotate.column_progress import AnnotateProgress

    lines = PlainLines()
    progress = AnnotateProgress(
        changed=lambda state: lines.tell(state.stage, lambda: _numbers(state))
    )
    with live(lambda: f"{progress.stage}: {_numbers(progress)}"):
        yield progress


def _shown_counts(counts: Mapping[str, int]) -> list[str]:
    """What was counted, without what only plans reckon with."""
    return [f"{name} {count}" for name, count in sorted(counts.items()) if name not in _FOR_PLANS]


def _numbers(state: AnnotateProgress) -> str:
    if not state.asked:
        return ""
    parts = [f"{state.answered}/{state.asked}", f"{state.clips_per_second:.2f} a second"]
    if state.failed:
        parts.append(f"failed {state.failed}")
    counts = dict(state.timings.counts) if state.timings is not None else {}
    parts += _shown_counts(counts)
    if state.remaining_seconds is not None:
        parts.append(f"about {duration(state.remaining_seconds)} left")
    return ", ".join(parts)
