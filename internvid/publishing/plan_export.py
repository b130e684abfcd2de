"""Says what an export would write, and what falls out; writes nothing."""

from __future__ import annotations

from internvid.core.contracts import Exporter
from internvid.dataset.store import Dataset
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.cut_report import CutReport, report_of
from internvid.publishing.publish import columns_of, splits_of


def plan_export(dataset: Dataset, exporter: Exporter, subset: str | None = None) -> CutReport:
    """Counts of clips, windows and hours, from rows alone; whether sources are there is not seen.

    Args:
        dataset: what would be published.
        exporter: the format.
        subset: only its clips; every kept clip when None.

    Raises:
        ConfigInvalidError: the exporter names a column that clips do not have.
    """
    check = getattr(exporter, "check", None)
    if check is not None:
        check(columns_of(dataset))
    with dataset.reading():
        items = ClipItems(dataset, subset, splits=splits_of(dataset, exporter))
        return report_of(items, exporter)
