"""`internvid train` of video chats: the recipes by name, a plan, two processes, a captioner."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from internvid.api.training import plan_training, train
from internvid.captions.chat_captioner import ChatCaptioner
from internvid.captions.local import LocalModel
from internvid.core.errors import MisuseError
from internvid.training.chat.chat_recipe import ChatRecipe
from internvid.training.loop import train as run_loop
from tests.chat.conftest import scenes
from tests.scores.conftest import make_view
from tests.training.together import run_together

SMALL = (
    "data.world.count=16", "stages.*.batch=4", "stages.*.steps=2", "loop.log_steps=1",
    "loop.device=cpu", "loop.writers=csv", "data.loader.workers=0", "model.chat.frames=4",
)  # fmt: skip


def test_captions_align_then_dialogues_instruct(
    vision: Path, run: Path, video: Path, tmp_path: Path
) -> None:
    language = run / "model" / "language"
    models = [f"model.vision={vision}", f"model.language={language}"]
    small = [*SMALL, "model.chat.connector.kind=mlp", *models]
    aligned = train("videochat_align", "world", tmp_path / "align", settings=small)
    assert aligned.model is not None
    assert aligned.samples == 16
    rows = [{"video": video.name, "QA": [{"q": f"What {at}?", "a": "It."}]} for at in range(6)]
    rows.append({"video": "gone.mp4", "QA": [{"q": "What?", "a": "It."}]})
    path = tmp_path / "instruct.json"
    path.write_text(json.dumps(rows))
    notices: list[str] = []
    instructed = train(
        "videochat_instruct", path, tmp_path / "instruct", videos=video.parent,
        settings=[*SMALL, f"model.start={tmp_path / 'align'}"], notice=notices.append,
    )  # fmt: skip
    assert instructed.samples == 6
    assert "1 dialogues are left out: 1 video_not_found" in notices
    before, after = (
        load_file(tmp_path / name / "model" / "model.safetensors") for name in ("align", "instruct")
    )
    assert set(before) == set(after)
    assert any(bool((before[name] != after[name]).any()) for name in before)


def test_a_plan_trains_nothing(vision: Path) -> None:
    settings = [*SMALL, f"model.vision={vision}"]
    plan = plan_training("videochat_tiny", "world", settings=settings, device="h100", devices=2)
    assert [each.name for each in plan.stages] == ["words", "connector"]
    assert [each.steps for each in plan.stages] == [2, 2]
    assert all(each.gigaflops_per_clip > 0 and each.fits for each in plan.stages)
    assert not plan.compute_is_measured


def test_options_of_two_towers_are_refused(vision: Path, tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="no use for --validate"):
        train(
            "videochat_tiny", "world", tmp_path / "run", validation="world",
            settings=[*SMALL, f"model.vision={vision}"],
        )  # fmt: skip


def _train(recipe: ChatRecipe, folder: Path) -> None:
    run_loop(recipe, scenes(), folder)


@pytest.mark.slow
def test_two_processes_train_what_one_does(make: Any, run: Path, tmp_path: Path) -> None:
    run_together(_train, make(), tmp_path / "run")
    alone = load_file(run / "model" / "model.safetensors")
    together = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for name, value in alone.items():
        assert (together[name] - value).abs().max() < 2e-3, name


def test_a_chat_is_one_more_captioner(run: Path) -> None:
    captioner = ChatCaptioner(frames=4, maximum_tokens=6, local=LocalModel(str(run), device="cpu"))
    captioner.setup()
    views = [make_view(at) for at in range(3)]
    rows = list(captioner.caption(views))
    assert [row.clip_id for row in rows] == [view.clip.clip_id for view in views]
    assert all(row.origin is not None for row in rows)
    again = list(captioner.caption(views))
    assert [(row.value, row.status) for row in again] == [(row.value, row.status) for row in rows]
