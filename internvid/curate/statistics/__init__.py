"""What is in a dataset, a subset or a table of clips: counts, spreads, words, dominance."""

from internvid.curate.statistics.clip_numbers import ClipNumbers
from internvid.curate.statistics.column_summaries import (
    ClipStatistics,
    DatasetDescription,
    FunnelRow,
    describe,
    describe_relation,
    funnel,
)
from internvid.curate.statistics.counting import Videos, clip_statistics
from internvid.curate.statistics.of_dataset import dataset_statistics
from internvid.curate.statistics.of_table import describe_table
from internvid.curate.statistics.roles import Roles, find_roles, with_columns
from internvid.curate.statistics.verbs import DEFAULT_CAPTIONS

__all__ = [
    "DEFAULT_CAPTIONS",
    "ClipNumbers",
    "ClipStatistics",
    "DatasetDescription",
    "FunnelRow",
    "Roles",
    "Videos",
    "clip_statistics",
    "dataset_statistics",
    "describe",
    "describe_relation",
    "describe_table",
    "find_roles",
    "funnel",
    "with_columns",
]
