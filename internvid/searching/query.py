"""Search a dataset by a text, a video or an image: the clips whose vectors are nearest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import ConfigInvalidError, MisuseError, StorageError
from internvid.core.system.shell import command
from internvid.core.weights import weights_identity
from internvid.dataset.removal.pending import pending_removal
from internvid.dataset.store import Dataset
from internvid.searching.index import VectorIndex
from internvid.searching.vectors import Hit, Matrix, VectorStore, search_exact

if TYPE_CHECKING:
    from internvid.models.dual_encoder import ClipEncoder

INDEX_FROM_VECTORS = 200_000
_FRAMES = 8
_ROWS = 16384

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class ClipSearch:
    """Search over one column of vectors of a dataset.

    The vectors are gathered into `search/<column>@<fingerprint>/` of the dataset when they are
    first requested, and again when the column has new answers; they can be deleted at any time.

    Attributes:
        dataset: what is searched.
        column: name of a column of vectors (see `internvid embed`).
        model: the model that made it, where the column's record cannot say (a local folder).
        device: where the model runs.
        progress: called with what is being prepared ("gathering", "training", "adding") and its
            share.
    """

    dataset: Dataset
    column: str
    model: str = ""
    device: str = "auto"
    progress: Progress = lambda stage, share: None

    def by_text(self, text: str, count: int = 10, **options: Any) -> list[Hit]:
        """Clips that a text describes, the best first; options as in `by_vector`."""
        return self.by_vector(self.encoder.text_features([text])[0], count, **options)

    def by_file(self, path: Path, count: int = 10, **options: Any) -> list[Hit]:
        """Clips that look like a video or an image; options as in `by_vector`.

        Raises:
            VideoError: the file cannot be read.
        """
        from internvid.models.viclip.inputs import IMAGE_SUFFIXES

        pictures = [_picture(path)] if path.suffix.lower() in IMAGE_SUFFIXES else None
        if pictures is None:
            pictures = _frames(path, self.encoder.frames or _FRAMES)
        return self.by_vector(self.encoder.clip_features([pictures])[0], count, **options)

    def by_vector(
        self,
        vector: npt.NDArray[Any],
        count: int = 10,
        *,
        subset: str | None = None,
        exact: bool | None = None,
    ) -> list[Hit]:
        """Clips whose vectors are nearest by cosine.

        Args:
            vector: float [D].
            count: how many.
            subset: only clips of it; compared one by one.
            exact: compare with every vector. None does so below 200,000 vectors, and uses an
                index above (made when first needed).

        Raises:
            ConfigInvalidError: the vector has another width than the column's.
            DependencyMissingError: an index was requested and faiss is not installed.
        """
        query = np.asarray(vector, np.float32)[None]
        if subset is not None:
            return search_exact(self.store, query, count, self._rows_of(subset))[0]
        large = self.store.matrix.shape[0] >= INDEX_FROM_VECTORS
        if exact or (exact is None and not large):
            return search_exact(self.store, query, count)[0]
        return self.index.search(query, count)[0]

    @cached_property
    def encoder(self) -> ClipEncoder:
        """The model that made the column, ready.

        Raises:
            MisuseError: it was a local folder and is not named, or another one is.
            InternvidError: it cannot be loaded.
        """
        from internvid.models.dual_encoder import open_encoder
        from internvid.models.pretrained import Checkpoint

        recipe = self.dataset.record.column_recipes.get(self.key, {})
        recorded = recipe.get("fields", {})
        name = self.model or recipe.get("weights", {}).get("model", "")
        local = "/" not in name and not Path(name).expanduser().exists()
        if not name or local:
            raise MisuseError(
                f"column {self.column!r} was made by a model in a folder ({name or 'unnamed'}), "
                "and where that lies is not recorded",
                hint="name it with --model PATH",
            )
        encoder = open_encoder(Checkpoint(name, self.device, recorded.get("dtype", "auto")))
        encoder.open()
        if recorded.get("model") not in (None, weights_identity(name)):
            raise MisuseError(
                f"{name} holds other weights than those that made column {self.column!r}",
                hint="embed again with it: " + command("embed", self.dataset.root, "--model", name),
            )
        return encoder

    @cached_property
    def key(self) -> str:
        """`name@fingerprint` of the column.

        Raises:
            MisuseError: the dataset has no such column of vectors.
        """
        columns = vector_columns(self.dataset)
        if self.column not in columns:
            raise MisuseError(
                f"{self.dataset.root} has no column of vectors called {self.column!r}; "
                f"it has: {', '.join(columns) or 'none'}",
                hint=f"make one with: {command('embed', self.dataset.root)} --model MODEL",
            )
        return columns[self.column]

    @cached_property
    def store(self) -> VectorStore:
        """The column's vectors, gathered."""
        # Also of the videos: a source that was replaced takes its clips out of the answers.
        files = [*_column_files(self.dataset, self.key), *_videos_files(self.dataset)]
        label = _label([path.relative_to(self.dataset.layout.root) for path in files], files)
        removed = pending_removal(self.dataset.layout)
        if removed is not None:
            # What is removed and not purged yet is in no answer, whatever was gathered before.
            label = f"{label} {' '.join(removed.files)}"
        store = VectorStore(self.dataset.root / "search" / self.key)
        if (store.facts or {}).get("label") != label:
            store = self._gather(store, label)
        return store

    @cached_property
    def index(self) -> VectorIndex:
        """The index of the vectors, made if there is none of them yet."""
        index = VectorIndex.open(self.store)
        return index or VectorIndex.build(self.store, progress=self.progress)

    def _gather(self, store: VectorStore, label: str) -> VectorStore:
        # The name was checked against the dataset's own columns.
        chosen = (
            f"from \"column_{self.column}\" semi join clips using (clip_id) where status = 'ok'"
        )
        connection = self.dataset.connection
        counted = f"select count(*), any_value(len(value)) {chosen}"
        total, dimension = connection.execute(counted).fetchall()[0]
        if not total:
            raise MisuseError(
                f"column {self.column!r} holds no vector yet",
                hint=f"make them with: {command('embed', self.dataset.root)} --model MODEL",
            )

        def batches() -> Iterator[tuple[Sequence[str], Matrix]]:
            done = 0
            # A cursor of its own: one that was left in the middle, by a full disk say, would
            # hold the connection up.
            rows = connection.cursor().sql(f"select clip_id, value {chosen} order by clip_id")
            for batch in rows.to_arrow_reader(_ROWS):
                done += len(batch)
                self.progress("gathering", done / total)
                yield batch.column("clip_id").to_pylist(), _matrix(batch.column("value"))

        try:
            store.write(batches(), dimension, label)
        except StorageError:
            # A dataset that cannot be written can still be searched. The folder goes with this
            # search; where it can be written neither, that is the error.
            elsewhere = Path(tempfile.mkdtemp(prefix="internvid-search-"))
            weakref.finalize(self, shutil.rmtree, elsewhere, ignore_errors=True)
            store = VectorStore(elsewhere)
            store.write(batches(), dimension, label)
        return store

    def _rows_of(self, subset: str) -> npt.NDArray[np.bool_]:
        chosen = pq.read_table(self.dataset.subset_path(subset), columns=["clip_id"])
        chosen_rows = pa.compute.is_in(self.store.ids, value_set=chosen.column("clip_id"))
        return np.asarray(chosen_rows.to_numpy(), bool)


