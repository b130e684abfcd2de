"""What all benchmarks share: fields that name files, and the start of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, runtime_checkable
from typing import Protocol as Contract

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.labelled import read_classes
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.embedding.embed_clips import MeasuredClips, Run
from internvid.evaluation.embedding.embedders import Identity, count_texts
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.results.protocol import Protocol, Result

_WHOLE = ViewPlan()


@runtime_checkable
class Benchmark(Contract):
    """Measures a model: a frozen dataclass whose fields are its whole configuration."""

    version: ClassVar[int]

    def evaluate(self, subject: Any, run: Run) -> Result:
        """Metrics with the protocol that decided them.

        Args:
            subject: an `Embedder`, or a `Classifier` where the benchmark says so.
            run: store, progress, workers: nothing that changes a number.
        """
        ...


class Identified(Contract):
    """Anything that says which model it is."""

    def identity(self) -> Identity:
        """Which model this is."""
        ...


@dataclass(frozen=True)
class FileBenchmark:
    """A benchmark that reads annotation files and the videos they name.

    Attributes:
        annotations: the files, as the benchmark's text says.
        videos: the folder that holds the videos, at any depth.
        views: frames and views of each clip.
    """

    annotations: tuple[str, ...] = field(default=(), metadata={"setting": True})
    videos: str = setting("")
    views: ViewPlan = _WHOLE

    name: ClassVar[str] = ""
    usual_clips: ClassVar[tuple[int, ...]] = ()
    files_wanted: ClassVar[str] = "an annotation file"

    def paths(self) -> list[Path]:
        """The annotation files.

        Raises:
            ConfigInvalidError: none is named.
        """
        if not self.annotations:
            raise ConfigInvalidError(
                f"{self.name} needs {self.files_wanted}", hint="name it: --annotations FILE"
            )
        return [Path(text) for text in self.annotations]

    def folder(self) -> VideoFolder:
        """The videos.

        Raises:
            ConfigInvalidError: no folder is named.
            SourceMissingError: it does not exist, or holds no video.
        """
        if not self.videos:
            raise ConfigInvalidError(
                f"{self.name} needs the folder of its videos", hint="name it: --videos FOLDER"
            )
        return VideoFolder.scan(Path(self.videos))


def begin_protocol(
    benchmark: FileBenchmark,
    digest: str,
    clips: Sequence[Any],
    measured: MeasuredClips,
    subject: Identified,
) -> dict[str, Any]:
    """Fields of a protocol that every benchmark on files fills in one way."""
    about = subject.identity()
    plan = benchmark.views
    measured_clips = [clips[at].clip for at in measured.indices]
    words = f"{plan.words}, mean of scores" if plan.views > 1 else plan.words
    return {
        "benchmark": benchmark.name,
        "version": getattr(benchmark, "version", 1),
        "annotations": digest,
        "listed": measured.listed,
        "found": len(measured_clips),
        "clips": digest_texts(measured_clips),
        "frames": plan.frames or about.frames,
        "frame_rule": f"{plan.sampling} of equal intervals" if plan.sampling == "middle"
        else plan.sampling,
        "views": words,
        "preprocessing": about.preprocessing,
        "text_tokens": about.text_tokens,
        "wise_ft": about.wise_ft,
        "details": {"frame_aggregation": about.frame_aggregation} | about.position_details,
    }  # fmt: skip


def finish(
    metrics: dict[str, float],
    protocol: dict[str, Any],
    subject: Identified,
    measured: MeasuredClips,
    classes: dict[str, float] | None = None,
    texts: Sequence[str] = (),
) -> Result:
    """The result of a benchmark on files.

    Args:
        metrics: name -> value.
        protocol: fields of the protocol.
        subject: what was measured.
        measured: which clips.
        classes: accuracy by class name, where there are classes.
        texts: all that the subject read, to count those that it cut.
    """
    return Result(
        metrics=metrics,
        protocol=Protocol(**protocol),
        model=subject.identity().describe(),
        missing=measured.missing,
        classes=classes or {},
        texts=count_texts(subject, texts) if texts else {},
    )


def optional_classes(path: str) -> tuple[str, ...] | None:
    """The class names of a file, or None where no file is named."""
    return read_classes(Path(path)) if path else None
