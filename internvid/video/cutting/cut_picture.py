"""Size and crop of written pictures, and their conversion to the encoder's planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from internvid.core.errors import VideoUnreadableError
from internvid.video.cutting.cut_edges import Bars, edges_of
from internvid.video.cutting.cut_plan import CutPlan
from internvid.video.cutting.cut_planes import (
    BT709,
    NARROW,
    PlaneCutter,
    has_planes,
    is_cut_by_planes,
    plane_of,
)
from internvid.video.display.frame_display import orientation_of, sample_aspect_of
from internvid.video.display.picture import Painter, RGBArray, fitted_size
from internvid.video.probe import VideoFacts

TOO_SMALL = "too_small"
# Bars were measured on rows this far apart, and are black below this luma.
_MEASURED_ROWS, _MEASURED_COLUMNS = 36, 64
_BLACK = 24


@dataclass(frozen=True)
class Geometry:
    """From the picture as shown to the written one.

    Attributes:
        paint_side: shorter side at which the whole picture is painted.
        crop: (left, top, width, height) of what is kept of the painted picture.
        size: (width, height) of what is written.
    """

    paint_side: int
    crop: tuple[int, int, int, int]
    size: tuple[int, int]


def plan_picture(shown: tuple[int, int], bars: Bars, plan: CutPlan) -> Geometry:
    """Where the written picture lies in the shown one.

    Args:
        shown: (width, height) of the picture as a player shows it.
        bars: what is cut off first.
        plan: size, multiple and crop.

    Raises:
        VideoUnreadableError: no picture with sides of that multiple is left, or every size would
            enlarge it (`too_small`), or text cannot be cut off (`text_in_picture`).
    """
    edges = edges_of(bars, plan)
    befores, afters = (edges.left, edges.top), (edges.right, edges.bottom)
    cut_off = list(zip(befores, afters, strict=True))
    inside = [side * (1 - sum(cut)) for side, cut in zip(shown, cut_off, strict=True)]
    exact = plan.exact_size
    if len(plan.sizes) > 1:
        whole = [_less(side, *cut) for side, cut in zip(shown, cut_off, strict=True)]
        exact = nearest_size((whole[0], whole[1]), plan.sizes)
    if exact is not None:
        scale = max(want / have for want, have in zip(exact, inside, strict=True))
    else:
        short = plan.short_side
        scale = 1.0 if short is None else min(1.0, short / min(inside))
    # Painters do not enlarge: what a demanded size needs more is scaled after the crop.
    paint_side = max(1, round(min(shown) * min(1.0, scale)))
    painted = fitted_size(*shown, paint_side)
    kept = [_less(side, *cut) for side, cut in zip(painted, cut_off, strict=True)]
    size, inner = _fitted(kept, exact, plan, painted)
    left, top = (
        _place(side, before, have, want)
        for side, before, have, want in zip(painted, befores, kept, inner, strict=True)
    )
    return Geometry(paint_side, (left, top, *inner), size)


def nearest_size(shown: tuple[int, int], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The size whose aspect is nearest, of those that do not enlarge a picture.

    Aspects are as far apart as one is times the other; of two that are as near the one with more
    pixels is taken, then the first.

    Args:
        shown: (width, height) of the picture.
        sizes: (width, height) of each.

    Raises:
        VideoUnreadableError: every one would enlarge it (`too_small`).
    """
    fitting = [size for size in sizes if size[0] <= shown[0] and size[1] <= shown[1]]
    if not fitting:
        raise VideoUnreadableError(
            f"its picture of {shown[0]}x{shown[1]} would be enlarged by every size",
            reason=TOO_SMALL,
        )
    aspect = shown[0] / shown[1]

    def distance(size: tuple[int, int]) -> tuple[float, int]:
        return round(abs(math.log(size[0] / size[1] / aspect)), 9), -size[0] * size[1]

    return min(fitting, key=distance)


