"""evaluate: a model on a benchmark, or results as a page. Under torchrun, on many devices."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.cli.output import duration, put, put_json, say, table
from internvid.core import registry
from internvid.core.assignments import with_values
from internvid.core.errors import ConfigInvalidError, DatasetFormatError, MisuseError
from internvid.dataset.parts import refuse_foreign, refuse_unwritable

if TYPE_CHECKING:
    from internvid.evaluation.results.protocol import Protocol, Result
    from internvid.evaluation.team import Team

_EVERY_SECONDS = 5.0
_SHOWN_MISSING = 10


@dataclass(frozen=True)
class EvaluateRequest:
    """The arguments of `internvid evaluate`."""

    subjects: tuple[str, ...]
    benchmark: str | None = None
    videos: Path | None = None
    annotations: tuple[Path, ...] = ()
    protocol: str | None = None
    output: Path | None = None
    store: Path | None = None
    device: str = "auto"
    preprocessing: str = ""
    context: int | None = None
    workers: int = 2
    assignments: tuple[str, ...] = ()
    page: bool = False
    as_json: bool = False


def run_evaluate(request: EvaluateRequest) -> None:
    """`internvid evaluate`."""
    if request.page:
        _write_page(request)
        return
    if len(request.subjects) != 1 or request.benchmark is None:
        raise MisuseError(
            "one model and one benchmark are measured at a time",
            hint="internvid evaluate MODEL --benchmark NAME; see: internvid list benchmarks",
        )
    benchmark = make_benchmark(request)
    if request.output is not None:
        # Before hours are spent.
        refuse_foreign(request.output, _is_result, "a result of internvid evaluate", "result.json")
        refuse_unwritable(request.output)
    from internvid.evaluation.team import joined

    with joined() as team:
        result, seconds = _measure(benchmark, request, team)
        if team.rank == 0 and request.output is not None:
            result.write(request.output)
    if team.rank == 0:
        _put_result(result, seconds, request)


def make_benchmark(request: EvaluateRequest) -> Any:
    """The benchmark of a request: named, then changed by its options.

    Raises:
        ConfigInvalidError: an option that the benchmark has no use for.
    """
    benchmark = registry.create("benchmark", request.benchmark or "")
    given = {
        "videos": str(request.videos) if request.videos else None,
        "annotations": tuple(str(path) for path in request.annotations) or None,
        "protocol": request.protocol,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    known = {field.name for field in dataclasses.fields(benchmark)}
    if unknown := sorted(set(wanted) - known):
        raise ConfigInvalidError(f"{request.benchmark} has no use for --{unknown[0]}")
    return with_values(dataclasses.replace(benchmark, **wanted), request.assignments)


def _measure(benchmark: Any, request: EvaluateRequest, team: Team) -> tuple[Result, float]:
    from internvid.evaluation.embedding.embed_clips import Run, be_silent
    from internvid.evaluation.embedding.loading import load_subject
    from internvid.evaluation.embedding.vector_store import EmbeddingStore

    folder = request.store
    if folder is None and request.output is not None and hasattr(benchmark, "videos"):
        folder = request.output.parent / "embeddings"
    subject = load_subject(
        request.subjects[0],
        preprocessing=request.preprocessing,
        context=request.context,
        device=request.device,
    )
    started = time.monotonic()
    progress = Ticker() if team.rank == 0 else be_silent
    run = Run(EmbeddingStore(folder), progress, request.workers, team=team)
    return benchmark.evaluate(subject, run), time.monotonic() - started


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


def _put_result(result: Result, seconds: float, request: EvaluateRequest) -> None:
    if request.as_json:
        put_json(result.describe())
        return
    protocol = result.protocol
    put(f"model      {result.model.get('name')} ({result.model.get('weights')})")
    put(f"benchmark  {protocol.benchmark}, protocol {protocol.fingerprint}")
    put(f"clips      {protocol.found} of {protocol.listed} found")
    put(f"measured   {', '.join(_how(protocol))}")
    if result.texts:
        put(f"texts      {_texts(result)}")
    rows = [{"metric": key, "value": round(value, 3)} for key, value in result.metrics.items()]
    put(table(rows))
    if request.output is not None:
        put(f"result     {request.output}")
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
    for note in _unusual(registry.find("benchmark", request.benchmark or ""), protocol):
        say(f"\nnote: {note}")


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
            f"{class_count} classes were asked for and the set has {classes}: fewer are easier; "
            "--set classes=FILE names all"
        )


def _write_page(request: EvaluateRequest) -> None:
    from internvid.evaluation.results.results_page import write_page

    if request.output is None:
        raise MisuseError("a page needs a place", hint="add -o page.html")
    refuse_foreign(request.output, _is_page, "a page of internvid evaluate", "page.html")
    page = write_page([Path(name) for name in request.subjects], request.output)
    if request.as_json:
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
