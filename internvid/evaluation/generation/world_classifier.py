"""A network that names what a clip of the synthetic world shows; trained on the truth itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from internvid.core.errors import CheckpointMismatchError
from internvid.dataset.parts import committed
from internvid.models.viclip.weights.checkpoint import check_fit, read_weights, save_tensors
from internvid.synthetic.clips import CLIP_SIZES, ClipSpec, render_clip, sample_specs
from internvid.synthetic.scripts.world_words import COLOURS, MOTIONS, SHAPES, TONES

LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colour": tuple(COLOURS),
        "shape": SHAPES,
        "size": tuple(name for name, _ in CLIP_SIZES),
        "tone": TONES,
        "motion": MOTIONS,
    }
)
"""What is named, and by which words."""
FEATURES = 96
_SEED = 2_000_003
_CLIPS, _BATCH, _RATE = 4096, 64, 2e-3
_MOVING = 32
_MADE_FOR = "made_for"


class WorldClassifier(nn.Module):
    """Clips [B, T, 3, H, W] from -1 to 1 -> features and the logits of each label."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 96)
        layers: list[nn.Module] = []
        for at, (before, after) in enumerate(pairwise(widths)):
            stride = 2 if at in (1, 2) else 1
            layers += [
                nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.frames = nn.Sequential(*layers)
        self.pairs = nn.Sequential(
            nn.Conv2d(2 * widths[-1], 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        )
        self.still = nn.Linear(2 * widths[-1], FEATURES - _MOVING)
        self.moving = nn.Linear(2 * 64, _MOVING)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(FEATURES, len(words)) for name, words in LABELS.items()}
        )

    def forward(self, clips: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Features [B, `FEATURES`], and logits by label."""
        count, frames = clips.shape[:2]
        maps = self.frames(clips.flatten(0, 1))
        seen = _pooled(maps).reshape(count, frames, -1).mean(dim=1)
        clip = maps.reshape(count, frames, *maps.shape[1:])
        pairs = torch.cat([clip[:, :-1], clip[:, 1:]], dim=2).flatten(0, 1)
        moved = _pooled(self.pairs(pairs)).reshape(count, frames - 1, -1).mean(dim=1)
        features = torch.cat([self.still(seen), self.moving(moved)], dim=1)
        return features, {name: head(features) for name, head in self.heads.items()}


def _pooled(maps: Tensor) -> Tensor:
    return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)


@dataclass(frozen=True)
class WorldReading:
    """What the classifier says of clips.

    Attributes:
        features: float32 [N, `FEATURES`].
        labels: by name, the place of the word in `LABELS`, [N].
    """

    features: npt.NDArray[np.float32]
    labels: dict[str, npt.NDArray[np.int64]]

    def right(self, specs: Sequence[ClipSpec]) -> dict[str, float]:
        """Percent of clips of which each label is that of the spec."""
        return {
            name: 100 * float(np.mean([words.index(getattr(spec, name)) == int(found)
                                       for spec, found in zip(specs, self.labels[name],
                                                              strict=True)]))
            for name, words in LABELS.items()
        }  # fmt: skip


@torch.no_grad()
def read_clips(
    network: WorldClassifier, clips: npt.NDArray[np.uint8], batch: int = 32
) -> WorldReading:
    """What the network says of clips [N, T, H, W, 3]."""
    features: list[Tensor] = []
    labels: dict[str, list[Tensor]] = {name: [] for name in LABELS}
    for start in range(0, len(clips), batch):
        found, logits = network(_pixels(clips[start : start + batch]))
        features.append(found)
        for name, each in logits.items():
            labels[name].append(each.argmax(dim=1))
    return WorldReading(
        torch.cat(features).numpy(),
        {name: torch.cat(each).numpy() for name, each in labels.items()},
    )


def train_classifier(
    frames: int,
    side: int,
    *,
    steps: int,
    progress: Callable[[int, int], None] | None = None,
) -> WorldClassifier:
    """A classifier of clips of this size, trained on all combinations of the world.

    Args:
        frames: of a clip.
        side: of a frame, in pixels.
        steps: of 64 clips each, two frames of each.
        progress: called with the steps done, and of how many.
    """
    specs = sample_specs(_SEED, _CLIPS, held_out=None, cameras=("static",))
    wanted = {
        name: torch.tensor([words.index(getattr(spec, name)) for spec in specs])
        for name, words in LABELS.items()
    }
    clips = np.stack([render_clip(spec, frames, side) for spec in specs])
    rng = np.random.default_rng(_SEED)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(_SEED)
        network = WorldClassifier()
        optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=0.01)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = _RATE * (1 - step / steps)
            chosen = rng.integers(len(specs), size=_BATCH)
            # Two neighbouring frames of many clips teach more than all frames of a few.
            first = rng.integers(frames - 1, size=_BATCH)
            pixels = _pixels(
                np.stack(
                    [clips[at, begin : begin + 2] for at, begin in zip(chosen, first, strict=True)]
                )
            )
            # Samples of a model are never quite clean: a little noise, of many strengths.
            strength = 0.08 * torch.rand(_BATCH, 1, 1, 1, 1)
            _, logits = network(pixels + strength * torch.randn_like(pixels))
            losses = [
                functional.cross_entropy(logits[name], numbers[chosen])
                for name, numbers in wanted.items()
            ]
            optimiser.zero_grad()
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if progress is not None:
                progress(step + 1, steps)
    return network.eval()


def open_classifier(
    path: Path | None,
    frames: int,
    side: int,
    *,
    steps: int,
    progress: Callable[[int, int], None] | None = None,
) -> WorldClassifier:
    """The classifier that is kept at a path; it is trained where there is none.

    Raises:
        CheckpointError: the file is damaged, or of another network, size or training.
        StorageError: it cannot be written.
    """
    if path is None:
        return train_classifier(frames, side, steps=steps, progress=progress)
    made_for = torch.tensor([frames, side, steps])
    network = WorldClassifier()
    if path.is_file():
        state = read_weights(path)
        known = state.pop(_MADE_FOR, None)
        if known is None or not torch.equal(known, made_for):
            raise CheckpointMismatchError(
                f"{path} is no classifier of {frames} frames of {side} pixels after {steps} steps",
                hint="name another file, which is then made",
            )
        check_fit(state, network.state_dict())
        network.load_state_dict(state)
        return network.eval()
    network = train_classifier(frames, side, steps=steps, progress=progress)
    tensors = {name: each.contiguous() for name, each in network.state_dict().items()}
    with committed(path) as temporary:
        save_tensors({**tensors, _MADE_FOR: made_for}, temporary)
    return network


def _pixels(clips: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(clips)).permute(0, 1, 4, 2, 3).float() / 127.5 - 1
