"""What each kind of component must do: one verb a kind, one file a component.

A component is a frozen dataclass whose fields are its whole configuration, with a class
attribute `version` (an int, raised when its results change). Heavy imports happen in its verb.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    nothing can be said) for each of them.
    """

    version: ClassVar[int]
    columns: ClassVar[Mapping[str, str]]

    def measure(
        self, timeline: Timeline, span: TimeSpan, picks: Sequence[PickFacts]
    ) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Pick:
    """One stored JPEG frame.

    Attributes:
        pts_seconds: when it is shown, from the first displayed frame.
        jpeg: the stored bytes.
    """

    pts_seconds: float
    jpeg: bytes


@dataclass(frozen=True)
class ClipView:
    """A clip with what is known about it: what captioners and scorers are given.

    Attributes:
        clip: identity and span.
        row: the clip's measured columns (signals) by name.
        picks: stored frames inside the span, in time order; never empty for a kept clip.
    """

    clip: Clip
    row: Mapping[str, Any]
    picks: Sequence[Pick]

    @property
    def span(self) -> TimeSpan:
        """The clip's span."""
        return self.clip.span


@dataclass(frozen=True)
class Annotation:
    """One answer about one clip: a value, or the reason there is none.

    Attributes:
        clip_id: which clip it belongs to; answers are matched by it, never by position.
        value: the caption, score or vector; None unless `status` is "ok".
        status: "ok", "failed" (a rerun tries again) or "skipped" (nothing to say).
        reason: short word for a status other than "ok".
    """

    clip_id: str
    value: Any
    status: Status = "ok"
    reason: str = ""


@runtime_checkable
class Captioner(Protocol):
    """Says in words what a clip shows. Yields exactly one annotation per clip, any order."""

    version: ClassVar[int]

    def caption(self, clips: Sequence[ClipView]) -> Iterable[Annotation]: ...


@runtime_checkable
class Scorer(Protocol):
    """Gives each clip a number, or a pair (clip, text) where `texts` is given."""

    version: ClassVar[int]

    def score(
        self, clips: Sequence[ClipView], texts: Mapping[str, str] | None = None
    ) -> Iterable[Annotation]: ...


@runtime_checkable
class Selector(Protocol):
    """Chooses clips of a table: a relation (clip_id, reason) with every chosen id once."""

    version: ClassVar[int]

    def select(self, table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation: ...


@dataclass(frozen=True)
class ExportItem:
    """One clip on its way out.

    Attributes:
        row: all columns of the clip, by name.
        source: the file it is cut from, or None when pixels are not wanted or gone.
    """

    clip: Clip
    row: Mapping[str, Any]
    source: Path | None


@runtime_checkable
class Exporter(Protocol):
    """Writes chosen clips in a public format and returns what it wrote.

    `export` returns the manifest: plain JSON values with at least `files` and `clips`.
    """

    version: ClassVar[int]

    def export(self, items: Iterable[ExportItem], folder: Path) -> dict[str, Any]: ...


def table_schema(fields: Mapping[str, str]) -> pa.Schema:
    """An Arrow schema from name -> Arrow type name ("string", "double", "int64", ...)."""
    import pyarrow as pa

    return pa.schema([(name, pa.type_for_alias(alias)) for name, alias in fields.items()])
