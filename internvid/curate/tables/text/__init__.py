"""Tables that are text: split into records in blocks, parsed, and kept as one Parquet file."""
