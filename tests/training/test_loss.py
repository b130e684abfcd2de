"""The tiled loss equals the plain one: one process, two, and cached parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from internvid.core.errors import ConfigInvalidError
from internvid.training.loss import EMPTY, ContrastiveLoss, dense_loss
from internvid.training.recipes import pretraining as recipes
from internvid.training.run.distributed import rank, world_size
from internvid.training.step import accumulate_gradients
from tests.training.together import run_together

COUNT, WIDTH, EMBEDDING = 12, 7, 5
RULES = [
    ContrastiveLoss("keep", "keep"),
    ContrastiveLoss("ignore", "ignore"),
    ContrastiveLoss("ignore", "share"),
    ContrastiveLoss("share", "keep", tile=5),
    ContrastiveLoss("ignore", "ignore", tile=3),
    ContrastiveLoss("keep", "share", tile=1),
    ContrastiveLoss("share_clip", "ignore", tile=5),
]


def towers() -> tuple[nn.Linear, nn.Linear, nn.Parameter]:
    torch.manual_seed(3)
    return nn.Linear(WIDTH, EMBEDDING), nn.Linear(WIDTH, EMBEDDING), nn.Parameter(torch.tensor(0.2))


def batch(*, empty: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Video inputs, text inputs, labels [N, 3] (source, caption, equal clips)."""
    made = torch.Generator().manual_seed(5)
    labels = torch.tensor([[0, 0, 0], [0, 1, 0], [1, 2, 1], [2, 2, 2], [3, 3, 3], [4, 4, 4],
                           [5, 5, 5], [5, 6, 6], [5, 7, 6], [7, 8, 7], [8, 9, 8],
                           [8, 9, 9]])  # fmt: skip
    if empty:
        labels[4], labels[9] = EMPTY, EMPTY
    inputs = torch.randn(2, COUNT, WIDTH, generator=made)
    return inputs[0], inputs[1], labels


def gradients_of(modules: tuple[nn.Module | nn.Parameter, ...]) -> list[Tensor]:
    found: list[Tensor] = []
    for module in modules:
        held = [module] if isinstance(module, nn.Parameter) else list(module.parameters())
        found += [each.grad.clone() for each in held if each.grad is not None]
    return found


def expected(rules: ContrastiveLoss) -> tuple[Tensor, list[Tensor]]:
    video, text, temperature = made = towers()
    videos, texts, labels = batch()
    loss = dense_loss(rules, video(videos), text(texts), temperature, labels)
    loss.backward()
    return loss.detach(), gradients_of(made)


def tiled(rules: ContrastiveLoss, parts: int) -> tuple[Tensor, list[Tensor]]:
    """This process's share of the batch, in so many parts."""
    video, text, temperature = made = towers()
    share = COUNT // world_size()
    mine = slice(rank() * share, (rank() + 1) * share)
    videos, texts, labels = (each[mine] for each in batch())
    step = share // parts

    def encode(part: int) -> tuple[Tensor, Tensor]:
        rows = slice(part * step, (part + 1) * step)
        return video(videos[rows]), text(texts[rows])

    loss = accumulate_gradients(
        encode, lambda v, t: rules(v, t, temperature, *labels.unbind(1)), parts
    )
    return loss, gradients_of(made)


