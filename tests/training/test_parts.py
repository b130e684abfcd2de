"""The small pieces: views, costs, schedule, decay, vocabulary, blending, writers, recipes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from internvid.core.assignments import with_values
from internvid.core.errors import (
    CheckpointMismatchError,
    ComponentUnknownError,
    ConfigInvalidError,
    VideoUnreadableError,
)
from internvid.models.viclip.config import CONFIGS
from internvid.models.viclip.masking import patchify
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.tokenizer import Tokenizer
from internvid.training.data.clip_sources import ArraySource
from internvid.training.data.order import generator, random_crop, random_frames
from internvid.training.data.samples import ClipTable, FrameChoice, FramesArray
from internvid.training.data.vocabulary import learn_merges
from internvid.training.optimiser import decays, gradient_norm
from internvid.training.plan.flops import measure_peak, parameter_counts, step_cost, tower_flops
from internvid.training.recipes import pretraining as recipes
from internvid.training.run.log import CsvWriter, TensorBoardWriter, find_writer
from internvid.training.schedule import learning_rate
from internvid.training.towers import PatchTower
from internvid.training.views.masks import random_kept
from internvid.training.views.views import ViewRecipe, ViewShape, show
from internvid.training.wiseft import blend_models, blend_states
from tests.training.tiny import CONFIG

GIGA = 1e9


# Costs: the numbers are those published with the formula (docs/training.md).


@pytest.mark.parametrize(
    ("name", "mask", "published"),
    [("l14", 0.9, 391.7), ("l14", 0.0, 4961), ("b16", 0.9, 86.1), ("b16", 0.0, 1078),
     ("l14", 0.8, 801), ("l14", 0.75, 1014), ("l14", 0.5, 2175)],
)  # fmt: skip
def test_training_flops_of_the_published_shapes(name: str, mask: float, published: float) -> None:
    cost = step_cost(CONFIGS[name], mask, freeze_text=True, bf16=True)
    # The table counts the frozen text tower's forward pass; here its embeddings are kept.
    text = tower_flops(32, CONFIGS[name].text_width, CONFIGS[name].text_layers)
    assert (cost.train + text) / GIGA == pytest.approx(published, rel=5e-3)


def test_the_parts_of_the_formula() -> None:
    linear = 2 * 24 * 12 * 206 * 1024**2
    assert linear / GIGA == pytest.approx(124.4, abs=0.2)
    masked = step_cost(CONFIGS["l14"], 0.9, freeze_text=True, bf16=True)
    assert masked.vision / GIGA == pytest.approx(128.8, abs=0.2)
    unmasked = step_cost(CONFIGS["l14"], 0.0, freeze_text=True, bf16=True)
    assert unmasked.vision / GIGA == pytest.approx(1652.7, rel=1e-3)
    assert tower_flops(32, 768, 12) / GIGA == pytest.approx(5.48, abs=0.05)
    again = replace(CONFIGS["l14"], checkpointed_blocks=24)
    recomputed = step_cost(again, 0.9, freeze_text=True, bf16=True)
    assert recomputed.recomputed == recomputed.vision
    assert recomputed.activation_bytes < masked.activation_bytes / 9


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_parameters_are_counted_as_they_are(name: str) -> None:
    model = ViCLIP(name)
    counted = parameter_counts(CONFIGS[name])
    real = [sum(p.numel() for p in side.parameters())
            for side in (model.vision_encoder, model.text_encoder)]  # fmt: skip
    assert list(counted) == real


def test_published_sizes() -> None:
    video, text = parameter_counts(CONFIGS["l14"])
    assert (round(video / 1e6, 2), round(text / 1e6, 2)) == (303.97, 123.62)


def test_the_peak_is_some_speed() -> None:
    assert measure_peak(torch.device("cpu"), torch.float32, 0.01) > 1e8


# Schedule and optimiser


def test_the_learning_rate_rises_falls_and_has_a_floor() -> None:
    rates = [learning_rate(at, peak=2.0, total=110, warmup=10, floor=0.01) for at in range(111)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[5] == pytest.approx(1.0)
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(1.0)
    assert rates[110] == pytest.approx(0.02)
    assert min(rates) == pytest.approx(0.02)


def test_a_stage_in_steps_keeps_the_share_of_its_warm_up() -> None:
    changed = with_values(recipes.viclip_b16(), ["stages.masked.steps=200"]).stages[0]
    assert changed.total_warmup(323) == 10
    assert recipes.viclip_b16().stages[0].total_warmup(323) == 162
    assert replace(changed, warmup_steps=7).total_warmup(323) == 7
    assert replace(changed, warmup_epochs=0.0).total_warmup(323) == 0
    # What 0.1.0 began goes on as it began.
    assert changed.total_warmup(323, keeps_short=True) == 0
    # A warm-up that would outlast its stage leaves half of it for the rest.
    tiny = with_values(recipes.viclip_tiny(), ["stages.*.steps=20"]).stages[0]
    assert tiny.warmup_steps == 100
    assert tiny.total_warmup(190) == 10
    action = with_values(recipes.viclip_action(), ["stages.tune.epochs=2"]).stages[0]
    assert action.total_warmup(100) == 100


def test_what_decays() -> None:
    names = {name for name, each in ViCLIP("tiny").named_parameters() if decays(name, each)}
    assert "vision_encoder.conv1.weight" in names
    assert "vision_encoder.proj" in names
    assert "text_encoder.text_projection" in names
    assert "text_encoder.transformer.resblocks.0.mlp.c_fc.weight" in names
    rest = {name for name, _ in ViCLIP("tiny").named_parameters()} - names
    assert {"temp", "vision_encoder.class_embedding", "vision_encoder.positional_embedding",
            "vision_encoder.temporal_positional_embedding", "text_encoder.positional_embedding",
            "text_encoder.token_embedding.weight"} <= rest  # fmt: skip
    assert all(".ln_" in name or "bias" in name or "embedding" in name or name == "temp"
               for name in rest)  # fmt: skip


def test_the_gradient_is_limited() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(()))]
    parameters[0].grad, parameters[1].grad = torch.full((3,), 2.0), torch.tensor(2.0)
    assert gradient_norm(parameters) == 4.0
    gradient_norm(parameters, limit=1.0)
    assert gradient_norm(parameters) == pytest.approx(1.0, rel=1e-4)


# Views


def gradient_clip() -> ArraySource:
    rng = np.random.default_rng(0)
    return ArraySource([rng.integers(0, 255, (9, 40, 56, 3), dtype=np.uint8)], ["some text"])


SHAPE = ViewShape(frames=4, resolution=32, patch=8, mask_ratio=0.75)


def test_a_view_is_a_function_of_its_key() -> None:
    source = gradient_clip()
    first, again = (show(source, 0, (1, 2, 3), SHAPE, ViewRecipe()) for _ in range(2))
    assert torch.equal(first.patches, again.patches)
    assert torch.equal(first.kept, again.kept)
    other = show(source, 0, (1, 3, 3), SHAPE, ViewRecipe())
    assert not torch.equal(first.kept, other.kept)
    assert first.patches.shape == (16, 192)
    assert first.patches.dtype == torch.uint8


def test_only_kept_patches_are_shown() -> None:
    source = gradient_clip()
    plain = ViewRecipe("middle", crop=False, flip="never")
    whole = show(source, 0, (0, 0, 0), replace(SHAPE, mask_ratio=0.0), plain)
    part = show(source, 0, (0, 0, 0), SHAPE, plain)
    assert torch.equal(whole.patches[part.kept], part.patches)


def test_mirrored_clips_are_mirrored_and_captions_are_minded() -> None:
    source = gradient_clip()
    views = {
        flip: [
            show(source, 0, (0, 0, at), replace(SHAPE, mask_ratio=0.0),
                 ViewRecipe("middle", crop=False, flip=flip), may_flip=False)  # type: ignore[arg-type]
            for at in range(12)
        ]
        for flip in ("unsided", "never")
    }  # fmt: skip
    for ours, plain in zip(views["unsided"], views["never"], strict=True):
        assert torch.equal(ours.patches, plain.patches)
    free = [
        show(source, 0, (0, 0, at), replace(SHAPE, mask_ratio=0.0),
             ViewRecipe("middle", crop=False, flip="always"))
        for at in range(12)
    ]  # fmt: skip
    assert 0 < sum(not torch.equal(a.patches, free[0].patches) for a in free) < 12


def plain_view(source: ArraySource, key: tuple[int, int, int], shape: ViewShape) -> torch.Tensor:
    """The same view by the usual calls over whole clips."""
    rng = generator(*key)
    frames = source.read(0, lambda n: random_frames(rng, n, shape.frames))
    top, left, height, width = random_crop(rng, *frames.shape[1:3], (0.5, 1.0))
    crop = torch.from_numpy(frames[:, top : top + height, left : left + width].copy())
    sides = (shape.resolution, shape.resolution)
    images = crop.permute(0, 3, 1, 2)
    square = torch.nn.functional.interpolate(
        images, sides, mode="bicubic", align_corners=False, antialias=True
    )
    square = square.flip(-1) if rng.random() < 0.5 else square
    kept = random_kept(rng, shape.tokens, shape.kept) if shape.mask_ratio else None
    chosen = None if kept is None else torch.from_numpy(kept)[None]
    return patchify(square[None], shape.patch, chosen)[0]


@pytest.mark.parametrize("mask", [0.0, 0.75])
def test_views_equal_the_usual_calls(mask: float) -> None:
    rng = np.random.default_rng(1)
    for count in (9, 3, 1):  # with fewer than four, the last is repeated
        source = ArraySource([rng.integers(0, 255, (count, 40, 56, 3), dtype=np.uint8)], ["text"])
        shape = replace(SHAPE, mask_ratio=mask)
        for at in range(6):
            ours = show(source, 0, (3, 1, at), shape, ViewRecipe()).patches
            assert torch.equal(ours, plain_view(source, (3, 1, at), shape))


def test_frames_of_different_sizes_are_no_clip() -> None:
    frames = [np.zeros((40, 56, 3), np.uint8), np.zeros((40, 40, 3), np.uint8)]
    source = ArraySource([frames], ["some text"])  # type: ignore[list-item]
    uneven = replace(SHAPE, frames=2)
    with pytest.raises(VideoUnreadableError, match="differ in size"):
        show(Pictures(source), 0, (0, 0, 0), uneven, ViewRecipe())


class Pictures:
    """A source that hands out pictures one after another."""

    def __init__(self, inner: ArraySource) -> None:
        self.inner = inner

    def table(self) -> ClipTable:
        return self.inner.table()

    def read(self, clip: int, choose: FrameChoice) -> Iterator[FramesArray]:
        frames = self.inner.clips[clip]
        for at in choose(len(frames)):
            yield frames[at]


def test_pictures_one_after_another_are_a_clip_too() -> None:
    source = gradient_clip()
    for at in range(3):
        whole = show(source, 0, (0, 0, at), SHAPE, ViewRecipe())
        single = show(Pictures(source), 0, (0, 0, at), SHAPE, ViewRecipe())
        assert torch.equal(whole.patches, single.patches)


def test_the_patch_tower_equals_the_model(tmp_path: Path) -> None:
    model = ViCLIP(CONFIG)
    model.eval()
    tower = PatchTower(model.vision_encoder, model.preprocessing, CONFIG.frames, CONFIG.grid)
    frames = torch.randint(0, 255, (3, 2, 16, 16, 3), dtype=torch.uint8)
    bytes_BTCHW = frames.permute(0, 1, 4, 2, 3)
    kept = torch.tensor([[0, 3, 5], [1, 2, 7], [4, 5, 6]])
    pixels = model.preprocessing(frames, 16)
    for chosen in (None, kept):
        ours = tower(patchify(bytes_BTCHW, CONFIG.patch, chosen), chosen)
        torch.testing.assert_close(ours, model.vision_encoder(pixels, chosen))


# Vocabulary


def test_a_learned_table_makes_words_of_the_captions() -> None:
    captions = ["a red circle moves left", "a blue circle moves right"] * 3
    merges = learn_merges(captions, 200)
    assert merges.pairs == learn_merges(reversed(captions), 200).pairs
    tokenizer = Tokenizer(merges, 16)
    assert len(tokenizer.encode("a red circle moves right")) == 5
    assert tokenizer.decode(tokenizer.encode("an unknown word")) == "an unknown word"


# WiSE-FT


def test_blending_takes_all_but_temporal_positions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, start = ViCLIP("tiny"), ViCLIP("tiny")
    torch.nn.init.normal_(trained.vision_encoder.temporal_positional_embedding)
    trained.loaded_tokenizer = start.loaded_tokenizer = None
    blend_models(trained, start, 0.25, tmp_path / "blend")
    blended = ViCLIP.from_pretrained(tmp_path / "blend")
    torch.testing.assert_close(
        blended.vision_encoder.proj,
        0.25 * trained.vision_encoder.proj + 0.75 * start.vision_encoder.proj,
    )
    assert torch.equal(
        blended.vision_encoder.temporal_positional_embedding,
        trained.vision_encoder.temporal_positional_embedding,
    )
    assert (tmp_path / "blend" / "wise_ft.json").read_text() == '{\n  "coefficient": 0.25\n}\n'
    with pytest.raises(ConfigInvalidError, match=r"lies in \[0, 1\]"):
        blend_states({}, {}, 1.5)
    with pytest.raises(CheckpointMismatchError, match=r"x is \[2\] trained and \[3\]"):
        blend_states({"x": torch.zeros(2)}, {"x": torch.zeros(3)}, 0.5)


# Writers


def test_the_log_is_cut_back_to_where_a_run_goes_on(tmp_path: Path) -> None:
    first = CsvWriter(tmp_path, 0)
    for step in (10, 20, 30):
        first.write(step, {"loss": step / 10, "stage": "masked"})
    first.close()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("4")  # a kill in the middle of a row
    second = CsvWriter(tmp_path, 20)
    second.write(30, {"loss": 7.0})
    second.write(30, {"text_to_video_r1": 3.0})
    second.close()
    rows = (tmp_path / "log.csv").read_text().splitlines()
    assert [row.split(",")[:3] for row in rows[1:]] == [
        ["10", "masked", "1.0"],
        ["20", "masked", "2.0"],
        ["30", "", "7.0"],
    ]


def test_numbers_reach_tensorboard(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for steps, start in (((1, 2, 3), 0), ((3, 4), 2)):
        writer = TensorBoardWriter(tmp_path, start)
        for step in steps:
            writer.write(step, {"loss": float(10 * start + step), "stage": "masked"})
        writer.close()
    found = reading.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert found.Tags()["scalars"] == ["loss"]
    # What came after the step gone on from is dropped.
    assert [(each.step, each.value) for each in found.Scalars("loss")] == [
        (1, 1.0),
        (2, 2.0),
        (3, 23.0),
        (4, 24.0),
    ]


def test_writers_are_found_by_name() -> None:
    assert find_writer("csv") is CsvWriter
    assert find_writer("internvid.training.run.log:CsvWriter") is CsvWriter
    with pytest.raises(ComponentUnknownError, match="no writer 'wandb'; known: csv, tensorboard"):
        find_writer("wandb")


# Recipes


@pytest.mark.parametrize("name", sorted(recipes.RECIPES))
def test_recipes_are_whole(name: str) -> None:
    recipe = recipes.get(name)
    assert recipe.name == name
    assert recipe.plain()["stages"][0]["name"] == recipe.stages[0].name
    assert recipe.fingerprint == recipes.get(name).fingerprint


def test_the_paper_s_numbers() -> None:
    masked, unmasked = recipes.viclip_l14().stages
    assert (masked.mask_ratio, masked.peak_lr, masked.epochs, masked.batch) == (
        0.9,
        4e-4,
        10,
        32768,
    )
    assert (unmasked.mask_ratio, unmasked.peak_lr, unmasked.epochs) == (0.0, 4e-6, 0.5)
    assert (unmasked.batch, masked.warmup_epochs, unmasked.warmup_epochs) == (2048, 0.5, 0.1)
    assert recipes.viclip_b16().stages[0].peak_lr == 2e-4
    optimiser = recipes.viclip_l14().optimiser
    assert (optimiser.beta1, optimiser.beta2, optimiser.weight_decay) == (0.9, 0.98, 0.2)
    assert recipes.reference_l14().model.config.checkpointed_blocks == 24
    assert recipes.reference_l14().loss.same_source == "keep"


def test_stages_are_set_by_name() -> None:
    changed = with_values(
        recipes.viclip_b16(), ["stages.unmasked.batch=64", "loop.seed=7", "model.config.frames=4"]
    )
    assert changed.stages[1].batch == 64
    assert changed.stages[0].batch == 32768
    assert (changed.loop.seed, changed.model.config.frames) == (7, 4)
    with pytest.raises(
        ConfigInvalidError, match="there is no 'first'; there are: masked, unmasked"
    ):
        with_values(recipes.viclip_b16(), ["stages.first.batch=64"])
    with pytest.raises(ConfigInvalidError, match="peak_lr cannot be -1"):
        with_values(recipes.viclip_b16(), ["stages.masked.peak_lr=-1"])
    with pytest.raises(ComponentUnknownError, match="no training recipe 'x'; known: reference_b16"):
        recipes.get("x")


def test_settings_are_no_part_of_a_recipe_s_identity() -> None:
    plain = recipes.viclip_tiny()
    settings = with_values(plain, ["loop.log_steps=1", "data.loader.workers=3"])
    assert settings.fingerprint == plain.fingerprint
    assert with_values(plain, ["loop.seed=1"]).fingerprint != plain.fingerprint
