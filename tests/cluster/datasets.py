"""Datasets of small parts, so that few videos make several."""

from __future__ import annotations

from pathlib import Path

from internvid.dataset.layout import Layout


def prepared(root: Path, sources: int = 2) -> Path:
    """A new dataset of small parts."""
    layout = Layout(root)
    record = layout.create()
    record.sources_per_part = sources
    layout.write_record(record)
    return root
