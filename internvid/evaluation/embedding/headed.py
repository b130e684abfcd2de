"""Models with a head beside the towers: a classifier, and an embedder that can score pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.embedding.embedders import (
    Frames,
    Identity,
    Vectors,
    ViCLIPEmbedder,
    digest_state,
)

if TYPE_CHECKING:
    from internvid.models.viclip import ViCLIP
    from internvid.models.viclip.heads.base import Head
    from internvid.models.viclip.heads.classifier_head import ActionHead
    from internvid.models.viclip.heads.matching_head import MatchingHead

_PAIRS = 128
Shown = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Headed(ViCLIPEmbedder):
    """A ViCLIP with a head.

    Attributes:
        head: on the model's device, in evaluation mode.
    """

    head: Head = dataclasses.field(kw_only=True)

    def identity(self) -> Identity:
        """See `Embedder`; the head's weights count too."""
        state = {f"head.{name}": value for name, value in self.head.state_dict().items()}
        return dataclasses.replace(
            super().identity(),
            weights=digest_state(self.model.state_dict() | state),
            head=self.head.kind,
        )


@dataclass(frozen=True)
class ViCLIPClassifier(_Headed):
    """A fine-tuned classifier; an embedder like any ViCLIP too."""

    head: ActionHead = dataclasses.field(kw_only=True)

    def class_names(self) -> tuple[str, ...]:
        """See `Classifier`."""
        return self.head.classes

    def class_scores(self, videos: Sequence[Frames]) -> Vectors:
        """See `Classifier`."""
        import torch

        batches: list[Vectors] = []
        for start in range(0, len(videos), self.batch):
            part = list(videos[start : start + self.batch])
            with torch.no_grad():
                vectors = self.model.encode_video(
                    part, normalize=False, frames=len(part[0]), batch_size=self.batch
                )
                logits = self.head(vectors.to(self.head.out.weight.dtype)).float()
            batches.append(logits.cpu().numpy())
        return np.concatenate(batches)


@dataclass(frozen=True)
class MatchingEmbedder(_Headed):
    """An embedder whose matching head scores pairs of a text and a clip."""

    head: MatchingHead = dataclasses.field(kw_only=True)

    @property
    def scale(self) -> float:
        """What cosines are multiplied with to be logits."""
        return float(self.model.logit_scale.detach())

    def clip_tokens(self, videos: Sequence[Frames]) -> npt.NDArray[np.float16]:
        """What the head looks at. float16 [N, K, W]."""
        import torch

        from internvid.models.viclip.heads.matching_head import video_tokens

        batches = []
        for start in range(0, len(videos), self.batch):
            with torch.no_grad():
                tokens = video_tokens(self.model, videos[start : start + self.batch])
                dtype = self.head.out.weight.dtype
                prepared = self.head.prepare_video(tokens.to(dtype))
            batches.append(prepared.float().cpu().numpy().astype(np.float16))
        return np.concatenate(batches)

    def sentence_tokens(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float16], Shown]:
        """Tokens of texts, float16 [M, L, W], and which of them are the text's own, [M, L]."""
        import torch

        from internvid.models.viclip.heads.matching_head import shown_tokens

        ids = self.model.tokenizer(list(texts))
        ids = ids[:, : int((ids != 0).any(dim=0).sum())].to(self.model.device)
        batches = []
        for part in torch.split(ids, _PAIRS):
            with torch.no_grad():
                tokens = self.model.text_encoder.encode_all(part)[1]
            batches.append(tokens.float().cpu().numpy().astype(np.float16))
        return np.concatenate(batches), shown_tokens(ids).cpu().numpy()

    def margins(self, texts: npt.NDArray[Any], shown: Shown, clips: npt.NDArray[Any]) -> Vectors:
        """How much more a pair looks like a match than not.

        Args:
            texts: tokens [P, L, W], see `sentence_tokens`.
            shown: [P, L], which are the text's own.
            clips: tokens [P, K, W], see `clip_tokens`.

        Returns:
            float32 [P].
        """
        import torch

        device, dtype = self.model.device, self.head.out.weight.dtype
        batches = []
        for start in range(0, len(texts), _PAIRS):
            rows = slice(start, start + _PAIRS)
            with torch.no_grad():
                logits = self.head.match_logits(
                    torch.from_numpy(np.array(texts[rows])).to(device, dtype),
                    torch.from_numpy(np.array(shown[rows])).to(device),
                    torch.from_numpy(np.array(clips[rows])).to(device, dtype),
                ).float()
            batches.append((logits[:, 1] - logits[:, 0]).cpu().numpy())
        return np.concatenate(batches)


def with_head(model: ViCLIP, folder: Path, name: str, wise_ft: float | None) -> ViCLIPEmbedder:
    """The embedder of a model's folder: with its head, where there is one.

    Args:
        model: loaded of that folder.
        folder: where a head may lie.
        name: for people.
        wise_ft: see `Identity`.

    Raises:
        CheckpointError: the head is damaged or does not fit.
    """
    from internvid.models.viclip.heads.classifier_head import ActionHead
    from internvid.models.viclip.heads.matching_head import MatchingHead
    from internvid.models.viclip.heads.saved_heads import has_head, load_head

    if not folder.is_dir() or not has_head(folder):
        return ViCLIPEmbedder(model, name, wise_ft)
    head = load_head(folder, model.config).to(model.device, model.dtype)
    if isinstance(head, ActionHead):
        return ViCLIPClassifier(model, name, wise_ft, head=head)
    if isinstance(head, MatchingHead):
        return MatchingEmbedder(model, name, wise_ft, head=head)
    return ViCLIPEmbedder(model, name, wise_ft)  # a head that no benchmark asks for


def need_matcher(subject: Any) -> MatchingEmbedder:
    """The subject, if it can score pairs.

    Raises:
        ConfigInvalidError: it has no matching head.
    """
    if not isinstance(subject, MatchingEmbedder):
        raise ConfigInvalidError(
            f"{type(subject).__name__} has no matching head to re-rank with",
            hint="train one: internvid train --recipe viclip_retrieval",
        )
    return subject
