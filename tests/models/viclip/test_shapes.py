"""Keys and shapes are those of the published checkpoints, one by one (paper §6.6)."""

from __future__ import annotations

import pytest
import torch

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip import CONFIGS, ViCLIP, ViCLIPConfig

# (W, layers, patch, places), (w, layers), E: paper §6.1.
PUBLISHED = {
    "b16": ((768, 12, 16, 197), (512, 12), 512),
    "l14": ((1024, 24, 14, 257), (768, 12), 768),
}
MILLIONS = {"b16": (86.20, 63.41, 149.6), "l14": (303.97, 123.62, 427.6)}


def block_shapes(name: str, width: int) -> dict[str, list[int]]:
    wide = 4 * width
    return {
        f"{name}.ln_1.weight": [width],
        f"{name}.ln_1.bias": [width],
        f"{name}.ln_2.weight": [width],
        f"{name}.ln_2.bias": [width],
        f"{name}.attn.in_proj_weight": [3 * width, width],
        f"{name}.attn.in_proj_bias": [3 * width],
        f"{name}.attn.out_proj.weight": [width, width],
        f"{name}.attn.out_proj.bias": [width],
        f"{name}.mlp.c_fc.weight": [wide, width],
        f"{name}.mlp.c_fc.bias": [wide],
        f"{name}.mlp.c_proj.weight": [width, wide],
        f"{name}.mlp.c_proj.bias": [width],
    }


def published_shapes(name: str) -> dict[str, list[int]]:
    (wide, blocks, patch, places), (narrow, text_blocks), space = PUBLISHED[name]
    shapes: dict[str, list[int]] = {
        "temp": [],
        "vision_encoder.class_embedding": [wide],
        "vision_encoder.positional_embedding": [places, wide],
        "vision_encoder.temporal_positional_embedding": [1, 8, wide],
        "vision_encoder.proj": [wide, space],
        "vision_encoder.conv1.weight": [wide, 3, 1, patch, patch],
        "text_encoder.token_embedding.weight": [49408, narrow],
        "text_encoder.positional_embedding": [32, narrow],
        "text_encoder.text_projection": [narrow, space],
    }
    for tower, norms, width in (
        ("vision_encoder", ("ln_pre", "ln_post"), wide),
        ("text_encoder", ("ln_final",), narrow),
    ):
        for norm in norms:
            shapes |= {f"{tower}.{norm}.weight": [width], f"{tower}.{norm}.bias": [width]}
    for at in range(blocks):
        shapes |= block_shapes(f"vision_encoder.transformer.resblocks.{at}", wide)
    for at in range(text_blocks):
        shapes |= block_shapes(f"text_encoder.transformer.resblocks.{at}", narrow)
    return shapes


def bare(name: str) -> ViCLIP:
    with torch.device("meta"):
        return ViCLIP(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_key_has_its_shape_and_there_is_no_other(name: str) -> None:
    found = {key: list(value.shape) for key, value in bare(name).state_dict().items()}
    assert found == published_shapes(name)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_many(name: str) -> None:
    model = bare(name)
    vision, text = (
        sum(p.numel() for p in tower.parameters()) / 1e6
        for tower in (model.vision_encoder, model.text_encoder)
    )
    for found, expected in zip((vision, text, vision + text), MILLIONS[name], strict=True):
        assert abs(found - expected) < 0.05
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_temperature_starts_as_in_the_reference() -> None:
    model = ViCLIP("tiny")
    assert model.temp.item() == pytest.approx(0.01)
    assert model.logit_scale.item() == pytest.approx(100)
    assert list(model.temp.shape) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frames", 0),
        ("vision_heads", 3),
        ("resolution", 225),
        ("drop_path", 1.0),
        ("checkpointed_blocks", -1),
        ("text_heads", 5),
    ],
)
def test_impossible_shapes_are_refused(field: str, value: float) -> None:
    values = {**CONFIGS["l14"].shapes(), field: value}
    with pytest.raises(ConfigInvalidError, match=field):
        ViCLIPConfig(**values)


@pytest.mark.parametrize("values", [{"widht": 3}, {"frames": "8"}, {"frames": True}])
def test_odd_config_values_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalidError):
        ViCLIPConfig.from_mapping(values)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigInvalidError, match="b16, l14"):
        ViCLIP("g14")
    with pytest.raises(ConfigInvalidError, match="reference"):
        ViCLIP("tiny", preprocessing="imagenet")
