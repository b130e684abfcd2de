"""Sound tracks: silence, tones and noise of a stated level."""

import math

import numpy as np
import numpy.typing as npt

from internvid.synthetic.truth import SoundTruth

SAMPLE_RATE = 24000
"""Samples per second of every rendered sound track (one channel)."""
EDGE_SECONDS = 0.008
"""Length of the ramp at both ends of a sound, against clicks."""


def samples(sound: SoundTruth, count: int, seed: int) -> npt.NDArray[np.float32]:
    """Return the samples of one shot's sound.

    Args:
        sound: kind, level and pitch.
        count: number of samples at `SAMPLE_RATE`.
        seed: drives the noise.

    Returns:
        Array (count,), float32, full scale 1.
    """
    if sound.kind not in ("tone", "noise") or sound.level_db is None:
        return np.zeros(count, dtype=np.float32)
    level = 10.0 ** (sound.level_db / 20.0)
    if sound.kind == "tone":
        phase = np.arange(count) * (2 * math.pi * (sound.pitch_hz or 440.0) / SAMPLE_RATE)
        wave = np.sin(phase) * (level * math.sqrt(2.0))
    else:
        wave = np.random.default_rng((seed, 4)).standard_normal(count) * level
    edge = min(count // 2, int(EDGE_SECONDS * SAMPLE_RATE))
    if edge:
        ramp = np.linspace(0.0, 1.0, edge)
        wave[:edge] *= ramp
        wave[-edge:] *= ramp[::-1]
    limited: npt.NDArray[np.float32] = np.clip(wave, -1.0, 1.0).astype(np.float32)
    return limited
