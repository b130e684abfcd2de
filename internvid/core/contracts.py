"""What each kind of component must do: one verb a kind, one file a component.

A component is a frozen dataclass whose fields are its whole configuration, with a class
attribute `version` (an int, raised when its results change). Heavy imports happen in its verb.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from internvid.core.types import Clip, ColumnSpec, Shot, Timeline, TimeSpan

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Status = Literal["ok", "failed", "skipped"]


@runtime_checkable
class Planes(Protocol):
    """Small planes of consecutive frames, as the scan hands them to observers.

    Attributes:
        luma: float32 [T, 72, 128], 0 to 255 as decoded (limited range stays limited).
        u, v: uint8 [T, 72, 128], chroma as decoded.
        luma_half, u_half, v_half: float32 [T, 36, 64], means of 2 x 2.
        pts_seconds: float64 [T].
    """

    luma: npt.NDArray[np.float32]
    u: npt.NDArray[np.uint8]
    v: npt.NDArray[np.uint8]
    pts_seconds: npt.NDArray[np.float64]

    @property
    def luma_half(self) -> npt.NDArray[np.float32]: ...
    @property
    def u_half(self) -> npt.NDArray[np.float32]: ...
    @property
    def v_half(self) -> npt.NDArray[np.float32]: ...


@runtime_checkable
class Observer(Protocol):
    """Watches one decode and leaves timeline columns. A fresh one is made per video."""

    columns: ClassVar[Mapping[str, ColumnSpec]]

    def observe(self, batch: Any) -> None:
        """Take the next frames, in order, each exactly once."""
        ...

    def finish(self) -> dict[str, npt.NDArray[Any]]:
        """Values in the columns' own units, one per observed frame."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Cuts a timeline into shots that tile it."""

    version: ClassVar[int]

    def detect(self, timeline: Timeline) -> list[Shot]: ...


@runtime_checkable
class WatchingDetector(Detector, Protocol):
    """A detector that needs timeline columns of its own: an optional part of the contract.

    Pipelines run what `observers` returns beside the recipe's own observers. Called before any
    video is scanned, it refuses a configuration that cannot run.
    """

    def observers(self) -> tuple[Observer, ...]: ...


@dataclass(frozen=True)
class PickFacts:
    """What the scan measured on one stored frame.

    Attributes:
        frame: index of the frame on the timeline.
        pts_seconds: when it is shown, from the first displayed frame.
        sharpness: variance of the Laplacian, levels squared.
        picture_hash: 64-bit difference hash.
        colours: share of each named colour (internvid.video.colours.COLOUR_NAMES), 255ths.
    """

    frame: int
    pts_seconds: float
    sharpness: float
    picture_hash: int
    colours: bytes


@runtime_checkable
class Signal(Protocol):
    """Measures one span of a timeline: typed columns of the clips table.

    `columns` maps column name -> Arrow type name; `measure` returns a value (or None, where
    nothing can be stated) for each of them.
    """

    version: ClassVar[int]
    columns: ClassVar[Mapping[str, str]]

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]: ...


@runtime_checkable
class RelatingSignal(Signal, Protocol):
    """A signal whose columns also depend on a clip's neighbours: an optional part of the contract.

    `relate` is called once a video, after every clip of it was measured and before any is filtered.
    It is given the rows of all clips (identity, span and the columns of this and earlier signals),
    kept or not, in time order, and the video's picks; it returns for each row the columns of its
    own that change, in the same order.
    """

    def relate(
        self, rows: Sequence[Mapping[str, Any]], picks: Sequence[PickFacts]
    ) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Pick:
    """One stored JPEG frame.

    Attributes:
        frame: index of the frame on the timeline.
        pts_seconds: when it is shown, from the first displayed frame.
        jpeg: the stored bytes.
    """

    frame: int
    pts_seconds: float
    jpeg: bytes


@dataclass(frozen=True)
class ClipView:
    """A clip with what is known about it: what captioners and scorers are given.

    Attributes:
        clip: identity and span.
        row: the clip's measured columns (signals) by name.
        picks: stored frames inside the span, in time order, read when they are used. More and
            larger ones than the scan kept, where the component's `needs` asks for them.
        text: the clip's text, for components that read one (`reads` names "text"); else None.
        source: the file the clip is cut from, for components that read it (`reads` names
            "source"); None where it is gone.
    """

    clip: Clip
    row: Mapping[str, Any]
    picks: Sequence[Pick]
    text: str | None = None
    source: Path | None = None

    @property
    def span(self) -> TimeSpan:
        """The clip's span."""
        return self.clip.span


