"""The way the camera took over one span, read from the timeline on an even grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from internvid.core.types import FloatArray, Timeline, TimeSpan

# A step of the observer that straddles the span's ends also saw the neighbouring shot.
EDGE_SECONDS = 0.12
GRID_SECONDS = 0.1
# How many widths of way a width, a height (the observer knows no aspect) and a log zoom of one
# move the picture, on average over it.
AXIS_WIDTHS = np.asarray([1.0, 0.6, 0.33])
# A passing body or a failed step makes velocities jump for less than half of this.
_CALM_SECONDS = 0.9


@dataclass(frozen=True)
class CameraPath:
    """What the camera observer saw in a span, at ten points a second.

    Attributes:
        seconds: float64 [N], times on the grid.
        velocity: float64 [N, 3]: widths/s to the right, heights/s down, log zoom/s, with short
            jumps taken out.
        confidence: float64 [N], 0 to 1.
        rim: float64 [N], 0 to 1: how much of the picture's rim moves with the camera.
        object_motion: float64 [N], levels.
        change: float64 [N], luma change in levels per second, summed over all frames.
    """

    seconds: FloatArray
    velocity: FloatArray
    confidence: FloatArray
    rim: FloatArray
    object_motion: FloatArray
    change: FloatArray

    @property
    def position(self) -> FloatArray:
        """float64 [N, 3]: how far it has got from the start: widths, heights, log zoom."""
        return np.asarray(np.cumsum(self.velocity, axis=0) * GRID_SECONDS)

    @property
    def speed(self) -> FloatArray:
        """float64 [N]: how fast the picture passes, in widths per second, zoom included."""
        return np.asarray(np.sqrt(self.velocity**2 @ AXIS_WIDTHS**2))


def inner_span(span: TimeSpan) -> TimeSpan:
    """The span without its edges; short spans keep their middle half."""
    edge = min(EDGE_SECONDS, span.duration_seconds / 4)
    return TimeSpan(span.start_seconds + edge, span.end_seconds - edge)


def camera_path(timeline: Timeline, span: TimeSpan) -> CameraPath | None:
    """The camera's way through a span, or None where it has fewer than two frames.

    Args:
        timeline: with the columns of the camera and the luma observer.
        span: of one clip.
    """
    frames = timeline.frames_in(inner_span(span))
    if frames.stop - frames.start < 2:
        return None
    times = timeline.pts_seconds[frames]
    count = max(2, round((times[-1] - times[0]) / GRID_SECONDS))
    edges = times[0] + np.arange(count + 1) * GRID_SECONDS
    grid = (edges[:-1] + edges[1:]) / 2
    columns = {
        name: timeline.column(name)[frames]
        for name in ("camera_x", "camera_y", "camera_zoom", "camera_confidence", "object_motion")
    }
    # Positions are summed before they are put on the grid: velocities picked at the grid's
    # instants would count some steps twice, and a shake would seem to drift.
    lasting = np.diff(times, prepend=times[0])
    steps = np.stack([columns[f"camera_{axis}"] for axis in ("x", "y", "zoom")], axis=1)
    way = np.cumsum(steps * lasting[:, None], axis=0)
    velocity = np.stack([np.diff(np.interp(edges, times, line)) for line in way.T], axis=1)
    total = np.cumsum(timeline.column("motion")[frames])
    change = np.diff(np.interp(edges, times, total)) / GRID_SECONDS
    # The frame shown at or after an instant carries the step that spans it.
    at = np.minimum(np.searchsorted(times, grid - 1e-6), len(times) - 1)
    confidence = columns["camera_confidence"][at]
    object_motion = columns["object_motion"][at]
    # Timelines of earlier versions do not have it.
    rim = timeline.column("camera_rim")[frames][at] if "camera_rim" in timeline.stored else None
    return CameraPath(
        seconds=grid,
        velocity=_calmed(velocity / GRID_SECONDS, confidence, object_motion),
        confidence=confidence,
        rim=np.ones(len(at)) if rim is None else rim,
        object_motion=object_motion,
        change=change,
    )


def _calmed(velocity: FloatArray, confidence: FloatArray, object_motion: FloatArray) -> FloatArray:
    """Velocities whose lone jumps, and steps nobody is sure of, take the typical value around."""
    calm = velocity.copy()
    usual = rolling_median(velocity, max(1, round(_CALM_SECONDS / GRID_SECONDS / 2)))
    off = np.abs(velocity - usual)
    spread = np.median(off, axis=0)
    # A body that passes leaves much unexplained. A hand's jerk does not, and must stay: what is
    # taken out of a shake on one side looks like a drift.
    disturbed = object_motion > 2 * np.median(object_motion) + 4
    wild = (off > 0.15 + 4 * spread) & disturbed[:, None] | (confidence < 0.3)[:, None]
    calm[wild] = usual[wild]
    return calm


def rolling_median(values: FloatArray, reach: int) -> FloatArray:
    """Median of values [N, C] over `reach` neighbours on both sides, ends repeated."""
    padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.asarray(np.median(windows, axis=-1))


def rolling_mean(values: FloatArray, reach: int) -> FloatArray:
    """Mean of values [N, C] over up to `reach` neighbours on both sides, as far as they exist."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    at = np.arange(len(values))
    # The same reach on both sides, or a slope would lean at the ends.
    near = np.minimum(np.minimum(at, len(values) - 1 - at), reach)
    return np.asarray((total[at + near + 1] - total[at - near]) / (2 * near + 1)[:, None])
