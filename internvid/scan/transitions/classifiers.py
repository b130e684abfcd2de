"""Two small classifiers that turn the features of a candidate into probabilities.

Each is a network with one hidden layer; its numbers stand in
`internvid.scan.transitions.coefficients`, made by `benchmarks/fit_detector.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from internvid.scan.transitions import coefficients as weights
from internvid.scan.transitions.window import Float32, Int64

FARTHEST = 4.0
"""Features farther from the mean than this many deviations count as this far."""


@dataclass(frozen=True)
class Classifier:
    """softmax(tanh((x - mean) / scale @ first + first_bias) @ second + second_bias).

    Attributes:
        mean, scale: float32 [F].
        first: float32 [F, H]. first_bias: [H]. second: [H, K]. second_bias: [K].
    """

    mean: Float32
    scale: Float32
    first: Float32
    first_bias: Float32
    second: Float32
    second_bias: Float32

    @classmethod
    def from_steps(cls, table: weights.Table) -> Classifier:
        """A classifier of whole-number steps, as the weight module stores them."""
        arrays = [np.asarray(rows, dtype=np.float32) * np.float32(step) for step, rows in table]
        return cls(*arrays)

    def probabilities(self, features: Float32) -> Float32:
        """Probabilities float32 [C, K] for features [C, F]; class 0 is "no boundary"."""
        inputs = np.clip((features - self.mean) / self.scale, -FARTHEST, FARTHEST)
        logits = np.tanh(inputs @ self.first + self.first_bias) @ self.second + self.second_bias
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Float32 = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


@dataclass(frozen=True)
class Classifiers:
    """The classifier of hard cuts and that of gradual transitions."""

    cut: Classifier
    gradual: Classifier

    def classify_cuts(self, features: Float32) -> Float32:
        """Probability [C] that a hard cut is at each candidate."""
        if not len(features):
            return np.zeros(0, np.float32)
        return self.cut.probabilities(features)[:, 1]

    def classify_gradual(self, features: Float32) -> tuple[Float32, Int64]:
        """Probability [C] of a gradual transition, and its likeliest kind (1, 2 or 3)."""
        if not len(features):
            return np.zeros(0, np.float32), np.zeros(0, np.int64)
        probabilities = self.gradual.probabilities(features)
        return 1 - probabilities[:, 0], 1 + probabilities[:, 1:].argmax(axis=1)


def load_classifiers() -> Classifiers:
    """The classifiers that are shipped."""
    return Classifiers(Classifier.from_steps(weights.CUT), Classifier.from_steps(weights.GRADUAL))