def _fitted(
    kept: list[int], exact: tuple[int, int] | None, plan: CutPlan, painted: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(width, height) of what is written, and of the part of the painted picture it is made of."""
    if exact is not None:
        fit = min(1.0, kept[0] / exact[0], kept[1] / exact[1])
        width, height = (
            min(have, max(1, round(want * fit))) for have, want in zip(kept, exact, strict=True)
        )
        return exact, (width, height)
    multiple, short = plan.multiple, plan.short_side
    if short is not None:
        # A side a pixel short of what was demanded, by rounding, would lose a whole multiple.
        kept[:] = [
            short if short == side + 1 and side < whole else side
            for side, whole in zip(kept, painted, strict=True)
        ]
    size = (kept[0] - kept[0] % multiple, kept[1] - kept[1] % multiple)
    if min(size) < multiple:
        raise VideoUnreadableError(
            f"its picture of {kept[0]}x{kept[1]} has no sides of a multiple of {multiple}",
            reason=TOO_SMALL,
        )
    return size, size


def _place(painted: int, before: float, kept: int, size: int) -> int:
    """Where a side begins, around the middle of what is kept: where chroma lies, if it can be."""
    most = painted - size
    least = min(_cut(painted, before), most)
    first = min(least + max(0, kept - size) // 2, most)
    return first - 1 if first % 2 and first > least else first


def _cut(side: int, share: float) -> int:
    """Whole pixels that hold a share of a side."""
    return int(np.ceil(side * share - 1e-6))


def _less(side: int, before: float, after: float) -> int:
    """A side without what is cut off its ends."""
    return max(1, side - _cut(side, before) - _cut(side, after))


def refined_bars(picture: RGBArray, bars: Bars) -> Bars:
    """Bars to the pixel: what is black beyond measured ones, as far as measuring was coarse.

    Args:
        picture: uint8 [H, W, 3], the first of the clip.
        bars: as measured.
    """
    luma = picture @ np.array([0.299, 0.587, 0.114], np.float32)
    letterbox = _refined(luma.max(axis=1), bars.letterbox, _MEASURED_ROWS)
    pillarbox = _refined(luma.max(axis=0), bars.pillarbox, _MEASURED_COLUMNS)
    return replace(bars, letterbox=letterbox, pillarbox=pillarbox)


def _refined(levels: npt.NDArray[np.float32], share: float, measured: int) -> float:
    if share <= 0:
        return 0.0
    length = len(levels)
    first = round(length * share / 2)
    most = min(first + -(-length // measured), length // 2 - 1)
    lit = levels >= _BLACK
    bar = min(int(np.argmax(lit)), int(np.argmax(lit[::-1]))) if lit.any() else first
    return 2 * min(max(first, bar), most) / length


@dataclass
class ClipPainter:
    """Makes the encoder's pictures of one clip's frames, all of one size and place.

    Attributes:
        facts: of the source.
        plan: how to cut.
        bars: measured on the clip.
    """

    facts: VideoFacts
    plan: CutPlan
    bars: Bars
    _geometry: Geometry | None = None
    _painter: Painter | None = None
    _planes: VideoReformatter = field(default_factory=VideoReformatter)
    _cutter: PlaneCutter = field(default_factory=PlaneCutter)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what is written; known with the first picture."""
        assert self._geometry is not None
        return self._geometry.size

    def begin(self, frame: VideoFrame) -> None:
        """Learn from the clip's first frame what the geometry is.

        Raises:
            VideoUnreadableError: the picture is too small.
        """
        bars = self.bars
        if self.plan.crops_bars and (bars.letterbox > 0 or bars.pillarbox > 0):
            bars = refined_bars(Painter(self.facts).paint(frame), bars)
        shown = _shown_size(frame, self.facts)
        self._geometry = plan_picture(shown, bars, self.plan)
        painted = fitted_size(*shown, self._geometry.paint_side)
        self._painter = Painter(self.facts, self._geometry.paint_side, painted)

    def paint(self, frame: VideoFrame) -> VideoFrame:
        """8-bit 4:2:0 planes of BT.709 of one frame; `begin` was called."""
        assert self._geometry is not None
        assert self._painter is not None
        crop = self._geometry.crop
        if crop[2:] == self._geometry.size and has_planes(frame):
            small = self._painter.shrink(frame)
            if small.size == self._painter.size and is_cut_by_planes(small, crop):
                return self._cutter.cut(small, crop)
        return self._over_rgb(frame)

    def _over_rgb(self, frame: VideoFrame) -> VideoFrame:
        assert self._geometry is not None
        assert self._painter is not None
        left, top, width, height = self._geometry.crop
        picture = self._painter.paint(frame)[top : top + height, left : left + width]
        if (width, height) != self._geometry.size:
            image = Image.fromarray(picture).resize(
                self._geometry.size, Image.Resampling.BICUBIC, reducing_gap=None
            )
            picture = np.asarray(image)
        made = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        planes = self._planes.reformat(made, format="yuv420p", dst_colorspace=BT709, threads=1)
        planes.colorspace = planes.color_primaries = planes.color_trc = BT709
        planes.color_range = NARROW
        return planes


def _shown_size(frame: VideoFrame, facts: VideoFacts) -> tuple[int, int]:
    aspect = sample_aspect_of(frame) or facts.sample_aspect
    width, height = max(1, round(frame.width * float(aspect))), frame.height
    turned = orientation_of(frame).rotation_degrees % 180
    return (height, width) if turned else (width, height)


def luma_of(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """uint8 [H, W]: the luma of a 4:2:0 frame, copied."""
    return plane_of(frame.planes[0], frame.width, frame.height).copy()
