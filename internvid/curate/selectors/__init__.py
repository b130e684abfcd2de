"""Selectors: which rows of a table a subset takes, and why it does not take the others.

A selector gets a table as a DuckDB relation and returns its rows with one more column, `rejection`:
null where the row is chosen, else the word for why it is not. Nothing is loaded into Python, so a
selection scales with DuckDB. Of a dataset the table is its kept clips with every column joined; if
a selector asks for a column that they lack, it is called once more with the columns of their videos
beside them. One with the class attribute `reads_videos = True` has these from the start.
"""

from __future__ import annotations

from internvid.curate.selectors.aes import Aesthetic
from internvid.curate.selectors.chain import Chain
from internvid.curate.selectors.flt import Filtered
from internvid.curate.selectors.quotas import Cap, Quota
from internvid.curate.selectors.sampling import Diverse, Random
from internvid.curate.selectors.source_splits import Split
from internvid.curate.selectors.where import Where

__all__ = ["Aesthetic", "Cap", "Chain", "Diverse", "Filtered", "Quota", "Random", "Split", "Where"]
