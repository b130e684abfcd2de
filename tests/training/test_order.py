"""Order and draws are functions of the seed, the epoch and the sample."""

from __future__ import annotations

import numpy as np
import pytest

from internvid.core.errors import ConfigInvalidError
from internvid.training.data.order import (
    SamplePlan,
    generator,
    process_share,
    random_crop,
    random_frames,
    shuffled,
)


def batches(plan: SamplePlan, epoch: int = 0) -> np.ndarray:
    first = epoch * plan.batches_per_epoch
    return np.stack([plan.samples(first + at) for at in range(plan.batches_per_epoch)])


def test_an_epoch_shows_every_sample_at_most_once() -> None:
    for sampling in ("separate", "mask", "reference"):
        plan = SamplePlan(103, 10, 4, sampling, sources=np.arange(103) // 3)  # type: ignore[arg-type]
        shown = batches(plan).ravel()
        assert len(set(shown.tolist())) == 100
        assert shown.min() >= 0
        assert shown.max() < 103


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    plan = SamplePlan(64, 8, seed=1)
    again = SamplePlan(64, 8, seed=1)
    assert (plan.samples(13) == again.samples(13)).all()  # in any order of asking
    assert (batches(plan) == batches(again)).all()
    assert (batches(plan, 1) != batches(plan)).any()
    assert (batches(SamplePlan(64, 8, seed=2)) != batches(plan)).any()


def test_the_order_never_changes_between_versions() -> None:
    assert shuffled(8, 1, 2).tolist() == [7, 5, 6, 1, 4, 3, 0, 2]


def test_clips_of_one_source_are_kept_apart() -> None:
    rng = np.random.default_rng(0)
    sources = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    count = len(sources) // 16 * 16
    plan = SamplePlan(count, 16, 3, "separate", sources=sources[:count])
    for epoch in range(3):
        for batch in batches(plan, epoch):
            assert len(set(sources[batch].tolist())) == 16
    mixed = SamplePlan(count, 16, 3, "mask", sources=sources[:count])
    assert any(len(set(sources[batch].tolist())) < 16 for batch in batches(mixed))


def test_a_source_too_large_to_keep_apart_is_spread_evenly() -> None:
    sources = np.where(np.arange(40) < 20, 0, np.arange(40))
    plan = SamplePlan(40, 8, 0, "separate", sources=sources)
    assert [int((sources[batch] == 0).sum()) for batch in batches(plan)] == [4] * 5


def test_separated_batches_are_not_always_the_same_company() -> None:
    sources = np.arange(64) // 2
    plan = SamplePlan(64, 8, 0, "separate", sources=sources)
    companies = {frozenset(batch.tolist()) for epoch in range(4) for batch in batches(plan, epoch)}
    assert len(companies) == 32


def test_hard_neighbours_share_a_label_and_differ_in_caption() -> None:
    hard_negative_groups = np.repeat(np.arange(10), 24)
    texts = hard_negative_groups * 100 + np.tile(np.arange(6), 40)
    plan = SamplePlan(
        240, 24, 5, hard_negative_groups=hard_negative_groups, texts=texts, neighbours=6
    )
    for batch in batches(plan):
        for run in batch.reshape(-1, 6):
            assert len(set(hard_negative_groups[run].tolist())) == 1
            assert len(set(texts[run].tolist())) == 6
    assert len(set(batches(plan).ravel().tolist())) == 240


def test_frames_fall_into_their_intervals() -> None:
    for seed in range(20):
        chosen = random_frames(generator(0, 0, seed), 30, 8)
        edges = np.linspace(0, 30, 9).astype(int)
        assert all(
            low <= at < high for at, low, high in zip(chosen, edges, edges[1:], strict=False)
        )
    assert random_frames(generator(0, 0, 0), 3, 5) == [0, 1, 2, 2, 2]
    assert random_frames(generator(0, 0, 0), 8, 8) == list(range(8))


def test_frame_draws_are_uniform() -> None:
    found = np.array([random_frames(generator(0, 0, at), 32, 8) for at in range(4000)])
    counts = np.stack([np.bincount(found[:, at] - 4 * at, minlength=4) for at in range(8)])
    assert (abs(counts - 1000) < 150).all()


def test_crops_have_the_asked_area_and_aspect() -> None:
    shares = []
    for seed in range(500):
        top, left, height, width = random_crop(generator(1, 0, seed), 256, 341, (0.5, 1.0))
        assert 0 <= top <= 256 - height
        assert 0 <= left <= 341 - width
        assert 0.73 < width / height < 1.36
        shares.append(height * width / (256 * 341))
    assert 0.49 < min(shares) < 0.52
    assert max(shares) > 0.9
    assert random_crop(generator(1, 0, 1), 100, 1000, (0.9, 1.0)) == (0, 433, 100, 133)


def test_processes_share_a_batch_without_rest() -> None:
    batch = np.arange(12)
    assert np.concatenate([process_share(batch, at, 3) for at in range(3)]).tolist() == list(batch)
    with pytest.raises(ConfigInvalidError, match="cannot be shared equally by 5"):
        process_share(batch, 0, 5)


def test_impossible_plans_are_refused() -> None:
    with pytest.raises(ConfigInvalidError, match="batch of 8 cannot be drawn from 4 samples"):
        SamplePlan(4, 8)
    with pytest.raises(ConfigInvalidError, match="no label that says who is alike"):
        SamplePlan(40, 8, neighbours=2)
    with pytest.raises(ConfigInvalidError, match="sampling is one of"):
        SamplePlan(40, 8, sampling="other")  # type: ignore[arg-type]


def test_a_share_of_the_batches_is_of_neighbours() -> None:
    hard_negative_groups = np.arange(600) // 6
    plan = SamplePlan(
        600,
        12,
        seed=3,
        hard_negative_groups=hard_negative_groups,
        texts=np.arange(600),
        neighbours=6,
        neighbour_share=0.5,
    )
    near = [
        len(set(hard_negative_groups[plan.samples(step)].tolist())) == 2
        for step in range(plan.batches_per_epoch)
    ]
    assert 15 <= sum(near) <= 35, "about half of 50"
    assert near != [
        len(set(hard_negative_groups[plan.samples(50 + step)].tolist())) == 2
        for step in range(plan.batches_per_epoch)
    ], "another epoch draws anew"
    assert all(len(set(plan.samples(step).tolist())) == 12 for step in range(50))
