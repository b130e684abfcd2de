"""Videos with dialogues to train on: captions as answers, dialogue files, the synthetic world."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from internvid.conversations.dialogues.dialogue_reader import DialogueReading
from internvid.core.errors import MisuseError
from internvid.core.types import TimeSpan
from internvid.dataset.parts import storage_errors
from internvid.models.chat.prompt_forms import Turn
from internvid.models.viclip.inputs import IMAGE_SUFFIXES
from internvid.publishing.texts.chat_turns import QUESTIONS
from internvid.synthetic.world_questions import WorldScene, dialogue_of, draw_scenes
from internvid.training.data.clip_sources import mapped_bytes
from internvid.training.data.order import key_of
from internvid.training.data.samples import ClipSource, ClipTable, FrameChoice, FramesArray
from internvid.video.span import read_span

_PAIRS = 3
SCENE = "scene"
"""Role of a description that stands in the video's place where words alone are learned."""


class ShownFrames(NamedTuple):
    """Frames of a video.

    Attributes:
        frames: uint8 RGB [T, H, W, 3], each of equal size.
        seconds: when each is shown; None where it is not known.
    """

    frames: Iterable[FramesArray]
    seconds: Sequence[float] | None


class DialogueSource(Protocol):
    """Where videos and their dialogues come from. It is pickled into the loader's workers."""

    def table(self) -> ClipTable:
        """All dialogues, as JSON in place of captions, in an order that never changes."""
        ...

    def read_shown(self, clip: int, choose: FrameChoice) -> ShownFrames:
        """Frames of one video: `choose` names those of so many.

        Raises:
            VideoError: the video cannot be read.
        """
        ...

    @property
    def dropped(self) -> dict[str, int]:
        """Reason -> dialogues that are left out beforehand."""
        ...


def as_text(turns: Sequence[Turn]) -> str:
    """A dialogue as JSON."""
    return json.dumps(turns, ensure_ascii=False)


def turns_of(text: str) -> list[Turn]:
    """The dialogue of such a text."""
    return [Turn(*each) for each in json.loads(text)]


@dataclass(frozen=True)
class CaptionDialogues:
    """Clips whose captions answer a question, drawn by the clip's name.

    Attributes:
        source: the clips.
        seed: of the questions.
    """

    source: ClipSource
    seed: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def table(self) -> ClipTable:
        """All clips; those without a caption have none here either."""
        table = self.source.table()
        texts = [self._dialogue(at, caption) for at, caption in enumerate(table.captions)]
        return ClipTable(table.clip_ids, texts, table.sources)

    def _dialogue(self, at: int, caption: str | None) -> str | None:
        if not (caption or "").strip():
            return None
        question = QUESTIONS[key_of(self.seed, at, 31) % len(QUESTIONS)]
        return as_text([Turn("user", question), Turn("assistant", str(caption).strip())])

    def read_shown(self, clip: int, choose: FrameChoice) -> ShownFrames:
        """Frames of one clip; their times are not known."""
        return ShownFrames(self.source.read(clip, choose), None)


@dataclass(frozen=True)
class FileDialogue:
    """A dialogue about a video file.

    Attributes:
        name: of the dialogue.
        path: of the video.
        span: part of it; None for all.
        text: turns as JSON.
    """

    name: str
    path: Path
    span: TimeSpan | None
    text: str


@dataclass(frozen=True)
class FileDialogues:
    """Dialogues of a file or an export, about video files.

    Attributes:
        dialogues: those whose video is there.
        dropped: reason -> how many are not: of `DialogueReading.faults`, `several_videos`,
            `image`, `video_not_found`.
        short_side: pixels of the shorter side of the frames.
    """

    dialogues: Sequence[FileDialogue]
    dropped: dict[str, int] = field(default_factory=dict)
    short_side: int = 256

    def table(self) -> ClipTable:
        """All dialogues."""
        return ClipTable(
            [each.name for each in self.dialogues],
            [each.text for each in self.dialogues],
            [str(each.path) for each in self.dialogues],
        )

    def read_shown(self, clip: int, choose: FrameChoice) -> ShownFrames:
        """Frames of one video with their times.

        Raises:
            VideoError: the file cannot be read, or shows nothing of the span.
        """
        wanted = self.dialogues[clip]
        batch = read_span(wanted.path, choose, span=wanted.span, short_side=self.short_side)
        return ShownFrames(batch.frames, [float(each) for each in batch.pts_seconds])


