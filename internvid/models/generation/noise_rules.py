"""How a model was trained to see noise, read from the configuration of its scheduler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from internvid.core.errors import ConfigInvalidError

Prediction = Literal["epsilon", "v_prediction", "sample"]


@dataclass(frozen=True)
class DiffusionRule:
    """Times are numbers of steps; clean and noise are mixed on a circle.

    Attributes:
        kept: share of the clean signal's power at each step, [steps].
        prediction: what the network says: the noise, v, or the clean sample.
    """

    kept: Tensor
    prediction: Prediction

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Steps, all equally often."""
        return torch.randint(0, len(self.kept), (count,), generator=generator)

    def _shares(self, times: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.kept.to(like.device)[times].reshape(-1, *[1] * (like.ndim - 1))
        return kept.sqrt().to(like.dtype), (1 - kept).sqrt().to(like.dtype)

    def mix(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Latents at steps [B]."""
        signal, spread = self._shares(times, clean)
        return signal * clean + spread * noise

    def target(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the network should say at steps [B]."""
        if self.prediction == "epsilon":
            return noise
        if self.prediction == "sample":
            return clean
        signal, spread = self._shares(times, clean)
        return signal * noise - spread * clean


@dataclass(frozen=True)
class FlowRule:
    """Times run to `steps`; clean and noise are mixed on a line, and the network says the way.

    Attributes:
        steps: the time that is noise alone.
        shift: above 1, more of training is spent on much noise.
    """

    steps: int = 1000
    shift: float = 1.0

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Times, equally often before the shift."""
        drawn = torch.rand(count, generator=generator)
        return self.steps * self.shift * drawn / (1 + (self.shift - 1) * drawn)

    def mix(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Latents at times [B]."""
        share = (times / self.steps).reshape(-1, *[1] * (clean.ndim - 1)).to(clean.dtype)
        return (1 - share) * clean + share * noise

    def target(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """The way from clean to noise."""
        del times
        return noise - clean


def find_rule(scheduler: Any) -> DiffusionRule | FlowRule:
    """The rule of a diffusers scheduler.

    Raises:
        ConfigInvalidError: its configuration names none that is known here.
    """
    config, name = scheduler.config, type(scheduler).__name__
    prediction = config.get("prediction_type")
    flows = bool(config.get("use_flow_sigmas")) or prediction == "flow_prediction"
    if name.startswith("FlowMatch") or flows:
        shift = config.get("flow_shift") or config.get("shift") or 1.0
        return FlowRule(int(config.get("num_train_timesteps", 1000)), float(shift))
    kept = getattr(scheduler, "alphas_cumprod", None)
    if kept is None or prediction not in ("epsilon", "v_prediction", "sample"):
        raise ConfigInvalidError(
            f"scheduler {name} with prediction_type {prediction!r} does not say what the network "
            "predicts",
            hint="its scheduler_config.json must name epsilon, v_prediction, sample or "
            "flow_prediction",
        )
    return DiffusionRule(kept.detach().float().cpu(), prediction)


class NoisedByRule:
    """What a model does with noise, by the rule of its scheduler; every time weighs the same."""

    rule: DiffusionRule | FlowRule

    def draw_times(self, count: int, frames: int, generator: torch.Generator) -> Tensor:
        """See `VideoModel`."""
        del frames
        return self.rule.draw(count, generator)

    def mix(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `VideoModel`."""
        return self.rule.mix(clean, noise, times)

    def target(self, clean: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """See `VideoModel`."""
        return self.rule.target(clean, noise, times)

    def weights(self, times: Tensor) -> Tensor:
        """See `VideoModel`."""
        return torch.ones((), device=times.device)
