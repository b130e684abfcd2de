"""Distractors: things that change the picture and are no shot boundary."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from internvid.synthetic.painting.mixing import toward
from internvid.synthetic.painting.shot_rendering import FrameArray
from internvid.synthetic.painting.textures import FloatArray
from internvid.synthetic.scripts.video_plan import EventPlan


def apply_event(picture: FrameArray, event: EventPlan, frame: int) -> FrameArray:
    """Return a frame with an event in it.

    Args:
        picture: RGB (H, W, 3), uint8; may be changed.
        event: must be going on: first_frame <= frame <= last_frame.
        frame: frame number in the video.
    """
    step = frame - event.first_frame
    length = event.last_frame - event.first_frame + 1
    if event.kind == "flash":
        return toward(picture, 255, event.amount * (1.0 if step < 2 else 0.8))
    if event.kind == "fade_in":
        return toward(picture, 0, 1.0 - step / length)
    if event.kind == "fade_out":
        return toward(picture, 0, (step + 1) / length)
    if event.kind == "light_change":
        part = min(1.0, (step + 1) / event.ramp_frames)
        table = np.clip(np.arange(256) * (1.0 + (event.amount - 1.0) * part) + 0.5, 0, 255).astype(
            np.uint8
        )
        return np.asarray(table[picture])
    if event.kind == "near_object":
        return _near_object(picture, event, step / max(1, length - 1))
    if event.kind == "title":
        ramp = event.ramp_frames
        weight = min(1.0, (step + 1) / ramp, (length - step) / ramp)
        return _title(picture, event.detail, weight)
    return picture


def _near_object(picture: FrameArray, event: EventPlan, part: float) -> FrameArray:
    """A large dark blurred body that passes in front of the lens."""
    height, width = picture.shape[:2]
    radius = event.amount * height
    way = part if event.detail == "left" else 1.0 - part
    x = -radius * 0.6 + way * (width + radius * 1.2)
    rows = np.arange(height, dtype=np.float32)[:, None] - np.float32(height * 0.58)
    columns = np.arange(width, dtype=np.float32)[None, :] - np.float32(x)
    distance = np.hypot(rows / np.float32(radius * 1.25), columns / np.float32(radius * 0.7))
    mask = np.clip((np.float32(1.08) - distance) * np.float32(5.0), 0, 1)[..., None]
    body = np.asarray((46.0, 38.0, 36.0), dtype=np.float32)
    mixed: FrameArray = (picture + (body - picture) * mask + np.float32(0.5)).astype(np.uint8)
    return mixed


def _title(picture: FrameArray, words: str, weight: float) -> FrameArray:
    """White letters with a dark shadow in the lower third."""
    height, width = picture.shape[:2]
    mask = title_mask(words, height, width)
    shadow = np.zeros_like(mask)
    shadow[1:, 1:] = mask[:-1, :-1]
    mixed = picture * (np.float32(1.0) - np.float32(weight * 0.7) * shadow[..., None])
    mixed += (np.float32(248.0) - mixed) * (mask * np.float32(weight))[..., None]
    return (mixed + np.float32(0.5)).astype(np.uint8)


def title_mask(words: str, height: int, width: int) -> FloatArray:
    """Return the letters of a title as a mask (H, W) in [0, 1]."""
    font = ImageFont.load_default(size=max(10, height // 9))
    sheet = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(sheet)
    draw.text((width * 0.5, height * 0.78), words, fill=255, font=font, anchor="mm")
    return np.asarray(sheet, dtype=np.float32) / np.float32(255.0)
