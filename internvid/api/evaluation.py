"""Measure a model on a benchmark."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.api.components import make_component
from internvid.core.errors import ConfigInvalidError
from internvid.core.several import several

if TYPE_CHECKING:
    from internvid.evaluation.benchmarks.benchmark import Benchmark
    from internvid.evaluation.results.protocol import Result

PathLike = str | os.PathLike[str]


def evaluate(
    model: str,
    benchmark: str | Benchmark,
    *,
    videos: str | os.PathLike[str] | None = None,
    annotations: PathLike | Sequence[PathLike] = (),
    reference: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    settings: Sequence[str] = (),
    store: str | os.PathLike[str] | None = None,
    device: str = "auto",
    preprocessing: str = "",
    context: int | None = None,
    workers: int = 2,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """Measure a model on a benchmark: numbers with everything that decided them.

    Under `torchrun` the processes share the work, and each returns the same result.

    Args:
        model: a training run, a folder or file of weights, a hub name, `clip:NAME`,
            `frames:MODEL`, `fake` or `module:function`; for `t2v`: a folder of generated videos.
        benchmark: a name (see `list_components("benchmark")`), `"module:Class"` or an instance.
        videos: the folder of its videos.
        annotations: its annotation file, or several.
        reference: for `t2v`: real videos, a dataset or a folder.
        protocol: for recognition: `reference` or `clip`; for `t2v`: `ucf101` or `msrvtt`.
        settings: fields of the benchmark as `"field=value"`.
        store: a folder that keeps vectors between runs; None keeps none.
        device: `auto`, `cpu`, `cuda` ...
        preprocessing: how frames become pixels; empty for the model's own.
        context: tokens per text, for paragraphs; None for the model's own.
        workers: processes that read files; with 0 this one does.
        progress: called with the stage, how much of it is done, and of how much.

    Raises:
        ConfigInvalidError: a setting that the benchmark has no use for.
        InternvidError: the model or the benchmark's files cannot be read.
    """
    from internvid.evaluation.embedding.embed_clips import Run, be_silent
    from internvid.evaluation.embedding.vector_store import EmbeddingStore
    from internvid.evaluation.team import joined

    made = make_benchmark(
        benchmark,
        videos=videos,
        annotations=annotations,
        reference=reference,
        protocol=protocol,
        settings=settings,
    )
    folder = Path(store) if store is not None else None
    with joined() as team:
        subject = _open(made, model, preprocessing, context, device)
        shown = be_silent if team.rank or progress is None else progress
        result: Result = made.evaluate(
            subject, Run(EmbeddingStore(folder), shown, workers, team=team)
        )
    return result


def _open(made: Any, source: str, preprocessing: str, context: int | None, device: str) -> Any:
    """What is measured: a model, or what the benchmark itself opens."""
    from internvid.evaluation.embedding.loading import load_subject

    if not hasattr(made, "open_subject"):
        return load_subject(source, preprocessing=preprocessing, context=context, device=device)
    for option, value in (("preprocessing", preprocessing), ("context", context)):
        if value:
            raise ConfigInvalidError(f"{made.name} has no use for --{option}")
    return made.open_subject(source, device)


def make_benchmark(
    benchmark: str | Benchmark,
    *,
    videos: str | os.PathLike[str] | None = None,
    annotations: PathLike | Sequence[PathLike] = (),
    reference: str | os.PathLike[str] | None = None,
    protocol: str | None = None,
    settings: Sequence[str] = (),
) -> Any:
    """A benchmark by its name, with its files and fields set.

    Args:
        benchmark: see `evaluate`; so are the other arguments.

    Raises:
        ConfigInvalidError: a setting that the benchmark has no use for.
    """
    made = make_component("benchmark", benchmark)
    given = {
        "videos": str(videos) if videos else None,
        "annotations": tuple(str(path) for path in several(annotations)) or None,
        "reference": str(reference) if reference else None,
        "protocol": protocol,
    }
    wanted = {name: value for name, value in given.items() if value is not None}
    known = {field.name for field in dataclasses.fields(made)}
    if unknown := sorted(set(wanted) - known):
        raise ConfigInvalidError(f"{benchmark} has no use for --{unknown[0]}")
    return make_component("benchmark", dataclasses.replace(made, **wanted), settings)
