"""Video-text matching in a step: hard negatives of the batch, and the loss of the head.

For each pair two wrong ones are made: its text with another clip, its clip with another text. The
others are drawn by similarity, the more similar the likelier (ALBEF, arXiv 2107.07651, and UMT).

The head will order candidates of one query, so it learns to order them: a right pair's logit
against those of its two wrong ones. The usual loss, match or not for each pair alone, has it learn
besides how easily a text or a clip matches anything, which no order depends on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from internvid.models.viclip.heads.matching_head import shown_tokens
from internvid.training.data.loader import Batch
from internvid.training.heads.open_heads import MatchingRecipe, head_as
from internvid.training.loss import EMPTY, LOWEST_TEMPERATURE, ContrastiveLoss
from internvid.training.run.distributed import all_sum
from internvid.training.run.sharding import no_sync
from internvid.training.step import Stepper, accumulate_gradients


def matching_loss(logits_P2: Tensor, rule: str) -> Tensor:
    """The loss of each place of a batch.

    Args:
        logits_P2: [3 B, 2], no match and match: of the right pairs, then of each clip with a wrong
            text, then of each text with a wrong clip.
        rule: see `MatchingRecipe.loss`.

    Returns:
        float32 [B].
    """
    no, match = logits_P2.float().unbind(1)
    right_B, wrong_text_B, wrong_video_B = (match - no).view(3, -1)
    losses = [wrong_text_B - right_B, wrong_video_B - right_B]
    if rule == "binary":
        losses = [-right_B, wrong_text_B, wrong_video_B]
    return torch.stack([functional.softplus(each) for each in losses]).mean(0)


def wrong_partners(
    video_BE: Tensor,
    text_BE: Tensor,
    temperature: Tensor,
    rules: ContrastiveLoss,
    labels_BK: Tensor,
    *,
    hard: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """A wrong text for each clip and a wrong clip for each text, drawn by similarity.

    Args:
        video_BE: embeddings of the clips, of any length.
        text_BE: of their texts.
        temperature: 0-d; similarities are divided by it.
        rules: pairs that the contrastive loss does not take as negatives are none here either.
        labels_BK: int64 labels of source and caption, and perhaps of equal clips; source -1
            marks an empty place.
        hard: by similarity; else all wrong partners are equally likely.

    Returns:
        int64 [B] text of each clip, int64 [B] clip of each text, bool [B] whether a place has
        both; where it has not, its partners mean nothing.
    """
    video = functional.normalize(video_BE.detach().float(), dim=-1)
    text = functional.normalize(text_BE.detach().float(), dim=-1)
    similar_BB = video @ text.T / temperature.detach().float().clamp(min=LOWEST_TEMPERATURE)
    held = labels_BK[:, 0] != EMPTY
    allowed = held[:, None] & held
    allowed &= ~torch.eye(len(held), dtype=torch.bool, device=held.device)
    for label, rule in enumerate((rules.same_source, rules.same_text)):
        if rule != "keep":
            allowed &= labels_BK[:, label, None] != labels_BK[:, label]
    # An equal caption or clip is no wrong answer, whatever the loss makes of it.
    for label in range(1, labels_BK.shape[1]):
        allowed &= labels_BK[:, label, None] != labels_BK[:, label]
    possible = allowed.any(1)
    # Where nothing is allowed, anything is drawn and passed over.
    shut = ~allowed & possible[:, None]
    drawn = []
    for matrix in (similar_BB, similar_BB.T):
        logits = matrix if hard else torch.zeros_like(matrix)
        # Right pairs are shut before the softmax: a sure first stage would leave the others no
        # chance that float32 can tell apart. The matrix of what is allowed is its own transpose.
        chances = logits.masked_fill(shut, -torch.inf).softmax(1)
        drawn.append(chances.multinomial(1)[:, 0])
    return drawn[0], drawn[1], held & possible


@dataclass(frozen=True)
class MatchingStepper(Stepper):
    """Contrastive loss over the global batch plus matching within each part of it."""

    def add_gradients(self, batch: Batch) -> Tensor:
        """See `Stepper`."""
        wanted = head_as(self.recipe, MatchingRecipe)
        towers, temperature = self.towers, self.towers.model.temp
        sources_B, labels_B, ids = self.labels(batch)
        clips_B = self.equal_clips(batch)
        labels_B3 = torch.stack([sources_B, labels_B, clips_B], dim=1)
        patches, kept = self.moved(batch)
        everyone = all_sum((sources_B != EMPTY).sum()).clamp(min=1)
        made: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

        def encode(part: int) -> tuple[Tensor, Tensor]:
            rows = self.rows(len(patches), part)
            self.seed(batch.step, part)
            with torch.autocast(towers.device.type, torch.bfloat16, enabled=towers.bf16):
                video, video_tokens = towers.video(
                    patches[rows], None if kept is None else kept[rows]
                )
                assert towers.text is not None
                text, text_tokens = towers.text(ids[rows])
            made[:] = [(video, video_tokens, text, text_tokens)]
            return video, text

        def matching(part: int) -> Tensor:
            video, video_tokens, text, text_tokens = made.pop()
            rows = self.rows(len(patches), part)
            other_text, other_video, held = wrong_partners(
                video, text, temperature, self.recipe.loss, labels_B3[rows],
                hard=wanted.hard_negatives,
            )  # fmt: skip
            here = torch.arange(len(held), device=held.device)
            pairs = torch.cat(
                [
                    torch.stack([here, here], 1),
                    torch.stack([other_text, here], 1),
                    torch.stack([here, other_video], 1),
                ]
            )
            assert towers.wrapped_head is not None
            with torch.autocast(towers.device.type, torch.bfloat16, enabled=towers.bf16):
                logits = towers.wrapped_head(
                    text_tokens, shown_tokens(ids[rows]), video_tokens, pairs
                )
            each = matching_loss(logits, wanted.loss)
            return wanted.weight * (each * held).sum() / everyone

        return accumulate_gradients(
            encode,
            lambda video, text: self.recipe.loss(
                video, text, temperature, sources_B, labels_B, clips_B
            ),
            self.parts,
            no_sync(towers.trained),
            matching,
        )
