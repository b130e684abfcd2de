"""Labels of a classifier, looked up by their names."""

from __future__ import annotations

from collections.abc import Sequence

from internvid.core.errors import ConfigInvalidError


def find_labels(model: str, own: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where labels stand among a model's outputs; case does not matter.

    Raises:
        ConfigInvalidError: the model does not have one of them, or none is wanted.
    """
    lowered = [label.lower() for label in own]
    wrong = [label for label in wanted if label.lower() not in lowered]
    if wrong or not wanted:
        raise ConfigInvalidError(
            f"{model} has no label {wrong[0]!r}" if wrong else "no label named",
            hint=f"its labels are: {', '.join(own)}",
        )
    return [lowered.index(label.lower()) for label in wanted]
