"""What trainers of text-to-video models expect of their clips, by the model's name."""

from __future__ import annotations

from collections.abc import Mapping
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
        maximum_frames: the longest clip that the model itself makes.
        source: where rate, grid and sides are written down.
    """

    fps: float
    frames: str
    multiple: int
    maximum_frames: int
    source: str

    def settings(self) -> tuple[str, ...]:
        """Assignments to an exporter that has a `CutPlan` as its field `cut`."""
        return (
            f"cut.fps={self.fps:g}",
            f"cut.frames={self.frames}",
            f"cut.multiple={self.multiple}",
            f"cut.maximum_frames={self.maximum_frames}",
        )


_PIPE = "diffusion-pipe (models.base, utils.dataset)"
_MUSUBI = "musubi-tuner docs/dataset_config.md"
PRESETS: Mapping[str, TrainerPreset] = MappingProxyType(
    {
        "wan": TrainerPreset(16, "4k+1", 16, 81, f"{_PIPE}; {_MUSUBI}"),
        "wan2.2-5b": TrainerPreset(24, "4k+1", 32, 121, _PIPE),
        "hunyuan": TrainerPreset(24, "4k+1", 16, 129, f"{_PIPE}; {_MUSUBI}"),
        "framepack": TrainerPreset(30, "4k+1", 16, 129, _MUSUBI),
        "ltx": TrainerPreset(25, "8k+1", 32, 121, f"{_PIPE}; LTX-2 packages/ltx-trainer/docs"),
        "ltx-24": TrainerPreset(24, "8k+1", 32, 121, f"{_PIPE}; LTX-2 packages/ltx-trainer/docs"),
    }
)
"""Name -> preset."""


def preset_settings(name: str) -> tuple[str, ...]:
    """Assignments of a preset.

    Raises:
        MisuseError: there is none of that name.
    """
    if name not in PRESETS:
        raise MisuseError(
            f"no preset is called {name!r}", hint=f"presets are: {', '.join(PRESETS)}"
        )
    return PRESETS[name].settings()
