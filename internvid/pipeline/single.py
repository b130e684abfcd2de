"""One video, no dataset: what captioners and scorers say about its clips."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image

from internvid.core.annotators import set_up, traits_of
from internvid.core.contracts import ClipView
from internvid.core.errors import MisuseError, SourceMissingError, VideoUnreadableError
from internvid.core.system.shell import command
from internvid.dataset.layout import Layout
from internvid.dataset.store import Dataset
from internvid.dataset.tables import AnswerRow
from internvid.pipeline.annotate.jobs import ColumnRequest, column_job
from internvid.pipeline.annotate.pick_sets import name_pick_sets, tried_pick_set
from internvid.pipeline.annotate.rows import bind
from internvid.pipeline.annotate.stream import load_part, part_views, source_paths
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.scores.embedding import EmbeddingScorer
from internvid.scores.local_model import encoder_of

_SCALE = 100.0


def annotate_video(
    video: str | Path, components: dict[str, Any], recipe: Recipe, text: str | None = None
) -> Iterator[dict[str, Any]]:
    """What components say about each kept clip of one video; nothing is left behind.

    Args:
        video: a media file.
        components: captioners and scorers, by the names of their answers.
        recipe: how the video is cut; its own captioners are left out.
        text: what components that read a text compare each clip with.

    Yields:
        A row a clip, in time order: `start_seconds`, `end_seconds`, and for each component its
        answer row (`value`, `status`, `reason`, extras) under its name.

    Raises:
        SourceMissingError: there is no such file.
        MisuseError: a component reads a text and none is given.
        VideoError: the video cannot be read.
        InternvidError: packages, weights or a server are missing.
    """
    if not Path(video).is_file():
        raise SourceMissingError(f"there is no file {video}")
    for name, component in components.items():
        if "text" in traits_of(component).reads and text is None:
            if traits_of(component).verb == "caption":
                raise MisuseError(
                    f"{name} reads a text column, and one video has none",
                    hint="build a dataset, and name the column with --text COLUMN",
                )
            raise MisuseError(
                f"{name} compares each clip with a text, and none is given",
                hint=command("score", video, "a dog runs", "--scorer", name),
            )
        set_up(component)
    with tempfile.TemporaryDirectory(prefix="internvid-") as folder:
        root = Path(folder) / "data"
        build([str(video)], root, replace(recipe, captioners={}), workers=1)
        layout = Layout(root)
        _refuse_failed(Dataset(layout, layout.read_record()), video)
        rows_by_name = {name: _answers(layout, name, one, text) for name, one in components.items()}
        rows = Dataset(layout, layout.read_record()).clips().to_pylist()
        for row in rows:
            yield {
                "clip_id": row["clip_id"],
                "start_seconds": row["start_seconds"],
                "end_seconds": row["end_seconds"],
                **{name: answers[row["clip_id"]] for name, answers in rows_by_name.items()},
            }


def _refuse_failed(dataset: Dataset, video: str | Path) -> None:
    for row in dataset.videos().to_pylist():
        if row["status"] == "failed":
            raise VideoUnreadableError(f"{video}: {row['error']}", reason=row["reason"])


def _answers(layout: Layout, name: str, component: Any, text: str | None) -> dict[str, AnswerRow]:
    # A component that reads a text gets the one that was given, in place of a column.
    job = column_job(layout, layout.read_record(), ColumnRequest("x", component), fixed_text=True)
    (job,) = name_pick_sets([job], [True])
    views: list[ClipView] = []
    for part in job.parts:
        work = load_part(job, part)
        views += [view for view, _ in part_views(job, work, source_paths(job))]
    with tempfile.TemporaryDirectory(prefix="internvid-") as folder:
        views = tried_pick_set(job, views, Path(folder))
        if "text" in job.traits.reads:
            views = [replace(view, text=text) for view in views]
        verb = component.caption if job.traits.verb == "caption" else component.score
        rows = bind(views, verb(iter(views)), component)
    return {row["clip_id"]: row for row in rows}


class LabelledClip(TypedDict):
    """Which labels fit a clip: label -> probability, the best first; or why there are none."""

    start_seconds: float
    end_seconds: float
    labels: dict[str, float]
    reason: str


def classify_video(
    video: str | Path, scorer: EmbeddingScorer, labels: Sequence[str], recipe: Recipe | None
) -> list[LabelledClip]:
    """Which labels fit each clip of one video (paper, section 7.1: no training).

    A label's score is the mean of its templates' cosines with the clip; probabilities are
    softmax(100 score).

    Args:
        video: a media file.
        scorer: names the model, and how many pictures it is shown.
        labels: at least one, each once.
        recipe: how the video is cut; None takes it whole.

    Returns:
        A row a clip: `start_seconds`, `end_seconds`, `labels` (label -> probability, the best
        first), `reason` (why there are none, else empty).

    Raises:
        SourceMissingError: there is no such file.
        InternvidError: the video cannot be read, or weights are missing.
    """
    from internvid.models.viclip import ACTION_TEMPLATES, fill_templates, read_frames

    if not Path(video).is_file():
        raise SourceMissingError(f"there is no file {video}")
    encoder = encoder_of(scorer)
    encoder.open()
    words = encoder.text_features(fill_templates(labels))
    words = words.reshape(len(labels), len(ACTION_TEMPLATES), -1)
    if recipe is None:
        frames = read_frames(Path(video), count=scorer.frames)
        pictures = [Image.fromarray(frame) for frame in frames.frames]
        end = float(frames.pts_seconds[-1])
        vector = encoder.clip_features([pictures])[0]
        return [_labelled(0.0, end, _chances(vector, words, labels))]
    rows: list[LabelledClip] = []
    for row in annotate_video(video, {"vector": scorer}, recipe):
        answer = row["vector"]
        chances = {} if answer["value"] is None else _chances(answer["value"], words, labels)
        labelled = _labelled(row["start_seconds"], row["end_seconds"], chances)
        rows.append({**labelled, "reason": answer["reason"]})
    return rows


def _labelled(start: float, end: float, chances: dict[str, float]) -> LabelledClip:
    return {"start_seconds": start, "end_seconds": end, "labels": chances, "reason": ""}


def _chances(vector: Any, words: Any, labels: Sequence[str]) -> dict[str, float]:
    scores = (words @ np.asarray(vector)).mean(axis=1)
    powers = np.exp(_SCALE * (scores - scores.max()))
    chances = powers / powers.sum()
    order = np.argsort(-chances, kind="stable")
    return {labels[at]: round(float(chances[at]), 6) for at in order}
