"""Every architecture that the manual names loads and answers, without torchvision and num2words."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from internvid.core.errors import DependencyMissingError
from internvid.models.pretrained import (
    DUAL_ENCODER,
    IMAGE_CLASSIFIER,
    IMAGE_TO_TEXT,
    SPEECH,
    TEXT_TO_TEXT,
    Checkpoint,
    Kind,
    load,
    release,
)
from internvid.models.vision_chat import VisionChat, _inputs
from tests.docs.manual import page
from tests.models.pretrained.pictures import picture
from tests.models.tiny import TinyModels

# Hub names in the manual -> the tiny model of the same class, and what it is loaded as.
NAMED: dict[str, tuple[str, Kind | None]] = {
    "Salesforce/blip2-opt-2.7b": ("blip2", IMAGE_TO_TEXT),
    "Salesforce/blip-image-captioning-base": ("blip", IMAGE_TO_TEXT),
    "microsoft/git-base-coco": ("git", IMAGE_TO_TEXT),
    "nlpconnect/vit-gpt2-image-captioning": ("vit_gpt2", IMAGE_TO_TEXT),
    "mrm8488/flan-t5-large-finetuned-openai-summarize_from_feedback": ("t5", TEXT_TO_TEXT),
    "HuggingFaceTB/SmolLM2-135M-Instruct": ("chat", TEXT_TO_TEXT),
    "Qwen/Qwen2.5-VL-3B-Instruct": ("qwen_vl", IMAGE_TO_TEXT),
    "HuggingFaceTB/SmolVLM2-500M-Video-Instruct": ("smolvlm", IMAGE_TO_TEXT),
    "openai/clip-vit-base-patch32": ("clip", DUAL_ENCODER),
    "openai/clip-vit-large-patch14": ("clip", DUAL_ENCODER),
    "google/siglip-base-patch16-224": ("siglip", DUAL_ENCODER),
    "Falconsai/nsfw_image_detection": ("classifier", IMAGE_CLASSIFIER),
    "openai/whisper-small": ("whisper", SPEECH),
    # Loaded by other code: faster-whisper, and this package's own ViCLIP.
    "Systran/faster-whisper-small": ("", None),
    "OpenGVLab/ViCLIP-L-14-hf": ("", None),
    "OpenGVLab/ViCLIP": ("", None),
}
CHATS = ("qwen_vl", "qwen3_vl", "smolvlm", "llava", "llava_onevision", "internvl", "gemma3")
_HUB_NAME = re.compile(r"`((?:[\w-]+)/(?:[\w.-]*[A-Za-z][\w.-]*))(?:@\w+)?`")


def test_the_manual_names_no_model_that_is_not_loaded_here() -> None:
    pages = [page(name) for name in ("captions.md", "scores.md")]
    found = {name for text in pages for name in _HUB_NAME.findall(text)}
    found = {name for name in found if not name.endswith((".py", ".json", ".md"))}
    owners = {name.partition("/")[0] for name in NAMED}
    assert {name for name in found if name.partition("/")[0] in owners} <= set(NAMED)
    assert {"HuggingFaceTB/SmolVLM2-500M-Video-Instruct", "microsoft/git-base-coco"} <= found


@pytest.mark.parametrize("name", [name for name, (_, kind) in NAMED.items() if kind])
def test_every_named_class_loads(name: str, tiny_models: TinyModels) -> None:
    tiny, kind = NAMED[name]
    assert kind is not None
    assert load(Checkpoint(tiny_models[tiny], device="cpu"), kind).model_type
    release()


@pytest.mark.parametrize("name", CHATS)
def test_every_chat_model_answers_alike_alone_and_in_a_batch(
    name: str, tiny_models: TinyModels
) -> None:
    model = VisionChat(Checkpoint(tiny_models[name], device="cpu"), 20)
    pictures = [picture(seed, 40 + 10 * seed, 40) for seed in range(3)]
    asked = [(pictures[:2], "a dog"), (pictures[2:], "two cats")]
    said = model.answer(asked)
    assert [model.answer([each])[0] for each in asked] == said
    assert all(each.text for each in said)
    release()


def test_smolvlm_is_asked_in_its_own_words_without_its_processor(tiny_models: TinyModels) -> None:
    """Its own processor cannot be made here; the one in its place writes the same tokens."""
    from transformers.models.smolvlm.processing_smolvlm import get_image_prompt_string

    folder = tiny_models["smolvlm"]
    processor = VisionChat(Checkpoint(folder, device="cpu")).open().processor
    assert processor.image_seq_len == 4, "as its own file says, not the class's default"
    for rows, columns in ((0, 0), (1, 1), (2, 3)):
        said = processor.replace_image_token({"rows": [[rows]], "cols": [[columns]]}, 0)
        tokens = ("<fake_token_around_image>", "<image>", "<global-img>")
        assert said == get_image_prompt_string(rows, columns, 4, *tokens)
    release()


def test_frames_of_a_video_are_shown_whole_not_in_tiles(tiny_models: TinyModels) -> None:
    folder, shown = tiny_models["smolvlm"], []
    for is_video in (False, True):
        model = VisionChat(Checkpoint(folder, device="cpu"), 20, is_video=is_video)
        asked = [([picture(seed, 64, 48) for seed in range(3)], "a dog")]
        inputs = _inputs(model.open().processor, asked, is_video=is_video)
        shown.append(inputs["pixel_values"].shape[1])
        assert model.answer(asked)[0].text
    assert shown[1] == 3 < shown[0]
    release()


def test_a_torchvision_of_another_torch_is_named(
    tiny_models: TinyModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "torchvision"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DependencyMissingError, match=r"(?s)torchvision::nms.*pip uninstall"):
        load(Checkpoint(tiny_models["t5"]), TEXT_TO_TEXT)


def test_parts_that_do_not_fit_are_not_called_damaged(
    tiny_models: TinyModels, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_models["gemma3"], tmp_path / "gemma3"))
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in settings.items() if k != "boi_token"}))
    with pytest.raises(DependencyMissingError, match=r"(?s)gemma3 cannot be put together.*files"):
        VisionChat(Checkpoint(str(folder), device="cpu")).open()
