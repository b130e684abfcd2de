"""What people call a video, as uint8 frames: arrays, frame batches, images, files, batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from internvid.core.errors import ConfigInvalidError, SourceMissingError, VideoUnreadableError
from internvid.core.types import FrameBatch
from internvid.models.viclip.preprocess import Preprocessing
from internvid.models.viclip.video_frames import read_frames

Video: TypeAlias = Any
"""uint8 [T, H, W, 3] or [H, W, 3] (numpy or torch), FrameBatch, PIL image, or a path."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
_EXPECTED = "expected uint8 [T, H, W, 3], [H, W, 3] or [B, T, H, W, 3], RGB"


def is_batch(video: Any) -> bool:
    """Whether it is several videos: a list, a tuple, or an array with five axes."""
    if isinstance(video, (list, tuple)):
        return True
    return isinstance(video, (np.ndarray, Tensor)) and video.ndim == 5


def as_list(videos: Any) -> list[Video]:
    """The videos of a batch, or the one video in a list.

    Raises:
        ConfigInvalidError: the batch is empty.
    """
    clips = list(videos) if is_batch(videos) else [videos]
    if not clips:
        raise ConfigInvalidError("an empty batch has nothing to encode")
    return clips


def load_clip(video: Video, preprocessing: Preprocessing, frames: int | None, usual: int) -> Tensor:
    """The frames that stand for one video.

    Args:
        video: see `Video`.
        preprocessing: says which frames are taken.
        frames: how many; None means `usual`, but one for an image or a single frame.
        usual: what the model is for.

    Returns:
        uint8 [T, H, W, 3].

    Raises:
        ConfigInvalidError: it is no video, with what is expected.
        SourceMissingError: the path names nothing.
        VideoError: the file cannot be decoded.
    """
    if isinstance(video, (str, Path)):
        path = Path(video)
        if not path.is_file():
            raise SourceMissingError(f"there is no file {str(path)!r}")
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            rule = preprocessing.sampling
            wanted = usual if frames is None else frames
            return torch.from_numpy(read_frames(path, wanted, sampling=rule).frames)
        video = _open_image(path)
    frames_THWC = check_frames(video)
    wanted = frames if frames is not None else 1 if len(frames_THWC) == 1 else usual
    return frames_THWC[preprocessing.sample(len(frames_THWC), wanted)]


def check_frames(video: Any) -> Tensor:
    """One video's frames as a tensor.

    Returns:
        uint8 [T, H, W, 3].

    Raises:
        ConfigInvalidError: another type, dtype or shape.
    """
    if isinstance(video, FrameBatch):
        video = video.frames
    elif isinstance(video, Image.Image):
        video = np.asarray(video.convert("RGB"))
    if not isinstance(video, (np.ndarray, Tensor)):
        raise ConfigInvalidError(
            f"cannot encode {type(video).__name__}; {_EXPECTED}",
            hint="a FrameBatch, a PIL image, a path, or a list of these will do too",
        )
    if video.dtype not in (np.uint8, torch.uint8):
        raise ConfigInvalidError(
            f"frames are {video.dtype} {list(video.shape)}; {_EXPECTED}",
            hint="encode_pixels takes normalised floats",
        )
    tensor = torch.from_numpy(np.array(video)) if isinstance(video, np.ndarray) else video
    if tensor.ndim == 3:
        tensor = tensor[None]
    if tensor.ndim != 4 or tensor.shape[-1] != 3 or 0 in tensor.shape:
        raise ConfigInvalidError(f"frames have shape {list(video.shape)}; {_EXPECTED}")
    return tensor


def stack_clips(clips: Sequence[Tensor], preprocessing: Preprocessing, resolution: int) -> Tensor:
    """Pixels [B, T, 3, R, R] of clips with as many frames each, of any sizes."""
    if len({clip.shape for clip in clips}) == 1:
        return preprocessing(torch.stack(list(clips)), resolution)
    return torch.cat([preprocessing(clip[None], resolution) for clip in clips])


def _open_image(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError) as error:
        raise VideoUnreadableError(f"{path.name} is no image that can be read: {error}") from error
