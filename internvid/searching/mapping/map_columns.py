"""The map of a dataset as two of its columns, `<name>_x` and `<name>_y`: both or neither.

Vectors are read part by part, so that memory holds one batch of them, and the sample of UMAP. The
fingerprint of the columns covers the rule and the vectors: after `internvid embed` went on, the
next call makes new versions beside the old ones, which become current in one step.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.core.binding import origin_of, seal_of
from internvid.core.config import fingerprint, identity, plain
from internvid.core.contracts import Annotation
from internvid.core.errors import ConfigInvalidError, MisuseError
from internvid.core.system.shell import command
from internvid.dataset.answers.column_views import quoted_name
from internvid.dataset.current import current_clips, gone_videos
from internvid.dataset.given import refuse_no_number, refuse_no_text
from internvid.dataset.layout import ColumnEntry
from internvid.dataset.names import NAME, reserved_name
from internvid.dataset.parts import commit_table, rows_to_table
from internvid.dataset.picks import SCAN_PICKS
from internvid.dataset.store import Dataset
from internvid.dataset.tables import column_schema
from internvid.searching.mapping.projections import NeighbourPlane, PrincipalPlane, Projection
from internvid.searching.query import vector_columns
from internvid.searching.vectors import Matrix, unit_rows

AXES = ("x", "y")
METHODS = ("pca", "umap")
_BATCH = 8192
_SCHEMA = column_schema("double", {})
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class VectorMap:
    """How vectors become places in a plane.

    Attributes:
        vectors: name of the column of vectors.
        method: `pca`, along the principal axes, or `umap`.
        neighbours: of UMAP: how many of each vector are kept near it.
        sample: of UMAP: the layout is fitted on at most so many vectors, drawn at random, and
            applied to the others.
        seed: of the draw and the layout.
        axis: which of both columns this is; `x` or `y`.
    """

    version: ClassVar[int] = 1
    vectors: str
    method: Literal["pca", "umap"] = "pca"
    neighbours: int = 15
    sample: int = 50_000
    seed: int = 42
    axis: str = "x"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigInvalidError(f"method is one of {', '.join(METHODS)}, not {self.method!r}")
        for name, least in (("neighbours", 2), ("sample", 16), ("seed", 0)):
            value = getattr(self, name)
            refuse_no_number(value, name, is_whole=True)
            if value < least:
                raise ConfigInvalidError(f"{name} must be at least {least}, got {value}")


@dataclass(frozen=True)
class MapSummary:
    """What making a map came to.

    Attributes:
        columns: names of both columns.
        vectors: column of vectors that it shows.
        method: how it was made.
        clips: that have a place. without: kept clips that have no vector.
        shown: what is known of how well it shows the vectors: `variance` of `pca`, the share of
            what they differ in; `fitted` of `umap`, how many the layout was fitted on.
        keys: `name@fingerprint` of both columns.
        known: whether they were there already, made by this rule from these vectors.
    """

    columns: tuple[str, str]
    vectors: str
    method: str
    clips: int
    without: int
    shown: Mapping[str, float] = field(default_factory=dict)
    keys: tuple[str, str] = ("", "")
    known: bool = False


def record_map(
    dataset: Dataset, rule: VectorMap, name: str, progress: Progress | None = None
) -> MapSummary:
    """Lay the vectors of a dataset out and keep their places as columns. Under the write lock.

    Args:
        dataset: with a finished build; not refreshed.
        rule: how.
        name: of the map; its columns are `<name>_x` and `<name>_y`.
        progress: called with what is done now, how far it is, and of how much.

    Raises:
        MisuseError: no such vectors, or none yet; the name is taken or cannot be one.
        DependencyMissingError: umap-learn is not installed.
        DatasetFormatError: the dataset is not finished, or damaged.
    """
    layout, record = dataset.layout, dataset.record
    parts, cut = dataset.parts, record.cut or ""
    known_vectors = vector_columns(dataset)
    if rule.vectors not in known_vectors:
        raise _no_vectors(dataset, rule.vectors)
    names = _checked_names(dataset, name)
    gone = gone_videos(layout, record.scan or "", parts)
    reader = _Vectors(dataset, rule.vectors)
    inputs = {"vectors": known_vectors[rule.vectors], "cut": cut, "clips": reader.digest()}
    inputs["kept"] = _digest(each for part in parts for each in _kept(dataset, part, gone))
    rules = [dataclasses.replace(rule, axis=axis) for axis in AXES]
    keys = [f"{n}@{fingerprint(one, inputs)}" for n, one in zip(names, rules, strict=True)]
    described = record.column_recipes.get(keys[0], {}).get("describes")
    files = [layout.column(cut, key, part) for key in keys for part in parts]
    is_whole = bool(described) and all(path.exists() for path in files)
    facts: Mapping[str, Any] = described if is_whole and described else {}
    if not is_whole:
        facts = _make(dataset, rule, (reader, gone), keys, progress or (lambda *_: None))
        for key, one in zip(keys, rules, strict=True):
            record.column_recipes[key] = _entry(one, facts)
    record.columns.setdefault(cut, {}).update(zip(names, keys, strict=True))
    layout.write_record(record)
    return MapSummary(
        columns=(names[0], names[1]),
        vectors=rule.vectors,
        method=rule.method,
        keys=(keys[0], keys[1]),
        known=is_whole,
        **facts,
    )


class _Vectors:
    """The vectors of a column, read part by part.

    Args:
        dataset: that has it.
        column: its name, one of the dataset's.
    """

    def __init__(self, dataset: Dataset, column: str) -> None:
        self._dataset = dataset
        self._chosen = f"from {quoted_name(f'column_{column}')} where status = 'ok'"
        found = dataset.connection.execute(f"select count(*), max(len(value)) {self._chosen}")
        count, width = found.fetchall()[0]
        if not count:
            raise _no_vectors(dataset, column)
        self.count, self.width = int(count), int(width)

    def digest(self) -> str:
        """A digest of the clips that have vectors."""
        rows = self._dataset.connection.cursor().sql(
            f"select clip_id {self._chosen} order by clip_id"
        )
        return _digest(
            each for batch in rows.to_arrow_reader(65536) for each in batch["clip_id"].to_pylist()
        )

    def of_part(self, part: str) -> Iterator[tuple[list[str], Matrix]]:
        """Ids and unit vectors, float32 [n, D], of a part, batch by batch."""
        record = self._dataset.record
        parts = [each for each in record.parts if each["name"] == part]
        alone = Dataset(self._dataset.layout, dataclasses.replace(record, parts=parts))
        rows = alone.connection.sql(f"select clip_id, value {self._chosen} order by clip_id")
        for batch in rows.to_arrow_reader(_BATCH):
            flat = batch["value"].flatten().to_numpy(zero_copy_only=False).astype(np.float32)
            if len(flat) != len(batch) * self.width:
                raise ConfigInvalidError(
                    "the vectors of this column have different widths",
                    hint="embed the dataset again",
                )
            vectors = unit_rows(flat.reshape(len(batch), self.width), self.width)
            yield batch["clip_id"].to_pylist(), vectors

    def all(self, progress: Callable[[int], None]) -> Iterator[Matrix]:
        """All of them, batch by batch."""
        for at, part in enumerate(self._dataset.parts):
            for _, vectors in self.of_part(part):
                yield vectors
            progress(at + 1)

    def sample(self, size: int, seed: int, progress: Callable[[int], None]) -> Matrix:
        """Some of them, float32 [n, D], each as likely as any other."""
        draw = np.random.default_rng(seed)
        chosen = np.sort(draw.choice(self.count, min(size, self.count), replace=False))
        found, first = [], 0
        for vectors in self.all(progress):
            low, high = np.searchsorted(chosen, [first, first + len(vectors)])
            found.append(vectors[chosen[low:high] - first])
            first += len(vectors)
        return np.concatenate(found)


def _make(
    dataset: Dataset,
    rule: VectorMap,
    given: tuple[_Vectors, frozenset[str]],
    keys: Sequence[str],
    progress: Progress,
) -> dict[str, Any]:
    reader, gone = given
    count = len(dataset.parts)
    projection: Projection
    if rule.method == "pca":
        projection = PrincipalPlane(reader.all(lambda done: progress("reading", done, count)))
    else:
        sample = reader.sample(
            rule.sample, rule.seed, lambda done: progress("reading", done, count)
        )
        progress("fitting", 0, 1)
        projection = NeighbourPlane(sample, rule.neighbours, rule.seed)
        progress("fitting", 1, 1)
    placed = without = 0
    for at, part in enumerate(dataset.parts):
        places: dict[str, npt.NDArray[np.float64]] = {}
        for ids, vectors in reader.of_part(part):
            shown = vectors.any(axis=1)  # a vector of zeros points nowhere
            where = projection.place(vectors)
            places.update((ids[row], where[row]) for row in np.flatnonzero(shown))
        kept = _kept(dataset, part, gone)
        for axis, key in enumerate(keys):
            rows = (_row(clip_id, places.get(clip_id), axis) for clip_id in kept)
            table = rows_to_table(rows, _SCHEMA)
            commit_table(dataset.layout.column(dataset.record.cut or "", key, part), table)
        here = sum(clip_id in places for clip_id in kept)
        placed, without = placed + here, without + len(kept) - here
        progress("placing", at + 1, count)
    return {"clips": placed, "without": without, "shown": projection.describe()}


def _row(clip_id: str, place: npt.NDArray[np.float64] | None, axis: int) -> dict[str, Any]:
    # As precise as any screen: shorter numbers make shorter addresses.
    value = None if place is None else round(float(place[axis]), 6)
    status, reason = ("ok", "") if place is not None else ("skipped", "no_vector")
    answer = Annotation(clip_id, value, status, reason, origin=origin_of(clip_id))  # type: ignore[arg-type]
    return {
        "clip_id": clip_id,
        "value": value,
        "status": status,
        "reason": reason,
        "frames": [],
        "prompt": "",
        "pick_set": SCAN_PICKS,
        "seal": seal_of(answer),
    }


def _entry(rule: VectorMap, facts: Mapping[str, Any]) -> ColumnEntry:
    made = identity(rule)
    return {
        "component": made["component"],
        "version": made["version"],
        "fields": made["fields"],
        "verb": "score",
        "value_type": "double",
        "extras": {},
        "reads": ["vectors"],
        "text": None,
        "weights": {},
        "describes": plain(facts),
    }


def _checked_names(dataset: Dataset, name: str) -> list[str]:
    refuse_no_text(name, "name")
    if not NAME.fullmatch(name):
        raise MisuseError(f"{name!r} cannot name a map: use letters, digits, '.', '_' and '-'")
    names = [f"{name}_{axis}" for axis in AXES]
    if reserved := reserved_name(names):
        raise MisuseError(
            f"{reserved!r} is a name that is given to rows in a selection",
            hint="choose another name with --as",
        )
    record = dataset.record
    columns = record.columns.get(record.cut or "", {})
    there = {column.lower() for column in dataset.sql("select * from all_clips limit 0").columns}
    there |= {column.lower() for column in columns}
    for each in names:
        made_by = record.column_recipes.get(columns.get(each, ""), {}).get("component", "")
        # A map may be made again; another column is not replaced by one.
        if each.lower() in there and not made_by.endswith(f":{VectorMap.__name__}"):
            raise MisuseError(
                f"the clips have a column {each!r} already", hint="choose another name with --as"
            )
    return names


def _kept(dataset: Dataset, part: str, gone: frozenset[str]) -> list[str]:
    cut = dataset.record.cut or ""
    clips = current_clips(dataset.layout, cut, part, gone, ["clip_id", "kept"])
    if clips is None:
        return []
    ids: pa.ChunkedArray = clips.filter(clips["kept"])["clip_id"]
    return sorted(ids.to_pylist())


def _digest(ids: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for each in ids:
        digest.update(each.encode("ascii"))
    return digest.hexdigest()


def _no_vectors(dataset: Dataset, column: str) -> MisuseError:
    known = ", ".join(vector_columns(dataset)) or "none"
    return MisuseError(
        f"{dataset.root} has no vectors in a column called {column!r}; columns of vectors: {known}",
        hint=f"make them with: {command('embed', dataset.root)} --model MODEL",
    )
