"""AdamW with the reference's rules of what decays, and its state as named tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from internvid.training.recipes.recipe import OptimiserRecipe
from internvid.training.run.distributed import all_sum
from internvid.training.run.sharding import is_shared, local, local_like, whole

_NO_DECAY = (
    "temp",
    "positional_embedding",
    "class_embedding",
    "temporal_positional_embedding",
    # The reference lists it under a name that does not exist, and so decays it.
    "token_embedding.weight",
)


def decays(name: str, parameter: Tensor) -> bool:
    """Whether weight decay applies: not to vectors, biases, position tables and temperature."""
    return parameter.ndim > 1 and not name.endswith((".bias", *_NO_DECAY))


def make_optimiser(
    parameters: Iterable[tuple[str, nn.Parameter]],
    recipe: OptimiserRecipe,
    scales: Sequence[float] = (),
) -> torch.optim.AdamW:
    """AdamW over the parameters that want gradients, grouped by whether they decay.

    Args:
        parameters: by name.
        recipe: its numbers.
        scales: each parameter's learning rate as a multiple of the stage's; 1 where empty.
    """
    groups: dict[tuple[bool, bool, float], list[nn.Parameter]] = {}
    for at, (name, each) in enumerate(parameters):
        if each.requires_grad:
            # Shared and whole tensors cannot be updated in one call.
            scale = scales[at] if scales else 1.0
            scale *= recipe.temperature_rate if name == "temp" else 1.0
            key = (decays(name, each), is_shared(each), scale)
            groups.setdefault(key, []).append(each)
    devices = {each.device.type for group in groups.values() for each in group}
    return torch.optim.AdamW(
        [
            {
                "params": group,
                "weight_decay": recipe.weight_decay if decay else 0.0,
                "scale": scale,
            }
            for (decay, _, scale), group in groups.items()
        ],
        lr=0.0,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
        # One pass over each tensor: on a CPU a seventh of the time of the others.
        fused=devices <= {"cpu", "cuda"},
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """The learning rate of the next step; a group's own `scale` multiplies it."""
    for group in optimiser.param_groups:
        group["lr"] = value * group.get("scale", 1.0)


@torch.no_grad()
def gradient_norm(parameters: Iterable[nn.Parameter], limit: float = 0.0) -> Tensor:
    """Norm of the whole gradient, 0-d on the device. Every process must call it.

    Args:
        parameters: whose gradient.
        limit: above 0, the gradient is scaled down to this norm.
    """
    gradients = [each.grad for each in parameters if each.grad is not None]
    shared = [local(grad) for grad in gradients if is_shared(grad)]
    whole_ones = [grad for grad in gradients if not is_shared(grad)]
    squares = _square(whole_ones) + (all_sum(_square(shared)) if shared else 0)
    norm = torch.as_tensor(squares).sqrt()
    if limit:
        factor = (limit / (norm + 1e-6)).clamp(max=1.0)
        for grad in (*shared, *whole_ones):
            grad.mul_(factor)
    return norm


def _square(tensors: list[Tensor]) -> Tensor:
    norms = [torch.linalg.vector_norm(each) for each in tensors]
    return torch.stack(norms).square().sum() if norms else torch.zeros(())


def optimiser_state(
    optimiser: torch.optim.Optimizer, named: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """`moment/parameter name` -> whole tensor on the CPU. Every process must call it."""
    moments: dict[str, Tensor] = {}
    for name, parameter in named.items():
        for key, value in optimiser.state.get(parameter, {}).items():
            moments[f"{key}/{name}"] = whole(value).detach().to("cpu", copy=True).contiguous()
    return moments


def load_optimiser_state(
    optimiser: torch.optim.Optimizer,
    named: Mapping[str, nn.Parameter],
    state: Mapping[str, Tensor],
) -> None:
    """The reverse, for any number of processes."""
    for path, value in state.items():
        key, _, name = path.partition("/")
        parameter = named[name]
        # The count of steps stays where AdamW makes it: with the parameter, if it is fused.
        fused = optimiser.param_groups[0].get("fused")
        if value.ndim == 0 and key == "step":
            placed = value.clone().to(parameter.device if fused else "cpu")
        else:
            placed = local_like(value, parameter)
        optimiser.state[parameter][key] = placed
