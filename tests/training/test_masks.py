"""Masks that look at the clip: what they favour, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from internvid.core.errors import ConfigInvalidError
from internvid.models.viclip.masking import patchify
from internvid.training.data.clip_sources import ArraySource
from internvid.training.data.order import generator
from internvid.training.data.samples import FramesArray
from internvid.training.recipes.recipe import Stage
from internvid.training.views.masks import patch_content, random_kept, weighted_kept
from internvid.training.views.views import ViewRecipe, ViewShape, show

FLAT = 90


def ground(frames: int = 4, side: int = 32) -> np.ndarray:
    return np.full((frames, side, side, 3), FLAT, np.uint8)


def places(content_L: np.ndarray, frames: int) -> np.ndarray:
    """[T, places] of patches in b (n t) order."""
    return content_L.reshape(-1, frames).T


def test_kept_patches_are_ascending_and_uniform() -> None:
    found = np.stack([random_kept(generator(2, 0, at), 40, 4) for at in range(2000)])
    assert (np.diff(found, axis=1) > 0).all()
    assert (abs(np.bincount(found.ravel(), minlength=40) - 200) < 70).all()


@pytest.mark.parametrize("patch", [2, 4, 7, 8, 14, 16])
def test_flat_still_clips_have_no_content(patch: int) -> None:
    content = patch_content(ground(4, 4 * patch), np.arange(4), patch)
    assert content.dtype == np.float32
    assert content.tolist() == [0.0] * 64


def test_contrast_and_change_count_where_and_when_they_are() -> None:
    clip = ground()
    clip[:, 0:8, 8:16, :] = np.arange(0, 256, 32)[:, None]  # stripes, still
    clip[2:, 24:32, 0:8] += 40  # a flat patch that is lighter from frame 2 on
    found = places(patch_content(clip, np.arange(4), 8), 4)
    striped = found[:, 1]
    assert (striped > 50).all()
    assert np.ptp(striped) < 1e-3
    # Half of a jump before, half of it after; one that no frame comes after would count whole.
    assert found[:, 12].tolist() == [0, 20, 20, 0]
    others = np.delete(found, [1, 12], axis=1)
    assert (others == 0).all()


def test_the_first_and_the_last_frame_have_one_neighbour_that_counts_whole() -> None:
    clip = ground(3)
    clip[0, 8:16, 8:16] += 30
    found = places(patch_content(clip, np.arange(3), 8), 3)
    assert found[:, 5].tolist() == [30, 15, 0]


def test_repeated_frames_and_mirrors_are_seen_as_shown() -> None:
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (2, 32, 32, 3), np.uint8)
    shown = np.array([0, 0, 1, 1])
    found = patch_content(squares, shown, 8)
    assert np.array_equal(found, patch_content(squares[shown], np.arange(4), 8))
    turned = patch_content(squares, shown, 8, mirrored=True)
    assert np.array_equal(
        turned.reshape(4, 4, 4), patch_content(squares, shown, 8).reshape(4, 4, 4)[:, ::-1]
    )


def test_one_frame_has_contrast_alone() -> None:
    clip = ground(1)
    clip[0, :8, :8, 1] = np.arange(0, 64, 8)
    found = patch_content(clip, np.arange(1), 8)
    assert found[0] > 10
    assert (found[1:] == 0).all()


def test_draws_follow_the_weights() -> None:
    content = np.array([0, 0, 9, 99], np.float32)
    counts = np.zeros(4)
    for at in range(4000):
        (chosen,) = weighted_kept(generator(3, 0, at), content, 1, 1.0)
        counts[chosen] += 1
    # In proportion to 1, 1, 10, 100.
    assert abs(counts / 4000 - np.array([1, 1, 10, 100]) / 112).max() < 0.02


def test_draws_are_sets_ascending_and_all_that_is_asked() -> None:
    content = np.r_[np.full(30, 250, np.float32), np.zeros(10, np.float32)]
    for focus in (0.5, 3.0, 16.0):
        found = weighted_kept(generator(1, 2, 3), content, 35, focus)
        assert len(found) == 35
        assert (np.diff(found) > 0).all()
        assert found.dtype == np.int64
    assert (weighted_kept(generator(1, 2, 3), content, 20, 16.0) < 30).all()


def test_flat_clips_are_drawn_as_uniformly_as_any() -> None:
    flat = np.zeros(40, np.float32)
    found = np.stack([weighted_kept(generator(2, 0, at), flat, 4, 3.0) for at in range(2000)])
    assert (abs(np.bincount(found.ravel(), minlength=40) - 200) < 70).all()


def _clip() -> FramesArray:
    clip = ground(4)
    for at in range(4):
        clip[at, 8 * at : 8 * at + 8, 8:16] = (250, 10, 10) if at % 2 else (10, 250, 10)
    return clip


def test_views_show_the_kept_patches_of_the_clip_and_rather_those_with_content() -> None:
    clip = _clip()
    source = ArraySource([clip], ["a square"])
    view = ViewRecipe(crop=False, flip="always")
    moving = 0
    for sample in range(60):
        found = show(source, 0, (0, 0, sample), ViewShape(4, 32, 8, 0.75, 3.0), view)
        assert found.kept.shape == (16,)
        pixels = torch.from_numpy(clip).permute(0, 3, 1, 2)[None]
        expected = [patchify(each, 8, found.kept[None])[0] for each in (pixels, pixels.flip(-1))]
        assert any(torch.equal(found.patches, each) for each in expected)
        moving += int((found.patches != FLAT).any(1).sum())
    # Four patches of 64 hold the square: uniform draws would show one of them in each view.
    assert moving > 60 * 3.5


def test_a_view_is_a_function_of_its_key() -> None:
    source = ArraySource([_clip()], ["a square"])
    shape = ViewShape(4, 32, 8, 0.75, 2.0)
    first, again, other = (
        show(source, 0, key, shape, ViewRecipe()) for key in ((1, 2, 3), (1, 2, 3), (1, 2, 4))
    )
    assert torch.equal(first.kept, again.kept)
    assert torch.equal(first.patches, again.patches)
    assert not torch.equal(first.kept, other.kept)


@pytest.mark.parametrize("focus", [-1.0, 17.0, float("nan")])
def test_impossible_focus_is_refused(focus: float) -> None:
    with pytest.raises(ConfigInvalidError, match="mask_focus cannot be"):
        Stage("masked", mask_focus=focus)
