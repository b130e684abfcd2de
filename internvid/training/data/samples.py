"""What training knows of its clips: captions made ready, labels of sources, texts, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from internvid.core.errors import MisuseError
from internvid.models.templates import clean_text
from internvid.training.data.clip_columns import Strings, as_strings, in_runs, label
from internvid.training.data.order import IntArray
from internvid.training.views.sides import mentions_direction

FrameChoice = Callable[[int], Sequence[int]]
"""How many frames there are -> which are wanted, ascending, repeats allowed."""

FramesArray = npt.NDArray[np.uint8]

LEAST_WORDS = 2


@dataclass(frozen=True)
class ClipTable:
    """One entry a clip of a source of clips; all of equal length.

    Attributes:
        clip_ids: names, for logs.
        captions: None where a clip has none.
        sources: which video each is cut from.
        hard_negative_groups: what hard neighbours share; None where nothing is known.
        videos: equal for equal frames, such as one file with several captions; None where every
            clip has its own.
    """

    clip_ids: Sequence[str]
    captions: Sequence[str | None]
    sources: Sequence[str]
    hard_negative_groups: Sequence[str] | None = None
    videos: Sequence[str] | None = None


@runtime_checkable
class ClipSource(Protocol):
    """Where clips come from. It is pickled into the loader's workers."""

    def table(self) -> ClipTable:
        """All clips, in an order that never changes."""
        ...

    def read(self, clip: int, choose: FrameChoice) -> Iterable[FramesArray]:
        """Frames of one clip of the table.

        Args:
            clip: its place in the table.
            choose: called once, with the number of frames there are.

        Returns:
            uint8 RGB [H, W, 3] of equal size, one for each frame that `choose` named: an array
            [T, H, W, 3], or pictures that are decoded while one goes through them. A frame named
            several times may be one object.

        Raises:
            VideoError: the clip cannot be read, now or on the way; training goes on without it.
        """
        ...


@dataclass(frozen=True)
class Samples:
    """The clips that can be trained on, with labels as numbers.

    Attributes:
        clips: int64 [S], places in the source's table.
        clip_ids: their names.
        texts: int64 [S], places in `captions`.
        captions: every caption once, cleaned.
        sources: int64 [S], label of the source video.
        hard_negative_groups: int64 [S], label of what hard neighbours share, or None.
        videos: int64 [S], label of equal frames, or None where all differ.
        mentions_direction: bool [S], captions that name a side: mirroring would make them false.
        dropped: reason -> how many clips were left out.
    """

    clips: IntArray
    clip_ids: Sequence[str]
    texts: IntArray
    captions: Sequence[str]
    sources: IntArray
    hard_negative_groups: IntArray | None
    mentions_direction: npt.NDArray[np.bool_]
    dropped: dict[str, int] = field(default_factory=dict)
    videos: IntArray | None = None

    def __len__(self) -> int:
        return len(self.clips)


def make_samples(
    table: ClipTable,
    *,
    clean: bool = True,
    least_words: int = LEAST_WORDS,
    held_out: npt.NDArray[np.bool_] | None = None,
) -> Samples:
    """Captions cleaned as in the reference, clips without a usable one dropped.

    Args:
        table: the clips.
        clean: whether captions go through the reference's `pre_text`.
        least_words: that a usable caption has.
        held_out: clips that are not trained on, whatever their captions; None for none.

    Raises:
        MisuseError: no caption at all, or fewer than two clips are left.
    """
    used: list[pa.Array] = []
    kept: list[IntArray] = []
    direction_flags: list[npt.NDArray[np.bool_]] = []
    count = missing = short = 0
    for run in in_runs(table.captions):
        texts = {
            at: _caption(caption, clean=clean)
            for at, caption in enumerate(run)
            if held_out is None or not held_out[count + at]
        }
        missing += sum(1 for text in texts.values() if not text)
        places = [at for at, text in texts.items() if text and len(text.split()) >= least_words]
        short += sum(1 for text in texts.values() if text) - len(places)
        chosen = [texts[at] for at in places]
        used.append(pa.array(chosen, pa.large_string()))
        direction_flags.append(
            np.array([mentions_direction(text) for text in chosen], dtype=np.bool_)
        )
        kept.append(np.array(places, dtype=np.int64) + count)
        count += len(run)
    clips = np.concatenate([np.zeros(0, dtype=np.int64), *kept])
    if len(clips) < 2:
        raise _too_few(len(clips), count, least_words, missing)
    dropped = {"no_caption": missing, "short_caption": short}
    if held_out is not None:
        dropped["held_out"] = int(held_out.sum())
    numbers, names = label(Strings(used))
    found = Samples(
        clips=clips,
        clip_ids=as_strings(table.clip_ids).taken(clips),
        texts=numbers,
        captions=names,
        sources=_labels(table.sources, clips),
        hard_negative_groups=None
        if table.hard_negative_groups is None
        else _labels(table.hard_negative_groups, clips),
        videos=None if table.videos is None else _labels(table.videos, clips),
        mentions_direction=np.concatenate(direction_flags),
        dropped=dropped,
    )
    # Of millions of captions, what was needed on the way is much more than what stays.
    pa.default_memory_pool().release_unused()
    return found


def _too_few(usable: int, count: int, least_words: int, missing: int) -> MisuseError:
    return MisuseError(
        f"{usable} of {count} clips have a caption of at least {least_words} words; "
        f"{missing} have none, and training compares clips with one another",
        hint="choose another subset or --text column; internvid describe shows the columns",
    )


def _caption(text: str | None, *, clean: bool) -> str:
    return clean_text(text or "") if clean else (text or "").strip()


def _labels(values: Sequence[str], places: IntArray) -> IntArray:
    return label(as_strings(values).taken(places))[0]
