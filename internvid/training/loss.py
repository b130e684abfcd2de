"""Exact symmetric InfoNCE over any batch, in tiles: no N x N matrix is ever held.

Clips stay where they are; only texts travel. A process holds b clips and all N texts, so its tile
rows are complete: the log-sum-exp over texts is local, the one over clips is joined from one
number per text and process. Going back, a tile's gradient is known whole, which gives the local
clips' gradient at once and a part of every text's, summed where the texts came from. One process
is the case of one; a gradient-cached step is the same function on detached embeddings.

Source: InfoNCE as in arXiv 2307.06942, equations 1 and 2; tiles with an online log-sum-exp as in
Inf-CL (arXiv 2410.17243). The reference's targets (equal samples share the mass) are `shared`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor
from torch.nn import functional

from internvid.core.errors import ConfigInvalidError
from internvid.training.run.distributed import all_max, all_sum, gather_rows, rank, sum_scattered

Rule = Literal["keep", "ignore", "share"]
SourceRule = Literal["keep", "ignore", "share", "share_clip"]

EMPTY = -1
"""The label of a place in the batch that holds no sample: it counts in no row, column or mean."""

LOWEST_TEMPERATURE = 0.01


@dataclass(frozen=True)
class ContrastiveLoss:
    """What counts as a negative, and how wide a tile is.

    A rule says what becomes of two samples of the batch with an equal label: `keep` them as
    negatives, `ignore` the pair (out of the denominators), or `share` the target's mass over
    both, as the reference does for equal samples.

    `share_clip` shares it over equal clips of a source (one file and span with several captions,
    as in MSR-VTT) and ignores pairs of its other clips.

    Attributes:
        same_source: for clips of one source video.
        same_text: for clips with the same caption.
        tile: rows and columns of a tile; memory grows with its square, results do not change.
    """

    same_source: SourceRule = "ignore"
    same_text: Rule = "ignore"
    tile: int = 2048

    def __post_init__(self) -> None:
        for name, rules in (("same_source", SourceRule), ("same_text", Rule)):
            if getattr(self, name) not in get_args(rules):
                raise ConfigInvalidError(
                    f"{name} is one of {', '.join(get_args(rules))}, not {getattr(self, name)!r}"
                )
        if self.tile < 1:
            raise ConfigInvalidError(f"tile must be at least 1, got {self.tile}")

    def __call__(
        self,
        video_BE: Tensor,
        text_BE: Tensor,
        temperature: Tensor,
        sources_B: Tensor,
        texts_B: Tensor,
        clips_B: Tensor | None = None,
    ) -> Tensor:
        """The loss of the global batch, the same number in every process.

        Its gradient is that of the global batch with respect to what this process holds: sums
        over processes, not means, give the single process's parameter gradients.

        Args:
            video_BE: this process's clip embeddings, of any length; B equal in all processes.
            text_BE: their texts' embeddings.
            temperature: 0-d; used as at least 0.01.
            sources_B: int64 label of each sample's source video; -1 marks an empty place.
            texts_B: int64 label of each sample's caption.
            clips_B: int64 label, equal for equal clips; None takes all as different.

        Returns:
            float32, 0-d: half the mean over clips plus half the mean over texts.
        """
        # Accumulated in float32 whatever the towers computed in.
        with torch.autocast(video_BE.device.type, enabled=False):
            video = functional.normalize(video_BE.float(), dim=-1)
            text = functional.normalize(text_BE.float(), dim=-1)
            scale = 1 / temperature.float().clamp(min=LOWEST_TEMPERATURE)
            labels = torch.stack([sources_B, texts_B], dim=1)
            if self.same_source == "share_clip" and clips_B is not None:
                labels = torch.cat([labels, clips_B[:, None]], dim=1)
            tiles = _Tiles(self, labels, gather_rows(labels))
            loss = _InfoNCE.apply(video, text, scale, tiles)  # type: ignore[no-untyped-call]
            return cast("Tensor", loss)


class _Tiles:
    """The pairs of the local rows with all columns, a tile at a time."""

    def __init__(self, rules: ContrastiveLoss, rows_BK: Tensor, columns_NK: Tensor) -> None:
        self.rules = rules
        self.rows, self.columns = rows_BK, columns_NK
        self.offset = rank() * len(rows_BK)
        self.valid_rows = rows_BK[:, 0] != EMPTY
        self.valid_columns = columns_NK[:, 0] != EMPTY
        # At least 1: a batch of nothing but empty places has loss 0, not NaN.
        self.valid = self.valid_columns.sum().clamp(min=1)
        self.weight_rows = self.valid_rows / (2.0 * self.valid)
        self.weight_columns = self.valid_columns / (2.0 * self.valid)

    def parts(self) -> list[tuple[slice, slice]]:
        tile = self.rules.tile
        return [
            (slice(top, top + tile), slice(left, left + tile))
            for top in range(0, len(self.rows), tile)
            for left in range(0, len(self.columns), tile)
        ]

    def pairs(self, rows: slice, columns: slice) -> tuple[Tensor, Tensor]:
        """Which pairs of a tile are positives, which are left out; bool [rows, columns]."""
        up, across = self.rows[rows], self.columns[columns]
        at = torch.arange(rows.start, rows.start + len(up), device=up.device) + self.offset
        other = torch.arange(columns.start, columns.start + len(across), device=up.device)
        positive = at[:, None] == other
        ignored = torch.zeros_like(positive)
        for label, rule in _by_label(self.rules, up.shape[1]):
            equal = up[:, label, None] == across[:, label]
            if rule == "share":
                positive = positive | equal
            elif rule == "ignore":
                ignored = ignored | equal
        held = self.valid_rows[rows, None] & self.valid_columns[columns]
        return positive & held, (ignored & ~positive) | ~held


def _by_label(rules: ContrastiveLoss, labels: int) -> list[tuple[int, Rule]]:
    """What becomes of pairs that are equal in each label: source, text, and perhaps clip."""
    if rules.same_source != "share_clip":
        return [(0, rules.same_source), (1, rules.same_text)]
    found: list[tuple[int, Rule]] = [(0, "ignore"), (1, rules.same_text)]
    return [*found, (2, "share")] if labels > 2 else found


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, video: Tensor, text: Tensor, scale: Tensor, tiles: _Tiles) -> Tensor:
        everyone = gather_rows(text)
        over_texts = torch.full_like(video[:, 0], -torch.inf)
        over_clips = torch.full_like(everyone[:, 0], -torch.inf)
        # Of positives: how many a sample has, and the sum of their similarities.
        count_rows, sum_rows = torch.zeros_like(over_texts), torch.zeros_like(over_texts)
        count_columns, sum_columns = torch.zeros_like(over_clips), torch.zeros_like(over_clips)
        for rows, columns in tiles.parts():
            similar = scale * (video[rows] @ everyone[columns].T)
            positive, ignored = tiles.pairs(rows, columns)
            similar = similar.masked_fill(ignored, -torch.inf)
            over_texts[rows] = torch.logaddexp(over_texts[rows], similar.logsumexp(1))
            over_clips[columns] = torch.logaddexp(over_clips[columns], similar.logsumexp(0))
            wanted = similar.masked_fill(~positive, 0)
            count_rows[rows] += positive.sum(1)
            count_columns[columns] += positive.sum(0)
            sum_rows[rows] += wanted.sum(1)
            sum_columns[columns] += wanted.sum(0)
        highest = all_max(over_clips)
        finite = highest.masked_fill(highest.isinf(), 0)
        joined = torch.stack([(over_clips - finite).exp(), count_columns, sum_columns])
        total, count_columns, sum_columns = all_sum(joined)
        over_clips = total.log() + finite
        rowwise = _weighted(over_texts, sum_rows, count_rows, tiles.weight_rows)
        columnwise = _weighted(over_clips, sum_columns, count_columns, tiles.weight_columns)
        ctx.save_for_backward(
            video, everyone, scale, over_texts, over_clips, count_rows, count_columns
        )
        ctx.tiles = tiles
        return all_sum(rowwise) + columnwise

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        video, text, scale, over_texts, over_clips, count_rows, count_columns = ctx.saved_tensors
        tiles: _Tiles = ctx.tiles
        for_video, for_text = torch.zeros_like(video), torch.zeros_like(text)
        for_scale = torch.zeros_like(scale)
        for rows, columns in tiles.parts():
            cosine = video[rows] @ text[columns].T
            positive, ignored = tiles.pairs(rows, columns)
            up = tiles.weight_rows[rows, None]
            across = tiles.weight_columns[columns]
            similar = scale * cosine
            chance = up * (similar - over_texts[rows, None]).exp()
            chance += across * (similar - over_clips[columns]).exp()
            wanted = up / count_rows[rows, None].clamp(min=1)
            wanted = wanted + across / count_columns[columns].clamp(min=1)
            change = chance.masked_fill(ignored, 0) - wanted.masked_fill(~positive, 0)
            for_video[rows] += change @ text[columns]
            for_text[columns] += change.T @ video[rows]
            for_scale += (change * cosine).sum()
        needs = ctx.needs_input_grad
        above = gradients[0]
        return (
            for_video * (scale * above) if needs[0] else None,
            # Every process has a part of every text's gradient.
            sum_scattered(for_text) * (scale * above) if needs[1] else None,
            for_scale * above if needs[2] else None,
            None,
        )


def _weighted(total: Tensor, wanted: Tensor, count: Tensor, weight: Tensor) -> Tensor:
    """Sum of weight x (log-sum-exp - mean similarity of positives), empty places left out."""
    each = total - wanted / count.clamp(min=1)
    return (each.masked_fill(weight == 0, 0) * weight).sum()


def dense_loss(
    rules: ContrastiveLoss,
    video_NE: Tensor,
    text_NE: Tensor,
    temperature: Tensor,
    labels_NK: Tensor,
) -> Tensor:
    """The contrastive loss with the whole matrix and plain autograd, to check the tiles against."""
    held = labels_NK[:, 0] != EMPTY
    video = functional.normalize(video_NE.float(), dim=-1)[held]
    text = functional.normalize(text_NE.float(), dim=-1)[held]
    labels = labels_NK[held]
    similar = video @ text.T / temperature.float().clamp(min=LOWEST_TEMPERATURE)
    positive = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    ignored = torch.zeros_like(positive)
    for label, rule in _by_label(rules, labels.shape[1]):
        equal = labels[:, label, None] == labels[:, label]
        positive = positive | (equal & (rule == "share"))
        ignored = ignored | (equal & (rule == "ignore"))
    similar = similar.masked_fill(ignored & ~positive, -torch.inf)
    targets = positive / positive.sum(1, keepdim=True)
    means = []
    for matrix in (similar, similar.T):
        each = torch.where(positive, -targets * matrix.log_softmax(1), 0)
        means.append(each.sum(1).mean())
    return (means[0] + means[1]) / 2
