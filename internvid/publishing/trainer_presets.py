"""What trainers of text-to-video models expect of their clips, by the model's name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from internvid.core.errors import MisuseError


@dataclass(frozen=True)
class TrainerPreset:
    """Rate, frame counts and sides of one model.

    Attributes:
        fps: frames per second at which the model was trained.
        frames: frame counts that its video encoder takes.
        multiple: of both sides.
        maximum_frames: the longest clip that the model makes, or that its trainer's example takes.
        source: where rate, grid and sides are written down.
        tokens: how many tokens of a text its encoder reads; None where no source states it.
    """

    fps: float
    frames: str
    multiple: int
    maximum_frames: int
    source: str
    tokens: int | None = None

    def settings(self, fields: Collection[str] = ("cut", "tokens")) -> tuple[str, ...]:
        """Assignments to an exporter that has a `CutPlan` as its field `cut`.

        Args:
            fields: that the exporter has; of others than `cut` only these are set.
        """
        cut = (
            f"cut.fps={self.fps:g}",
            f"cut.frames={self.frames}",
            f"cut.multiple={self.multiple}",
            f"cut.maximum_frames={self.maximum_frames}",
        )
        has_limit = self.tokens is not None and "tokens" in fields
        return (*cut, f"tokens={self.tokens}") if has_limit else cut


_PIPE = "diffusion-pipe (models.base, utils.dataset)"
_MUSUBI = "musubi-tuner docs/dataset_config.md"
_WAN = "Wan2.1 (wan.configs.shared_config)"
_COG = "CogVideo README.md, finetune/README.md; diffusers (cogvideox_transformer_3d)"
_LTX_2 = "LTX-2 packages/ltx-trainer/docs; diffusion-pipe (models.ltx2); FastVideo examples (ltx2)"
_OPEN_SORA = "Open-Sora docs/train.md, configs/diffusion/train"
PRESETS: Mapping[str, TrainerPreset] = MappingProxyType(
    {
        "wan": TrainerPreset(16, "4k+1", 16, 81, f"{_PIPE}; {_MUSUBI}; {_WAN}", 512),
        "wan2.2-5b": TrainerPreset(24, "4k+1", 32, 121, f"{_PIPE}; {_WAN}", 512),
        "fastvideo-wan": TrainerPreset(
            16, "77", 16, 77, f"FastVideo examples (wan_t2v_1.3B); {_WAN}", 512
        ),
        "hunyuan": TrainerPreset(24, "4k+1", 16, 129, f"{_PIPE}; {_MUSUBI}"),
        "framepack": TrainerPreset(30, "4k+1", 16, 129, _MUSUBI),
        "ltx": TrainerPreset(25, "8k+1", 32, 121, f"{_PIPE}; LTX-2 packages/ltx-trainer/docs"),
        "ltx-2": TrainerPreset(24, "8k+1", 32, 121, _LTX_2, 1024),
        "cogvideox": TrainerPreset(8, "8k+1", 16, 49, _COG, 226),
        "cogvideox1.5": TrainerPreset(16, "16k+1", 16, 81, _COG),
        "open-sora": TrainerPreset(24, "4k+1", 16, 129, _OPEN_SORA, 512),
    }
)
"""Name -> preset."""


def preset_settings(name: str, fields: Collection[str] = ("cut", "tokens")) -> tuple[str, ...]:
    """Assignments of a preset.

    Args:
        name: of the preset.
        fields: that the exporter has.

    Raises:
        MisuseError: there is none of that name.
    """
    if name not in PRESETS:
        raise MisuseError(
            f"no preset is called {name!r}", hint=f"presets are: {', '.join(PRESETS)}"
        )
    return PRESETS[name].settings(fields)
