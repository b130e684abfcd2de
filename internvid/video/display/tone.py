"""High dynamic range to standard: PQ and HLG pictures as a standard display shows them.

The rule, the same for every pixel of every video:

1. The signal becomes light in cd/m^2. PQ states it (SMPTE ST 2084); HLG is taken as shown by a
   display with a peak of 1000 cd/m^2 (system gamma 1.2; both in ITU-R BT.2100).
2. The largest of red, green and blue is compressed from a peak of 1000 cd/m^2 to one of 203 by the
   curve of ITU-R BT.2390 (section 5.4.1), and the other two by the same factor, so that hues stay.
   203 cd/m^2 is the white of ITU-R BT.2408; up to about 90 nothing changes.
3. BT.2020 primaries become those of BT.709; what lies outside is clipped.
4. 203 cd/m^2 is the full signal, with the gamma of 2.4 of ITU-R BT.1886.
"""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc

DynamicRange = Literal["sdr", "pq", "hlg"]
Float = npt.NDArray[np.float32]

_PEAK, _WHITE = 1000.0, 203.0
_RANGES: dict[int, DynamicRange] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}
_STEPS = 4096
# Kr and Kb by FFmpeg's number of the matrix; what no tag tells is BT.2020 where light is wide.
_WIDE_MATRIX, _SCALER_MATRIX = 9, 5
_WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087),
            _WIDE_MATRIX: (0.2627, 0.0593)}  # fmt: skip
_TO_BT709 = np.asarray(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349],
     [-0.018151, -0.100579, 1.118730]], np.float32,
)  # fmt: skip
_WIDE_LUMA = np.asarray([0.2627, 0.6780, 0.0593], np.float32)


def dynamic_range_of(frame: VideoFrame) -> DynamicRange:
    """How a decoded frame codes light, by the transfer characteristic of its stream."""
    return _RANGES.get(int(frame.color_trc), "sdr")


def matrix_of(frame: VideoFrame) -> int:
    """FFmpeg's number of the colour matrix of a PQ or HLG frame; BT.2020 where none is named.

    Of red, green and blue without a name it is the one the scaler makes luma and chroma with.
    """
    matrix = int(frame.colorspace)
    if matrix in _WEIGHTS:
        return matrix
    return _SCALER_MATRIX if frame.format.is_rgb else _WIDE_MATRIX


def is_wide(frame: VideoFrame) -> bool:
    """Whether the primaries of a PQ or HLG frame are those of BT.2020, which go without saying."""
    return int(frame.color_primaries) != ColorPrimaries.BT709


def to_standard(signal: Float, dynamic_range: DynamicRange, *, wide: bool) -> Float:
    """Red, green, blue [..., 3] as coded by PQ or HLG, 0 to 1, as a standard display shows them.

    Args:
        signal: non-linear, 0 to 1.
        dynamic_range: pq or hlg.
        wide: whether the primaries are those of BT.2020.

    Returns:
        float32 of the same shape: non-linear BT.709, 0 to 1.
    """
    places = np.clip(signal * np.float32(_STEPS - 1) + np.float32(0.5), 0, _STEPS - 1)
    light = _light(dynamic_range)[places.astype(np.intp)]
    if dynamic_range == "hlg":
        # The display's own gamma works on luminance.
        luminance = np.maximum(light @ _WIDE_LUMA, np.float32(1e-6))
        light *= np.power(luminance, np.float32(0.2))[..., None]
    most = light.max(axis=-1)
    roots = np.sqrt(np.minimum(most, 1)) * np.float32(_STEPS - 1)
    light *= _gains()[np.rint(roots).astype(np.intp)][..., None]
    if wide:
        light = light @ _TO_BT709.T
    roots = np.sqrt(np.clip(light, 0, 1)) * np.float32(_STEPS - 1)
    return np.asarray(_signals()[np.rint(roots).astype(np.intp)], np.float32)


def standard_planes(
    luma: npt.NDArray[np.uint16],
    u: npt.NDArray[np.uint8],
    v: npt.NDArray[np.uint8],
    frame: VideoFrame,
) -> None:
    """Map samples of a PQ or HLG frame in place to limited-range BT.709.

    Args:
        luma: limited-range luma in quarters of a level.
        u, v: chroma levels at the same places.
        frame: what they were sampled from.
    """
    red_share, blue_share = _WEIGHTS[matrix_of(frame)]
    bright: Float = (luma.astype(np.float32) - 64) / np.float32(4 * 219)
    blue = bright + (u.astype(np.float32) - 128) * np.float32(2 * (1 - blue_share) / 224)
    red = bright + (v.astype(np.float32) - 128) * np.float32(2 * (1 - red_share) / 224)
    green = (bright - red_share * red - blue_share * blue) / np.float32(1 - red_share - blue_share)
    shown = to_standard(
        np.stack([red, green, blue], axis=-1), dynamic_range_of(frame), wide=is_wide(frame)
    )
    bright = shown @ np.asarray([0.2126, 0.7152, 0.0722], np.float32)
    luma[...] = np.rint(bright * (4 * 219) + 64)
    u[...] = np.rint((shown[..., 2] - bright) * (224 / 1.8556) + 128)
    v[...] = np.rint((shown[..., 0] - bright) * (224 / 1.5748) + 128)


@functools.cache
def _light(dynamic_range: DynamicRange) -> Float:
    """Linear light of each step of the signal: PQ in peaks of 1000 cd/m^2, HLG of the scene."""
    signal = np.linspace(0, 1, _STEPS)
    if dynamic_range == "pq":
        light = _nits(signal) / _PEAK
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return light.astype(np.float32)


@functools.cache
def _gains() -> Float:
    """Factor from light in peaks to light in whites, by the square root of the light, 0 to 1."""
    light = np.maximum(np.linspace(0, 1, _STEPS), 1 / _STEPS) ** 2
    whole = _signal_of(_PEAK)
    most = _signal_of(_WHITE) / whole
    knee = 1.5 * most - 0.5
    level = _signal_of(light * _PEAK) / whole
    t = np.maximum(level - knee, 0) / (1 - knee)
    bent = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (3 * t**2 - 2 * t**3) * most
    )
    shown = _nits(np.where(level < knee, level, bent) * whole) / _WHITE
    return np.asarray(shown / light, np.float32)


@functools.cache
def _signals() -> Float:
    """BT.1886 signal by the square root of light, 0 to 1."""
    return (np.linspace(0, 1, _STEPS) ** (2 / 2.4)).astype(np.float32)


_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128


def _nits(signal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """cd/m^2 of a PQ signal, 0 to 1."""
    power = signal ** (1 / _M2)
    ratio = np.maximum(power - _C1, 0) / (_C2 - _C3 * power)
    return np.asarray(10_000 * ratio ** (1 / _M1))


def _signal_of(nits: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """PQ signal, 0 to 1, of cd/m^2."""
    power = (np.asarray(nits, np.float64) / 10_000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)
