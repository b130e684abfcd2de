"""Image classifiers: pictures in, a probability for each label out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from internvid.core.timings import count, stage
from internvid.models.labels import find_labels
from internvid.models.pretrained import IMAGE_CLASSIFIER, Checkpoint, Pretrained, load

if TYPE_CHECKING:
    from PIL import Image


@dataclass
class ImageClassifier:
    """An image classifier of transformers.

    Attributes:
        checkpoint: which model.
    """

    checkpoint: Checkpoint
    _loaded: list[Pretrained] = field(default_factory=list, repr=False, compare=False)

    @property
    def labels(self) -> list[str]:
        """Its labels, in the order of its outputs."""
        names = self._model().model.config.id2label
        return [str(names[at]) for at in sorted(names)]

    def find(self, labels: Sequence[str]) -> list[int]:
        """Where these labels stand among the outputs; case does not matter.

        Raises:
            ConfigInvalidError: the model does not have one of them.
        """
        return find_labels(self.checkpoint.name, self.labels, labels)

    def probabilities(self, images: Sequence[Image.Image]) -> npt.NDArray[np.float32]:
        """float32 [N, labels] of N RGB pictures; each row sums to 1."""
        loaded = self._model()
        if not images:
            return np.zeros((0, len(self.labels)), np.float32)
        import torch

        with loaded.lock, torch.inference_mode(), stage("model"):
            with stage("preprocess"):
                inputs = loaded.place(dict(loaded.processor(list(images), return_tensors="pt")))
            probabilities = loaded.model(**inputs).logits.float().softmax(-1)
        count("frames", len(images))
        return np.asarray(probabilities.cpu().numpy(), np.float32)

    def _model(self) -> Pretrained:
        if not self._loaded:
            self._loaded.append(load(self.checkpoint, IMAGE_CLASSIFIER))
        return self._loaded[0]
