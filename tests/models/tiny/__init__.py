"""Tiny random models of the real classes, saved as a user's model would be: no weights needed.

Each `make_...` writes a folder that `from_pretrained` loads, in well under a second. Words come
from a small vocabulary, so that what the models say is words. The same seed gives the same model.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.models.tiny.captioners import make_blip, make_blip2, make_git, make_vit_gpt2
from tests.models.tiny.encoders import (
    make_clip,
    make_image_classifier,
    make_siglip,
    make_videomae,
)
from tests.models.tiny.language import make_chat_model, make_qwen_vl, make_t5, make_whisper
from tests.models.tiny.video_chats import make_video_chat
from tests.models.tiny.vision_chat import (
    make_gemma3,
    make_internvl,
    make_llava,
    make_llava_onevision,
    make_qwen3_vl,
    make_smolvlm,
)

MAKERS: dict[str, Callable[[Path], Path]] = {
    "blip2": make_blip2,
    "blip": make_blip,
    "git": make_git,
    "vit_gpt2": make_vit_gpt2,
    "t5": make_t5,
    "chat": make_chat_model,
    "qwen_vl": make_qwen_vl,
    "qwen3_vl": make_qwen3_vl,
    "smolvlm": make_smolvlm,
    "llava": make_llava,
    "llava_onevision": make_llava_onevision,
    "internvl": make_internvl,
    "gemma3": make_gemma3,
    "clip": make_clip,
    "siglip": make_siglip,
    "classifier": make_image_classifier,
    "videomae": make_videomae,
    "whisper": make_whisper,
    "video_chat": make_video_chat,
}


class TinyModels:
    """Models by name, each made once, when it is first asked for.

    Args:
        root: folder for them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def __getitem__(self, name: str) -> str:
        """Path of the model of that name (see `MAKERS`)."""
        folder = self.root / name
        if not folder.exists():
            MAKERS[name](folder)
        return str(folder)
