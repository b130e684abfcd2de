"""How much a model has learned of the synthetic world: held-out clips, truth by construction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from internvid.evaluation.metrics import MatrixSimilarity, measure_retrieval
from internvid.models.viclip.model import ViCLIP
from internvid.synthetic.clips import ClipSpec, render_clip, sample_specs
from internvid.synthetic.scripts.world_words import DIRECTIONS
from internvid.training.data.samples import FramesArray

# Far from the seeds that people train with.
_SEED = 1_000_003


@dataclass(frozen=True)
class WorldValidation:
    """Retrieval and direction on combinations that were held out of training.

    Every number also comes with the middle frame repeated: what a model that sees no motion
    would reach.

    Attributes:
        count: clips, each with a caption of its own.
        cameras: kinds of camera moves.
        paths: `loop` or `inside`.
        clean: whether captions are cleaned as in training.
        seed: of the clips.
    """

    count: int = 200
    cameras: tuple[str, ...] = ("static",)
    paths: Literal["loop", "inside"] = "loop"
    clean: bool = True
    seed: int = 0

    def __call__(self, model: ViCLIP) -> dict[str, float]:
        """Percentages: text-to-video R@1 first."""
        config = model.config
        specs = self._specs()
        clips = [render_clip(spec, config.frames, config.resolution) for spec in specs]
        still = [_still(clip) for clip in clips]
        texts = model.encode_text([spec.text() for spec in specs], clean=self.clean).cpu()
        metrics: dict[str, float] = {}
        for suffix, shown in (("", clips), ("_middle_frame", still)):
            videos = model.encode_video(np.stack(shown), batch_size=50).cpu()
            pairs = [(at, at) for at in range(len(specs))]
            numbers = measure_retrieval(MatrixSimilarity((videos @ texts.T).numpy()), pairs)
            for name in ("text_to_video_r1", "text_to_video_r5"):
                metrics[name + suffix] = numbers[name]
            metrics["direction" + suffix] = self._direction(model, specs, videos.numpy())
        return metrics

    def _specs(self) -> list[ClipSpec]:
        """Clips with captions that differ."""
        seen: dict[str, ClipSpec] = {}
        many = sample_specs(
            _SEED + self.seed,
            4 * self.count,
            held_out=True,
            cameras=self.cameras,
            paths=self.paths,
        )
        for spec in many:
            seen.setdefault(spec.text(), spec)
        return list(seen.values())[: self.count]

    def _direction(
        self,
        model: ViCLIP,
        specs: list[ClipSpec],
        videos: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    ) -> float:
        """Share of the moving clips whose own caption beats those with another direction."""
        moving = [at for at, spec in enumerate(specs) if spec.motion in DIRECTIONS]
        prompts = [
            replace(specs[at], motion=motion).text() for at in moving for motion in DIRECTIONS
        ]
        texts = model.encode_text(prompts, clean=self.clean).cpu().numpy()
        texts = texts.reshape(len(moving), len(DIRECTIONS), -1)
        scores = np.einsum("me,mde->md", videos[moving], texts)
        truth = np.array([DIRECTIONS.index(specs[at].motion) for at in moving])
        return 100.0 * float((scores.argmax(axis=1) == truth).mean())


def _still(clip: FramesArray) -> FramesArray:
    return np.repeat(clip[len(clip) // 2][None], len(clip), axis=0)
