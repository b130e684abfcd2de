"""CLIPScore as the authors compute it: one random picture, one text, one CLIP."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from internvid.core.annotators import NESTED_PATHS
from internvid.core.config import setting, weights_field
from internvid.core.contracts import Annotation, ClipView
from internvid.scores.local_model import check_sizes, encoder_of
from internvid.scores.pictures import drawn
from internvid.scores.similarity import CLIP_L14, cosines


@dataclass(frozen=True)
class ClipScoreScorer:
    """Cosine of one random picture of the clip and its text, by CLIP ViT-L/14.

    What the authors call CLIPScore (ICLR version, appendix E.1). The picture is drawn by a hash of
    the clip's id and the seed.

    Attributes:
        model: folder or hub name of a CLIP or SigLIP.
        seed: another one draws other pictures.
        dtype, device, batch, threads, download: as of `similarity`.
    """

    version: ClassVar[int] = 1
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = NESTED_PATHS
    reads: ClassVar[tuple[str, ...]] = ("picks", "text")
    model: str = weights_field(CLIP_L14)
    seed: int = 0
    dtype: str = "auto"
    device: str = setting("auto")
    batch: int = setting(32)
    threads: int = setting(2)
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        check_sizes(self, "batch", "threads")

    def setup(self) -> None:
        """Load the model.

        Raises:
            InternvidError: weights or packages are missing.
        """
        encoder_of(self).open()

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """A cosine for each clip, -1 to 1."""
        yield from cosines(
            self, clips, lambda view: drawn(view.clip.clip_id, view.picks, self.seed)
        )
