"""A dataset's clips as a folder that Hugging Face `datasets` loads: Parquet and a card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from internvid.core.errors import MisuseError

if TYPE_CHECKING:
    import duckdb

_CARD = """---
library_name: internvid
tags:
- video
- video-text
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
---

# {title}

{clips:,} clips of {videos:,} videos, made by internvid. Each row is a span of one video: `clip_id`,
`video_id` (hash of the source's bytes), `start_seconds` and `end_seconds` from the first displayed
frame, and a column for each caption, score and signal. The videos are not part of this repository.
"""


def write_hub_folder(clips: duckdb.DuckDBPyRelation, folder: Path, title: str) -> int:
    """Write `data/clips-00000.parquet` and `README.md`; returns how many clips there are.

    Args:
        clips: the rows, read as a stream.
        folder: new or empty.
        title: of the card.

    Raises:
        MisuseError: there is not one clip.
    """
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    reader = clips.to_arrow_reader(8192)
    count, videos = 0, set()
    with pq.ParquetWriter(data / "clips-00000.parquet", reader.schema, compression="zstd") as file:
        for batch in reader:
            count += batch.num_rows
            videos.update(batch.column("video_id").unique().to_pylist())
            file.write_table(pa.Table.from_batches([batch]))
    if not count:
        raise MisuseError("there are no clips to upload", hint="choose another subset")
    card = _CARD.format(title=title, clips=count, videos=len(videos))
    (folder / "README.md").write_text(card, "utf-8")
    return count
