"""evaluate: a model on a benchmark, or results as a page."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from internvid.cli.options import Context, Device, Json, Preprocessing, Settings
from internvid.cli.output import duration, put, put_json, say, table
from internvid.core import registry
from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.core.system.launched import is_first_process

if TYPE_CHECKING:
    from internvid.evaluation.results.protocol import Protocol, Result

_EVERY_SECONDS = 5.0
_SHOWN_MISSING = 10


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Train")(evaluate)


def evaluate(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="A training run, a folder or file of weights, a hub name, clip:NAME, "
            "frames:MODEL, fake or module:function; for t2v, a folder of generated videos; "
            "with --page, result files.",
        ),
    ],
    benchmark: Annotated[
        Optional[str], typer.Option(help="Name of the benchmark; see: internvid list benchmarks.")
    ] = None,
    videos: Annotated[
        Optional[Path], typer.Option(help="Folder of the benchmark's videos.")
    ] = None,
    annotations: Annotated[
        Optional[list[Path]],
        typer.Option(help="Annotation file of the benchmark; may be repeated."),
    ] = None,
    reference: Annotated[
        Optional[Path],
        typer.Option(
            help="Real videos that generated ones are compared with: a dataset, a folder."
        ),
    ] = None,
    protocol: Annotated[
        Optional[str],
        typer.Option(
            help="Protocol of zero-shot recognition: reference, or clip; of t2v: ucf101, or msrvtt."
        ),
    ] = None,
    output: Annotated[
        Optional[Path],
        typer.Option("--output", "-o", help="JSON file of the result, or HTML file of the page."),
    ] = None,
    store: Annotated[
        Optional[Path],
        typer.Option(help="Folder that keeps embeddings; default: embeddings/ beside OUTPUT."),
    ] = None,
    device: Device = "auto",
    preprocessing: Preprocessing = "",
    context: Context = None,
    workers: Annotated[
        int,
        typer.Option(
            min=0, help="Number of worker processes that decode videos; 0: decode in this one."
        ),
    ] = 2,
    assignments: Settings = None,
    page: Annotated[
        bool, typer.Option("--page", help="Combine result files into one HTML page.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a model on a benchmark; every number is printed with its protocol."""
    from internvid.api.evaluation import evaluate as measure
    from internvid.api.evaluation import make_benchmark
    from internvid.dataset.parts import refuse_foreign, refuse_unwritable

    if page:
        _write_page(subjects, output, as_json=as_json)
        return
    if len(subjects) != 1 or benchmark is None:
        lacks = (
            "no benchmark is named" if benchmark is None else f"{len(subjects)} models are named"
        )
        raise MisuseError(
            f"{lacks}; one model is measured on one benchmark at a time",
            hint="internvid evaluate MODEL --benchmark NAME; see: internvid list benchmarks",
        )
    made = make_benchmark(
        benchmark,
        videos=videos,
        annotations=annotations or (),
        reference=reference,
        protocol=protocol,
        settings=assignments or (),
    )
    if output is not None:
        # Before hours are spent.
        refuse_foreign(output, _is_result, "a result of internvid evaluate", "result.json")
        refuse_unwritable(output)
        if store is None and (hasattr(made, "videos") or hasattr(made, "reference")):
            store = output.parent / "embeddings"
    started = time.monotonic()
    result = measure(
        subjects[0],
        made,
        store=store,
        device=device,
        preprocessing=preprocessing,
        context=context,
        workers=workers,
        progress=Ticker(),
    )
    seconds = time.monotonic() - started
    if not is_first_process():
        return  # one of the processes that torchrun started speaks for all
    if output is not None:
        result.write(output)
    if as_json:
        put_json(result.describe())
        return
    _put_result(result, seconds, output, registry.find("benchmark", benchmark))


