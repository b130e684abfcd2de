"""What training knows of its clips: captions made ready, labels of sources, texts, neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from internvid.core.errors import MisuseError
from internvid.models.templates import clean_text
from internvid.train.order import IntArray
from internvid.train.sides import mentions_direction

FrameChoice = Callable[[int], Sequence[int]]
"""How many frames there are -> which are wanted, ascending, repeats allowed."""

FramesArray = npt.NDArray[np.uint8]

LEAST_WORDS = 2


@dataclass(frozen=True)
class ClipTable:
    """One entry a clip of a source of clips; all of equal length.

    Attributes:
        clip_ids: names, for ledgers and logs.
        captions: None where a clip has none.
        sources: which video each is cut from.
        alike: what hard neighbours share; None where nothing is known.
    """

    clip_ids: Sequence[str]
    captions: Sequence[str | None]
    sources: Sequence[str]
    alike: Sequence[str] | None = None


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
            choose: asked once, with the number of frames there are.

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
        alike: int64 [S], label of what hard neighbours share, or None.
        sided: bool [S], captions that name a side: mirroring would make them false.
        dropped: reason -> how many clips were left out.
    """

    clips: IntArray
    clip_ids: Sequence[str]
    texts: IntArray
    captions: Sequence[str]
    sources: IntArray
    alike: IntArray | None
    sided: npt.NDArray[np.bool_]
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)


def make_samples(
    table: ClipTable, *, clean: bool = True, least_words: int = LEAST_WORDS
) -> Samples:
    """Captions cleaned as in the reference, clips without a usable one dropped.

    Args:
        table: the clips.
        clean: whether captions go through the reference's `pre_text`.
        least_words: that a usable caption has.

    Raises:
        MisuseError: no caption at all, or fewer than two clips are left.
    """
    captions = [_caption(caption, clean=clean) for caption in table.captions]
    missing = sum(1 for caption in captions if not caption)
    kept = [at for at, text in enumerate(captions) if text and len(text.split()) >= least_words]
    if len(kept) < 2:
        raise MisuseError(
            f"{len(kept)} of {len(captions)} clips have a caption of at least {least_words} words; "
            f"{missing} have none, and training compares clips with one another",
            hint="choose another subset or --text column; internvid describe shows the columns",
        )
    used = [captions[at] for at in kept]
    texts, names = _labels(used)
    sources, _ = _labels([table.sources[at] for at in kept])
    alike = None if table.alike is None else _labels([table.alike[at] for at in kept])[0]
    return Samples(
        clips=np.array(kept, dtype=np.int64),
        clip_ids=[table.clip_ids[at] for at in kept],
        texts=texts,
        captions=names,
        sources=sources,
        alike=alike,
        sided=np.array([mentions_direction(text) for text in used]),
        dropped={"no_caption": missing, "short_caption": len(captions) - missing - len(kept)},
    )


def _caption(text: str | None, *, clean: bool) -> str:
    return clean_text(text or "") if clean else (text or "").strip()


def _labels(values: Sequence[str]) -> tuple[IntArray, list[str]]:
    """Numbers in order of first appearance, and the values by number."""
    seen: dict[str, int] = {}
    labels = [seen.setdefault(value, len(seen)) for value in values]
    return np.array(labels, dtype=np.int64), list(seen)
