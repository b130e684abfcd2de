"""The benchmark `t2v-world`: what a text-to-video model draws, held against the truth.

Prompts are sentences of the synthetic world about combinations that training never shows. A
classifier that was trained on the truth says what is to be seen, a tracker which way it goes, and
real clips of the same sentences, also reversed and frozen, say what these numbers can be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.evaluation.benchmarks.prompt_templates import digest_texts
from internvid.evaluation.benchmarks.rendered import DIRECTIONS, draw_distinct
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.generation.distances import frechet_distance
from internvid.evaluation.generation.shape_tracker import direction_of, mean_speed
from internvid.evaluation.results.protocol import Protocol, Result
from internvid.synthetic.clips import ClipSpec, render_clip

if TYPE_CHECKING:
    from internvid.evaluation.generation.world_classifier import WorldClassifier
    from internvid.models.generation.text_to_video_model import TextToVideo

Clips = npt.NDArray[np.uint8]
_SEED = 3_000_017
_AGAIN = 7_919
_BATCH = 32
_RETRIEVAL = 128


@dataclass(frozen=True)
class Drawing:
    """What is measured: a model that draws.

    Attributes:
        model: it.
        name: for people.
        weights: which weights they are.
    """

    model: TextToVideo
    name: str
    weights: str


@dataclass(frozen=True)
class WorldSamples:
    """A text-to-video model on held-out sentences of the synthetic world.

    Attributes:
        count: sentences, and samples.
        seed: of the sentences and of the noise.
        steps: of denoising; 0 for the model's own number.
        guidance: how strongly the sentence pulls; below 0 for the model's own number.
        viclip: a ViCLIP, for its similarity; empty for none.
        classifier: a file that keeps the classifier; trained anew where empty.
        classifier_steps: that it is trained for; of the numbers, so part of their protocol.
    """

    count: int = 192
    seed: int = 0
    steps: int = 0
    guidance: float = -1.0
    viclip: str = setting("")
    classifier: str = setting("")
    classifier_steps: int = 1200

    version: ClassVar[int] = 1
    name: ClassVar[str] = "t2v-world"

    def __post_init__(self) -> None:
        if self.count < 2 or self.classifier_steps < 1:
            raise ConfigInvalidError(
                f"count must be at least 2, not {self.count}, and classifier_steps at least 1, "
                f"not {self.classifier_steps}"
            )

    def open_subject(self, source: str, device: str) -> Drawing:
        """The model that draws.

        Raises:
            MisuseError: it makes no squares, or single pictures.
        """
        from internvid.core.weights import weights_identity
        from internvid.models.generation.text_to_video_model import TextToVideo

        model = TextToVideo.from_pretrained(source, device=device)
        limits = model.limits
        if limits.height != limits.width or limits.frames < 2:
            raise MisuseError(
                f"{source} makes {limits.frames} frames of {limits.width}x{limits.height}; clips "
                "of the world are square and have two frames or more"
            )
        return Drawing(model, source, weights_identity(source))

    def evaluate(self, subject: Drawing, run: Run) -> Result:
        """See `Benchmark`; the subject is a `Drawing`."""
        from internvid.evaluation.generation.world_classifier import open_classifier

        specs = draw_distinct(_SEED + self.seed, self.count, cameras=("static",), paths="loop")
        limits = subject.model.limits
        drawn = self._draw(subject.model, specs, run)
        kept = Path(self.classifier) if self.classifier else None

        def tell(done: int, total: int) -> None:
            run.progress("classifier", done, total)

        network = open_classifier(
            kept, limits.frames, limits.height, steps=self.classifier_steps, progress=tell
        )
        metrics = measure_world(drawn, specs, network)
        if self.viclip:
            metrics |= measure_similarity(drawn, specs, self.viclip)
        return self._result(subject, specs, metrics)

    def _draw(self, model: TextToVideo, specs: Sequence[ClipSpec], run: Run) -> Clips:
        options: dict[str, Any] = {}
        if self.steps:
            options["steps"] = self.steps
        if self.guidance >= 0:
            options["guidance"] = self.guidance
        made = []
        for start in range(0, len(specs), _BATCH):
            some = specs[start : start + _BATCH]
            seed = _SEED + self.seed * len(specs) + start
            made.append(model.generate([spec.text() for spec in some], seed=seed, **options))
            run.progress("samples", start + len(some), len(specs))
        return np.concatenate(made)

    def _result(
        self, subject: Drawing, specs: Sequence[ClipSpec], metrics: Mapping[str, float]
    ) -> Result:
        limits = subject.model.limits
        texts = [spec.text() for spec in specs]
        protocol = Protocol(
            benchmark=self.name,
            version=self.version,
            annotations="",
            listed=len(specs),
            found=len(specs),
            clips=digest_texts(sorted(texts)),
            frames=limits.frames,
            frame_rule="all",
            text_mode="sentence",
            details={
                "side": limits.height,
                "seed": self.seed,
                "steps": self.steps or limits.steps,
                "guidance": limits.guidance if self.guidance < 0 else self.guidance,
                "classifier_steps": self.classifier_steps,
                "viclip": _digest(self.viclip) if self.viclip else "",
            },
        )
        return Result(
            metrics=dict(metrics),
            protocol=protocol,
            model={
                "name": subject.name,
                "weights": subject.weights,
                "kind": subject.model.model.kind,
            },
        )


def measure_world(
    drawn: Clips, specs: Sequence[ClipSpec], network: WorldClassifier
) -> dict[str, float]:
    """Percentages of what is drawn as the sentence says, and distances, with those of real clips.

    Args:
        drawn: [N, T, H, W, 3].
        specs: what each should show.
        network: trained on the truth.
    """
    from internvid.evaluation.generation.world_classifier import read_clips

    frames, side = drawn.shape[1], drawn.shape[2]
    real = np.stack([render_clip(spec, frames, side) for spec in specs])
    # The same sentences again: another place, background and way.
    again = np.stack([render_clip(_elsewhere(spec), frames, side) for spec in specs])
    shown = {
        "": drawn,
        "_real": real,
        "_reversed": again[:, ::-1],
        "_frozen": np.repeat(again[:, frames // 2, None], frames, axis=1),
    }
    read = {name: read_clips(network, clips) for name, clips in shown.items()}
    second = read_clips(network, again)
    metrics: dict[str, float] = {}
    for name, clips in shown.items():
        metrics |= {f"{label}{name}": value for label, value in read[name].right(specs).items()}
        metrics[f"direction{name}"] = measure_direction(clips, specs)
    truth = read["_real"].features
    metrics["frechet"] = _distance(truth, read[""].features)
    metrics["frechet_real_real"] = _distance(truth, second.features)
    for name in ("_reversed", "_frozen"):
        metrics[f"frechet{name}"] = _distance(truth, read[name].features)
    metrics["speed"], metrics["speed_real"] = (100 * mean_speed(one) for one in (drawn, real))
    return metrics


def measure_direction(clips: Clips, specs: Sequence[ClipSpec]) -> float:
    """Percent of the clips with a direction that go there, by the tracker; chance is 25."""
    moving = [at for at, spec in enumerate(specs) if spec.motion in DIRECTIONS]
    if not moving:
        return 0.0
    return 100 * float(np.mean([direction_of(clips[at]) == specs[at].motion for at in moving]))


def measure_similarity(drawn: Clips, specs: Sequence[ClipSpec], viclip: str) -> dict[str, float]:
    """ViCLIP's cosine with the own and the next caption, and R@1 among up to 128 clips."""
    from internvid.models.viclip import ViCLIP

    model = ViCLIP.from_pretrained(viclip)
    texts = model.encode_text([spec.text() for spec in specs]).cpu().numpy()
    real = np.stack([render_clip(spec, drawn.shape[1], model.config.resolution) for spec in specs])
    metrics = {}
    for name, clips in (("", drawn), ("_real", real)):
        videos = model.encode_video(clips, batch_size=_BATCH).cpu().numpy()
        metrics[f"viclip_own{name}"] = float((videos * texts).sum(axis=1).mean())
        other = np.roll(texts, -1, axis=0)
        metrics[f"viclip_other{name}"] = float((videos * other).sum(axis=1).mean())
        scores = (texts @ videos.T)[:_RETRIEVAL, :_RETRIEVAL]
        best = scores.argmax(axis=1) == np.arange(len(scores))
        metrics[f"viclip_r1{name}"] = 100 * float(best.mean())
    return metrics


def _elsewhere(spec: ClipSpec) -> ClipSpec:
    import dataclasses

    rng = np.random.default_rng((spec.seed, _AGAIN))
    return dataclasses.replace(
        spec,
        seed=int(rng.integers(2**31)),
        x=round(float(rng.random()), 4),
        y=round(float(rng.random()), 4),
        reach=round(float(rng.uniform(0.42, 0.56)), 4),
    )


def _distance(first: Any, second: Any) -> float:
    return frechet_distance(first, second, singular=True)


def _digest(viclip: str) -> str:
    from internvid.core.weights import weights_identity

    return hashlib.blake2b(weights_identity(viclip).encode(), digest_size=6).hexdigest()
