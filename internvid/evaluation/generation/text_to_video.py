"""The benchmark `t2v`: generated videos against real ones, and against their prompts."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import DualEncoderEmbedder, Embedder, Identity
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.embedding.loading import load_embedder
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.evaluation.generation.controls import (
    Draw,
    Table,
    measure_distance,
    measure_kernel,
    measure_score,
)
from internvid.evaluation.generation.feature_rows import FrameColumns, Measured, measure
from internvid.evaluation.generation.text_fit import measure_clipsim, measure_viclip
from internvid.evaluation.generation.video_sets import (
    VideoSet,
    check_prompts,
    read_reference,
    read_samples,
)
from internvid.evaluation.generation.windows import Change, WindowPlan
from internvid.evaluation.results.protocol import MissingClip, Protocol, Result

if TYPE_CHECKING:
    from internvid.models.features.networks import FeatureNetwork, FrameNetwork

_NETWORKS = ("i3d", "videomae", "inception")


@dataclass(frozen=True)
class Samples:
    """What is measured: generated videos.

    Attributes:
        videos: they.
        device: where networks run.
    """

    videos: VideoSet
    device: str = "auto"


@dataclass
class _Work:
    """One evaluation under way."""

    samples: Samples
    run: Run
    table: Table = field(default_factory=Table)
    details: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    texts: dict[str, int] = field(default_factory=dict)
    keys: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class TextToVideo:
    """Generated videos: FVD, KVD, FID, Inception Score, CLIPSIM, ViCLIP similarity.

    Which numbers there are is decided by the networks that are named.

    Attributes:
        reference: real videos: a dataset, or a folder of videos.
        subset: only its clips, of a dataset.
        protocol: of the paper: `ucf101` or `msrvtt`; empty for none.
        i3d: weights of I3D, for FVD and KVD.
        videomae: the folder of a VideoMAE, for an FVD that looks less at single pictures.
        inception: weights of Inception-v3, for FID and the Inception Score.
        clip: the folder of a CLIP, for CLIPSIM.
        viclip: a ViCLIP, for its similarity.
        torchscript: allow TorchScript files, which are programs.
        frames, fps, windows, draw, seed: see `WindowPlan`; the seed also draws the halves.
        size: side of I3D's input, in pixels.
        inception_size: side of Inception's.
        antialias: scale with it.
        splits: of the Inception Score.
        singular: allow so few videos that a covariance has not full rank.
    """

    reference: str = setting("")
    subset: str = setting("")
    protocol: str = ""
    i3d: str = setting("")
    videomae: str = setting("")
    inception: str = setting("")
    clip: str = setting("")
    viclip: str = setting("")
    torchscript: bool = False
    frames: int = 16
    fps: float | None = None
    windows: int = 1
    draw: Literal["start", "middle", "spread", "random"] = "start"
    seed: int = 0
    size: int = 224
    inception_size: int = 299
    antialias: bool = False
    splits: int = 10
    singular: bool = False

    version: ClassVar[int] = 1
    name: ClassVar[str] = "t2v"

    def open_subject(self, source: str, device: str) -> Samples:
        """The generated videos of a folder, which is what this benchmark measures."""
        return Samples(read_samples(source), device)

    def evaluate(self, subject: Samples, run: Run) -> Result:
        """See `Benchmark`; the subject are `Samples`.

        Raises:
            ConfigInvalidError: no network is named, no reference where one is due, too few videos,
                or other prompts than the protocol's.
        """
        plan = WindowPlan(self.frames, self.fps, self.windows, self.draw, self.seed)
        self._check(subject.videos)
        with _kept(run) as kept:
            work = _Work(subject, kept)
            self._measure_videos(work, plan)
            self._measure_texts(work, plan)
            return self._result(work, plan)

    def _check(self, samples: VideoSet) -> None:
        named = [name for name in (*_NETWORKS, "clip", "viclip") if getattr(self, name)]
        if not named:
            raise ConfigInvalidError(
                "no network is named, so nothing can be measured",
                hint="--set i3d=FILE (FVD, KVD), videomae=FOLDER, inception=FILE (FID, IS), "
                "clip=FOLDER (CLIPSIM), viclip=MODEL",
            )
        if not self.reference and set(named) & set(_NETWORKS):
            raise ConfigInvalidError(
                f"{named[0]} needs real videos to compare with",
                hint="--reference DATASET or --reference FOLDER",
            )
        check_prompts(samples, self.protocol)
        if self.protocol and self.frames != 16:
            raise ConfigInvalidError(
                f"protocol {self.protocol} measures 16 frames, not {self.frames}"
            )

    def _measure_videos(self, work: _Work, plan: WindowPlan) -> None:
        if not any(getattr(self, name) for name in _NETWORKS):
            return
        # Torch is needed from here on.
        from internvid.models.features.networks import open_i3d, open_inception, open_videomae

        real = read_reference(self.reference, self.subset)
        about: dict[str, Any] = {"device": work.samples.device, "antialias": self.antialias}
        scripts = {**about, "torchscript": self.torchscript}
        if self.i3d:
            network = open_i3d(self.i3d, size=self.size, **scripts)
            self._video_numbers("i3d", "fvd", network, work, plan, real)
        if self.videomae:
            network = open_videomae(self.videomae, **about)
            self._video_numbers("videomae", "fvd_videomae", network, work, plan, real)
        if self.inception:
            frames = open_inception(self.inception, size=self.inception_size, **scripts)
            self._frame_numbers(frames, work, plan, real)

    def _video_numbers(
        self, kind: str, name: str, network: FeatureNetwork, work: _Work, plan: WindowPlan,
        real: VideoSet,
    ) -> None:  # fmt: skip
        fake, others, draw = self._both(kind, network, work, plan, real)

        def changed(rows: Measured, change: Change) -> Measured:
            return measure(rows.items, network, plan, work.run, network.describe(), change=change)

        both = fake, others
        measure_distance(name, both, draw, changed, work.table, singular=self.singular)
        if kind == "i3d":
            measure_kernel("kvd", both, draw, changed, work.table)

    def _frame_numbers(
        self, network: FrameNetwork, work: _Work, plan: WindowPlan, real: VideoSet
    ) -> None:
        fake, others, draw = self._both("inception", network, work, plan, real)
        width = network.width

        def numbers(first: int, last: int | None) -> tuple[tuple[Measured, Measured], Any]:
            columns = FrameColumns(plan.frames, first, last)

            def changed(rows: Measured, change: Change) -> Measured:
                return rows.shaped(dataclasses.replace(columns, change=change))

            return (fake.shaped(columns), others.shaped(columns)), changed

        both, changed = numbers(0, width)
        measure_distance("fid", both, draw, changed, work.table, singular=self.singular)
        both, changed = numbers(width, None)
        measure_score("inception_score", both, draw, changed, work.table, splits=self.splits)
        work.details["inception"]["splits"] = self.splits

    def _both(
        self, kind: str, network: FeatureNetwork, work: _Work, plan: WindowPlan, real: VideoSet
    ) -> tuple[Measured, Measured, Draw]:
        """Rows of generated and of real videos, noted in the protocol."""
        least, most = network.needs_frames
        if plan.frames < least or (most is not None and plan.frames > most):
            raise ConfigInvalidError(
                f"{kind} takes {least}{'' if most == least else ' or more'} frames, not "
                f"{plan.frames}",
                hint=f"--set frames={least}",
            )
        fake, others = (
            measure(items, network, plan, work.run, network.describe())
            for items in (work.samples.videos.items, real.items)
        )
        draw = Draw.of(others, fake, self.seed)
        reference = {
            "listed": len(real.items) + len(real.missing),
            "found": len(others),
            "videos": digest_texts([key.hex() for key in others.keys]),
        }
        work.details["reference"] = reference
        work.details[kind] = {**network.describe(), "half": len(draw.first)}
        self._note(work, fake)
        for one in (*real.missing, *others.missing):
            work.missing[f"reference: {one.clip}"] = one.reason
        return fake, others, draw

    def _measure_texts(self, work: _Work, plan: WindowPlan) -> None:
        if not (self.clip or self.viclip):
            return
        items = [item for item in work.samples.videos.items if item.prompt]
        if not items:
            raise ConfigInvalidError(
                f"no video of {work.samples.videos.name} has a prompt",
                hint="prompts stand in prompts.jsonl (video, prompt) or in a .txt beside each",
            )
        device = work.samples.device
        if self.clip:
            embedder = load_embedder(f"clip:{self.clip}", device=device)
            if not isinstance(embedder, DualEncoderEmbedder):
                raise ConfigInvalidError(f"{self.clip} is no CLIP")
            numbers, texts = measure_clipsim(items, embedder, plan, plan.frames, work.run)
            self._note_texts("clip", embedder, numbers, texts, work)
        if self.viclip:
            other = load_embedder(self.viclip, device=device)
            numbers, texts = measure_viclip(items, other, ViewPlan(), work.run)
            self._note_texts("viclip", other, numbers, texts, work)
        if not work.keys:
            rows = measure(items, _nothing, plan, work.run, {"network": "none"})
            self._note(work, rows)

    @staticmethod
    def _note_texts(
        kind: str, embedder: Embedder, numbers: dict[str, float], texts: dict[str, int], work: _Work
    ) -> None:
        about: Identity = embedder.identity()
        described = about.describe()
        described.pop("name")
        work.table.metrics |= numbers
        work.details[kind] = {
            **described,
            "frame_rule": "middle of equal intervals" if kind == "viclip" else "as windows",
            "videos": texts["texts"],
        }
        # Of several models the one that cuts most.
        if texts.get("cut", 0) >= work.texts.get("cut", 0):
            work.texts = texts

    @staticmethod
    def _note(work: _Work, rows: Measured) -> None:
        work.keys = rows.keys
        work.missing |= {one.clip: one.reason for one in rows.missing}

    def _result(self, work: _Work, plan: WindowPlan) -> Result:
        videos = work.samples.videos
        gone = {one.clip: one.reason for one in videos.missing}
        measured = [item.prompt or "" for item in videos.items if item.name not in work.missing]
        details = {
            "protocol": self.protocol,
            "windows": plan.describe(),
            "without_prompt": videos.without_prompt,
            "singular": self.singular,
            **work.details,
        }
        protocol = Protocol(
            benchmark=self.name,
            version=self.version,
            annotations=work.details.get("reference", {}).get("videos", ""),
            listed=len(videos.items) + len(videos.missing),
            found=len(work.keys),
            clips=digest_texts(sorted(measured)),
            frames=self.frames,
            frame_rule=_words(plan),
            views=f"{plan.windows} x 1",
            text_mode="sentence" if work.texts else "",
            details=details,
        )
        identity = Identity(
            Path(videos.name).name, digest_texts([key.hex() for key in work.keys]), "", self.frames
        )
        return Result(
            metrics=work.table.metrics,
            protocol=protocol,
            model=identity.describe(),
            missing=tuple(MissingClip(*one) for one in (gone | work.missing).items()),
            runs={f"n={n}": numbers for n, numbers in sorted(work.table.sizes.items())},
            texts=work.texts,
        )


def _nothing(videos: Any) -> Any:
    import numpy as np

    return np.zeros((len(videos), 1), np.float32)


def _words(plan: WindowPlan) -> str:
    rate = f"{plan.fps:g} a second" if plan.fps else "consecutive"
    return f"{rate}, {plan.draw}"


@contextmanager
def _kept(run: Run) -> Iterator[Run]:
    """A run whose rows lie on disk, for a while where the user keeps none."""
    if run.store.folder is not None:
        yield run
        return
    with tempfile.TemporaryDirectory(prefix="internvid-features-") as folder:
        yield dataclasses.replace(run, store=EmbeddingStore(Path(folder)))
