"""Video-text matching: wrong partners, the head, its loss in parts, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from internvid.core.assignments import with_values
from internvid.core.errors import (
    CheckpointFormatError,
    CheckpointMismatchError,
    ConfigInvalidError,
)
from internvid.models.viclip.heads.matching_head import MatchingHead, shown_tokens
from internvid.models.viclip.heads.saved_heads import has_head, load_head, save_head
from internvid.models.viclip.model import ViCLIP
from internvid.training.heads.matching_step import matching_loss, wrong_partners
from internvid.training.heads.open_heads import FineTuneRecipe, MatchingRecipe
from internvid.training.loop import train
from internvid.training.loss import EMPTY, ContrastiveLoss
from internvid.training.step import accumulate_gradients
from tests.training.tiny import CONFIG, Leaky, losses, recipe, source, weights
from tests.training.together import needs_fsdp, run_together


def tune(*assignments: str) -> FineTuneRecipe:
    """The tiny recipe with a matching head."""
    plain = recipe()
    made = FineTuneRecipe(
        **{name: getattr(plain, name) for name in plain.__dataclass_fields__},
        head=MatchingRecipe(layers=1),
    )
    return with_values(made, assignments)


def head_weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(folder / "model" / "head.safetensors")
    return found


# Wrong partners


def test_wrong_partners_are_wrong_and_alike() -> None:
    torch.manual_seed(0)
    video = torch.eye(6)
    # Clip 0 and text 3 look alike, clip 3 and text 0 too; 4 has 5's caption, 1 and 2 one source.
    text = video[[3, 1, 2, 0, 4, 5]]
    labels = torch.tensor([[0, 0], [1, 1], [1, 2], [2, 3], [3, 4], [4, 4]])
    rules = ContrastiveLoss(same_source="ignore", same_text="keep")
    for _ in range(20):
        texts, videos, held = wrong_partners(video, text, torch.tensor(0.05), rules, labels)
        assert held.all()
        assert texts[[0, 3]].tolist() == videos[[0, 3]].tolist() == [3, 0]
        for drawn in (texts, videos):
            assert (drawn != torch.arange(6)).all()
            assert drawn[1] != 2
            assert drawn[2] != 1
            # An equal caption is no wrong answer even where the contrastive loss takes it as one.
            assert drawn[4] != 5
            assert drawn[5] != 4


def test_places_without_a_wrong_partner_are_passed_over() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([[0, 0], [EMPTY, 1], [1, 2], [1, 3]])
    held = wrong_partners(torch.eye(4), torch.eye(4), torch.tensor(0.1), ContrastiveLoss(), labels)[
        2
    ]
    assert held.tolist() == [True, False, True, True]
    alone = wrong_partners(
        torch.eye(2), torch.eye(2), torch.tensor(0.1), ContrastiveLoss(),
        torch.tensor([[0, 0], [0, 1]]), hard=False,
    )[2]  # fmt: skip
    assert not alone.any()


def test_a_sure_first_stage_still_names_the_hardest_partners() -> None:
    # Each text is its own clip's, and next to it, far behind, the next clip's.
    video = torch.eye(6)
    text = video + 0.5 * video.roll(1, 0)
    labels = torch.arange(6)[:, None].expand(6, 2)
    for _ in range(20):
        texts, videos, held = wrong_partners(
            video, text, torch.tensor(0.01), ContrastiveLoss(), labels
        )
        assert held.all()
        assert videos.tolist() == [5, 0, 1, 2, 3, 4]
        assert texts.tolist() == [1, 2, 3, 4, 5, 0]


def test_the_ranking_loss_is_that_of_order_alone() -> None:
    torch.manual_seed(0)
    logits = torch.randn(12, 2)
    found = matching_loss(logits, "ranking")
    margins = (logits[:, 1] - logits[:, 0]).view(3, 4)
    for at in range(4):
        right = margins[0, at]
        lists = torch.stack([torch.stack([right, wrong]) for wrong in margins[1:, at]])
        expected = torch.nn.functional.cross_entropy(lists, torch.tensor([0, 0]))
        assert torch.isclose(found[at], expected)
    # How well a place's pairs match anything changes no order, and no loss.
    raised = logits + torch.stack([torch.zeros(12), torch.randn(4).repeat(3)], 1)
    assert torch.allclose(matching_loss(raised, "ranking"), found, atol=1e-6)
    assert not torch.allclose(matching_loss(raised, "binary"), matching_loss(logits, "binary"))


def test_the_binary_loss_is_the_cross_entropy_of_each_pair() -> None:
    torch.manual_seed(0)
    logits = torch.randn(12, 2)
    truth = (torch.arange(12) < 4).long()
    each = torch.nn.functional.cross_entropy(logits, truth, reduction="none")
    assert torch.allclose(matching_loss(logits, "binary"), each.view(3, 4).mean(0), atol=1e-6)


# The head


def test_padding_changes_no_judgement() -> None:
    torch.manual_seed(0)
    head = MatchingHead(CONFIG).eval()
    text, video = torch.randn(3, 5, 16), torch.randn(2, 9, 16)
    ids = torch.tensor([[1, 2, 513, 0, 0], [1, 513, 0, 0, 0], [1, 5, 6, 7, 513]])
    pairs = torch.tensor([[0, 0], [1, 1], [2, 0], [0, 1]])
    shown = shown_tokens(ids)
    assert shown.sum(1).tolist() == [3, 2, 5]
    found = head(text, shown, video, pairs)
    assert found.shape == (4, 2)
    noisy = text.masked_fill(~shown[..., None], 7.0)
    assert torch.allclose(head(noisy, shown, video, pairs), found, atol=1e-6)
    # Each pair is judged by itself.
    alone = head(text[:1, :3], shown[:1, :3], video[1:], torch.tensor([[0, 0]]))
    assert torch.allclose(alone[0], found[3], atol=1e-6)


def test_the_towers_give_the_tokens_behind_their_embeddings() -> None:
    model = ViCLIP(replace(CONFIG, drop_path=0.0)).eval()
    patches, ids = torch.randn(2, 8, 192), torch.tensor([[1, 2, 513, 0], [1, 513, 0, 0]])
    tower = model.vision_encoder
    places = tower.positions(2, 2, 2)
    embedding, tokens = tower.encode_all(patches, places)
    assert tokens.shape == (2, 9, 16)
    assert torch.allclose(embedding, tower.encode_patches(patches, places), atol=1e-5)
    embedding, tokens = model.text_encoder.encode_all(ids)
    assert tokens.shape == (2, 4, 16)
    assert torch.allclose(embedding, model.text_encoder(ids), atol=1e-5)


def test_a_head_is_what_was_saved(tmp_path: Path) -> None:
    head = MatchingHead(CONFIG, 2)
    assert not has_head(tmp_path)
    with pytest.raises(CheckpointFormatError, match="holds no head"):
        load_head(tmp_path, CONFIG)
    save_head(head, head.state_dict(), tmp_path)
    assert has_head(tmp_path) == "matching"
    loaded = load_head(tmp_path, CONFIG)
    assert isinstance(loaded, MatchingHead)
    assert all(
        torch.equal(value, loaded.state_dict()[key]) for key, value in head.state_dict().items()
    )
    with pytest.raises(CheckpointMismatchError):
        load_head(tmp_path, replace(CONFIG, text_width=32))
    (tmp_path / "head.safetensors").rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointFormatError, match=r"has head\.json and no head\.safetensors"):
        load_head(tmp_path, CONFIG)
    (tmp_path / "head.json").write_text('{"kind": "crystal ball"}')
    with pytest.raises(CheckpointFormatError, match="crystal ball"):
        load_head(tmp_path, CONFIG)
    (tmp_path / "head.json").write_text("{")
    with pytest.raises(CheckpointFormatError, match="describes no head"):
        has_head(tmp_path)


# The step


@pytest.mark.parametrize("parts", [1, 3])
def test_a_part_s_own_loss_is_added(parts: int) -> None:
    weight = torch.nn.Parameter(torch.randn(4, 4))
    rows = torch.randn(6, 4)
    made: list[torch.Tensor] = []

    def encode(part: int) -> tuple[torch.Tensor, torch.Tensor]:
        size = 6 // parts
        video = rows[part * size : (part + 1) * size] @ weight
        made[:] = [video]
        return video, video * 2

    def loss(video: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return (video @ text.T).square().mean()

    found = accumulate_gradients(encode, loss, parts, within=lambda _: made[0].pow(3).sum())
    gradient = weight.grad
    assert gradient is not None
    gradient = gradient.clone()
    weight.grad.zero_()  # type: ignore[union-attr]
    video = rows @ weight
    expected = loss(video, video * 2) + video.pow(3).sum()
    expected.backward()  # type: ignore[no-untyped-call]
    assert torch.allclose(found, expected.detach(), rtol=1e-5)
    assert weight.grad is not None
    assert torch.allclose(gradient, weight.grad, rtol=1e-4, atol=1e-4)


def test_a_run_goes_on_bit_for_bit_with_its_head(tmp_path: Path) -> None:
    whole = train(tune(), source(), tmp_path / "whole")
    train(tune("loop.steps=5"), source(), tmp_path / "stopped")
    train(tune(), source(), tmp_path / "stopped")
    assert whole.model is not None
    assert losses(tmp_path / "whole") == losses(tmp_path / "stopped")
    for read in (weights, head_weights):
        first, second = read(tmp_path / "whole"), read(tmp_path / "stopped")
        assert all(torch.equal(first[name], second[name]) for name in first)
    start = MatchingHead(CONFIG, 1).state_dict()
    assert set(head_weights(tmp_path / "whole")) == set(start)
    # The towers alone are still a model; it has learned otherwise than without a head.
    train(recipe(), source(), tmp_path / "plain")
    plain = weights(tmp_path / "plain")
    tuned = ViCLIP.from_pretrained(tmp_path / "whole" / "model").state_dict()
    assert not torch.equal(plain["vision_encoder.proj"], tuned["vision_encoder.proj"])


def test_parts_and_unreadable_clips_are_no_trouble(tmp_path: Path) -> None:
    leaky = Leaky(source(), frozenset(range(0, 48, 16)))
    found = train(
        tune("stages.masked.micro_batch=3", "data.skip_share=0.5"), leaky, tmp_path / "run"
    )
    assert found.model is not None
    assert found.skipped > 0
    assert has_head(found.model) == "matching"


def _shared(folder: Path) -> None:
    train(tune("loop.sharding=fsdp", "loop.steps=4"), source(), folder)


@needs_fsdp
def test_two_processes_share_the_head(tmp_path: Path) -> None:
    run_together(_shared, tmp_path / "run")
    found = losses(tmp_path / "run")
    assert len(found) == 4
    assert all(0 < loss < 100 for loss in found)
    # One process goes on where two stopped.
    assert train(tune(), source(), tmp_path / "run").model is not None


def test_a_frozen_text_tower_has_no_tokens_to_match() -> None:
    with pytest.raises(ConfigInvalidError, match="cache has not"):
        tune("start.freeze_text=true")
    with pytest.raises(ConfigInvalidError, match="must be above 0"):
        MatchingRecipe(layers=0)
    with pytest.raises(ConfigInvalidError, match="ranking or binary"):
        MatchingRecipe(loss="hinge")  # type: ignore[arg-type]
