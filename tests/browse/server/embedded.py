"""A copy of a dataset with the vectors of a tiny random ViCLIP, and a map of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import internvid
from internvid.dataset.store import Dataset


def embedded_copy(dataset: Dataset, folder: Path) -> tuple[Path, Path]:
    """The folder of the copy, and that of the model that made its vectors."""
    import torch

    from internvid.models.viclip import ViCLIP

    root, model = folder / "data", folder / "viclip"
    shutil.copytree(dataset.root, root)
    torch.manual_seed(0)
    ViCLIP("tiny").save_pretrained(model)
    internvid.embed(root, str(model))
    internvid.map_clips(root)
    return root, model
