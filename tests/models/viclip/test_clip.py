"""CLIP as transformers computes it: with one frame and no time, ViCLIP is CLIP."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from internvid.core.errors import CheckpointMismatchError
from internvid.models.viclip import ViCLIP
from internvid.models.viclip.weights.positions import stretch_context

transformers = pytest.importorskip("transformers")
VOCABULARY = 600


@pytest.fixture(scope="module")
def clip() -> transformers.CLIPModel:
    torch.manual_seed(4)
    # Heads that are not 64 channels wide: only config.json tells how many there are.
    vision = {
        "hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 3,
        "num_attention_heads": 4, "image_size": 48, "patch_size": 16, "hidden_act": "quick_gelu",
    }  # fmt: skip
    text = {
        "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": VOCABULARY, "max_position_embeddings": 77,
        "eos_token_id": VOCABULARY - 1, "hidden_act": "quick_gelu",
    }  # fmt: skip
    config = transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=40)
    model = transformers.CLIPModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        model.logit_scale.fill_(3.0)
    return model


def ids(length: int = 32) -> Tensor:
    rows = torch.randint(1, VOCABULARY - 2, (5, length))
    for at, row in enumerate(rows):
        end = 3 + 5 * at
        row[end] = VOCABULARY - 1
        row[end + 1 :] = 0
    return rows


def assert_is_that_clip(model: ViCLIP, clip: transformers.CLIPModel) -> None:
    pixels, tokens = torch.randn(3, 3, 48, 48), ids()
    with torch.no_grad():
        images = clip.visual_projection(clip.vision_model(pixels).pooler_output)
        texts = clip.text_projection(clip.text_model(tokens).pooler_output)
        found = model.text_encoder(tokens)
    torch.testing.assert_close(model.encode_pixels(pixels[:, None]), images, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found, texts, rtol=1e-4, atol=1e-5)
    assert model.temp.item() == pytest.approx(float(torch.tensor(-3.0).exp()))
    assert model.config.frames == 8
    assert model.config.context == 32
    assert model.vision_encoder.temporal_positional_embedding.abs().max() == 0
    # Time is zero, so that eight equal frames change no single token of the first block's input;
    # each patch is seen eight times by attention, which averages: the embedding is the same.
    video = pixels[:, None].expand(-1, 8, -1, -1, -1)
    assert bool((torch.cosine_similarity(model.encode_pixels(video), images) > 0.5).all())


def as_openai(clip: transformers.CLIPModel) -> dict[str, Tensor]:
    """The same weights under OpenAI's and open_clip's names."""
    state = dict(clip.state_dict())
    renamed: dict[str, Tensor] = {"logit_scale": state["logit_scale"]}
    renamed["visual.class_embedding"] = state["vision_model.embeddings.class_embedding"]
    renamed["visual.conv1.weight"] = state["vision_model.embeddings.patch_embedding.weight"]
    renamed["visual.positional_embedding"] = state[
        "vision_model.embeddings.position_embedding.weight"
    ]
    renamed["visual.proj"] = state["visual_projection.weight"].T
    renamed["text_projection"] = state["text_projection.weight"].T
    renamed["token_embedding.weight"] = state["text_model.embeddings.token_embedding.weight"]
    renamed["positional_embedding"] = state["text_model.embeddings.position_embedding.weight"]
    norms = {
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
        "ln_final": "text_model.final_layer_norm",
    }
    for tower, prefix, blocks in (("vision_model", "visual.", 3), ("text_model", "", 2)):
        for at in range(blocks):
            old, new = f"{tower}.encoder.layers.{at}", f"{prefix}transformer.resblocks.{at}"
            for kind in ("weight", "bias"):
                parts = [state[f"{old}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                renamed[f"{new}.attn.in_proj_{kind}"] = torch.cat(parts)
            norms |= {f"{new}.attn.out_proj": f"{old}.self_attn.out_proj"}
            norms |= {f"{new}.ln_{n}": f"{old}.layer_norm{n}" for n in (1, 2)}
            norms |= {f"{new}.mlp.c_fc": f"{old}.mlp.fc1", f"{new}.mlp.c_proj": f"{old}.mlp.fc2"}
    for new, old in norms.items():
        renamed |= {f"{new}.{kind}": state[f"{old}.{kind}"] for kind in ("weight", "bias")}
    return renamed


@pytest.mark.parametrize("sharded", [False, True])
def test_a_folder_of_transformers_becomes_a_viclip(
    clip: transformers.CLIPModel, tmp_path: Path, sharded: bool
) -> None:
    clip.save_pretrained(tmp_path, max_shard_size="300KB" if sharded else "5GB")
    assert (tmp_path / "model.safetensors.index.json").is_file() == sharded
    assert_is_that_clip(ViCLIP.from_pretrained(tmp_path), clip)


def with_usual_heads(clip: transformers.CLIPModel) -> transformers.CLIPModel:
    """A CLIP whose heads have 64 channels, as shapes alone must be read."""
    config = clip.config.to_dict()
    config["vision_config"] |= {
        "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512,
    }  # fmt: skip
    config["text_config"] |= {"num_attention_heads": 1}
    torch.manual_seed(5)
    usual = transformers.CLIPModel(transformers.CLIPConfig(**config)).eval()
    with torch.no_grad():
        usual.logit_scale.fill_(3.0)
    return usual


@pytest.mark.parametrize("prefix", ["", "text."])
@pytest.mark.parametrize("form", ["dict", "pth", "wrapped", "half"])
def test_openai_and_open_clip_layouts_become_a_viclip(
    clip: transformers.CLIPModel, tmp_path: Path, prefix: str, form: str
) -> None:
    usual = with_usual_heads(clip)
    state = as_openai(usual)
    visual = {key: value for key, value in state.items() if key.startswith("visual.")}
    rest = {
        key if key == "logit_scale" else prefix + key: value
        for key, value in state.items()
        if key not in visual
    }
    state = {**visual, **rest, "input_resolution": torch.tensor(48)}
    if form == "half":
        usual.half().float()
        state = {key: value.half() for key, value in state.items()}
    path = tmp_path / "clip.pt"
    if form == "wrapped":
        wrapped = {f"module.{key}": value for key, value in state.items()}
        torch.save({"state_dict": wrapped, "epoch": 3}, path)
    else:
        torch.save(state, path)
    model = ViCLIP.from_pretrained(state if form == "dict" else path)
    if form != "half":
        assert_is_that_clip(model, usual)
    else:
        assert model.dtype == torch.float32


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_scripted_clip_is_read_without_running_it(
    clip: transformers.CLIPModel, tmp_path: Path
) -> None:
    """OpenAI publishes TorchScript archives; their tensors are attributes of nested objects."""
    usual = with_usual_heads(clip)
    root = torch.nn.Module()
    for key, value in as_openai(usual).items():
        *parents, name = key.split(".")
        place = root
        for parent in parents:
            if not hasattr(place, parent):
                place.add_module(parent, torch.nn.Module())
            place = getattr(place, parent)
        place.register_buffer(name, value)
    torch.jit.save(torch.jit.script(root), str(tmp_path / "clip.pt"))
    assert_is_that_clip(ViCLIP.from_pretrained(tmp_path / "clip.pt"), usual)


def test_a_clip_without_scale_gets_the_usual_temperature(clip: transformers.CLIPModel) -> None:
    state = as_openai(with_usual_heads(clip))
    del state["logit_scale"]
    assert ViCLIP.from_pretrained(state).temp.item() == pytest.approx(0.01)


def test_a_clip_with_missing_parts_is_refused_by_name(clip: transformers.CLIPModel) -> None:
    state = dict(clip.state_dict())
    del state["vision_model.encoder.layers.1.self_attn.k_proj.weight"]
    with pytest.raises(CheckpointMismatchError, match=r"resblocks\.1\.attn\.in_proj_weight"):
        ViCLIP.from_pretrained(state)


def test_another_activation_is_warned_of(
    clip: transformers.CLIPModel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = clip.config.to_dict()
    config["vision_config"]["hidden_act"] = "gelu"
    transformers.CLIPModel(transformers.CLIPConfig(**config)).save_pretrained(tmp_path)
    ViCLIP.from_pretrained(tmp_path)
    assert "gelu" in caplog.text


def test_longer_texts_get_the_positions_that_clip_has(clip: transformers.CLIPModel) -> None:
    usual = with_usual_heads(clip)
    model = ViCLIP.from_pretrained(as_openai(usual), context=60)
    assert model.config.context == 60
    assert model.text_positions == "60 of 77"
    tokens = ids(60)
    tokens[0, 3] = 5
    tokens[0, 4:59], tokens[0, 59] = 7, VOCABULARY - 1
    with torch.no_grad():
        expected = usual.text_projection(usual.text_model(tokens).pooler_output)
        found = model.text_encoder(tokens)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert ViCLIP.from_pretrained(as_openai(usual)).text_positions == ""


def test_positions_that_no_file_has_are_stretched() -> None:
    table = torch.randn(32, 6)
    longer = stretch_context(table, 150)
    assert longer.shape == (150, 6)
    assert torch.equal(longer[:20], table[:20])
    torch.testing.assert_close(longer[-1], table[-1])
    torch.testing.assert_close(longer[20], table[20])
    # Between two known rows the new ones lie on the line that joins them.
    steps = longer[21:31] - longer[20:30]
    torch.testing.assert_close(steps, steps[:1].expand_as(steps), rtol=1e-4, atol=1e-5)
    assert torch.equal(stretch_context(table, 32), table)
    assert torch.equal(stretch_context(table, 10), table[:10])
