"""How well a text fits its clip: the cosine of their embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from internvid.core.annotators import NESTED_PATHS
from internvid.core.config import setting, weights_field
from internvid.core.contracts import Annotation, ClipView, Needs, Pick
from internvid.core.sequences import spread
from internvid.scores.local_model import LocalScorer, check_sizes, encoder_of
from internvid.scores.pictures import PictureScorer, Shown, answers

CLIP_L14 = "openai/clip-vit-large-patch14"


@dataclass(frozen=True)
class SimilarityScorer:
    """Cosine of a clip and its text, by any CLIP, SigLIP or ViCLIP.

    The clip's embedding is the normalised mean of its pictures' (CLIP, SigLIP), or what the video
    encoder makes of them together (ViCLIP). The paper takes 4 uniform frames and a UMT model (§4),
    whose public weights are not read here.

    Attributes:
        model: folder or hub name of a CLIP or SigLIP, or ViCLIP weights.
        frames: pictures of each clip, spread evenly; a video encoder takes its own number of them.
        more_frames: decode a span again where the dataset keeps fewer pictures of it.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu`, `cuda`, ...
        batch: clips that go through the model at once.
        threads: threads that decode pictures ahead.
        download: fetch the model from the hub where it is not on this machine.
    """

    version: ClassVar[int] = 1
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = NESTED_PATHS
    reads: ClassVar[tuple[str, ...]] = ("picks", "text")
    model: str = weights_field(CLIP_L14)
    frames: int = 4
    more_frames: bool = False
    dtype: str = "auto"
    device: str = setting("auto")
    batch: int = setting(16)
    threads: int = setting(2)
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        check_sizes(self, "frames", "batch", "threads")

    @property
    def needs(self) -> Needs:
        """More pictures, where they are requested."""
        return Needs(self.frames if self.more_frames else 0)

    def setup(self) -> None:
        """Load the model.

        Raises:
            InternvidError: weights or packages are missing.
        """
        encoder_of(self).open()

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """A cosine for each clip, -1 to 1."""
        yield from cosines(self, clips, lambda view: spread(view.picks, self.frames))


class CosineScorer(PictureScorer, LocalScorer, Protocol):
    """A scorer that shows pictures to a model with an image and a text encoder."""


def cosines(
    scorer: CosineScorer,
    clips: Iterable[ClipView],
    choose: Callable[[ClipView], Sequence[Pick]],
) -> Iterator[Annotation]:
    """Cosines of chosen pictures with the clips' texts."""
    encoder = encoder_of(scorer)

    def through(some: Sequence[Shown]) -> list[float]:
        videos = encoder.clip_features([one.pictures for one in some])
        texts = encoder.text_features([one.view.text or "" for one in some])
        # Six decimals: further ones differ with the size of the batch.
        return [round(float(video @ text), 6) for video, text in zip(videos, texts, strict=True)]

    yield from answers(scorer, clips, choose, through)