class Ticker:
    """Says how far each stage is: a line that renews itself on a terminal, few lines elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._stage = ""
        self._first = self._last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        """See `internvid.evaluation.embedding.embed_clips.Progress`."""
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._first, self._last = stage, now, 0.0
        if now - self._last < (0.2 if self._terminal else _EVERY_SECONDS) and done < total:
            return
        self._last = now
        text = f"{stage}: {done}/{total}"
        if 0 < done < total and now > self._first:
            text += f", about {duration((now - self._first) / done * (total - done))} left"
        if self._terminal:
            end = "\n" if done >= total else ""
            print(f"\r\x1b[K{text}", end=end, file=sys.stderr, flush=True)
        else:
            say(text)


def _put_result(result: Result, seconds: float, output: Path | None, kind: Any) -> None:
    protocol = result.protocol
    put(f"model      {result.model.get('name')} ({result.model.get('weights')})")
    put(f"benchmark  {protocol.benchmark}, protocol {protocol.fingerprint}")
    put(f"clips      {protocol.found} of {protocol.listed} found")
    put(f"measured   {', '.join(_how(protocol))}")
    if result.texts:
        put(f"texts      {_texts(result)}")
    rows = [{"metric": key, "value": round(value, 3)} for key, value in result.metrics.items()]
    put(table(rows))
    if hasattr(kind, "open_subject") and result.runs:
        title = getattr(kind, "runs_title", "videos a side")
        put(table([{title: n.removeprefix("n="), **_rounded(numbers)}
                   for n, numbers in result.runs.items()]))  # fmt: skip
    if output is not None:
        put(f"result     {output}")
    put(f"took       {duration(seconds)}")
    if result.missing:
        count, shown = len(result.missing), result.missing[:_SHOWN_MISSING]
        are = "clip is" if count == 1 else "clips are"
        say(f"\n{count:,} {are} missing from these numbers, none was replaced:")
        for one in shown:
            say(f"  {one.clip}: {one.reason}")
        if count > len(shown):
            say(f"  and {count - len(shown):,} more; -o FILE keeps all of them")
    if result.texts.get("cut"):
        say(
            f"\nnote: {result.texts['cut']:,} of {result.texts['texts']:,} texts are longer than "
            f"{_limit(protocol)}, and were cut; --context N reads N tokens"
        )
    for note in _unusual(kind, protocol):
        say(f"\nnote: {note}")


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in numbers.items()}


def _texts(result: Result) -> str:
    cut = result.texts.get("cut")
    known = "whether any was cut is not known" if cut is None else f"{cut:,} of them cut"
    return f"{result.texts['texts']:,}, {known}"


def _limit(protocol: Protocol) -> str:
    return f"{protocol.text_tokens} tokens" if protocol.text_tokens else "the model reads"


def _how(protocol: Protocol) -> Iterator[str]:
    """What decided the numbers, in short; the result file says all of it."""
    yield f"{protocol.frames} frames ({protocol.frame_rule})"
    yield f"views {protocol.views}"
    if protocol.templates:
        yield f"templates {protocol.templates} by {protocol.aggregation.replace('_', ' ')}"
    if protocol.text_mode:
        yield f"{protocol.text_mode}s"
    if protocol.details.get("text_positions"):
        yield f"text positions {protocol.details['text_positions']}"
    if protocol.details.get("tie_rule"):
        yield f"ties by the {protocol.details['tie_rule']} rule"
    if protocol.dual_softmax:
        yield "dual softmax over all queries"
    if protocol.wise_ft is not None:
        yield f"WiSE-FT {protocol.wise_ft:g}"


def _unusual(kind: Any, protocol: Protocol) -> Iterator[str]:
    """Where a list is not the one that others measure on."""
    clips, classes = getattr(kind, "usual_clips", ()), getattr(kind, "usual_classes", None)
    if clips and protocol.listed not in clips:
        usual = " or ".join(f"{count:,}" for count in clips)
        yield f"the file lists {protocol.listed:,} clips; the set is usually {usual}"
    class_count = protocol.details.get("classes")
    if classes and class_count != classes:
        yield (
            f"{class_count} classes were named and the set has {classes}: fewer are easier; "
            "--set classes=FILE names all"
        )


def _write_page(results: list[str], output: Path | None, *, as_json: bool) -> None:
    from internvid.dataset.parts import refuse_foreign
    from internvid.evaluation.results.results_page import write_page

    if output is None:
        raise MisuseError("a page needs a place", hint="add -o page.html")
    refuse_foreign(output, _is_page, "a page of internvid evaluate", "page.html")
    page = write_page([Path(name) for name in results], output)
    if as_json:
        put_json({"page": page})
    else:
        put(str(page))


def _is_result(file: Path) -> bool:
    from internvid.evaluation.results.protocol import read_result

    try:
        read_result(file)
    except DatasetFormatError:
        return False
    return True


def _is_page(file: Path) -> bool:
    from internvid.evaluation.results.results_page import MARK

    return MARK in file.read_bytes()
