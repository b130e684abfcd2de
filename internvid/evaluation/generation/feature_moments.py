"""Mean and covariance of any number of features, gathered block by block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError

Features = npt.NDArray[Any]
Doubles = npt.NDArray[np.float64]


class Moments:
    """Mean and covariance in float64; memory is D x D, whatever the number of features.

    Equal blocks in equal order give equal numbers, bit by bit.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        self.count = 0
        self.mean: Doubles = np.zeros(width)
        self._scatter: Doubles = np.zeros((width, width))

    @classmethod
    def of(cls, blocks: Iterable[Features] | Features) -> Moments:
        """The moments of blocks float [N, D] each, or of one block.

        Raises:
            ConfigInvalidError: no features, NaN or infinity, or blocks of several widths.
        """
        moments: Moments | None = None
        for block in [blocks] if isinstance(blocks, np.ndarray) else blocks:
            rows = check_features(block)
            moments = moments or cls(rows.shape[1])
            moments.add(rows)
        if moments is None:
            raise ConfigInvalidError("there are no features", hint="a distance needs two or more")
        return moments

    @property
    def width(self) -> int:
        """D."""
        return len(self.mean)

    def add(self, features: Features) -> None:
        """Take in a block, float [N, D].

        Raises:
            ConfigInvalidError: see `of`.
        """
        rows = check_features(features, self.width)
        if not len(rows):
            return
        count = self.count + len(rows)
        mean = rows.mean(axis=0)
        centred = rows - mean
        shift = mean - self.mean
        self._scatter += centred.T @ centred
        self._scatter += np.outer(shift, shift) * (self.count * len(rows) / count)
        self.mean = self.mean + shift * (len(rows) / count)
        self.count = count

    def covariance(self) -> Doubles:
        """The unbiased covariance. float64 [D, D].

        Raises:
            ConfigInvalidError: fewer than two features.
        """
        if self.count < 2:
            raise ConfigInvalidError(
                f"{self.count} samples have no covariance", hint="it takes 2 or more"
            )
        return self._scatter / (self.count - 1)


def check_features(features: Features, width: int | None = None) -> Doubles:
    """Features as float64 [N, D].

    Args:
        features: of any float or integer type.
        width: D that they must have; None for any.

    Raises:
        ConfigInvalidError: another shape or width, NaN or infinity.
    """
    rows = np.asarray(features)
    if rows.ndim != 2 or not rows.shape[1] or rows.dtype.kind not in "fiu":
        raise ConfigInvalidError(
            f"features are numbers [N, D], not {rows.dtype} {list(rows.shape)}"
        )
    if width is not None and rows.shape[1] != width:
        raise ConfigInvalidError(
            f"features of {rows.shape[1]} numbers against features of {width}",
            hint="both sides must come from one network and layer",
        )
    rows = rows.astype(np.float64)
    if not np.isfinite(rows).all():
        at = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise ConfigInvalidError(
            f"the features of sample {at} hold NaN or infinity",
            hint="the network or its weights may be damaged; only finite numbers are allowed",
        )
    return rows
