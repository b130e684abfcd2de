"""Mixes two pictures: dissolves, fades through a colour, wipes."""

import math

import numpy as np

from internvid.core.errors import InternvidError
from internvid.synthetic.painting.shot_rendering import FrameArray
from internvid.synthetic.painting.textures import FloatArray
from internvid.synthetic.scripts.video_plan import TransitionPlan

WIPE_STYLES: tuple[str, ...] = ("left", "right", "up", "down", "clock", "iris")
HOLD_SHARE = 0.16
"""Share of a fade's frames that show the plain colour."""


def mix(plan: TransitionPlan, step: int, before: FrameArray, after: FrameArray) -> FrameArray:
    """Return one mixed frame of a gradual transition.

    Args:
        plan: the transition.
        step: 0 for the first mixed frame, plan.frames - 1 for the last.
        before: the picture of the old shot (H, W, 3).
        after: the picture of the new shot (H, W, 3).

    Returns:
        A new picture (H, W, 3), uint8; it is never exactly one of the two.
    """
    progress = (step + 1) / (plan.frames + 1)
    if plan.kind == "dissolve":
        return weigh(before, after, progress)
    if plan.kind == "fade":
        level = 255 if plan.style == "white" else 0
        half = 0.5 - HOLD_SHARE / 2
        if progress < 0.5:
            return toward(before, level, min(1.0, progress / half))
        return toward(after, level, min(1.0, (1.0 - progress) / half))
    if plan.kind == "wipe":
        mask = wipe_mask(plan.style, progress, before.shape[0], before.shape[1])
        mixed = before + (after.astype(np.float32) - before) * mask[..., None]
        return (mixed + np.float32(0.5)).astype(np.uint8)
    raise InternvidError(
        f"a {plan.kind!r} transition has no mixed frames", hint="use dissolve, fade or wipe"
    )


def weigh(before: FrameArray, after: FrameArray, weight: float) -> FrameArray:
    """Return before * (1 - weight) + after * weight, in 1/256 steps."""
    share = np.uint16(round(weight * 256))
    mixed = before * (np.uint16(256) - share) + after * share + np.uint16(128)
    return (mixed >> 8).astype(np.uint8)


def toward(picture: FrameArray, level: int, weight: float) -> FrameArray:
    """Return a picture mixed with a plain grey level."""
    table = np.arange(256) * (1.0 - weight) + level * weight
    lookup: FrameArray = np.rint(table).astype(np.uint8)
    return lookup[picture]


def wipe_mask(style: str, progress: float, height: int, width: int) -> FloatArray:
    """Return the weight (H, W) of the new picture in a wipe.

    Args:
        style: where the edge goes: left, right, up, down; clock (clockwise hand) or iris
            (growing disc).
        progress: 0 to 1.
        height: rows.
        width: columns.
    """
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    soft = np.float32(0.02 * width)
    if style in ("left", "right"):
        reach = progress * (width + 2 * soft) - soft
        distance = reach - columns if style == "right" else columns - (width - reach)
    elif style in ("up", "down"):
        reach = progress * (height + 2 * soft) - soft
        distance = reach - rows if style == "down" else rows - (height - reach)
    elif style == "iris":
        radius = progress * (math.hypot(height, width) / 2 + soft)
        distance = radius - np.hypot(rows - height / 2, columns - width / 2)
    elif style == "clock":
        angle = np.arctan2(columns - width / 2, height / 2 - rows) / (2 * math.pi) % 1.0
        distance = (progress - angle) * height * 2
    else:
        raise InternvidError(f"unknown wipe {style!r}", hint=f"use one of {', '.join(WIPE_STYLES)}")
    mask: FloatArray = np.clip(distance / soft * np.float32(0.5) + np.float32(0.5), 0, 1).astype(
        np.float32
    )
    return np.broadcast_to(mask, (height, width))
