"""Captions, scores and vectors of a dataset's clips; labels for one video; the audit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.api.components import make_component
from internvid.api.datasets import DatasetLike, as_folder
from internvid.core.errors import ConfigInvalidError
from internvid.core.several import several
from internvid.dataset.store import layout_to_write

if TYPE_CHECKING:
    from internvid.core.contracts import Captioner, Scorer
    from internvid.dataset.answers.dropping import Dropped
    from internvid.pipeline.annotate.annotate import ColumnSummary
    from internvid.pipeline.annotate.audit import ColumnAudit
    from internvid.pipeline.annotate.column_progress import AnnotateProgress
    from internvid.pipeline.single import LabelledClip
    from internvid.run.executor import Executor


def caption(
    dataset: DatasetLike,
    captioner: str | Captioner,
    *,
    name: str | None = None,
    model: str | None = None,
    server: str | None = None,
    subset: str | None = None,
    text: str | None = None,
    redo: Sequence[str] = (),
    retry: bool = False,
    settings: Sequence[str] = (),
    workers: int | None = None,
    executor: str | Executor = "local",
    progress: AnnotateProgress | None = None,
) -> ColumnSummary:
    """Write a text for each kept clip that has none; again does only what failed or is new.

    Args:
        dataset: whose clips are captioned.
        captioner: a name (see `list_components("captioner")`), `"module:Class"` or an instance.
        name: of the column; the captioner's own when None.
        model: folder or hub name of its model; with a server, the name that it knows.
        server: address of an OpenAI-compatible server.
        subset: only its clips.
        text: the text column to read, for captioners that rewrite texts.
        redo: reasons, such as `looping` or `broken`, for which clips are captioned again.
        retry: also clips that failed for a reason that lasts.
        settings: fields as `"field=value"`.
        workers: processes, for captioners that load no model.
        executor: where these run: `local`, `ray` (a Ray cluster), or an executor.
        progress: shows how far the pass is.

    Raises:
        InternvidError: misuse, missing weights, a server that does not answer. What was answered
            is kept.
    """
    from internvid.pipeline.annotate.annotate import annotate_columns
    from internvid.pipeline.annotate.jobs import ColumnRequest

    made = make_component("captioner", captioner, settings, model=model, server=server)
    column = name or _column_name(captioner)
    request = ColumnRequest(column, made, subset, text, redo=tuple(several(redo)), retry=retry)
    (summary,) = annotate_columns(
        dataset, [request], workers=workers, executor=executor, progress=progress
    )
    return summary


def score(
    dataset: DatasetLike,
    scorer: str | Scorer,
    *,
    name: str | None = None,
    text: str | None = None,
    model: str | None = None,
    server: str | None = None,
    subset: str | None = None,
    retry: bool = False,
    settings: Sequence[str] = (),
    workers: int | None = None,
    executor: str | Executor = "local",
    progress: AnnotateProgress | None = None,
) -> ColumnSummary:
    """Give each kept clip a number, a vector or a word.

    Args:
        dataset: whose clips are scored.
        scorer: a name (see `list_components("scorer")`), `"module:Class"` or an instance.
        name: of the column; the scorer's own when None.
        text: the text column that is scored, for scorers that read one.
        model: folder or hub name of its model; with a server, the name that it knows.
        server: address of an OpenAI-compatible server.
        subset: only its clips.
        retry: also clips that failed for a reason that lasts.
        settings: fields as `"field=value"`.
        workers: processes, for scorers that load no model.
        executor: where these run: `local`, `ray` (a Ray cluster), or an executor.
        progress: shows how far the pass is.

    Raises:
        InternvidError: misuse, missing weights. What was answered is kept.
    """
    from internvid.pipeline.annotate.annotate import annotate

    made = make_component("scorer", scorer, settings, model=model, server=server)
    return annotate(
        dataset,
        made,
        name or _column_name(scorer),
        subset=subset,
        text=text,
        retry=retry,
        workers=workers,
        executor=executor,
        progress=progress,
    )


def embed(
    dataset: DatasetLike,
    model: str,
    *,
    name: str = "embedding",
    subset: str | None = None,
    settings: Sequence[str] = (),
    progress: AnnotateProgress | None = None,
) -> ColumnSummary:
    """Store a vector for each kept clip: for search, deduplication and training.

    Args:
        dataset: whose clips are embedded.
        model: a ViCLIP checkpoint, or a CLIP or SigLIP.
        name: of the column.
        subset: only its clips.
        settings: fields of the `embedding` scorer as `"field=value"`.
        progress: shows how far the pass is.

    Raises:
        InternvidError: misuse, missing weights. What was answered is kept.
    """
    return score(
        dataset,
        "embedding",
        name=name,
        subset=subset,
        settings=[f"model={model}", *several(settings)],
        progress=progress,
    )


def classify(
    video: str | os.PathLike[str],
    labels: Sequence[str],
    model: str,
    *,
    whole: bool = False,
    settings: Sequence[str] = (),
) -> list[LabelledClip]:
    """Which of some labels fits each clip of a video best, without training (paper §7.1).

    Args:
        video: a media file.
        labels: at least one, each once.
        model: a ViCLIP checkpoint, or a CLIP or SigLIP.
        whole: take the video as one clip.
        settings: fields of the `embedding` scorer as `"field=value"`.

    Returns:
        A row a clip: `start_seconds`, `end_seconds`, `labels` (label -> probability, the best
        first), `reason` (why there are none, else empty).

    Raises:
        SourceMissingError: there is no such file.
        ConfigInvalidError: no label, or one twice.
        InternvidError: the video cannot be read, or weights are missing.
    """
    from internvid import recipes
    from internvid.core.assignments import with_values
    from internvid.pipeline.single import classify_video
    from internvid.scores.embedding import EmbeddingScorer

    scorer = with_values(EmbeddingScorer(), [f"model={model}", *several(settings)])
    names = several(labels)
    if not names or len(set(names)) != len(names):
        raise ConfigInvalidError("labels are at least one, each once")
    return classify_video(Path(video), scorer, names, None if whole else recipes.default())


def audit(
    dataset: DatasetLike,
    columns: Sequence[str] = (),
    *,
    scorer: str | Scorer | None = None,
    language: str = "en",
    settings: Sequence[str] = (),
) -> list[ColumnAudit]:
    """Check that each stored text belongs to its clip, and that it reads like an answer.

    Args:
        dataset: whose current cut is checked.
        columns: names of columns; all when empty.
        scorer: one that reads a text; compares each caption with shuffled ones.
        language: that captions should be in; empty for any.
        settings: fields of the scorer as `"field=value"`.

    Raises:
        MisuseError: no such column or language, or a scorer that reads no text.
        InternvidError: the scorer cannot be set up, or the package that detects languages is
            missing.
    """
    from internvid.pipeline.annotate.audit import audit as audit_columns

    made = None if scorer is None else make_component("scorer", scorer, settings)
    return audit_columns(as_folder(dataset), several(columns), made, language)


def drop_column(dataset: DatasetLike, column: str, *, force: bool = False) -> Dropped:
    """Remove a column under every cut; killed at any moment, the same call ends it.

    Args:
        dataset: that has the column.
        column: a name, for the column that it means now; or `name@fingerprint`.
        force: also where columns or subsets were made from it; such columns are stale then.

    Raises:
        MisuseError: no such column, or others were made from it.
    """
    from internvid.dataset.answers.dropping import drop_column as drop

    with layout_to_write(dataset):
        return drop(as_folder(dataset), column, force=force)


def _column_name(component: object) -> str:
    """The name that a column gets where none is given."""
    name = component if isinstance(component, str) else type(component).__name__
    return name.rpartition(":")[2]
