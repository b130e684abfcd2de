"""A ViCLIP and a language model with few weights, and a run that joined them in a few steps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid.core.assignments import with_values
from internvid.models.chat.video_chat import VideoChat
from internvid.models.viclip.model import ViCLIP
from internvid.synthetic.encode import VideoFormat, write_video
from internvid.synthetic.world_questions import draw_scenes
from internvid.training.chat.chat_recipe import ChatRecipe
from internvid.training.chat.chat_recipes import videochat_tiny
from internvid.training.chat.dialogue_sources import WorldDialogues
from internvid.training.loop import train
from tests.training.tiny import CONFIG


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def vision(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vision") / "viclip"
    torch.manual_seed(3)
    ViCLIP(CONFIG).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make(vision: Path) -> object:
    def recipe(*assignments: str) -> ChatRecipe:
        return with_values(
            videochat_tiny(),
            [
                f"model.vision={vision}",
                "model.chat.frames=4",
                "model.learned.width=32",
                "model.learned.layers=1",
                "stages.words.steps=3",
                "stages.connector.steps=5",
                "stages.*.batch=8",
                "loop.log_steps=1",
                "loop.checkpoint_steps=2",
                "loop.writers=csv",
                *assignments,
            ],
        )

    return recipe


def scenes(count: int = 24) -> WorldDialogues:
    return WorldDialogues(0, count, 4, 16)


@pytest.fixture(scope="session")
def run(make: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat") / "run"
    train(make(), scenes(), folder)  # type: ignore[operator]
    return folder


@pytest.fixture(scope="session")
def chat(run: Path) -> VideoChat:
    return VideoChat.from_pretrained(run)


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "scene.mp4"
    frames = draw_scenes(5, 1)[0].render(8, 64)
    write_video(path, list(frames), VideoFormat("h264", 64, 64, Fraction(4)))
    return path


@pytest.fixture(scope="session")
def frames() -> np.ndarray:
    return draw_scenes(6, 1)[0].render(4, 32)