@dataclass(frozen=True)
class Origin:
    """What one answer was made from: enough to prove later that it belongs to its clip.

    Made by `internvid.core.binding.origin_of` before the model is prompted, from the very picks
    that it is shown, and carried beside the request to the answer.

    Attributes:
        frames: timeline frames of the picks, in the order the model saw them.
        prompt: the words sent with them, whole; empty where none were.
        digest: hash of the clip's id, the picks' stored bytes and the prompt.
    """

    frames: tuple[int, ...]
    prompt: str
    digest: bytes


@dataclass(frozen=True)
class Annotation:
    """One answer about one clip: a value, or the reason there is none.

    Attributes:
        clip_id: which clip it belongs to; answers are matched by it, never by position.
        value: the caption, score or vector; None unless `status` is "ok".
        status: "ok", "failed" (a rerun tries again) or "skipped" (nothing to say).
        reason: short word for a status other than "ok".
        extras: values of the component's further columns, by name (see `Annotator.extras`).
        origin: what the value was made from; None where only the clip itself was.
    """

    clip_id: str
    value: Any
    status: Status = "ok"
    reason: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin | None = None


@dataclass(frozen=True)
class Needs:
    """Frames that a component wants of each clip, beyond what the scan keeps.

    Spans that fall short are decoded once more, for all components that ask, into a second set
    of picks; where the source is gone the clip keeps the picks it has.

    Attributes:
        frames: at least so many picks, spread evenly over the clip; 0 for no wish.
        short_side: at least so many pixels on the shorter side; 0 for no wish.
    """

    frames: int = 0
    short_side: int = 0


@runtime_checkable
class Captioner(Protocol):
    """Says in words what a clip shows. Yields exactly one annotation per clip, in any order.

    `clips` is a stream: it may be longer than memory, is read ahead as far as the component
    likes, and is gone through once. See `internvid.core.annotators` for what a component may
    declare beside its verb.
    """

    version: ClassVar[int]

    def caption(self, clips: Iterable[ClipView]) -> Iterable[Annotation]: ...


@runtime_checkable
class Scorer(Protocol):
    """Gives each clip a number, a vector or another value. Streams as a captioner does.

    One that scores a text together with the clip declares that it reads "text" and finds it in
    `ClipView.text`.
    """

    version: ClassVar[int]

    def score(self, clips: Iterable[ClipView]) -> Iterable[Annotation]: ...


@runtime_checkable
class Selector(Protocol):
    """Chooses rows of a table of clips.

    The table has `row_key` (UBIGINT, what the row names as a number), `source_id`,
    `start_seconds`, `end_seconds`, `duration_seconds`, and whatever columns it came with; that of a
    dataset also `clip_id` and `video_id`. `select` returns all its rows with all their columns, and
    `rejection` (VARCHAR) as the last one: null where the row is chosen, else a word for why not.
    """

    version: ClassVar[int]

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation: ...


@dataclass(frozen=True)
class ExportItem:
    """One clip on its way out.

    Attributes:
        row: all columns of the clip, by name.
        source: the file it is cut from, or None when pixels are not wanted or gone.
        uri: of the source as recorded.
        metadata: what a table says of the source.
        video: what the scan wrote down of the source: columns of the view `videos`.
        copies: other files that had the same bytes, for when the source has others now.
        split: which of the exporter's splits it is in; None where it writes none.
    """

    clip: Clip
    row: Mapping[str, Any]
    source: Path | None
    uri: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    video: Mapping[str, Any] = field(default_factory=dict)
    copies: Sequence[Path] = ()
    split: str | None = None


class ExportItems(Protocol):
    """Clips on their way out, in video and time order.

    Attributes:
        schema: of the columns in `ExportItem.row`.
        splits: names of the splits that they are in; none where the exporter writes none.
    """

    @property
    def schema(self) -> pa.Schema: ...

    @property
    def splits(self) -> Collection[str]: ...

    def __iter__(self) -> Iterator[ExportItem]: ...

    def pictures_of(self, item: ExportItem) -> Sequence[Pick]:
        """The stored frames of a clip, in time order; read when they are used."""
        ...

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Rows of these clips, for more of them than one goes through one by one.

        The column `internvid_uri` is the uri of the source, as it travels.
        """
        ...


@runtime_checkable
class Exporter(Protocol):
    """Writes chosen clips in a public format and returns what it wrote.

    `export` returns the manifest: plain JSON values with at least `files` and `clips`. One that
    names columns of clips has `check(columns)` too, which is called with name -> type of them all
    before anything is written, and refuses what is not there. One that writes splits has
    `subsets_of_splits(known)`: from names of the dataset's subsets to split -> subset. One that
    writes pages about the export has the static method `describe(manifest, folder)`, see
    `internvid.publishing.pages.page_files`.
    """

    version: ClassVar[int]

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]: ...