def assert_equal(found: tuple[Tensor, list[Tensor]], wanted: tuple[Tensor, list[Tensor]]) -> None:
    torch.testing.assert_close(found[0], wanted[0], rtol=1e-5, atol=1e-6)
    assert len(found[1]) == len(wanted[1]) == 5
    for ours, plain in zip(found[1], wanted[1], strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("parts", [1, 2, 3, 6])
def test_tiles_equal_the_whole_matrix(rules: ContrastiveLoss, parts: int) -> None:
    assert_equal(tiled(rules, parts), expected(rules))


def _in_a_process(folder: Path) -> None:
    found: dict[str, Any] = {}
    for at, rules in enumerate(RULES):
        for parts in (1, 3):
            found[f"{at}/{parts}"] = tiled(rules, parts)
    torch.save(found, folder / f"{rank()}.pt")


def test_two_processes_equal_one(tmp_path: Path) -> None:
    run_together(_in_a_process, tmp_path)
    sides = [torch.load(tmp_path / f"{at}.pt") for at in range(2)]
    for at, rules in enumerate(RULES):
        wanted = expected(rules)
        for parts in (1, 3):
            (loss, mine), (other_loss, others) = (side[f"{at}/{parts}"] for side in sides)
            assert loss == other_loss
            # What DDP does: the mean over processes.
            means = [(a + b) / 2 for a, b in zip(mine, others, strict=True)]
            assert_equal((loss, means), wanted)


def test_the_temperature_is_used_as_at_least_a_hundredth() -> None:
    video, text, labels = batch()
    rules = ContrastiveLoss()
    low, floor = (
        rules(video, text, torch.tensor(value), labels[:, 0], labels[:, 1])
        for value in (1e-4, 0.01)
    )
    assert low == floor


def test_a_batch_of_empty_places_costs_nothing() -> None:
    video = torch.randn(4, 3, requires_grad=True)
    none = torch.full((4,), EMPTY)
    loss = ContrastiveLoss()(video, torch.randn(4, 3), torch.tensor(0.1), none, none)
    loss.backward()
    assert loss == 0
    assert video.grad is not None
    assert not video.grad.any()


def test_a_false_negative_costs_nothing_when_ignored() -> None:
    vectors = torch.eye(3)[[0, 0, 1]]
    sources, texts = torch.tensor([7, 7, 8]), torch.tensor([0, 1, 2])
    hot = torch.tensor(0.01)
    assert ContrastiveLoss("ignore")(vectors, vectors, hot, sources, texts) < 1e-6
    kept = ContrastiveLoss("keep")(vectors, vectors, hot, sources, texts)
    assert kept == pytest.approx(2 / 3 * math.log(2), rel=1e-5)


def test_half_precision_embeddings_are_accumulated_in_float32() -> None:
    video, text, labels = batch()
    rules = ContrastiveLoss()
    arguments = (torch.tensor(0.05), labels[:, 0], labels[:, 1])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        bf16 = rules(video.bfloat16(), text.bfloat16(), *arguments)
    whole = rules(video.bfloat16().float(), text.bfloat16().float(), *arguments)
    assert bf16.dtype == torch.float32
    assert bf16 == whole


def test_a_video_with_several_captions_is_right_for_each_as_in_the_reference() -> None:
    torch.manual_seed(2)
    video, text = torch.randn(6, 4)[[0, 0, 1, 2, 2, 2]], torch.randn(6, 4)
    index = torch.tensor([0, 0, 1, 2, 2, 2])
    similar = torch.nn.functional.normalize(video, dim=1) @ (
        torch.nn.functional.normalize(text, dim=1).T / 0.1
    )
    # The reference's targets: equal videos share the mass of a row.
    targets = (index[:, None] == index).float()
    targets = targets / targets.sum(1, keepdim=True)
    wanted = sum(-(m.log_softmax(1) * targets).sum(1).mean() for m in (similar, similar.T)) / 2
    rules, texts = ContrastiveLoss(same_source="share_clip"), torch.arange(6)
    found = rules(video, text, torch.tensor(0.1), index, texts, index)
    torch.testing.assert_close(found, wanted)
    assert recipes.get("viclip_retrieval").loss.same_source == "share_clip"
    # Other clips of one source are neither right nor wrong.
    apart = rules(video, text, torch.tensor(0.1), torch.zeros(6, dtype=torch.int64), texts, texts)
    assert float(apart) == pytest.approx(0.0, abs=1e-6)


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(ConfigInvalidError, match="same_source is one of"):
        ContrastiveLoss(same_source="drop")  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalidError, match="tile"):
        ContrastiveLoss(tile=0)
