"""Which patches training keeps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip import CONFIGS, draw_kept, kept_count, patchify


@pytest.mark.parametrize(("name", "kept"), [("l14", 205), ("b16", 157)])
def test_published_sizes_keep_what_the_reference_keeps(name: str, kept: int) -> None:
    assert kept_count(CONFIGS[name].tokens, 0.9) == kept


def test_kept_patches_are_ascending_distinct_and_differ_between_clips() -> None:
    kept = draw_kept(16, 100, 0.75, generator=torch.Generator().manual_seed(0))
    assert kept.shape == (16, 25)
    assert bool((kept.diff(dim=1) > 0).all())
    assert len({tuple(row.tolist()) for row in kept}) == 16


def test_a_generator_decides_all() -> None:
    first, second = (
        draw_kept(4, 50, 0.5, generator=torch.Generator().manual_seed(9)) for _ in range(2)
    )
    assert torch.equal(first, second)


def test_every_patch_is_kept_as_often() -> None:
    kept = draw_kept(20000, 20, 0.9, generator=torch.Generator().manual_seed(2))
    share = torch.bincount(kept.flatten(), minlength=20) / 20000
    assert bool(((share - 0.1).abs() < 0.01).all())


@pytest.mark.parametrize("ratio", [-0.1, 1.0, 2.0, float("nan")])
def test_impossible_ratios_are_refused(ratio: float) -> None:
    with pytest.raises(ConfigInvalidError, match="mask_ratio"):
        draw_kept(1, 10, ratio)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 99)
)
def test_choosing_patches_first_equals_choosing_them_later(
    batch: int, frames: int, rows: int, columns: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, frames, 3, rows * 4, columns * 4)
    pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    kept = draw_kept(batch, rows * columns * frames, 0.5, generator=generator)
    every = patchify(pixels, 4)
    chosen = every.gather(1, kept[..., None].expand(-1, -1, every.shape[-1]))
    assert torch.equal(patchify(pixels, 4, kept), chosen)
