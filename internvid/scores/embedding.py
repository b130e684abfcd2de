"""A vector for each clip: for search, deduplication, clusters and training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from internvid.core.annotators import NESTED_PATHS
from internvid.core.config import setting, weights_field
from internvid.core.contracts import Annotation, ClipView, Needs
from internvid.core.sequences import spread
from internvid.scores.local_model import check_sizes, encoder_of
from internvid.scores.pictures import Shown, answers


@dataclass(frozen=True)
class EmbeddingScorer:
    """The embedding of a clip by ViCLIP, CLIP or SigLIP: float32, of unit length.

    What decides a vector beside the weights (preprocessing, dtype) is part of the weights' folder
    and of the fields, and so of the column's fingerprint.

    Attributes:
        model: ViCLIP weights, or folder or hub name of a CLIP or SigLIP.
        frames: pictures of each clip, spread evenly.
        more_frames: decode a span again where the dataset keeps fewer pictures of it.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu`, `cuda`, ...
        batch: clips that go through the model at once.
        threads: threads that decode pictures ahead.
        download: fetch the model from the hub where it is not on this machine.
    """

    version: ClassVar[int] = 1
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = NESTED_PATHS
    value_type: ClassVar[str] = "vector"
    model: str = weights_field("OpenGVLab/ViCLIP-L-14-hf")
    frames: int = 8
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

    def recorded(self) -> dict[str, Any]:
        """What decides a vector beside the weights, as plain JSON: stored with the column."""
        return dict(encoder_of(self).describe())

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """A vector for each clip."""
        encoder = encoder_of(self)

        def through(some: Sequence[Shown]) -> list[Any]:
            return list(encoder.clip_features([one.pictures for one in some]))

        yield from answers(self, clips, lambda view: spread(view.picks, self.frames), through)
