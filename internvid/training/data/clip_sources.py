"""Where clips come from: arrays in memory, files, frame shards, the synthetic world."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from internvid.core.errors import MisuseError
from internvid.dataset.frame_shards import FrameShards
from internvid.dataset.parts import storage_errors
from internvid.synthetic.clips import ClipSpec, render_clip, sample_specs
from internvid.training.data.clip_columns import ROWS, Strings
from internvid.training.data.file_list import FileClip, FileList
from internvid.training.data.samples import ClipTable, FrameChoice, FramesArray
from internvid.video.frame_folder import read_pictures
from internvid.video.span import read_span


@dataclass(frozen=True)
class ArraySource:
    """Clips in memory.

    Attributes:
        clips: each uint8 RGB [T, H, W, 3].
        captions: one a clip.
        sources: label of each clip's source video; each its own where None.
        hard_negative_groups: what hard neighbours share, if known.
    """

    clips: Sequence[FramesArray]
    captions: Sequence[str | None]
    sources: Sequence[str] | None = None
    hard_negative_groups: Sequence[str] | None = None

    def table(self) -> ClipTable:
        """All clips."""
        names = [f"clip-{at}" for at in range(len(self.clips))]
        return ClipTable(names, self.captions, self.sources or names, self.hard_negative_groups)

    def read(self, clip: int, choose: FrameChoice) -> FramesArray:
        """Frames of one clip."""
        frames = self.clips[clip]
        return frames[list(choose(len(frames)))]


@dataclass(frozen=True)
class FileSource:
    """Spans of video files, decoded when they are shown.

    Attributes:
        clips: what to read; the source of a clip is its file unless it says otherwise.
        short_side: pixels of the shorter side of the frames; smaller files stay.
    """

    clips: Sequence[FileClip]
    short_side: int = 256

    def __post_init__(self) -> None:
        # Columns: millions of clips are pickled into every loader worker.
        object.__setattr__(self, "clips", self._columns)

    @functools.cached_property
    def _columns(self) -> FileList:
        return self.clips if isinstance(self.clips, FileList) else FileList.of(self.clips)

    def table(self) -> ClipTable:
        """All clips."""
        return self._columns.table()

    def read(self, clip: int, choose: FrameChoice) -> FramesArray:
        """Frames of one clip.

        Raises:
            VideoError: the file cannot be read, or shows nothing of the span.
        """
        wanted = self.clips[clip]
        if wanted.span is None and wanted.path.is_dir():
            return read_pictures(wanted.path, choose, self.short_side)
        return read_span(wanted.path, choose, span=wanted.span, short_side=self.short_side).frames


@dataclass(frozen=True)
class ShardSource:
    """Frame shards with one of their texts.

    Attributes:
        shards: the folder.
        text: name of the text column.
    """

    shards: FrameShards
    text: str = "measured"

    def table(self) -> ClipTable:
        """All clips.

        Raises:
            MisuseError: no clip has a text of that name.
        """
        rows = self.shards.rows()
        known: set[str] = set()
        captions: list[pa.Array] = []
        for batch in rows.select(["texts"]).to_batches(max_chunksize=ROWS):
            texts = [dict(each or ()) for each in batch.column("texts").to_pylist()]
            known |= {name for each in texts for name in each}
            captions.append(pa.array([each.get(self.text) for each in texts], pa.large_string()))
        if self.text not in known:
            raise MisuseError(
                f"{self.shards.folder} has no text {self.text!r}; it has: "
                f"{', '.join(sorted(known)) or 'none'}",
                hint="name one of them with --text",
            )
        ids, sources = (Strings(rows.column(name).chunks) for name in ("clip_id", "source_id"))
        return ClipTable(ids, Strings(captions), sources)

    def read(self, clip: int, choose: FrameChoice) -> Iterator[FramesArray]:
        """Frames of one clip, decoded while one goes through them.

        Raises:
            VideoUnreadableError: the shard is gone or damaged.
        """
        return self.shards.read(clip, choose)


@dataclass(frozen=True)
class WorldSource:
    """Clips of the synthetic world, rendered when they are first shown and kept in a file.

    Every clip is its own source. Hard neighbours share everything their captions name but the
    motion.

    Attributes:
        seed: another seed gives other clips of the same kind.
        count: how many.
        frames: of a clip.
        size: height and width in pixels.
        held_out: whether these are the combinations kept from training.
        cameras: kinds of camera moves.
        paths: `loop` or `inside`.
        cache: a folder for the rendered frames; None renders anew each time.
    """

    seed: int = 0
    count: int = 16384
    frames: int = 8
    size: int = 64
    held_out: bool = False
    cameras: tuple[str, ...] = ("static",)
    paths: Literal["loop", "inside"] = "loop"
    cache: Path | None = None
    _state: dict[str, object] = field(default_factory=dict, compare=False, repr=False)

    @functools.cached_property
    def specs(self) -> list[ClipSpec]:
        """What each clip shows."""
        return sample_specs(
            self.seed,
            self.count,
            held_out=self.held_out,
            cameras=self.cameras,
            paths=self.paths,
        )

    def table(self) -> ClipTable:
        """All clips."""
        names = [f"world-{self.seed}-{at}" for at in range(self.count)]
        hard_negative_groups = [
            f"{spec.colour} {spec.shape} {spec.size} {spec.tone} "
            f"{spec.camera.kind} {spec.camera.direction}"
            for spec in self.specs
        ]
        return ClipTable(names, [spec.text() for spec in self.specs], names, hard_negative_groups)

    def read(self, clip: int, choose: FrameChoice) -> FramesArray:
        """Frames of one clip."""
        if self.cache is None:
            frames = render_clip(self.specs[clip], self.frames, self.size)
        else:
            frames = self._kept(clip, self.cache)
        return frames[list(choose(self.frames))]

    def _kept(self, clip: int, cache: Path) -> FramesArray:
        pixels, done = self._files(cache)
        if not done[clip]:
            # Workers may both render it: the bytes are the same.
            pixels[clip] = render_clip(self.specs[clip], self.frames, self.size)
            done[clip] = 1
        frames: FramesArray = pixels[clip]
        return frames

    def _files(self, cache: Path) -> tuple[FramesArray, FramesArray]:
        files = self._state.get("files")
        if files is None:
            with storage_errors(cache):
                cache.mkdir(parents=True, exist_ok=True)
            what = f"{self.seed}-{self.count}-{self.frames}x{self.size}-{int(self.held_out)}"
            name = f"world-{what}-{'-'.join(self.cameras)}-{self.paths}"
            shape = (self.count, self.frames, self.size, self.size, 3)
            files = (mapped_bytes(cache / f"{name}.frames", shape),
                     mapped_bytes(cache / f"{name}.done", (self.count,)))  # fmt: skip
            self._state["files"] = files
        return files  # type: ignore[return-value]

    def __getstate__(self) -> dict[str, object]:
        # Mapped files and rendered specs are made again in each worker.
        state = dict(self.__dict__)
        state.pop("specs", None)
        state["_state"] = {}
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)


def mapped_bytes(path: Path, shape: tuple[int, ...]) -> FramesArray:
    """A file of bytes, mapped; made if it is not there.

    Its room is taken at once where the system can do that: a write into mapped pages that find no
    room on the disk would end the process.

    Raises:
        StorageError: there is no room for it.
    """
    size = int(np.prod(shape))
    with storage_errors(path), path.open("ab") as file:
        if file.tell() < size:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
    return np.memmap(path, dtype=np.uint8, mode="r+", shape=shape)
