"""A video chat of a few weights: a ViCLIP and a language model that some steps joined."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from tests.training.tiny import CONFIG


def make_video_chat(folder: Path) -> Path:
    """The folder that `VideoChat.from_pretrained` loads."""
    from internvid.core.assignments import with_values
    from internvid.models.chat.video_chat import VideoChat
    from internvid.models.viclip.model import ViCLIP
    from internvid.training.chat.chat_recipes import videochat_tiny
    from internvid.training.chat.dialogue_sources import WorldDialogues
    from internvid.training.loop import train

    with tempfile.TemporaryDirectory() as scratch:
        vision, run = Path(scratch) / "viclip", Path(scratch) / "run"
        torch.manual_seed(3)
        ViCLIP(CONFIG).save_pretrained(vision)
        settings = [
            f"model.vision={vision}",
            "model.chat.frames=4",
            "model.learned.width=32",
            "model.learned.layers=1",
            "stages.*.steps=60",
            "stages.*.batch=4",
            "loop.threads=1",
            "loop.writers=csv",
        ]
        train(with_values(videochat_tiny(), settings), WorldDialogues(0, 8, 4, 16), run)
        VideoChat.from_pretrained(run).save_pretrained(folder, language="whole")
    return folder
