"""Vectors in two dimensions: along their principal axes, or as UMAP lays them out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from internvid.core.errors import DependencyMissingError, MisuseError
from internvid.searching.vectors import Matrix

Plane = npt.NDArray[np.float64]
LEAST_FOR_UMAP = 16
_AT_ONCE = 8192


class Projection(Protocol):
    """Brings vectors into the plane."""

    def place(self, vectors: Matrix) -> Plane:
        """Places of vectors.

        Args:
            vectors: float32 [n, D], of unit length.

        Returns:
            float64 [n, 2].
        """
        ...

    def describe(self) -> dict[str, float]:
        """What is known of how well the plane shows the vectors."""
        ...


class PrincipalPlane:
    """The plane in which vectors differ most (principal component analysis).

    One matrix [D, D] is all that is kept of the vectors.

    Args:
        batches: the vectors, float32 [n, D] each, of unit length; at least one.
    """

    def __init__(self, batches: Iterable[Matrix]) -> None:
        count, total, products = 0, np.zeros(0), np.zeros((0, 0))
        for batch in batches:
            rows = batch.astype(np.float64)
            if not count:
                total = np.zeros(rows.shape[1])
                products = np.zeros((rows.shape[1], rows.shape[1]))
            count += len(rows)
            total += rows.sum(axis=0)
            products += rows.T @ rows
        self._mean = total / max(count, 1)
        spread = products / max(count, 1) - np.outer(self._mean, self._mean)
        sizes, axes = np.linalg.eigh(spread)
        sizes = np.maximum(sizes[::-1], 0)
        axes = axes[:, ::-1][:, :2]
        # Either direction of an axis is right: the one is taken whose largest part is above zero.
        largest = np.abs(axes).argmax(axis=0)
        self._axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
        self._shown = float(sizes[:2].sum() / sizes.sum()) if sizes.sum() > 0 else 0.0

    def place(self, vectors: Matrix) -> Plane:
        """Places of vectors; see `Projection`."""
        found = (vectors.astype(np.float64) - self._mean) @ self._axes
        return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))

    def describe(self) -> dict[str, float]:
        """`variance`: the share of what the vectors differ in that the plane shows."""
        return {"variance": round(self._shown, 4)}


class NeighbourPlane:
    """The plane in which near vectors are near (UMAP), fitted on some and applied to the others.

    Args:
        sample: float32 [n, D], of unit length; at least 16.
        neighbours: how many of each are kept near; more show the whole, fewer the details.
        seed: of the layout.

    Raises:
        DependencyMissingError: umap-learn is not installed.
        MisuseError: fewer than 16 vectors.
    """

    def __init__(self, sample: Matrix, neighbours: int, seed: int) -> None:
        umap = _umap()
        if len(sample) < LEAST_FOR_UMAP:
            raise MisuseError(
                f"UMAP needs at least {LEAST_FOR_UMAP} clips with vectors, there are {len(sample)}",
                hint="--method pca takes any number",
            )
        self._model = umap.UMAP(
            n_neighbors=min(neighbours, len(sample) - 1), random_state=seed, n_jobs=1
        )
        with warnings.catch_warnings():
            # Of numba and scipy, about their own insides.
            warnings.simplefilter("ignore")
            self._model.fit(sample)
        self._sampled = len(sample)

    def place(self, vectors: Matrix) -> Plane:
        """Places of vectors; see `Projection`."""
        found = np.empty((len(vectors), 2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for start in range(0, len(vectors), _AT_ONCE):
                batch = vectors[start : start + _AT_ONCE]
                found[start : start + len(batch)] = self._model.transform(batch)
        return found

    def describe(self) -> dict[str, float]:
        """`fitted`: how many vectors the layout was fitted on."""
        return {"fitted": self._sampled}


def _umap() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import umap
    except ImportError as error:
        raise DependencyMissingError(
            "a map by UMAP needs umap-learn, which is not installed",
            hint='pip install "internvid[map]"; --method pca works without it',
        ) from error
    return umap
