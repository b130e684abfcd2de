"""ViCLIP as a library: `ViCLIP.from_pretrained(X)`, then embed, compare, classify."""

from internvid.core.errors import DependencyMissingError

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise DependencyMissingError(
        "ViCLIP needs torch, which is not installed", hint='pip install "internvid[torch]"'
    ) from error

from internvid.models.templates import ACTION_TEMPLATES, clean_text, fill_templates
from internvid.models.viclip.config import CONFIGS, ViCLIPConfig, find_config
from internvid.models.viclip.masking import draw_kept, kept_count, patchify
from internvid.models.viclip.merges import Merges, find_merges, read_merges
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.preprocess import (
    PREPROCESSINGS,
    Preprocessing,
    find_preprocessing,
    sample_frames,
)
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.models.viclip.video_frames import read_frames

__all__ = [
    "ACTION_TEMPLATES",
    "CONFIGS",
    "PREPROCESSINGS",
    "Merges",
    "Preprocessing",
    "Tokenizer",
    "ViCLIP",
    "ViCLIPConfig",
    "clean_text",
    "draw_kept",
    "fill_templates",
    "find_config",
    "find_merges",
    "find_preprocessing",
    "kept_count",
    "patchify",
    "read_frames",
    "read_merges",
    "sample_frames",
]
