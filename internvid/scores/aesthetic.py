"""How pleasing a clip looks: a linear head on CLIP features, the best of a few pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from internvid.core.annotators import NESTED_PATHS
from internvid.core.config import file_field, setting, weights_field
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError
from internvid.core.sequences import spread
from internvid.scores.local_model import check_sizes, encoder_of
from internvid.scores.pictures import Shown, answers
from internvid.scores.similarity import CLIP_L14


@dataclass(frozen=True)
class AestheticScorer:
    """LAION's aesthetic predictor: the maximum over 4 uniform pictures, about 1 to 10.

    The paper takes the maximum over 4 uniform frames (§4) and calls clips of 4 or more aesthetic.
    Which head it took is not stated; the README links LAION's first one.

    Attributes:
        head: file of the head: LAION's `sa_0_4_vit_l_14_linear.pth`, or the improved predictor's.
        model: folder or hub name of the CLIP that the head was trained on.
        frames: pictures of each clip, spread evenly.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu`, `cuda`, ...
        batch: clips that go through the model at once.
        threads: threads that decode pictures ahead.
        download: fetch the model from the hub where it is not on this machine.
    """

    version: ClassVar[int] = 1
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = NESTED_PATHS
    head: str = file_field()
    model: str = weights_field(CLIP_L14)
    frames: int = 4
    dtype: str = "auto"
    device: str = setting("auto")
    batch: int = setting(16)
    threads: int = setting(2)
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        check_sizes(self, "frames", "batch", "threads")

    def setup(self) -> None:
        """Load the model and the head.

        Raises:
            InternvidError: weights or packages are missing, or the head does not fit.
        """
        from internvid.models.dual_encoder import DualEncoder, read_head

        if not self.head:
            raise ConfigInvalidError(
                "the aesthetic score needs a head, a small file of weights",
                hint="get sa_0_4_vit_l_14_linear.pth from github.com/LAION-AI/aesthetic-predictor, "
                "then --set head=FILE",
            )
        read_head(self.head)
        encoder = encoder_of(self)
        if not isinstance(encoder, DualEncoder):
            raise ConfigInvalidError(f"{self.model} is no CLIP, which aesthetic heads are for")
        encoder.open()

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """The head's largest value over the pictures of each clip."""
        from internvid.models.dual_encoder import DualEncoder, read_head

        encoder, head = encoder_of(self), read_head(self.head)
        assert isinstance(encoder, DualEncoder)

        def through(some: Sequence[Shown]) -> list[float]:
            rows = encoder.image_features([each for one in some for each in one.pictures])
            values = iter(head(rows).tolist())
            return [round(max(next(values) for _ in one.pictures), 5) for one in some]

        yield from answers(self, clips, lambda view: spread(view.picks, self.frames), through)
