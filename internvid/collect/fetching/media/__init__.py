"""Files that were fetched: their names, whether they are videos, the subtitles beside them."""