def read_file_dialogues(path: Path, videos: Sequence[Path] = ()) -> FileDialogues:
    """Dialogues of a file or of an export of `internvid dialogues`.

    Args:
        path: see `DialogueReading`.
        videos: folders that relative paths of videos start from; where the file lies by default.

    Raises:
        MisuseError: not one dialogue has its video.
        InternvidError: the file is not there.
    """
    reading = DialogueReading(path)
    folders = [*videos, path if path.is_dir() else path.parent]
    kept: list[FileDialogue] = []
    dropped: dict[str, int] = {}
    for dialogue in reading:
        found, reason = _video_of(dialogue.videos, folders)
        if found is None:
            dropped[reason] = dropped.get(reason, 0) + 1
            continue
        start, end = dialogue.start_seconds, dialogue.end_seconds
        span = None if start is None or end is None else TimeSpan(start, end)
        turns = [Turn(turn.role, turn.text) for turn in dialogue.turns]
        kept.append(FileDialogue(dialogue.dialogue_id, found, span, as_text(turns)))
    for reason, count in reading.faults.counts.items():
        dropped[reason] = dropped.get(reason, 0) + count
    if not kept:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
        raise MisuseError(
            f"{path} has no dialogue that can be trained on ({reasons or 'it is empty'})",
            hint="--videos FOLDER names where the paths of its videos start",
        )
    return FileDialogues(kept, dropped)


def _video_of(names: Sequence[str], folders: Sequence[Path]) -> tuple[Path | None, str]:
    if len(names) > 1:
        return None, "several_videos"
    if Path(names[0]).suffix.lower() in IMAGE_SUFFIXES:
        return None, "image"
    for folder in folders:
        path = folder / names[0]
        if path.is_file():
            return path.absolute(), ""
    return None, "video_not_found"


@dataclass(frozen=True)
class WorldDialogues:
    """Scenes of the synthetic world with a few questions each.

    Attributes:
        seed: another seed gives other scenes.
        count: how many.
        frames, size: of a clip.
        cameras, paths: see `sample_specs`.
        held_out: whether these are the combinations kept from training.
        cache: a folder for the rendered frames; None renders anew each time.
    """

    seed: int = 0
    count: int = 12000
    frames: int = 8
    size: int = 48
    cameras: tuple[str, ...] = ("static",)
    paths: Literal["loop", "inside"] = "inside"
    held_out: bool = False
    cache: Path | None = None
    dropped: dict[str, int] = field(default_factory=dict)

    @functools.cached_property
    def scenes(self) -> list[WorldScene]:
        """What each clip shows."""
        return draw_scenes(
            self.seed, self.count, held_out=self.held_out, cameras=self.cameras, paths=self.paths
        )

    def table(self) -> ClipTable:
        """All scenes."""
        names = [f"world-{self.seed}-{at}" for at in range(self.count)]
        return ClipTable(names, [self._dialogue(at) for at in range(self.count)], names)

    def _dialogue(self, at: int) -> str:
        rng = np.random.default_rng((self.seed, at, 37))
        turns = [Turn(SCENE, self.scenes[at].text())]
        for question in dialogue_of(self.scenes[at], rng, _PAIRS):
            turns += [Turn("user", question.text), Turn("assistant", question.answer)]
        return as_text(turns)

    def read_shown(self, clip: int, choose: FrameChoice) -> ShownFrames:
        """Frames of one scene; it is four frames a second."""
        chosen = list(choose(self.frames))
        return ShownFrames(self._frames(clip)[chosen], [at / 4 for at in chosen])

    def _frames(self, clip: int) -> FramesArray:
        if self._files is None:
            return self.scenes[clip].render(self.frames, self.size)
        pixels, done = self._files
        if not done[clip]:
            # Workers may both render it: the bytes are the same.
            pixels[clip] = self.scenes[clip].render(self.frames, self.size)
            done[clip] = 1
        kept: FramesArray = pixels[clip]
        return kept

    @functools.cached_property
    def _files(self) -> tuple[FramesArray, FramesArray] | None:
        if self.cache is None:
            return None
        with storage_errors(self.cache):
            self.cache.mkdir(parents=True, exist_ok=True)
        what = f"{self.seed}-{self.count}-{self.frames}x{self.size}-{int(self.held_out)}"
        name = f"scenes-{what}-{'-'.join(self.cameras)}-{self.paths}"
        shape = (self.count, self.frames, self.size, self.size, 3)
        return (
            mapped_bytes(self.cache / f"{name}.frames", shape),
            mapped_bytes(self.cache / f"{name}.done", (self.count,)),
        )

    def __getstate__(self) -> dict[str, object]:
        # Scenes are drawn again in each worker, and files mapped.
        state = dict(self.__dict__)
        state.pop("scenes", None)
        state.pop("_files", None)
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
