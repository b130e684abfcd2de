"""WiSE-FT: trained weights blended with those the training started from (arXiv 2109.01903)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from internvid.core.errors import CheckpointMismatchError, ConfigInvalidError
from internvid.dataset.parts import commit_json
from internvid.models.viclip.model import ViCLIP
from internvid.models.viclip.weights.layouts import TEMPORAL

RECORD = "wise_ft.json"


def blend_states(
    trained: Mapping[str, Tensor], start: Mapping[str, Tensor], coefficient: float
) -> dict[str, Tensor]:
    """`coefficient` of the trained weights, the rest of the start.

    All keys that both have are blended, except the temporal positions, which the start has not
    learned; these and other keys are the trained ones (paper §6.5).

    Args:
        trained: weights after training.
        start: weights before it.
        coefficient: 1 for the trained ones alone, 0 for the start.

    Raises:
        ConfigInvalidError: the coefficient is no share.
        CheckpointMismatchError: a shape differs.
    """
    if not 0 <= coefficient <= 1:
        raise ConfigInvalidError(f"a coefficient lies in [0, 1], not at {coefficient}")
    blended = dict(trained)
    for name, value in trained.items():
        if name not in start or name == TEMPORAL:
            continue
        if start[name].shape != value.shape:
            raise CheckpointMismatchError(
                f"{name} is {list(value.shape)} trained and {list(start[name].shape)} at the start"
            )
        mixed = coefficient * value.double() + (1 - coefficient) * start[name].double()
        blended[name] = mixed.to(value.dtype)
    return blended


def blend_models(trained: ViCLIP, start: ViCLIP, coefficient: float, folder: Path) -> None:
    """Write the blend of two models as a model folder, with its coefficient beside it.

    Raises:
        CheckpointMismatchError: they are of different shapes.
        OutputExistsError: the folder holds something else.
    """
    state = blend_states(trained.state_dict(), start.state_dict(), coefficient)
    blended = ViCLIP(trained.config, trained.preprocessing)
    blended.load_state_dict(state)
    blended.loaded_tokenizer = trained.loaded_tokenizer
    blended.merges_fingerprint = trained.merges_fingerprint
    blended.save_pretrained(folder)
    commit_json(folder / RECORD, {"coefficient": coefficient})