def vector_columns(dataset: Dataset) -> dict[str, str]:
    """Name -> `name@fingerprint` of the columns of vectors of the current cut."""
    record = dataset.record
    columns = record.columns.get(record.cut or "", {})
    return {
        name: key
        for name, key in sorted(columns.items())
        if record.column_recipes.get(key, {}).get("value_type") == "vector"
    }


def open_search(dataset: Dataset, column: str | None = None, **options: Any) -> ClipSearch:
    """Search over a column of vectors; the only one where none is named.

    Args:
        dataset: what to search.
        column: name of the column.
        options: further fields of `ClipSearch`.

    Raises:
        MisuseError: there is no such column, or several and none is named.
    """
    known = list(vector_columns(dataset))
    if column is None and len(known) > 1:
        raise MisuseError(
            f"{dataset.root} has several columns of vectors: {', '.join(known)}",
            hint="choose one with --column",
        )
    search = ClipSearch(dataset, column or (known[0] if known else "embedding"), **options)
    _ = search.key  # refused now rather than at the first query
    return search


def _column_files(dataset: Dataset, key: str) -> list[Path]:
    cut = dataset.record.cut or ""
    return [path for part in dataset.parts for path in dataset.layout.column_files(cut, key, part)]


def _videos_files(dataset: Dataset) -> list[Path]:
    scan = dataset.record.scan or ""
    return [dataset.layout.scanned(scan, "videos", part) for part in dataset.parts]


def _label(names: Sequence[Path], files: Sequence[Path]) -> str:
    # Parts are never rewritten: paths and sizes say which they are. Whole paths, because two cuts
    # have parts of one name.
    digest = hashlib.blake2b(digest_size=16)
    for name, path in zip(names, files, strict=True):
        digest.update(f"{name}:{path.stat().st_size}\n".encode())
    return digest.hexdigest()


def _matrix(values: pa.Array) -> Matrix:
    flat = values.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False)
    if len(flat) % max(1, len(values)):
        raise ConfigInvalidError(
            "the vectors of this column have different widths", hint="embed the dataset again"
        )
    matrix: Matrix = flat.reshape(len(values), -1)
    return matrix


def _picture(path: Path) -> Any:
    from PIL import Image

    try:
        return Image.open(path).convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:
        raise MisuseError(f"{path} cannot be read as an image: {error}") from error


def _frames(path: Path, count: int) -> list[Any]:
    from PIL import Image

    from internvid.models.viclip.video_frames import read_frames

    return [Image.fromarray(frame) for frame in read_frames(path, count).frames]
