"""The towers compute what the paper's equations say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from internvid.models.viclip import CONFIGS, ViCLIP, draw_kept
from tests.models.viclip import slow
from tests.models.viclip.conftest import random_model

TEXTS = ["a dog runs", "", "a man in a red coat walks along the river at night " * 5]


def arrays(model: ViCLIP) -> dict[str, np.ndarray]:
    return {key: value.detach().numpy() for key, value in model.state_dict().items()}


def relative_error(found: Tensor, expected: np.ndarray) -> float:
    difference = found.numpy() - expected
    return float(np.abs(difference).max() / np.abs(expected).max())


def expected_videos(model: ViCLIP, pixels: Tensor) -> np.ndarray:
    shape, weights = model.config, arrays(model)
    return np.stack(
        [
            slow.embed_video(clip, weights, shape.vision_layers, shape.vision_heads)
            for clip in pixels.numpy()
        ]
    )


def expected_texts(model: ViCLIP, ids: Tensor) -> np.ndarray:
    shape, weights = model.config, arrays(model)
    rows = [
        slow.embed_text(row, weights, shape.text_layers, shape.text_heads) for row in ids.numpy()
    ]
    return np.stack(rows)


@pytest.mark.parametrize("frames", [4, 1])
def test_videos_and_images_equal_the_equations(tiny: ViCLIP, frames: int) -> None:
    pixels = torch.randn(3, frames, 3, 64, 64)
    assert relative_error(tiny.encode_pixels(pixels), expected_videos(tiny, pixels)) < 1e-5


def test_texts_equal_the_equations(tiny: ViCLIP) -> None:
    expected = expected_texts(tiny, tiny.tokenizer(TEXTS))
    assert relative_error(tiny.encode_text(TEXTS, normalize=False), expected) < 1e-5


def test_a_model_of_published_shape_equals_the_equations() -> None:
    # Three frames instead of eight: the same shapes but one, a third of the time.
    model = random_model(replace(CONFIGS["b16"], frames=3), seed=3)
    pixels = torch.randn(1, 3, 3, 224, 224)
    assert relative_error(model.encode_pixels(pixels), expected_videos(model, pixels)) < 1e-4
    text = TEXTS[2:]
    expected = expected_texts(model, model.tokenizer(text))
    assert relative_error(model.encode_text(text, normalize=False), expected) < 1e-4


def test_with_gradients_and_without_the_same_comes_out(tiny: ViCLIP) -> None:
    pixels = torch.randn(2, 4, 3, 64, 64)
    with_gradients = tiny.vision_encoder(pixels)
    assert with_gradients.requires_grad
    torch.testing.assert_close(with_gradients.detach(), tiny.encode_pixels(pixels))


def test_the_matrix_product_equals_the_convolution(tiny: ViCLIP) -> None:
    pixels = torch.randn(2, 4, 3, 64, 64)
    tower = tiny.vision_encoder
    convolved = tower.conv1(pixels.transpose(1, 2))
    tokens_BNTW = convolved.permute(0, 3, 4, 2, 1).flatten(1, 3)
    seen: list[Tensor] = []
    handle = tower.ln_pre.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        tower(pixels)
    handle.remove()
    expected = tokens_BNTW + tower.positions(4, 4, 4)
    torch.testing.assert_close(seen[0][:, 1:], expected.detach(), rtol=1e-4, atol=1e-5)


def test_tokens_are_in_order_space_then_time(tiny: ViCLIP) -> None:
    pixels = torch.zeros(1, 4, 3, 64, 64)
    pixels[0, 2, :, 16:32, 48:64] = 1.0  # frame 2, row 1, column 3
    from internvid.models.viclip import patchify

    filled = patchify(pixels, 16).sum(-1)[0].nonzero().flatten().tolist()
    assert filled == [(1 * 4 + 3) * 4 + 2]


def test_all_patches_kept_is_no_mask(tiny: ViCLIP) -> None:
    pixels = torch.randn(2, 4, 3, 64, 64)
    every = torch.arange(64).expand(2, -1)
    with torch.no_grad():
        masked = tiny.vision_encoder(pixels, every)
    torch.testing.assert_close(masked, tiny.encode_pixels(pixels))


def test_kept_patches_equal_embedding_all_and_choosing(tiny: ViCLIP) -> None:
    pixels = torch.randn(3, 4, 3, 64, 64)
    kept = draw_kept(3, 64, 0.7, generator=torch.Generator().manual_seed(1))
    tower = tiny.vision_encoder
    with torch.no_grad():
        convolved = tower.conv1(pixels.transpose(1, 2)).permute(0, 3, 4, 2, 1).flatten(1, 3)
        tokens = convolved + tower.positions(4, 4, 4)
        chosen = torch.stack([row[index] for row, index in zip(tokens, kept, strict=True)])
        first = (tower.class_embedding + tower.positional_embedding[0]).expand(3, 1, -1)
        x = tower.transformer(tower.ln_pre(torch.cat([first, chosen], 1)))
        expected = tower.ln_post(x[:, 0]) @ tower.proj
        masked = tower(pixels, kept)
    torch.testing.assert_close(masked, expected, rtol=1e-4, atol=1e-5)


def test_checkpointed_blocks_give_the_same_gradients() -> None:
    pixels = torch.randn(2, 4, 3, 64, 64)
    found = []
    for blocks in (0, 2):
        model = random_model("tiny", seed=5)
        model.vision_encoder.transformer.checkpointed_blocks = blocks
        model.vision_encoder(pixels).square().sum().backward()
        found.append(model.vision_encoder.conv1.weight.grad)
    torch.testing.assert_close(found[0], found[1])


def test_drop_path_acts_in_training_only_and_grows_with_depth() -> None:
    model = random_model("tiny", seed=6)
    blocks = model.vision_encoder.transformer.resblocks
    assert [block.drop_path.chance for block in blocks] == [0.0, 0.1]
    assert all(block.drop_path.chance == 0 for block in model.text_encoder.transformer.resblocks)
    branch = blocks[1].drop_path.train()
    torch.manual_seed(0)
    ones = branch(torch.ones(4000, 2, 3))
    assert set(ones.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.9)}
    assert abs(float(ones.mean()) - 1) < 0.02
    # Encoding is inference, whatever the mode.
    pixels = torch.randn(64, 4, 3, 64, 64)
    expected = model.eval().encode_pixels(pixels)
    model.train()
    torch.testing.assert_close(model.encode_pixels(pixels), expected)
    assert model.training


def test_other_frame_counts_and_sizes_are_embedded(tiny: ViCLIP) -> None:
    for shape in [(2, 2, 3, 64, 64), (1, 6, 3, 64, 64), (1, 4, 3, 96, 32)]:
        found = tiny.encode_pixels(torch.randn(*shape))
        assert found.shape == (shape[0], tiny.config.embedding)
        assert bool(found.isfinite().all())


def test_bfloat16_is_close(tiny: ViCLIP) -> None:
    half = ViCLIP.from_pretrained(tiny.state_dict(), dtype=torch.bfloat16)
    pixels = torch.randn(4, 4, 3, 64, 64)
    exact, found = tiny.encode_pixels(pixels), half.encode_pixels(pixels)
    assert found.dtype == torch.float32
    assert bool((torch.nn.functional.cosine_similarity(exact, found) > 0.999).all())
    assert half.encode_text(["a dog"]).dtype == torch.float32


def test_named_configs_are_what_they_say() -> None:
    assert CONFIGS["l14"].tokens == 2048
    assert CONFIGS["b16"].tokens == 1568
