"""What models say: in order, the same alone and in a batch, the same twice."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.core.timings import collecting
from internvid.models.generated_texts import Generated, clean, without_prompt
from internvid.models.image_to_text import ImageToText
from internvid.models.pretrained import Checkpoint, release
from internvid.models.text_to_text import TextToText, _buckets
from internvid.models.vision_chat import VisionChat
from tests.models.pretrained.pictures import picture
from tests.models.tiny import TinyModels
from tests.models.tiny.language import make_qwen_vl
from tests.models.tiny.parts import WORDS


@pytest.mark.parametrize("prompt", ["", "a dog"])
@pytest.mark.parametrize("name", ["blip2", "blip", "git", "qwen_vl"])
def test_pictures_are_described_alike_alone_and_in_a_batch(
    name: str, prompt: str, tiny_models: TinyModels
) -> None:
    model = ImageToText(Checkpoint(tiny_models[name]), 20)
    pictures = [picture(seed, 40 + 10 * seed, 40) for seed in range(5)]
    said = model.describe(pictures, prompt)
    assert [model.describe([each], prompt)[0] for each in pictures] == said
    assert len(set(said)) > 1, "the answer depends on the picture"
    assert all(set(each.text.split()) <= set(WORDS) for each in said)


def test_an_encoder_decoder_without_a_processor_describes_but_takes_no_prompt(
    tiny_models: TinyModels,
) -> None:
    model = ImageToText(Checkpoint(tiny_models["vit_gpt2"]), 20)
    assert len(model.describe([picture(0), picture(1)])) == 2
    with pytest.raises(ConfigInvalidError, match="takes no prompt"):
        model.open("a dog")


def test_an_unfinished_answer_says_so(tiny_models: TinyModels) -> None:
    for name in ("blip2", "git", "vit_gpt2", "qwen_vl"):
        said = ImageToText(Checkpoint(tiny_models[name]), 3).describe([picture(0)])
        assert [each.is_cut for each in said] == [True], name
    assert [each.is_cut for each in TextToText(Checkpoint(tiny_models["t5"]), 3).rewrite(["a"])]
    assert TextToText(Checkpoint(tiny_models["chat"]), 3).rewrite(["a"])[0].is_cut


def test_sampling_that_authors_recommend_is_off(tiny_models: TinyModels, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_models["chat"], tmp_path / "chat"))
    settings = json.loads((folder / "generation_config.json").read_text())
    settings |= {"do_sample": True, "temperature": 1.5, "top_p": 0.9, "top_k": 3, "max_length": 9}
    (folder / "generation_config.json").write_text(json.dumps(settings))
    texts = ["a dog runs", "the man sits in a park"]
    calm = TextToText(Checkpoint(tiny_models["chat"]), 12).rewrite(texts)
    release()
    assert [TextToText(Checkpoint(str(folder)), 12).rewrite(texts) for _ in range(3)] == [calm] * 3


@pytest.mark.parametrize("version", ["2", "2.5"])
def test_video_models_take_any_number_of_frames_a_clip(version: str, tmp_path: Path) -> None:
    folder = make_qwen_vl(tmp_path / "model", version=version)
    model = VisionChat(Checkpoint(str(folder)), 20)
    pictures = [picture(seed, 40 + 10 * seed, 40) for seed in range(4)]
    asked = [(pictures[:3], "a dog"), (pictures[1:2], "two dogs in the park"), (pictures, "cat")]
    said = model.answer(asked)
    assert [model.answer([each])[0] for each in asked] == said
    swapped = model.answer([(pictures[2::-1], "a dog")])[0]
    assert swapped != said[0], "the order of the frames counts"


def test_a_model_without_a_chat_template_is_refused_for_video(tiny_models: TinyModels) -> None:
    with pytest.raises(ConfigInvalidError, match="no chat template"):
        VisionChat(Checkpoint(tiny_models["blip2"])).open()


@pytest.mark.parametrize("name", ["t5", "chat"])
def test_texts_are_rewritten_alike_in_any_batch(name: str, tiny_models: TinyModels) -> None:
    texts = ["a dog runs", "", "the man " * 40, "a red car on a street", "cat"]
    said = [
        TextToText(Checkpoint(tiny_models[name]), 12, batch_tokens=tokens).rewrite(texts)
        for tokens in (1, 60, 4096)
    ]
    assert said[0] == said[1] == said[2]
    assert len(set(said[0])) > 1


@pytest.mark.parametrize("name", ["t5", "chat"])
def test_long_texts_lose_their_end(name: str, tiny_models: TinyModels) -> None:
    model = TextToText(Checkpoint(tiny_models[name]), 12, maximum_input_tokens=6)
    kept, longer = model.rewrite(["a dog runs on", "a dog runs on"])
    assert kept == longer
    kept, longer = model.rewrite(["a dog runs on a a", "a dog runs on a a cat and a man"])
    assert kept == longer


def test_batches_are_of_like_length_and_bounded() -> None:
    tokens = [[0] * length for length in (5, 100, 7, 90, 6, 1000)]
    batches = list(_buckets(tokens, 200))
    assert batches == [[5], [1, 3], [2, 4, 0]]
    assert sorted(at for batch in batches for at in batch) == list(range(6))


def test_work_is_counted(tiny_models: TinyModels) -> None:
    with collecting() as timings:
        ImageToText(Checkpoint(tiny_models["blip2"]), 10).describe([picture(0), picture(1)])
    assert timings.counts["frames"] == 2
    assert timings.counts["tokens"] > 0
    assert timings.seconds["model"] > 0


def test_texts_are_cleaned() -> None:
    assert clean(" a\n\tdog\x00\u200b \ud800runs ") == "a dog\u200b runs"
    assert without_prompt([Generated("A photo of a dog"), Generated("a cat")], "a photo  of") == [
        Generated("a dog"),
        Generated("a cat"),
    ]
