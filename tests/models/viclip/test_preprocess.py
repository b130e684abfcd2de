"""Frames chosen, resized and normalised by named rules."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip import PREPROCESSINGS, Preprocessing, sample_frames

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with noise and hard edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(x / 17 + y / 29)
    image = np.stack([waves, 255 - waves, (x * 3 + y) % 256], -1) + rng.normal(
        0, 12, (height, width, 3)
    )
    image[height // 3 : height // 2, width // 4 : width // 2] = (255, 0, 128)
    return image.clip(0, 255).astype(np.uint8)


def resized(rule: Preprocessing, image: np.ndarray, resolution: int = 224) -> np.ndarray:
    found = rule.resize(torch.from_numpy(image).permute(2, 0, 1)[None], resolution)
    return found[0].permute(1, 2, 0).numpy().astype(np.int64)


SIZES = [(480, 640), (360, 202), (100, 120), (224, 300)]


def as_torchvision(image: np.ndarray, *, antialias: bool = True) -> np.ndarray:
    """What `torchvision.transforms.Resize((224, 224), BICUBIC)` makes of a uint8 tensor.

    It casts to float32, interpolates, clamps, rounds and casts back (torchvision from 0.17 on,
    `_functional_tensor.resize`).
    """
    floats = torch.from_numpy(image).permute(2, 0, 1)[None].to(torch.float32)
    made = torch.nn.functional.interpolate(
        floats, size=[224, 224], mode="bicubic", align_corners=False, antialias=antialias
    )
    whole = torch.round(made.clamp(min=0, max=255)).to(torch.uint8)
    return whole[0].permute(1, 2, 0).numpy().astype(np.int64)


@pytest.mark.parametrize("size", SIZES)
def test_reference_is_torchvisions_resize_to_the_level(size: tuple[int, int]) -> None:
    image = picture(*size)
    assert np.array_equal(resized(PREPROCESSINGS["reference"], image), as_torchvision(image))
    aliased = resized(PREPROCESSINGS["reference-aliased"], image)
    assert np.array_equal(aliased, as_torchvision(image, antialias=False))


def test_many_large_frames_are_resized_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.from_numpy(np.stack([picture(60, 80, seed) for seed in range(5)]))
    rule = PREPROCESSINGS["reference"]
    whole = rule(frames[None], 32)
    monkeypatch.setattr("internvid.models.viclip.preprocess._VALUES_AT_ONCE", 2 * 60 * 80 * 3)
    assert torch.equal(rule(frames[None], 32), whole)


@pytest.mark.parametrize("size", SIZES)
def test_the_8_bit_one_equals_pillow_to_a_level_or_two(size: tuple[int, int]) -> None:
    image = picture(*size)
    # Rows first, then columns: newer Pillow chooses the order by size, torch does not.
    rows_done = Image.fromarray(image).resize((224, size[0]), Image.Resampling.BICUBIC)
    expected = np.asarray(rows_done.resize((224, 224), Image.Resampling.BICUBIC))
    difference = np.abs(resized(PREPROCESSINGS["reference-8bit"], image) - expected)
    assert difference.max() <= 2
    assert difference.mean() < 0.02


def test_the_aliased_one_differs_where_pictures_shrink() -> None:
    image = picture(720, 1280)
    smooth, aliased = (
        resized(PREPROCESSINGS[name], image) for name in ("reference", "reference-aliased")
    )
    assert np.abs(smooth - aliased).mean() > 1


@pytest.mark.parametrize("size", [(480, 640), (640, 360), (225, 224)])
def test_clip_keeps_the_aspect_and_takes_the_centre(size: tuple[int, int]) -> None:
    image = picture(*size)
    height, width = size
    short = min(size)
    scaled = (int(224 * width / short), int(224 * height / short))
    pillow = Image.fromarray(image).resize(scaled, Image.Resampling.BICUBIC)
    left, top = round((scaled[0] - 224) / 2), round((scaled[1] - 224) / 2)
    expected = np.asarray(pillow.crop((left, top, left + 224, top + 224)))
    assert np.abs(resized(PREPROCESSINGS["clip"], image) - expected).max() <= 1


def test_pixels_are_normalised_by_the_rule() -> None:
    image = picture(224, 224)
    frames = torch.from_numpy(image)[None, None].expand(2, 3, -1, -1, -1)
    pixels = PREPROCESSINGS["reference"](frames, 224)
    assert pixels.shape == (2, 3, 3, 224, 224)
    assert pixels.dtype == torch.float32
    expected = (image / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(pixels[1, 2].permute(1, 2, 0), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["reference-8bit", "clip", "demo"])
@pytest.mark.parametrize("size", SIZES)
def test_passes_in_floats_are_those_in_bytes_to_a_level_or_two(
    name: str, size: tuple[int, int]
) -> None:
    """Elsewhere than on a CPU there is no 8-bit resize: each pass is made in floats and rounded."""
    rule, image = PREPROCESSINGS[name], torch.from_numpy(picture(*size)).permute(2, 0, 1)[None]
    passes = rule._in_passes(image, (224, 224))
    difference = (rule._resample(image, (224, 224)).float() - passes).abs()
    assert float(difference.max()) <= 2
    assert float((difference > 0).float().mean()) < 0.1


def test_rules_of_the_first_release_keep_their_fingerprints() -> None:
    """What is computed as it was is called what it was; `reference` on a CPU was another."""
    known = {"reference-8bit": "05eaba1ec6826d90", "clip": "e4604c5c5a541ae8",
             "demo": "43476cd438d1c1ef"}  # fmt: skip
    assert {name: PREPROCESSINGS[name].fingerprint for name in known} == known
    recorded = PREPROCESSINGS["reference"].describe()
    assert recorded.pop("rounding") == "once"
    assert Preprocessing.from_mapping(recorded) == PREPROCESSINGS["reference"]
    assert Preprocessing.from_mapping(recorded | {"name": "mine"}).rounding == "each_pass"


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (16, [0, 2, 4, 6, 8, 10, 12, 14]),
        (24, [1, 4, 7, 10, 13, 16, 19, 22]),
        (100, [5, 18, 30, 43, 55, 68, 80, 93]),
        (3, [0, 1, 2, 2, 2, 2, 2, 2]),
        (1, [0] * 8),
    ],
)
def test_middles_of_equal_intervals(available: int, expected: list[int]) -> None:
    assert sample_frames(available, 8) == expected


def test_strides_of_the_demo() -> None:
    assert sample_frames(20, 8, "stride") == [0, 2, 4, 6, 8, 10, 12, 14]
    assert sample_frames(3, 8, "stride") == [0, 1, 2, 2, 2, 2, 2, 2]


@given(st.integers(1, 500), st.integers(1, 40), st.sampled_from(["middle", "stride"]))
def test_chosen_frames_exist_and_ascend(available: int, wanted: int, sampling: str) -> None:
    chosen = sample_frames(available, wanted, sampling)
    assert len(chosen) == wanted
    assert chosen == sorted(chosen)
    assert chosen[0] >= 0
    assert chosen[-1] < available
    assert len(set(chosen)) == min(wanted, available)


def test_rules_are_plain_json_and_fingerprinted_without_their_name() -> None:
    for rule in PREPROCESSINGS.values():
        assert Preprocessing.from_mapping(json.loads(json.dumps(rule.describe()))) == rule
    prints = [rule.fingerprint for rule in PREPROCESSINGS.values()]
    assert len(set(prints)) == len(prints)
    assert Preprocessing("other").fingerprint == PREPROCESSINGS["reference"].fingerprint


@pytest.mark.parametrize(
    "values",
    [
        {"fit": "pad"},
        {"interpolation": "nearest"},
        {"sampling": "random"},
        {"rounding": "never"},
        {"std": (0.0, 1.0, 1.0)},
        {"mean": (0.5, 0.5)},
        {"mean": (float("nan"), 0, 0)},
        {"colour": "bgr"},
    ],
)
def test_odd_rules_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ConfigInvalidError):
        Preprocessing.from_mapping(values)


@pytest.mark.parametrize(("available", "wanted"), [(0, 8), (8, 0)])
def test_nothing_cannot_be_sampled(available: int, wanted: int) -> None:
    with pytest.raises(ConfigInvalidError):
        sample_frames(available, wanted)
