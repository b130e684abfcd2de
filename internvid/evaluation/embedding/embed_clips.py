"""From a list of clips to vectors: found, read ahead, embedded, kept; what fails is reported."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError, DatasetError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.embedding.embedders import Embedder, Frames, Vectors
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.embedding.vector_store import EmbeddingStore, Shelf, make_key
from internvid.evaluation.results.protocol import MissingClip
from internvid.evaluation.team import Team
from internvid.run.executor import local_executor, run_here
from internvid.video.frame_folder import list_pictures

Progress = Callable[[str, int, int], None]
Encoder = Callable[[Sequence[Frames]], npt.NDArray[np.float32]]
_PART_TEXTS = 2048
Item = TypeVar("Item")
# A whole film may be decoded between two signs of progress.
_HANG_CPU_SECONDS, _HANG_WALL_SECONDS = 600.0, 1800.0


def be_silent(stage: str, done: int, total: int) -> None:
    """A progress that shows nothing."""
    del stage, done, total


@dataclass(frozen=True)
class Run:
    """How to evaluate; nothing here changes a number.

    Attributes:
        store: where vectors are kept.
        progress: called with (stage, done, total).
        workers: processes that read files; with 0 this one reads them, one after another.
        part_clips: clips embedded and kept together.
        team: the processes that share the work.
    """

    store: EmbeddingStore = field(default_factory=EmbeddingStore)
    progress: Progress = be_silent
    workers: int = 0
    part_clips: int = 32
    team: Team = field(default_factory=Team)


class ListedClip(Protocol):
    """What the clips of all annotation files have."""

    @property
    def clip(self) -> str:
        """Its id."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """File names it may have."""
        ...

    @property
    def span(self) -> TimeSpan | None:
        """Seconds to read; None is everything."""
        ...


@dataclass(frozen=True)
class MeasuredClips:
    """Vectors of the clips that could be read.

    Attributes:
        indices: which of the listed clips they are, in order.
        vectors: float32 [len(indices), views, D].
        missing: the others, with reasons.
        listed: how many were listed.
    """

    indices: tuple[int, ...]
    vectors: Vectors
    missing: tuple[MissingClip, ...]
    listed: int

    def beside(self, left_out: Sequence[tuple[str, str]]) -> MeasuredClips:
        """Clips, with what the files name and no clip could be made of as missing."""
        more = tuple(MissingClip(name, reason) for name, reason in left_out)
        return replace(self, missing=self.missing + more)


@dataclass(frozen=True)
class _Wanted:
    index: int
    path: Path
    span: TimeSpan | None
    key: bytes


def embed_clips(
    clips: Sequence[ListedClip], folder: VideoFolder, embedder: Embedder, plan: ViewPlan, run: Run
) -> MeasuredClips:
    """Vectors of the clips of a benchmark, each file and span embedded once per store.

    Raises:
        DatasetError: not one of the clips could be read.
    """
    about = embedder.identity()
    shelf = run.store.shelf(
        "videos", embedder=about.digest, plan=repr(plan), frames=plan.frames or about.frames
    )
    return encode_clips(clips, folder, embedder.video_vectors, (plan, about.frames, shelf), run)


def encode_clips(
    clips: Sequence[ListedClip],
    folder: VideoFolder,
    encode: Encoder,
    kept: tuple[ViewPlan, int, Shelf],
    run: Run,
) -> MeasuredClips:
    """Apply any function of frames to clips, such as a classifier's scores.

    Args:
        clips: as listed.
        folder: where the videos are.
        encode: stacks of frames -> float32 [N, D].
        kept: the view plan, the frames the model is for, and the shelf for what comes out.
        run: how.
    """
    plan, usual, shelf = kept
    missing: dict[int, str] = {}
    wanted = list(_locate(clips, folder, missing, run))
    failed = _encode_fresh(wanted, ViewReader(plan, usual), encode, shelf, run)
    missing |= {item.index: failed[item.key] for item in wanted if item.key in failed}
    good = [item for item in wanted if item.index not in missing]
    if not good:
        reasons = sorted(set(missing.values()))
        raise DatasetError(
            f"none of the {len(clips)} listed clips could be read from {folder.folder}: "
            f"{', '.join(reasons)}",
            hint="is it the folder that belongs to the annotation file?",
        )
    return MeasuredClips(
        indices=tuple(item.index for item in good),
        vectors=shelf.get([item.key for item in good]),
        missing=tuple(MissingClip(clips[at].clip, missing[at]) for at in sorted(missing)),
        listed=len(clips),
    )


def encode_files(
    items: Sequence[tuple[Path, TimeSpan | None]],
    encode: Encoder,
    kept: tuple[FramePlan, int, Shelf],
    run: Run,
) -> list[bytes | str]:
    """Rows of files, or of spans of them, on a shelf; none is held in memory.

    Args:
        items: paths, each with seconds to read or None for everything.
        encode: stacks of frames -> float32 [N, D].
        kept: which frames, how many the model is for, and the shelf that gets the rows.
        run: how.

    Returns:
        The shelf's key of each item, or the reason why there is none.
    """
    plan, usual, shelf = kept
    contents = _contents_of(dict.fromkeys(path for path, _ in items), run)
    keys: list[bytes | str] = []
    wanted = []
    for at, (path, span) in enumerate(items):
        content = contents[path]
        if isinstance(content, bytes):
            times = None if span is None else (span.start_seconds, span.end_seconds)
            content = make_key(content, times)
            wanted.append(_Wanted(at, path, span, content))
        keys.append(content)
    failed = _encode_fresh(wanted, ViewReader(plan, usual), encode, shelf, run)
    return [failed.get(key, key) if isinstance(key, bytes) else key for key in keys]


def _encode_fresh(
    wanted: Sequence[_Wanted], reader: ViewReader, encode: Encoder, shelf: Shelf, run: Run
) -> dict[bytes, str]:
    """Puts what is not on the shelf there; each process of the team does its share.

    Returns:
        Key -> reason of what could not be read.
    """
    fresh = _lacking({item.key: item for item in wanted}, shelf, run.team)
    mine = run.team.share(list(fresh.values()))
    failed: dict[bytes, str] = {}
    kept: list[bytes] = []
    batch: list[tuple[bytes, list[Frames]]] = []
    for done, (item, views) in enumerate(_read_all(mine, reader, run.workers), start=1):
        if isinstance(views, str):
            failed[item.key] = views
        else:
            batch.append((item.key, views))
        if len(batch) >= run.part_clips or done == len(mine):
            _keep(batch, encode, shelf)
            kept += [key for key, _ in batch]
            batch = []
        run.progress("videos", min(done * run.team.size, len(fresh)), len(fresh))
    for names, rows in run.team.exchange(kept, shelf.get(kept) if kept else None):
        shelf.remember(names, rows)
    return {key: reason for each in run.team.gather(failed) for key, reason in each.items()}


def _lacking(items: Mapping[bytes, Item], shelf: Shelf, team: Team) -> dict[bytes, Item]:
    """Items that some process of the team has no row of, in order."""
    lacking = set().union(*team.gather([key for key in items if key not in shelf]))
    return {key: item for key, item in items.items() if key in lacking}


def _locate(
    clips: Sequence[ListedClip], folder: VideoFolder, missing: dict[int, str], run: Run
) -> Iterator[_Wanted]:
    """Files of the clips; what is not found goes into `missing`."""
    paths: dict[int, Path] = {}
    for index, clip in enumerate(clips):
        path = folder.find(clip.names)
        if isinstance(path, str):
            missing[index] = path
        else:
            paths[index] = path
    contents = _contents_of(dict.fromkeys(paths.values()), run)
    for index, path in paths.items():
        content = contents[path]
        if isinstance(content, str):
            missing[index] = content
            continue
        span = clips[index].span
        times = None if span is None else (span.start_seconds, span.end_seconds)
        yield _Wanted(index, path, span, make_key(content, times))


def _contents_of(paths: Iterable[Path], run: Run) -> dict[Path, bytes | str]:
    """Digest of each path's bytes, remembered by place, sizes and times of change.

    Returns:
        Digests; the reason instead of what cannot be read.
    """
    files = run.store.shelf("files")
    found: dict[Path, bytes | str] = {}
    keys: dict[Path, bytes] = {}
    for path in paths:
        try:
            keys[path] = _change_key(path)
        except OSError as error:
            found[path] = f"unreadable: {error.strerror or 'error'}"
    fresh = _lacking({key: path for path, key in keys.items()}, files, run.team)
    mine = run.team.share(list(fresh.items()))
    failed: dict[bytes, str] = {}
    digests: dict[bytes, bytes] = {}
    for done, (key, path) in enumerate(mine, start=1):
        try:
            digests[key] = _digest_of(path)
        except OSError as error:
            failed[key] = f"unreadable: {error.strerror or 'error'}"
        run.progress("files", min(done * run.team.size, len(fresh)), len(fresh))
    rows = np.array([list(digest) for digest in digests.values()], np.uint8)
    if digests:
        files.add(list(digests), rows)
    for names, others in run.team.exchange(list(digests), rows if digests else None):
        files.remember(names, others)
    reasons = {key: text for each in run.team.gather(failed) for key, text in each.items()}
    known = [path for path, key in keys.items() if key not in reasons]
    found |= {path: reasons[key] for path, key in keys.items() if key in reasons}
    if known:
        held = files.get([keys[path] for path in known])
        found |= {path: bytes(row.tolist()) for path, row in zip(known, held, strict=True)}
    return found


def _change_key(path: Path) -> bytes:
    parts = list_pictures(path) if path.is_dir() else [path]
    facts = [(part.name, part.stat()) for part in parts]
    changed = [(name, one.st_size, one.st_mtime_ns) for name, one in facts]
    return make_key(os.fspath(path.resolve()), changed)


def _digest_of(path: Path) -> bytes:
    if not path.is_dir():
        return _digest(path)
    return make_key(*[_digest(part) for part in list_pictures(path)])


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()[:16]


class FramePlan(Protocol):
    """Which frames of a file stand for it."""

    def read(self, path: Path, span: TimeSpan | None, usual: int) -> list[Frames]:
        """Stacks of frames, as `ViewPlan.read` gives them."""
        ...


@dataclass(frozen=True)
class ViewReader:
    """Reads the views of one file; what a worker process is given to do.

    Attributes:
        plan: which views, or which other frames.
        usual: frames where the plan leaves them to the model.
    """

    plan: FramePlan
    usual: int

    def __call__(
        self, item: tuple[Path, TimeSpan | None], report: Callable[[Any], None]
    ) -> list[Frames]:
        """The views of (path, span)."""
        report(None)
        path, span = item
        return self.plan.read(path, span, self.usual)


def _read_all(
    items: Sequence[_Wanted], reader: ViewReader, workers: int
) -> Iterator[tuple[_Wanted, list[Frames] | str]]:
    """Views of each item, or the reason why there are none, in order.

    In worker processes, a file that crashes its decoder or hangs costs itself only.
    """
    places = [(item.path, item.span) for item in items]
    if workers == 0:
        results = run_here(reader, places)
    else:
        results = local_executor(
            workers,
            hang_cpu_seconds=_HANG_CPU_SECONDS,
            hang_wall_seconds=_HANG_WALL_SECONDS,
        ).map(reader, places)
    early: dict[int, list[Frames] | str] = {}
    following = 0
    for result in results:
        failure = result.failure
        early[result.index] = result.value if failure is None else failure.reason
        while following in early:
            yield items[following], early.pop(following)
            following += 1


def _keep(batch: list[tuple[bytes, list[Frames]]], encode: Encoder, shelf: Shelf) -> None:
    if not batch:
        return
    stacks = [view for _, views in batch for view in views]
    vectors = check_vectors(encode(stacks), len(stacks), "videos")
    rows = vectors.reshape(len(batch), -1, vectors.shape[-1])
    shelf.add([key for key, _ in batch], rows)


def embed_texts(texts: Sequence[str], embedder: Embedder, run: Run) -> Vectors:
    """Vectors of texts, each different one embedded once per store. float32 [M, D]."""
    shelf = run.store.shelf("texts", embedder=embedder.identity().digest)
    keys = [make_key(text) for text in texts]
    fresh = _lacking(dict(zip(keys, texts, strict=True)), shelf, run.team)
    mine = run.team.share(list(fresh.items()))
    kept: list[bytes] = []
    for start in range(0, len(mine), _PART_TEXTS):
        part = mine[start : start + _PART_TEXTS]
        vectors = embedder.text_vectors([text for _, text in part])
        shelf.add([key for key, _ in part], check_vectors(vectors, len(part), "texts"))
        kept += [key for key, _ in part]
        run.progress("texts", min(len(kept) * run.team.size, len(fresh)), len(fresh))
    for names, rows in run.team.exchange(kept, shelf.get(kept) if kept else None):
        shelf.remember(names, rows)
    kept_vectors: Vectors = shelf.get(keys)
    return kept_vectors


def check_vectors(vectors: Vectors, count: int, what: str) -> Vectors:
    """What a model made, before it is kept.

    Raises:
        ConfigInvalidError: another number of rows than of inputs, NaN or infinity.
    """
    if vectors.ndim != 2 or len(vectors) != count:
        raise ConfigInvalidError(
            f"the model made vectors of shape {list(vectors.shape)} of {count} {what}"
        )
    if not np.isfinite(vectors).all():
        raise ConfigInvalidError(
            f"the model made NaN or infinity of {what}", hint="its weights may hold them"
        )
    return vectors
