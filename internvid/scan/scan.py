"""Runs every observer over one decode of one video."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.video.frame import PictureType

from internvid.core import registry
from internvid.core.config import named_by
from internvid.core.contracts import Observer, PickFacts
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import LEAD, ColumnSpec, Timeline
from internvid.scan.observers.audio import LoudnessMeter
from internvid.scan.picks import PickMaker, StoredPick
from internvid.scan.refine import LEAD_SPEC, GapReader, mark_rows, refine
from internvid.scan.timeline_columns import StoringObserver, encode_column
from internvid.video.decode import DecodeOptions, Picture, open_video
from internvid.video.memory import keep_freed_memory
from internvid.video.pick import PickClock, PickRule
from internvid.video.planes import PlaneSampler
from internvid.video.probe import VideoFacts, hash_file
from internvid.video.timing.decode_report import DecodeReport
from internvid.video.timing.packet_times import read_packet_times

Progress = Callable[[float, float | None], None]
Keep = Callable[[StoredPick], None]

# Frames that are held and then looked at in one go. Decoding one frame drives what looks at it out
# of the processor's caches, so that each small step alone costs several times as much.
_WAITING_FRAMES = 8
_WAITING_PIXELS = 16_000_000  # two frames of 4K
_OBSERVERS = registry.ByName("observer", keeps_names=True)


@dataclass(frozen=True)
class ScanRecipe:
    """What one decode leaves behind.

    Attributes:
        observers: components that write timeline columns: names, or instances whose fields
            are their configuration.
        picks: which frames are kept as JPEG.
        mode: `full` decodes every frame; `fast` skips frames no other frame needs, and decodes
            only those between two kept ones where a cut lies. Sources whose packets do not say
            when each frame is shown are decoded in full all the same.
        audio: whether loudness is measured.
        skip_loop_filter: see DecodeOptions.
        maximum_frame_bytes: larger pictures are refused, so that memory stays bounded.
    """

    version = 5
    observers: tuple[Any, ...] = field(default=("content", "luma"), metadata=named_by(_OBSERVERS))
    picks: PickRule = field(default_factory=PickRule)
    mode: str = "full"
    audio: bool = True
    skip_loop_filter: str = "noref"
    maximum_frame_bytes: int = 32 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.mode not in ("full", "fast"):
            raise ConfigInvalidError(f"mode is full or fast, not {self.mode!r}")
        self.decode_options()  # refuses values that no decoder takes

    def decode_options(self) -> DecodeOptions:
        """How the source is decoded for this recipe."""
        return DecodeOptions(
            skip_loop_filter="all" if self.mode == "fast" else self.skip_loop_filter,
            thin=self.mode == "fast",
            is_suspicious=True,
            audio=self.audio,
            maximum_frame_bytes=self.maximum_frame_bytes,
        )

    def fresh_observers(self) -> list[Observer]:
        """A new instance of each observer: they hold the state of one video."""
        return [
            registry.find("observer", observer)()
            if isinstance(observer, str)
            else dataclasses.replace(observer)
            for observer in self.observers
        ]

    def column_specs(self) -> dict[str, ColumnSpec]:
        """Every timeline column this recipe makes, with how it is stored."""
        specs: dict[str, ColumnSpec] = {}
        for observer in self.fresh_observers():
            specs.update(observer.columns)
        all_specs = {**specs, **LoudnessMeter.columns}
        return {**all_specs, LEAD: LEAD_SPEC} if self.mode == "fast" else all_specs


@dataclass(frozen=True)
class ScanResult:
    """All that one decode left: facts, timeline and picks.

    Attributes:
        start_pts: stream ticks of the first displayed frame.
        mode: `full` or `fast`: how it was decoded in the end.
        picks: what was measured on each kept frame; the JPEGs went to the caller's `keep`.
        report: what the pass met (damage, repaired times).
    """

    video_id: str
    facts: VideoFacts
    start_pts: int
    timeline: Timeline
    picks: Sequence[PickFacts]
    report: DecodeReport
    mode: str = "full"


def scan_video(
    path: Path,
    recipe: ScanRecipe,
    keep: Keep | None = None,
    progress: Progress | None = None,
    video_id: str | None = None,
) -> ScanResult:
    """Decode a video once; watch it with every observer and keep picks.

    Memory stays bounded whatever the length: pictures are handed on as they are made.

    Args:
        path: the media file.
        recipe: what to observe and keep.
        keep: called with each pick, in time order; without it no JPEG is made.
        progress: called about every 64 frames with the video seconds reached and the length
            the header claims, if it does.
        video_id: hash of the file where it is known already.

    Raises:
        VideoError: the source cannot be read; its `reason` says why.
    """
    keep_freed_memory()
    video_id = video_id or hash_file(path)
    times = None
    options = recipe.decode_options()
    if recipe.mode == "fast":
        times = read_packet_times(path, recipe.maximum_frame_bytes)
        if times.obstacle is not None:
            times, options = None, dataclasses.replace(recipe, mode="full").decode_options()
    with open_video(path, options) as opened:
        report = progress or (lambda _seconds, _claimed: None)
        container = opened.facts.container
        watch = _Watch(recipe, keep, report, container, is_thin=options.thin)
        for item in opened.read():
            if isinstance(item, Picture):
                watch.see(item, opened.facts)
            elif isinstance(item, AudioFrame):
                watch.loudness.hear(item)
            else:
                watch.gaps.add(item.frame)
        opened.report.refuse_rubble()
        result = watch.result(video_id, opened.facts, opened.report)
    if times is None:
        return result
    shown = times.pts[np.searchsorted(times.pts, result.start_pts) :]
    timeline = refine(path, result.timeline, shown, recipe.maximum_frame_bytes, watch.gaps.leads)
    return dataclasses.replace(result, timeline=timeline, mode="fast")


class _Watch:
    """The state of one pass: sampler, observers, picks, loudness."""

    def __init__(
        self,
        recipe: ScanRecipe,
        keep: Keep | None,
        progress: Progress,
        container: str,
        *,
        is_thin: bool,
    ) -> None:
        self.recipe = recipe
        self.is_thin = is_thin
        self.keep = keep
        self.progress = progress
        self.observers = recipe.fresh_observers()
        self.clock = PickClock(recipe.picks)
        self.loudness = LoudnessMeter(container)
        self.gaps = GapReader()
        # A number a frame, for hours: packed, not a list of objects.
        self.ticks = array("q")
        self.keys = bytearray()
        self.sampler: PlaneSampler | None = None
        self.maker: PickMaker | None = None
        self.before: Any = None
        self.tick, self.codec = 0.0, ""
        self.waiting: list[Picture] = []
        self.pixels = 0

    def see(self, picture: Picture, facts: VideoFacts) -> None:
        if self.sampler is None:
            self.sampler = PlaneSampler()
            self.maker = PickMaker(self.recipe.picks, facts, self.keep)
            self.tick, self.codec = float(facts.time_base), facts.codec
        if self.is_thin:
            self.gaps.keep(picture.frame)
        self.waiting.append(picture)
        self.pixels += picture.frame.width * picture.frame.height
        most = min(_WAITING_FRAMES, self.sampler.room)
        if len(self.waiting) >= most or self.pixels >= _WAITING_PIXELS:
            self.settle()
        if self.sampler.room == 0:
            self.flush()
            self.progress(picture.ticks * self.tick, facts.claimed_seconds)

    def settle(self) -> None:
        """Sample the waiting frames, paint those that are picks, let go of them."""
        if self.sampler is None or self.maker is None or not self.waiting:
            return
        for picture in self.waiting:
            self.sampler.add(picture.frame, picture.ticks * self.tick)
        latest = self.sampler.latest(len(self.waiting))[:, ::4, ::4]
        coarse = np.empty((1 + len(latest), latest[0].size), np.float32)
        coarse[1:] = latest.reshape(len(latest), -1)
        coarse[0] = coarse[1] if self.before is None else self.before
        steps = np.einsum("ij->i", np.abs(coarse[1:] - coarse[:-1]))  # of whole numbers: exact
        self.before = coarse[-1]
        for picture, step in zip(self.waiting, steps.tolist(), strict=True):
            # The sampler hands out four times the level.
            change = step / (4 * coarse.shape[1])
            if self.clock.wants(picture.ticks * self.tick, change, is_good=self.is_good(picture)):
                self.maker.add(picture.frame, len(self.ticks), picture.ticks)
            self.ticks.append(picture.ticks)
            if self.is_thin:
                self.keys.append(bool(picture.frame.key_frame))
        self.waiting.clear()
        self.pixels = 0

    def is_good(self, picture: Picture) -> bool:
        """Whether the frame is coded as well as others, its loop filter not left out.

        B frames of H.264 are not. In later codecs almost every frame may be of that type.
        """
        return self.codec != "h264" or picture.frame.pict_type != PictureType.B

    def flush(self) -> None:
        batch = self.sampler.take() if self.sampler else None
        if batch is not None:
            for observer in self.observers:
                observer.observe(batch)

    def result(self, video_id: str, facts: VideoFacts, report: DecodeReport) -> ScanResult:
        self.settle()
        self.flush()
        assert self.maker is not None  # read() raised if no frame came
        self.maker.develop()
        pts = np.frombuffer(self.ticks, np.int64)
        time_base = Fraction(facts.time_base)
        specs = self.recipe.column_specs()
        stored: dict[str, npt.NDArray[Any]] = {}
        while self.observers:  # let go of each once it is asked
            observer = self.observers.pop(0)
            if isinstance(observer, StoringObserver):
                stored.update(observer.finish_stored())
            else:
                for name, column in observer.finish().items():
                    stored[name] = encode_column(specs[name], column)
        clock = float(time_base), float(report.start_pts * time_base)
        stored.update(self.loudness.finish(pts, clock))
        if LEAD in specs:
            kinds = np.zeros(len(pts), np.uint32)  # nothing was skipped
            if self.is_thin:
                kinds = mark_rows(np.frombuffer(self.keys, bool), pts, facts.codec)
            stored[LEAD] = encode_column(specs[LEAD], kinds)
        timeline = Timeline(
            video_id=video_id,
            pts=pts,
            time_base=time_base,
            duration_seconds=float(report.end_ticks * time_base),
            stored=stored,
            specs=specs,
        )
        return ScanResult(
            video_id=video_id,
            facts=facts,
            start_pts=report.start_pts,
            timeline=timeline,
            picks=self.maker.facts_of_picks,
            report=dataclasses.replace(report),
        )
